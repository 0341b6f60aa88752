"""Makes clips ahead of their use, from the cache or in worker processes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from pathlib import Path
from typing import Self, TypeAlias

from videostar.video.cache import FrameCache
from videostar.video.clip import Clip
from videostar.video.cluster import SampledClip, VideoCluster
from videostar.video.errors import BadVideo
from videostar.video.sampling import Sampling
from videostar.video.workers import Workers

#: A video file, its SHA-256 (hexadecimal), and the frames to sample.
ClipRequest: TypeAlias = tuple[Path, str, Sampling]

_BATCH = 64  # clips that are made together and kept in memory


class ClipPool:
    """Samples videos through the frame cache. Clips that are not in the cache are made in worker processes."""

    def __init__(self, cache: FrameCache, workers: int | None = None) -> None:
        """`workers`: processes; default: one fewer than cores."""
        self._cache = cache
        cache.used()  # warns here, and not in the workers, if the folder cannot be written
        self._workers = Workers(workers or max(1, len(os.sched_getaffinity(0)) - 1))

    def submit(self, path: Path, sha256: str, sampling: Sampling) -> Future[Clip | BadVideo]:
        """A future of the clip of a file, or of its BadVideo. It raises OSError if the cache cannot be written,
        and UserError if an object store cannot be reached.
        """
        return self._workers.submit(self._clip, path, sha256, sampling)

    def _clip(self, path: Path, sha256: str, sampling: Sampling) -> Clip | BadVideo:
        try:
            clip = self._cache.read(sha256, sampling)
            if clip is not None:
                return clip
            with self._cache.objects.local(path) as file:
                return self._workers.call(self._cache.make, file, sha256, sampling)
        except BadVideo as bad:
            return bad.with_traceback(None)  # which would keep the frames in memory

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._workers.__exit__(*error)


class Prefetch:
    """Clips that a pool starts to make at once, and that `get` waits for."""

    def __init__(self, pool: ClipPool, files: Sequence[ClipRequest]) -> None:
        self._files = files
        self._futures = {file: pool.submit(*file) for file in dict.fromkeys(files)}

    def get(self) -> Iterator[Clip | BadVideo]:
        """The clip or BadVideo of each file in order. Equal files share one clip."""
        return (self._futures[file].result() for file in self._files)


def iter_clips(cache: FrameCache, files: Iterable[ClipRequest]) -> Iterator[tuple[ClipRequest, Clip | BadVideo]]:
    """Each file with its clip or BadVideo, in order. Adds the clips to the cache."""
    remaining = iter(files)
    with ClipPool(cache) as pool:
        while batch := list(islice(remaining, _BATCH)):
            yield from zip(batch, Prefetch(pool, batch).get(), strict=True)


def sample_clips(
    cache: FrameCache, files: Iterable[ClipRequest], cluster: VideoCluster | None = None
) -> Iterator[tuple[ClipRequest, SampledClip | BadVideo]]:
    """Each file with what is known of its clip, or its BadVideo, in any order.

    The clips are added to the cache; if a `cluster` samples them, to those of its nodes.
    """
    left = dict.fromkeys(files)
    if cluster is not None:
        for file, sampled in cluster.sample(list(left)):
            del left[file]
            yield file, sampled
    for file, clip in iter_clips(cache, left):
        yield file, clip if isinstance(clip, BadVideo) else SampledClip.of(clip)
