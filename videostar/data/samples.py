"""Checked samples: rows with videos that can be used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from videostar.data.opening import Opened
from videostar.data.rows import Record, Skipped, Split

_SLACK = 1.0  # seconds that an interval may end after its video: annotators round, and so do files
# What ids are made from, in this order; then from all other columns, if there are any.
_FIRST = ("labels", "question", "start", "end")
_ELSEWHERE = {"video", "label", "split", *_FIRST}


@dataclass(frozen=True, slots=True)
class Sample:
    """A labelled video that has been opened and found readable."""

    id: str  # from the video's path and what is said of it: the same wherever the row stands
    video: str  # path below the root
    label: str  # empty where the row is about something else
    split: Split
    sha256: str  # empty, and endless seconds, where videos were not opened
    seconds: float
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)  # all that the row says
    row: str = ""  # where it stands, file:line


def make_sample(item: Opened) -> Sample | Skipped:
    """The sample of a row whose video was opened, or that row set aside: its times must lie within the video."""
    row, seconds = item.row, item.seconds
    start, end = row.values.get("start"), row.values.get("end")
    if start is not None and end is not None and end <= start:
        return Skipped(row.where, item.video, "empty interval", f"it ends at {end} s and starts at {start} s")
    if any(time is not None and not 0 <= time <= seconds + _SLACK for time in (start, end)):
        times = " to ".join(f"{time} s" for time in (start, end) if time is not None)
        return Skipped(
            row.where, item.video, "interval outside the video", f"{times}, and the video has {seconds:.1f} s"
        )
    if row.split is None:
        raise ValueError(f"{row.where}: a row whose split was not decided")
    return Sample(
        _identity(item), item.video, row.label, row.split, item.sha256, seconds, Record(row.values), row.where
    )


def _identity(item: Opened) -> str:
    """Made from all that an adapter can see, and not from where the row stands or which split it is in."""
    values = item.row.values
    seen = [item.video, item.row.label or json.dumps(values.get("label", ""))]
    seen += [json.dumps(values[name]) for name in _FIRST if name in values]
    others = {name: value for name, value in values.items() if name not in _ELSEWHERE}
    if (video := str(values.get("video", ""))).strip() not in item.video:  # a column of something else
        others["video"] = video
    if others:
        seen.append(json.dumps(others, sort_keys=True))
    return hashlib.sha256("\0".join(seen).encode()).hexdigest()[:16]
