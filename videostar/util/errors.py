"""The error for mistakes that a user can fix."""


class UserError(Exception):
    """One line that states what is wrong, where, and how to fix it. The command line prints it and exits with 2."""
