"""An adapter for every kind of label, by the kind's name: from columns to a label."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from videostar.adapters.adapter import LabelAdapter, Row, given
from videostar.labels import KINDS

#: The label key that the column `label` holds, by kind. An interval has columns `start` and `end` instead.
MAIN = {
    "action": "name",
    "labels": "names",
    "score": "value",
    "count": "value",
    "timestamp": "seconds",
    "sequence": "steps",
    "choice": "answer",
    "boolean": "value",
    "box": "xyxy",
    "text": "reference",
    "fields": "fields",
}
#: All columns that the adapters of videostar read.
COLUMNS = frozenset(
    {key for kind in KINDS.values() for key in kind.model_fields if key != "kind"}
    | set("video videos label labels split event object previous next score difficulty sub_actions".split())
)
_LISTS = {"names", "steps"}
#: Keys whose names are common for columns of other meanings: read only if the user maps them.
AMBIGUOUS = frozenset({"aliases", "among", "range", "scale"})


class KindAdapter(LabelAdapter):
    """The column `label` holds the main key of the label; columns with the names of its other keys hold those.

    Without a column `label`, the column with the main key's own name is read, except for an action's `name`, which may
    be the name of a person. `AMBIGUOUS` keys are read only if they are in `named`, the columns that the user mapped.
    Lists may be written with semicolons, and the right choice as its text. An object in `label` holds all keys itself.
    """

    def __init__(self, kind: str, named: Collection[str] = ()) -> None:
        self.kind = kind
        self.prompts = kind
        keys = {key for key in KINDS[kind].model_fields if key not in ("kind", MAIN.get(kind))}
        self.unread = sorted(keys & AMBIGUOUS - set(named))
        self._keys = sorted(keys - set(self.unread))

    def label(self, row: Row) -> Mapping[str, Any]:
        """The label object of a row."""
        main = MAIN.get(self.kind)
        whole = _plain(row.get("label"))
        if isinstance(whole, Mapping) and main != "fields":
            return {**whole, "kind": self.kind}
        columns = {key: _plain(row[key]) for key in self._keys if row.get(key) not in (None, "")}
        if main is not None:
            columns[main] = _plain(given(row, self.main_column(row)))
        for key in _LISTS & columns.keys():
            columns[key] = _parts(columns[key])
        if self.kind == "choice":
            columns["answer"] = _letter(columns["answer"], columns.get("options"))
        return {"kind": self.kind, **columns}

    def main_column(self, row: Row) -> str:
        """The column that holds the main key."""
        main = MAIN.get(self.kind, "label")
        if main == "name" or "label" in row:
            return "label"
        return next((column for column in (["labels", main] if main == "names" else [main]) if column in row), "label")

    def values(self, row: Row) -> Row:
        """Options and fields as text; `of`, which a row may lack."""
        if self.kind == "choice" and isinstance(options := self.label(row).get("options"), Mapping):
            return {"options": "\n".join(f"({letter}) {text}" for letter, text in options.items())}
        if self.kind == "fields" and isinstance(fields := self.label(row).get("fields"), Mapping):
            return {"names": ", ".join(fields)}
        if self.kind == "interval":  # its times have columns of their own, so `label` names the event
            return {"event": row.get("label") or row.get("event", "")}
        return {"of": row.get("of", "")} if self.kind == "count" else {}


def _plain(value: Any) -> Any:
    """A cell that holds JSON, parsed."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _parts(value: Any) -> Any:
    """A cell of items separated by semicolons, as a list."""
    return [part.strip() for part in value.split(";") if part.strip()] if isinstance(value, str) else value


def _letter(answer: Any, options: Any) -> Any:
    """The letter of an option that is given as its text."""
    if isinstance(options, Mapping) and answer not in options:
        return next((letter for letter, text in options.items() if text == answer), answer)
    return answer
