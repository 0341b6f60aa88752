"""The command line as a child process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import psutil

Command = Callable[..., subprocess.CompletedProcess[str]]


def spawned(process: psutil.Process) -> list[psutil.Process]:
    """The children of a process that Python's multiprocessing has spawned."""
    found = []
    for child in process.children():
        with suppress(psutil.NoSuchProcess):  # another child, which has just ended
            found += [child] if "spawn_main" in " ".join(child.cmdline()) else []
    return found


def command(*arguments: object) -> list[str]:
    """The words of a `videostar` command, by this Python."""
    return [sys.executable, "-m", "videostar.cli", *map(str, arguments)]
