"""Text from files, made safe to print."""

from __future__ import annotations

import sys


def printable(text: str) -> str:
    """`text` in one line that a terminal shows and does not obey: what is no letter, sign or space is spelt out."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def warn(text: str) -> None:
    """Say in one line, on standard error, what the user should know and the run goes on in spite of."""
    print(printable(f"videostar: {text}"), file=sys.stderr)
