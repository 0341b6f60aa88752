"""The one error that users are meant to see."""


class UserError(Exception):
    """What is wrong, where, and how to fix it, in one line. The command line prints it and exits with 2."""
