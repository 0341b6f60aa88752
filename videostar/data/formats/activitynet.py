"""ActivityNet 1.3: one JSON file with every video's subset, duration and labelled segments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from videostar.data.formats.json_files import load_json
from videostar.data.formats.neighbours import with_neighbours
from videostar.data.rows import Item, Malformed, Source, Values, as_number, items, malformed, number, text
from videostar.util.errors import UserError

_SUBSETS = {"training": "train", "validation": "test"}  # the labels of `testing` are not published


def read_activitynet(source: Source) -> Iterator[Item]:
    """One row per segment. The validation subset is the test split."""
    for name, video in _database(source.path).items():
        where = f"{source.path.name}[{name}]"
        try:
            split = _SUBSETS.get(text(video, "subset"))
            duration = number(video, "duration")
            segments = items(video, "annotations") if split else []
        except Malformed as error:
            yield malformed(where, error, name)
            continue
        rows: dict[str, Values] = {}
        for index, segment in enumerate(segments):
            try:
                start, end = _segment(segment)
                label = text(segment, "label")
            except Malformed as error:
                yield malformed(f"{where}[{index}]", error, name)
            else:
                times = {"start": start, "end": end, "duration": duration}
                rows[f"{where}[{index}]"] = {"id": name, "label": label, "split": split, **times}
        actions = list(rows.values())
        whole = len(rows) == len(segments)  # if a segment is malformed, the neighbours of others are unknown
        yield from zip(rows, with_neighbours(actions) if whole else actions, strict=True)


def _segment(segment: Any) -> tuple[float, float]:
    times = items(segment, "segment")
    if len(times) != 2:
        raise Malformed(f"segment has {len(times)} times, not 2")
    return as_number(times[0], "start"), as_number(times[1], "end")


def _database(path: Path) -> dict[str, Any]:
    content = load_json(path)
    database = content.get("database") if isinstance(content, dict) else None
    if not isinstance(database, dict):
        raise UserError(f"{path}: no `database` of videos; copy activity_net.v1-3.min.json again")
    return database


def activitynet_classes(path: Path) -> list[str]:
    """The classes: the leaves of the taxonomy."""
    content = load_json(path)
    taxonomy = content.get("taxonomy") if isinstance(content, dict) else None
    nodes = [node for node in taxonomy or [] if isinstance(node, dict)]
    parents = {node.get("parentName") for node in nodes}
    return [str(node["nodeName"]) for node in nodes if "nodeName" in node and node["nodeName"] not in parents]
