"""Something-Something V2: one JSON list per split, with sentences, their templates and what fills these."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from videostar.data.formats.json_files import json_list, load_json
from videostar.data.rows import Item, Malformed, Source, items, malformed, text
from videostar.util.errors import UserError


def read_something(source: Source) -> Iterator[Item]:
    """One row per clip. `label` is the template without its brackets, `description` the sentence."""
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


def something_classes(path: Path) -> list[str]:
    """The classes in a JSON object of class: number."""
    content = load_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: not a JSON object of class: number; copy the official file again")
    return list(content)
