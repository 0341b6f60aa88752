"""Rows and their videos, each video found, opened and measured once."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias

from videostar.data.rows import Row, Skipped
from videostar.util.files import Below, is_there
from videostar.video.container import stat_file
from videostar.video.errors import BadVideo
from videostar.video.probe import probe
from videostar.video.probe_cache import ProbeCache, probe_cache_path
from videostar.video.workers import Workers

_KNOWN = 16384  # videos that are remembered for their next rows; what was measured is in the index as well
_AHEAD = 256  # rows whose videos are opened while an earlier one is waited for

_Found: TypeAlias = tuple[str, float] | BadVideo  # digest and seconds


@dataclass(frozen=True, slots=True)
class Opened:
    """A row with a video that can be used."""

    row: Row
    video: str  # path below the root
    sha256: str  # empty, and endless seconds, where contents were not looked at
    seconds: float


@dataclass(frozen=True, slots=True)
class _Probed:
    path: Path
    facts: os.stat_result  # from before it was opened
    found: _Found


def open_videos(
    rows: Iterator[Row | Skipped], root: Path, home: Path, *, contents: bool = True
) -> Iterator[Opened | Skipped]:
    """In the order of the rows, with those set aside whose label is empty or whose video cannot be used.

    `home` is the cache folder. Without `contents` no video is opened: one that is there can be used.
    """
    known: dict[str, _Found | Future[_Probed]] = {}
    ahead: deque[tuple[Row, str, _Found | Future[_Probed]] | Skipped] = deque()
    inside = Below(root)

    def start(video: str, path: Path) -> _Found | Future[_Probed]:
        if len(known) >= _KNOWN:
            known.clear()
        if video not in known:
            known[video] = begin(path)
        return known[video]

    def begin(path: Path) -> _Found | Future[_Probed]:
        if contents:
            return measuring.begin(path)
        try:
            stat_file(path)
        except BadVideo as bad:
            return _bare(bad)
        return "", math.inf

    def first() -> Opened | Skipped:
        item = ahead.popleft()
        if isinstance(item, Skipped):
            return item
        row, video, found = item
        if isinstance(found, Future):
            found = known[video] = measuring.end(found)
        if isinstance(found, BadVideo):
            return Skipped(row.where, video, found.reason, found.detail)
        return Opened(row, video, *found)

    with _Measuring(home) as measuring:
        for row in rows:
            if isinstance(row, Skipped):
                ahead.append(row)
            else:
                found = _find(row, root, inside)
                ahead.append(found if isinstance(found, Skipped) else (row, found[0], start(*found)))
            if len(ahead) > _AHEAD:
                yield first()
        while ahead:
            yield first()


def sha256_of(videos: Sequence[Path], home: Path) -> dict[Path, str]:
    """Digests of those of the files that can be used as videos; `home` is the cache folder."""
    with _Measuring(home) as measuring:
        begun = {video: measuring.begin(video.absolute()) for video in videos}
        ended = {video: measuring.end(found) for video, found in begun.items()}
    return {video: found[0] for video, found in ended.items() if not isinstance(found, BadVideo)}


class _Measuring:
    """Files measured by worker processes, those that are in the index not at all."""

    def __init__(self, home: Path) -> None:
        self._index, self._workers = ProbeCache(probe_cache_path(home)), Workers(os.cpu_count() or 1)

    def begin(self, path: Path) -> _Found | Future[_Probed]:
        try:
            facts = stat_file(path)
        except BadVideo as bad:
            return _bare(bad)
        return self._index.get(path, facts) or self._workers.submit(self._probe, path, facts)

    def end(self, found: _Found | Future[_Probed]) -> _Found:
        if not isinstance(found, Future):
            return found
        probed = found.result()
        if not isinstance(probed.found, BadVideo):
            self._index.put(probed.path, probed.facts, *probed.found)
        return probed.found

    def _probe(self, path: Path, facts: os.stat_result) -> _Probed:
        found = self._workers.call(probe, path)
        return _Probed(path, facts, found if isinstance(found, BadVideo) else (found.sha256, found.seconds))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._workers.__exit__(*error)
        self._index.__exit__(*error)


def _find(row: Row, root: Path, inside: Below) -> tuple[str, Path] | Skipped:
    """A row's video, as it is called and where it lies."""
    if row.values.get("label", True) in ("", [], {}):
        return Skipped(row.where, row.video[0], "empty label", "give the label in its column")
    for video in row.video:
        path = inside.path(video)
        if not video or path is None:
            return Skipped(row.where, video, "outside its root", f"give a path below {root}")
        if len(row.video) == 1 or is_there(path):
            return video, path
    return Skipped(row.where, row.video[0], "missing", f"no such file; nor is there {' or '.join(row.video[1:])}"[:200])


def _bare(bad: BadVideo) -> BadVideo:
    """Without the traceback, which would keep what it went through."""
    return BadVideo(bad.reason, bad.detail)
