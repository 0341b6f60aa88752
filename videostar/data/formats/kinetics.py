"""Kinetics-400, -600 and -700: a .csv a split, a row a clip of a YouTube video."""

from __future__ import annotations

from collections.abc import Iterator

from videostar.data.formats.plain import csv_records, require_columns
from videostar.data.rows import Item, Malformed, Source, malformed, text, whole

# The editions name their columns differently; some have `split` and `is_cc` besides.
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
    """Times become whole numbers, as clips are named by them."""
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
                values = dict(zip(names, record, strict=False))
                start, end = whole(values, "time_start"), whole(values, "time_end")
                # Some copies keep the quotes of names with a space.
                label = text(values, "label").replace('"', "")
                yield where, {**values, "label": label, "time_start": start, "time_end": end}
        except Malformed as error:
            yield malformed(where, error)
