"""Moments in Time: a .csv without a header, with "class/clip.mp4,class,yes,no" per line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from videostar.data.formats.delimited import csv_records
from videostar.data.formats.text_files import read_lines
from videostar.data.rows import Item, Malformed, Source, malformed, whole


def read_moments(source: Source) -> Iterator[Item]:
    """One row per clip. `yes` and `no` are the numbers of annotators who saw, or did not see, the class in the clip."""
    for line, record in csv_records(source.path):
        where = f"{source.path.name}:{line}"
        try:
            if isinstance(record, str):
                raise Malformed(record)
            if not record:
                continue
            if len(record) < 4:
                raise Malformed(f"{len(record)} cells, not class/clip.mp4,class,yes,no")
            cells = dict(zip(("video", "label", "yes", "no"), record, strict=False))
            values = {**cells, "yes": whole(cells, "yes"), "no": whole(cells, "no")}
        except Malformed as error:
            yield malformed(where, error)
        else:
            yield where, values


def moments_classes(path: Path) -> list[str]:
    """The classes in `moments_categories.txt`, with lines like "clapping,0"."""
    return [line.rpartition(",")[0] for _, line in read_lines(path)]
