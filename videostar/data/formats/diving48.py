"""Diving48 V2: one JSON list of clips per split, with numbers of classes, and a list of classes in four parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from videostar.data.formats.json_files import json_list
from videostar.data.rows import Item, Malformed, Source, malformed, text, whole


def read_diving48(source: Source) -> Iterator[Item]:
    """One row per clip. `label` is the class in its usual form, such as Back+15som+05Twis+FREE."""
    classes = diving48_classes(source.file("classes"))
    for index, entry in enumerate(json_list(source.path)):
        where = f"{source.path.name}[{index}]"
        try:
            number = whole(entry, "label")
            if not 0 <= number < len(classes):
                raise Malformed(f"label {number} is no class: there are {len(classes)}")
            values = {
                "id": text(entry, "vid_name"),
                "label": classes[number],
                "start_frame": whole(entry, "start_frame"),
                "end_frame": whole(entry, "end_frame"),
            }
        except Malformed as error:
            yield malformed(where, error)
        else:
            yield where, values


def diving48_classes(path: Path) -> list[str]:
    """The classes in `Diving48_vocab.json` ([["Back", "15som", "05Twis", "FREE"], ...])."""
    return ["+".join(map(str, parts)) if isinstance(parts, list) else str(parts) for parts in json_list(path)]
