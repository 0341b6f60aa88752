"""Charades: one .csv per split with "c092 11.90 21.20;c147 0.00 12.60" per video, and a list of class names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from videostar.data.columns import require_columns
from videostar.data.formats.delimited import csv_records
from videostar.data.formats.neighbours import with_neighbours
from videostar.data.formats.text_files import read_lines
from videostar.data.rows import Item, Malformed, Source, Values, as_number, malformed, number


def read_charades(source: Source) -> Iterator[Item]:
    """For each video one row with all its `labels`, then one row per action with its `label`, `start` and `end`."""
    classes = dict(line.split(maxsplit=1) for _, line in read_lines(source.file("classes")) if " " in line)
    records = csv_records(source.path)
    _, header = next(records, (1, []))
    require_columns(source.path, ("id", "actions", "length"), header)
    for line, record in records:
        where = f"{source.path.name}:{line}"
        if not record:
            continue
        try:
            if isinstance(record, str):
                raise Malformed(record)
            if len(record) != len(header):
                raise Malformed(f"{len(record)} cells, not {len(header)}")
            cells = dict(zip(header, record, strict=True))
            video: Values = {"id": cells["id"], "duration": number(cells, "length")}
        except Malformed as error:
            yield malformed(where, error)
            continue
        actions: list[Values] = []
        bad: list[Item] = []
        for triplet in filter(None, cells["actions"].split(";")):
            try:
                actions.append({**video, **_action(triplet, classes)})
            except Malformed as error:
                bad.append(malformed(where, error, cells["id"]))
        yield from bad
        if actions and not bad:  # an answer with a label that is missing in the list would be rejected
            yield where, {**video, "labels": list(dict.fromkeys(action["label"] for action in actions))}
        for action in actions if bad else with_neighbours(actions):
            yield where, action


def _action(triplet: str, classes: dict[str, str]) -> Values:
    parts = triplet.split()
    if len(parts) != 3:
        raise Malformed(f"action {triplet[:60]!r} is not a class, a start and an end")
    if parts[0] not in classes:
        raise Malformed(f"action {triplet[:60]!r}: no such class in the list of classes")
    return {"label": classes[parts[0]], "start": as_number(parts[1], "start"), "end": as_number(parts[2], "end")}


def charades_classes(path: Path) -> list[str]:
    """The classes in `Charades_v1_classes.txt`, with lines like "c000 Holding some clothes"."""
    return [line.partition(" ")[2].strip() for _, line in read_lines(path)]
