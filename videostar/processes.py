"""Child processes that end when their parent does, however it ends; they would hold its memory and wait for ever."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from contextlib import suppress

#: Set where vLLM's processes are ours.
OURS = "VIDEOSTAR_VLLM"


def end_with_parent() -> None:
    """From now on this process, if it is a child of multiprocessing's, ends once its parent has, and not before.

    Ctrl-C, which a terminal sends to all, is for the parent to hear.
    """
    if multiprocessing.parent_process() is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _watch_parent()


def end_unfinished() -> None:
    """End the children that decode, after an interrupt: it may have come while one began, which nothing then waits for.

    That one would find nothing of what it was to share with this process, and say so at length.
    """
    import psutil

    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if "multiprocessing.forkserver" in " ".join(child.cmdline()):
                for process in (child, *child.children(recursive=True)):
                    process.kill()


def end_vllm_with_parent() -> None:
    """Called by vLLM in each of its processes, as a plugin of it; does nothing in those of other programs."""
    if os.environ.get(OURS):
        _watch_parent()


def _watch_parent() -> None:
    # Nothing else tells of its end: each end of the pipe that a child waits at is open in itself too.
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
