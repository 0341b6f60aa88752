"""Clips ahead of their use: from the cache, or made by worker processes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from pathlib import Path
from typing import Self, TypeAlias

from videostar.video.cache import FrameCache
from videostar.video.clip import Clip
from videostar.video.errors import BadVideo
from videostar.video.sampling import Sampling
from videostar.video.workers import Workers

#: A file, its digest (hexadecimal), and what is looked at of it.
ClipRequest: TypeAlias = tuple[Path, str, Sampling]

_AT_ONCE = 64  # clips that are looked at together: their frames are held


class ClipPool:
    """Samples videos through the frame cache. What is in there needs no process."""

    def __init__(self, cache: FrameCache) -> None:
        self._cache = cache
        self._workers = Workers(max(1, (os.cpu_count() or 2) - 1))

    def submit(self, path: Path, sha256: str, sampling: Sampling) -> Future[Clip | BadVideo]:
        """The clip of a file, in some time. Its future raises OSError when the cache cannot be written."""
        return self._workers.submit(self._clip, path, sha256, sampling)

    def _clip(self, path: Path, sha256: str, sampling: Sampling) -> Clip | BadVideo:
        found = self._cache.read(sha256, sampling)
        return self._workers.call(self._cache.make, path, sha256, sampling) if found is None else found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._workers.__exit__(*error)


class Prefetch:
    """The clips of some files, asked for now and waited for later."""

    def __init__(self, pool: ClipPool, files: Sequence[ClipRequest]) -> None:
        self._files = files
        self._asked = {file: pool.submit(*file) for file in dict.fromkeys(files)}

    def get(self) -> Iterator[Clip | BadVideo]:
        """A clip for each file, or what is wrong with it, as soon as it is there; the same one for the same file."""
        return (self._asked[file].result() for file in self._files)


def iter_clips(cache: FrameCache, files: Iterable[ClipRequest]) -> Iterator[tuple[ClipRequest, Clip | BadVideo]]:
    """Every file with its clip or what is wrong with it, in order; those that are good are in the cache afterwards."""
    left = iter(files)
    with ClipPool(cache) as pool:
        while some := list(islice(left, _AT_ONCE)):
            yield from zip(some, Prefetch(pool, some).get(), strict=True)
