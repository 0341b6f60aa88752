"""Samples: rows whose videos can be used."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from videostar.data.measure_videos import MeasuredRow, MeasuredVideo
from videostar.data.rows import Skipped, Split

SLACK = 1.0  # seconds that an interval may end after its video: annotations and durations are rounded
# Ids are made from these columns, in this order, and then from all other columns, if there are any.
_FIRST = ("labels", "question", "start", "end")
_ELSEWHERE = {"video", "label", "split", *_FIRST}


@dataclass(frozen=True, slots=True)
class Sample:
    """A labelled video (or several in a row) that has been opened and found readable."""

    id: str  # from the video's path and all columns: independent of the row's position
    video: str  # path below the root
    label: str  # empty if the row has no text label
    split: Split
    sha256: str  # of the video's content; empty if it was not opened
    seconds: float  # length of the video; infinite if it was not opened
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)  # all columns of the row
    row: str = ""  # its place, file:line
    more: tuple[MeasuredVideo, ...] = ()  # the videos after the first

    @property
    def videos(self) -> tuple[MeasuredVideo, ...]:
        """All its videos, in order."""
        return MeasuredVideo(self.video, self.sha256, self.seconds), *self.more


def make_sample(item: MeasuredRow) -> Sample | Skipped:
    """The sample of a row, or the reason why it is skipped: its times must lie within the video."""
    row, seconds = item.row, item.seconds
    start, end = row.values.get("start"), row.values.get("end")
    if start is not None and end is not None and end <= start:
        return Skipped(row.where, item.video, "empty interval", f"it ends at {end} s and starts at {start} s")
    if any(time is not None and not 0 <= time <= seconds + SLACK for time in (start, end)):
        times = " to ".join(f"{time} s" for time in (start, end) if time is not None)
        has = f", and the video has {seconds:.1f} s" if math.isfinite(seconds) else ""
        return Skipped(row.where, item.video, "interval outside the video", f"{times}{has}")
    if row.split is None:
        raise ValueError(f"{row.where}: a row without a split")
    identity = _identity(item)
    return Sample(identity, item.video, row.label, row.split, item.sha256, seconds, row.values, row.where, item.more)


def _identity(item: MeasuredRow) -> str:
    """The sample's id: from everything that an adapter can see, but not from the row's position or split."""
    values = item.row.values
    seen = [item.video, item.row.label or json.dumps(values.get("label", ""))]
    seen += [json.dumps(values[name]) for name in _FIRST if name in values]
    others = {name: value for name, value in values.items() if name not in _ELSEWHERE}
    if (video := str(values.get("video", ""))).strip() not in item.video:  # a column of something else
        others["video"] = video
    if others:
        seen.append(json.dumps(others, sort_keys=True))
    return hashlib.sha256("\0".join(seen).encode()).hexdigest()[:16]
