"""Child processes: they must not run the user's script again, and they must end when their parent ends."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

#: An environment variable that marks vLLM processes started by videostar.
OURS = "VIDEOSTAR_VLLM"


@contextmanager
def without_main() -> Iterator[None]:
    """Child processes spawned in this block do not import the main module, which may have no `__main__` guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def end_vllm_with_parent() -> None:
    """End this process when its parent ends, in vLLM processes that videostar started.

    vLLM calls this in each of its processes as a plugin. Without it, the processes of a killed parent would keep their
    memory and wait forever.
    """
    if os.environ.get(OURS):
        end_with_parent()


def end_with_parent() -> None:
    """End this process, which multiprocessing has started, when its parent ends."""
    # A closed pipe does not show the parent's end, because the child itself has both ends of the pipe open.
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
