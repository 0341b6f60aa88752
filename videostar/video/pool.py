"""Clips ahead of their use, read by worker processes: what a bad file does to one of them costs that file alone."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Self

from videostar.processes import end_with_parent
from videostar.video.cache import FrameCache, default_cache_dir
from videostar.video.clip import Clip
from videostar.video.errors import BadVideo

# Not forked from this process: the engine's threads and torch's would be forked with it. One small process that has
# loaded what decoding needs is forked instead, in 20 ms, where the system has that; else each starts anew.
_PROCESSES: Any = multiprocessing.get_context(
    "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
)
_PROCESSES.set_forkserver_preload(["__main__", __name__])


class ClipPool:
    """Worker processes that sample `frames` of at most `max_pixels` each, through the frame cache."""

    def __init__(self, frames: int, max_pixels: int) -> None:
        self._sampling = frames, max_pixels, default_cache_dir()
        self._workers = max(1, (os.cpu_count() or 2) - 1)
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    def ask(self, path: Path, sha256: str) -> Future[Clip | BadVideo]:
        """The clip of a file, in some time."""
        with self._lock:
            self._pool = self._pool or _processes(self._workers)
            try:
                return self._pool.submit(_load, path, sha256, *self._sampling)
            except BrokenProcessPool:
                self._pool = _processes(self._workers)
                return self._pool.submit(_load, path, sha256, *self._sampling)

    def get(self, asked: Future[Clip | BadVideo], path: Path, sha256: str) -> Clip | BadVideo:
        """What was asked for. If a worker died meanwhile, the file is tried once more, in a process of its own."""
        try:
            return asked.result()
        except BrokenProcessPool:
            with _processes(1) as alone:
                try:
                    return alone.submit(_load, path, sha256, *self._sampling).result()
                except BrokenProcessPool:
                    return BadVideo("unreadable", "the process that decodes it dies of it")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


class Ahead:
    """The clips of some files, asked for now and waited for later."""

    def __init__(self, pool: ClipPool, files: Sequence[tuple[Path, str]]) -> None:
        self._pool, self._files = pool, files
        self._asked = {file: pool.ask(*file) for file in dict.fromkeys(files)}

    def get(self) -> Iterator[Clip | BadVideo]:
        """A clip for each file, or what is wrong with it, as soon as it is there; the same one for the same file."""
        clips: dict[tuple[Path, str], Clip | BadVideo] = {}
        for file in self._files:
            if file not in clips:
                clips[file] = self._pool.get(self._asked[file], *file)
            yield clips[file]


def _processes(count: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, _PROCESSES, initializer=end_with_parent)


def _load(path: Path, sha256: str, frames: int, max_pixels: int, cache: Path) -> Clip | BadVideo:
    try:
        return FrameCache(cache).clip(path, sha256, frames, max_pixels)
    except BadVideo as bad:
        return bad
