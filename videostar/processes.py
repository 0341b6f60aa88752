"""Child processes that end when their parent is killed; they would hold its memory and wait for work for ever."""

from __future__ import annotations

import multiprocessing
import os
import threading

#: Set where vLLM's processes are ours.
OURS = "VIDEOSTAR_VLLM"


def end_with_parent() -> None:
    """From now on this process, if it is a child of multiprocessing's, ends once its parent has.

    Nothing else tells it: each end of the pipe that it waits at is open in itself too.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end_vllm_with_parent() -> None:
    """Called by vLLM in each of its processes, as a plugin of it; does nothing in those of other programs."""
    if os.environ.get(OURS):
        end_with_parent()
