"""vLLM's processes end when their parent does, however it ends; they would hold its memory and wait for ever."""

from __future__ import annotations

import multiprocessing
import os
import threading

#: Set where vLLM's processes are ours.
OURS = "VIDEOSTAR_VLLM"


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
