"""The command line as a child process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

Command = Callable[..., subprocess.CompletedProcess[str]]


def command(*arguments: object) -> list[str]:
    """The words of a `videostar` command, by this Python."""
    return [sys.executable, "-m", "videostar.cli", *map(str, arguments)]
