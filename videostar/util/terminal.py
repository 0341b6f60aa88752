"""Lines for the user's terminal, and a log file for the output of libraries.

While `quiet` is active, file descriptors 1 and 2 lead to a log, so that prints of libraries and of child processes do
not reach the terminal. Videostar's own lines and bars go to `stderr()`, which is the terminal always.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

_STREAMS = (1, 2)  # standard output and error


class _Redirect:
    """Standard output and error of this process and its children, led to a log."""

    def __init__(self) -> None:
        self._saved = [os.dup(stream) for stream in _STREAMS]
        self.terminal: TextIO = os.fdopen(os.dup(self._saved[1]), "w", buffering=1, errors="backslashreplace")
        self._log: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `end`)
        self._point()

    def move(self, path: Path) -> None:
        """Log to the end of the file at `path` from now on, and copy the log so far there."""
        file = path.open("ab")
        _flush()
        self._log.seek(0)
        shutil.copyfileobj(self._log, file)
        file.flush()
        self._log.close()
        self._log = file
        self._point()

    def end(self) -> None:
        _flush()
        for stream, saved in zip(_STREAMS, self._saved, strict=True):
            os.dup2(saved, stream)
            os.close(saved)
        self.terminal.close()
        self._log.close()

    def _point(self) -> None:
        _flush()
        for stream in _STREAMS:
            os.dup2(self._log.fileno(), stream)


_redirect: _Redirect | None = None


@contextmanager
def quiet() -> Iterator[None]:
    """Lead everything that libraries print to a log, which is dropped at the end unless `keep_log` names a file."""
    global _redirect  # noqa: PLW0603  (file descriptors belong to the whole process)
    _redirect = _Redirect()
    try:
        yield
    finally:
        _redirect.end()
        _redirect = None


def keep_log(path: Path) -> None:
    """Write the log of `quiet` to the file at `path`, in an existing folder; does nothing while `quiet` is off."""
    if _redirect is not None:
        _redirect.move(path)


def is_quiet() -> bool:
    """Whether the output of libraries goes to a log."""
    return _redirect is not None


def stderr() -> TextIO:
    """Standard error as the user sees it."""
    return sys.stderr if _redirect is None else _redirect.terminal


def printable(text: str) -> str:
    """`text` in one line without power over the terminal: control and other invisible characters are escaped."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


_warned: set[str] = set()
_pass_on: Callable[[str], None] | None = None


def warn(text: str) -> None:
    """Print one line on standard error about something that does not stop the command."""
    _warned.add(text)
    if _pass_on is not None:
        _pass_on(text)
    else:
        print(printable(f"videostar: {text}"), file=stderr(), flush=True)


def warn_once(text: str) -> None:
    """`warn`, but a line that this process has printed is not printed again."""
    if text not in _warned:
        warn(text)


def pass_warnings_on(to: Callable[[str], None]) -> None:
    """Call `to` with each line of `warn`, in a process whose standard error is a log."""
    global _pass_on  # noqa: PLW0603  (as standard error does, it belongs to the whole process)
    _pass_on = to


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
