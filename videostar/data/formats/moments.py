"""Moments in Time: "class/clip.mp4,class,yes,no" a line, without a header."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from videostar.data.formats.plain import csv_records, lines
from videostar.data.rows import Item, Malformed, Source, malformed, whole


def read_moments(source: Source) -> Iterator[Item]:
    """`yes` and `no` are how many of those asked saw the class in the clip."""
    for line, record in csv_records(source.path):
        where = f"{source.path.name}:{line}"
        try:
            if isinstance(record, str):
                raise Malformed(record)
            if not record:
                continue
            if len(record) < 4:
                raise Malformed(f"{len(record)} cells, not class/clip.mp4,class,yes,no")
            said = dict(zip(("video", "label", "yes", "no"), record, strict=False))
            values = {**said, "yes": whole(said, "yes"), "no": whole(said, "no")}
        except Malformed as error:
            yield malformed(where, error)
        else:
            yield where, values


def categories(path: Path) -> list[str]:
    """Of `moments_categories.txt` ("clapping,0")."""
    return [line.rpartition(",")[0] for _, line in lines(path)]
