"""Find the video of each row, and measure each video (digest and length) once."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol, Self, TypeAlias, cast

from videostar.config.cache import Cache
from videostar.data.places import Places
from videostar.data.rows import Row, Skipped
from videostar.util.progress import Tick, silent
from videostar.video.cluster import VideoCluster
from videostar.video.container import FileStatus
from videostar.video.errors import BadVideo
from videostar.video.probe import probe, stat_video
from videostar.video.probe_cache import ProbeCache, probe_cache_path
from videostar.video.workers import Workers

_KNOWN = 16384  # videos whose measures are kept in memory; all are in the index on disk
_AHEAD = 256  # rows whose videos are measured ahead
_SENT = 2**18  # videos that a cluster is sent at once

_Found: TypeAlias = tuple[str, float] | BadVideo  # digest and seconds


class MeasuredVideo(NamedTuple):
    """A video that can be used."""

    video: str  # path below the root, or absolute
    sha256: str  # of its content; empty if it was not opened
    seconds: float  # its length; infinite if it was not opened


@dataclass(frozen=True, slots=True)
class MeasuredRow:
    """A row whose videos can be used; the fields of its first video are its own."""

    row: Row
    video: str
    sha256: str
    seconds: float
    more: tuple[MeasuredVideo, ...] = ()


@dataclass(frozen=True, slots=True)
class _Probed:
    path: Path
    facts: FileStatus  # from before it was opened, so that a change meanwhile shows
    found: _Found


def measure_videos(
    rows: Iterator[Row | Skipped],
    places: Places,
    cache: Cache | None,
    rate: float | None = None,
    bad: Mapping[Path, BadVideo] | None = None,
) -> Iterator[MeasuredRow | Skipped]:
    """The rows in their order; those with an empty label or an unusable video are skipped.

    Without a `cache` no video is opened, only looked up. `rate`: pictures per second of videos that do not state it.
    `bad`: videos that were opened already and cannot be used.
    """
    with nullcontext(_Lookup(rate)) if cache is None else _Measuring(cache, rate, bad or {}) as measuring:
        yield from _measure_all(rows, places, measuring)


def measure_on_cluster(
    rows: Iterator[Row | Skipped],
    places: Places,
    cache: Cache,
    rate: float | None,
    cluster: VideoCluster,
    tick: Tick,
) -> dict[Path, BadVideo]:
    """Have the videos of the rows that the index lacks measured by the nodes of a cluster, and put them into it.

    Returns those that cannot be used, for `measure_videos`, which then need not open any.
    """

    def unknown(index: ProbeCache) -> Iterator[tuple[Path, FileStatus]]:
        lookup = _Lookup(rate, index)
        for _ in _measure_all(rows, places, lookup):
            yield from lookup.unknown.items()
            lookup.unknown = {}

    with ProbeCache(probe_cache_path(cache.home), rate) as index:
        return _sent(unknown(index), index, rate, cluster, tick)


def _sent(
    videos: Iterable[tuple[Path, FileStatus]],
    index: ProbeCache,
    rate: float | None,
    cluster: VideoCluster,
    tick: Tick,
) -> dict[Path, BadVideo]:
    """Fills the index, and returns the bad videos. The statuses are from before they are opened."""
    bad: dict[Path, BadVideo] = {}
    remaining = iter(videos)
    done = total = 0
    while some := dict(islice(remaining, _SENT)):
        total += len(some)
        for path, found in cluster.measure(list(some), rate):
            if isinstance(found, BadVideo):
                bad[path] = found
            else:
                index.put(path, some[path], *found)
            done += 1
            tick(done, total)
    return bad


def _measure_all(
    rows: Iterator[Row | Skipped], places: Places, measuring: _MeasuringProtocol
) -> Iterator[MeasuredRow | Skipped]:
    """The same as `measure_videos`."""
    counts: deque[int] = deque()  # of the videos of each row whose measuring has begun

    def one_video_each() -> Iterator[Row | Skipped]:
        for row in rows:
            more = row.more if isinstance(row, Row) else ()
            counts.append(1 + len(more))
            yield row
            for paths in more:
                yield replace(cast(Row, row), video=paths, more=())

    measured = _measure(one_video_each(), places, measuring)
    for first in measured:
        others = list(islice(measured, counts.popleft() - 1))
        yield _joined(first, others) if others else first


def _joined(first: MeasuredRow | Skipped, others: Sequence[MeasuredRow | Skipped]) -> MeasuredRow | Skipped:
    """A row with all its videos, or why one of them is skipped."""
    more = []
    for item in (first, *others):
        if isinstance(item, Skipped):
            return item
        more.append(MeasuredVideo(item.video, item.sha256, item.seconds))
    return replace(cast(MeasuredRow, first), more=tuple(more[1:]))


def _measure(
    rows: Iterator[Row | Skipped], places: Places, measuring: _MeasuringProtocol
) -> Iterator[MeasuredRow | Skipped]:
    """The same as `measure_videos`, for rows of one video each."""
    known: dict[str, _Found | Future[_Probed]] = {}
    ahead: deque[tuple[Row, str, _Found | Future[_Probed]] | Skipped] = deque()

    def start(video: str, path: Path) -> _Found | Future[_Probed]:
        if len(known) >= _KNOWN:
            known.clear()
        if video not in known:
            known[video] = measuring.begin(path)
        return known[video]

    def locate(row: Row) -> tuple[Row, str, _Found | Future[_Probed]] | Skipped:
        place = places.find(row)
        if isinstance(place, Skipped):
            return place
        found = start(*place)
        if isinstance(found, BadVideo) and found.reason == "missing":
            place = places.find_similar(row)
            if isinstance(place, Skipped):
                return place
            found = start(*place)
        return row, place[0], found

    def first() -> MeasuredRow | Skipped:
        item = ahead.popleft()
        if isinstance(item, Skipped):
            return item
        row, video, found = item
        measured = measuring.end(found)
        known[video] = measured
        if isinstance(measured, BadVideo):
            return Skipped(row.where, video, measured.reason, measured.detail)
        return MeasuredRow(row, video, *measured)

    for row in rows:
        ahead.append(row if isinstance(row, Skipped) else locate(row))
        if len(ahead) > _AHEAD:
            yield first()
    while ahead:
        yield first()


def digests_of(
    videos: Sequence[Path], cache: Cache, rate: float | None = None, cluster: VideoCluster | None = None
) -> dict[Path, str | BadVideo]:
    """The sha256 of each path, or why it cannot be used as a video; see `measure_videos`.

    A `cluster` opens those that the index lacks.
    """
    bad: dict[Path, BadVideo] = {}
    if cluster is not None:
        with ProbeCache(probe_cache_path(cache.home), rate) as index:
            lookup = _Lookup(rate, index)
            for video in videos:
                lookup.begin(video.absolute())
            bad = _sent(lookup.unknown.items(), index, rate, cluster, silent(""))
    with _Measuring(cache, rate, bad) as measuring:
        begun = {video: measuring.begin(video.absolute()) for video in videos}
        ended = {video: measuring.end(found) for video, found in begun.items()}
    return {video: found if isinstance(found, BadVideo) else found[0] for video, found in ended.items()}


class _MeasuringProtocol(Protocol):
    """Finds what is known of a video, in two steps."""

    def begin(self, path: Path) -> _Found | Future[_Probed]: ...

    def end(self, found: _Found | Future[_Probed]) -> _Found: ...


class _Lookup:
    """Opens no video: one that exists counts as usable. Those that an index lacks are collected."""

    def __init__(self, rate: float | None, index: ProbeCache | None = None) -> None:
        self._rate, self._index = rate, index
        self.unknown: dict[Path, FileStatus] = {}

    def begin(self, path: Path) -> _Found:
        try:
            facts = stat_video(path, self._rate)
        except BadVideo as bad:
            return _bare(bad)
        if self._index is not None and self._index.get(path, facts) is None:
            self.unknown[path] = facts
        return "", math.inf

    def end(self, found: _Found | Future[_Probed]) -> _Found:
        return cast(_Found, found)


class _Measuring:
    """Measures videos in worker processes, unless they are in the index or known to be bad."""

    def __init__(self, cache: Cache, rate: float | None, bad: Mapping[Path, BadVideo]) -> None:
        self._bad = bad
        self._index, self._workers = ProbeCache(probe_cache_path(cache.home), rate), Workers(os.cpu_count() or 1)
        self._objects, self._rate = cache.objects(), rate

    def begin(self, path: Path) -> _Found | Future[_Probed]:
        try:
            facts = stat_video(path, self._rate)
        except BadVideo as bad:
            return _bare(bad)
        return self._bad.get(path) or self._index.get(path, facts) or self._workers.submit(self._probe, path, facts)

    def end(self, found: _Found | Future[_Probed]) -> _Found:
        if not isinstance(found, Future):
            return found
        probed = found.result()
        if not isinstance(probed.found, BadVideo):
            self._index.put(probed.path, probed.facts, *probed.found)
        return probed.found

    def _probe(self, path: Path, facts: FileStatus) -> _Probed:
        try:
            with self._objects.local(path) as file:
                found = self._workers.call(probe, file, self._rate)
        except BadVideo as bad:
            found = _bare(bad)
        return _Probed(path, facts, found if isinstance(found, BadVideo) else (found.sha256, found.seconds))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._workers.__exit__(*error)
        self._index.__exit__(*error)


def _bare(bad: BadVideo) -> BadVideo:
    """A copy without the traceback, which would keep its frames in memory."""
    return BadVideo(bad.reason, bad.detail)
