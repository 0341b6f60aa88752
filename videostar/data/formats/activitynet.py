"""ActivityNet 1.3: one JSON file with every video's subset, duration and labelled segments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from videostar.data.formats.neighbours import with_neighbours
from videostar.data.formats.plain import load_json
from videostar.data.rows import Item, Malformed, Source, Values, as_number, items, malformed, number, text
from videostar.util.errors import UserError

_SUBSETS = {"training": "train", "validation": "test"}  # the labels of `testing` are kept back


def read_activitynet(source: Source) -> Iterator[Item]:
    """A row a segment; validation is the test split."""
    for name, video in _database(source.path).items():
        where = f"{source.path.name}[{name}]"
        try:
            split = _SUBSETS.get(text(video, "subset"))
            duration = number(video, "duration")
            segments = items(video, "annotations") if split else []
        except Malformed as error:
            yield malformed(where, error, name)
            continue
        found: dict[str, Values] = {}
        for index, segment in enumerate(segments):
            try:
                start, end = _segment(segment)
                label = text(segment, "label")
            except Malformed as error:
                yield malformed(f"{where}[{index}]", error, name)
            else:
                times = {"start": start, "end": end, "duration": duration}
                found[f"{where}[{index}]"] = {"id": name, "label": label, "split": split, **times}
        actions = list(found.values())
        whole = len(found) == len(segments)  # where one could not be read, who knows what came before another
        yield from zip(found, with_neighbours(actions) if whole else actions, strict=True)


def _segment(segment: Any) -> tuple[float, float]:
    found = items(segment, "segment")
    if len(found) != 2:
        raise Malformed(f"segment has {len(found)} times, not 2")
    return as_number(found[0], "start"), as_number(found[1], "end")


def _database(path: Path) -> dict[str, Any]:
    found = load_json(path)
    database = found.get("database") if isinstance(found, dict) else None
    if not isinstance(database, dict):
        raise UserError(f"{path}: has no `database` of videos; copy activity_net.v1-3.min.json again")
    return database


def taxonomy_leaves(path: Path) -> list[str]:
    """The classes: what no other node of the taxonomy is above."""
    found = load_json(path)
    taxonomy = found.get("taxonomy") if isinstance(found, dict) else None
    nodes = [node for node in taxonomy or [] if isinstance(node, dict)]
    parents = {node.get("parentName") for node in nodes}
    return [str(node["nodeName"]) for node in nodes if "nodeName" in node and node["nodeName"] not in parents]
