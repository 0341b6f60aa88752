"""Rows and their videos, each video found, opened and measured once."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from videostar.annotations import Row, SetAside
from videostar.files import Below, is_there
from videostar.video.container import look
from videostar.video.errors import BadVideo
from videostar.video.measured import Measured, default_index
from videostar.video.probe import probe

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


def open_videos(rows: Iterator[Row | SetAside], root: Path, *, contents: bool = True) -> Iterator[Opened | SetAside]:
    """In the order of the rows, with those set aside whose label is empty or whose video cannot be used.

    Without `contents` no video is opened: one that is there can be used.
    """
    known: dict[str, _Found | Future[_Probed]] = {}
    ahead: deque[tuple[Row, str, _Found | Future[_Probed]] | SetAside] = deque()
    inside = Below(root)

    def start(video: str, path: Path) -> _Found | Future[_Probed]:
        if len(known) >= _KNOWN:
            known.clear()
        if video not in known:
            known[video] = begin(path)
        return known[video]

    def begin(path: Path) -> _Found | Future[_Probed]:
        try:
            facts = look(path)
        except BadVideo as bad:
            return _bare(bad)
        if not contents:
            return "", math.inf
        return measured.get(path, facts) or pool.submit(_probe, path, facts)

    def first() -> Opened | SetAside:
        item = ahead.popleft()
        if isinstance(item, SetAside):
            return item
        row, video, found = item
        if isinstance(found, Future):
            probed = found.result()
            found = known[video] = probed.found
            if not isinstance(found, BadVideo):
                measured.put(probed.path, probed.facts, *found)
        if isinstance(found, BadVideo):
            return SetAside(row.where, video, found.reason, found.detail)
        return Opened(row, video, *found)

    pool = ThreadPoolExecutor()
    with Measured(default_index()) as measured:
        try:
            for row in rows:
                if isinstance(row, SetAside):
                    ahead.append(row)
                else:
                    found = _find(row, root, inside)
                    ahead.append(found if isinstance(found, SetAside) else (row, found[0], start(*found)))
                if len(ahead) > _AHEAD:
                    yield first()
            while ahead:
                yield first()
        finally:
            pool.shutdown(cancel_futures=True)


def _find(row: Row, root: Path, inside: Below) -> tuple[str, Path] | SetAside:
    """A row's video, as it is called and where it lies."""
    if row.values.get("label", True) in ("", [], {}):
        return SetAside(row.where, row.video[0], "empty label", "give the label in its column")
    for video in row.video:
        path = inside.path(video)
        if not video or path is None:
            return SetAside(row.where, video, "outside its root", f"give a path below {root}")
        if len(row.video) == 1 or is_there(path):
            return video, path
    return SetAside(
        row.where, row.video[0], "missing", f"no such file; nor is there {' or '.join(row.video[1:])}"[:200]
    )


def _probe(path: Path, facts: os.stat_result) -> _Probed:
    try:
        found = probe(path)
    except BadVideo as bad:
        return _Probed(path, facts, _bare(bad))
    return _Probed(path, facts, (found.sha256, found.seconds))


def _bare(bad: BadVideo) -> BadVideo:
    """Without the traceback, which would keep what it went through."""
    return BadVideo(bad.reason, bad.detail)
