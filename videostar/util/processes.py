"""vLLM's processes: they do not run the user's script again, and end when their parent does, however it ends."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

#: Set where vLLM's processes are ours.
OURS = "VIDEOSTAR_VLLM"


@contextmanager
def without_main() -> Iterator[None]:
    """Children that multiprocessing spawns meanwhile do not import the main module, which may have no guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def end_vllm_with_parent() -> None:
    """Called by vLLM in each of its processes, as a plugin of it; does nothing in those of other programs.

    They would hold its memory and wait for ever.
    """
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
