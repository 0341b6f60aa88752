"""Something-Something V2: a JSON list a split, with the sentence, its template and what fills it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from videostar.data.formats.plain import json_list, load_json
from videostar.data.rows import Item, Malformed, Source, items, malformed, text
from videostar.util.errors import UserError


def read_something(source: Source) -> Iterator[Item]:
    """The class (`label`) is the template without its brackets; the sentence is the `description`."""
    for index, entry in enumerate(json_list(source.path)):
        where = f"{source.path.name}[{index}]"
        try:
            template = text(entry, "template")
            values = {
                "id": text(entry, "id"),
                "label": template.replace("[", "").replace("]", ""),
                "description": text(entry, "label"),
                "template": template,
                "placeholders": [str(thing) for thing in items(entry, "placeholders")],
            }
        except Malformed as error:
            yield malformed(where, error)
        else:
            yield where, values


def label_keys(path: Path) -> list[str]:
    """The classes of a JSON object of class: number."""
    found = load_json(path)
    if not isinstance(found, dict):
        raise UserError(f"{path}: holds no object of class: number; copy the official file again")
    return list(found)
