"""Kinetics-400, -600 and -700: one .csv per split, with one row per clip of a YouTube video."""

from __future__ import annotations

from collections.abc import Iterator

from videostar.data.columns import require_columns
from videostar.data.formats.delimited import csv_records
from videostar.data.rows import Item, Malformed, Source, malformed, text, whole

# The editions have different names for the columns; some also have `split` and `is_cc`.
_NAMES = {
    "label": "label",
    "class label": "label",
    "youtube_id": "youtube_id",
    "youtube identifier": "youtube_id",
    "time_start": "time_start",
    "start time": "time_start",
    "time_end": "time_end",
    "end time": "time_end",
    "split": "split",
}


def read_kinetics(source: Source) -> Iterator[Item]:
    """One row per clip. Times are whole numbers, as in the names of the clips."""
    records = csv_records(source.path)
    _, header = next(records, (1, []))
    names = [_NAMES.get(cell.strip().lower(), cell.strip()) for cell in header]
    require_columns(source.path, ("label", "youtube_id", "time_start", "time_end"), names)
    for line, record in records:
        where = f"{source.path.name}:{line}"
        try:
            if isinstance(record, str):
                raise Malformed(record)
            if record:
                if len(record) != len(names):
                    raise Malformed(f"{len(record)} cells, but line 1 names {len(names)} columns")
                values = dict(zip(names, record, strict=True))
                start, end = whole(values, "time_start"), whole(values, "time_end")
                # Some copies have names with a space in quotes.
                label = text(values, "label").replace('"', "")
                yield where, {**values, "label": label, "time_start": start, "time_end": end}
        except Malformed as error:
            yield malformed(where, error)
