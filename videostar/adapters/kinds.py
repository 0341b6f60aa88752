"""An adapter for every kind of label, by the kind's name: from columns to a label."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from videostar.adapters.adapter import LabelAdapter, Row, given
from videostar.adapters.choices import Options, first_index
from videostar.adapters.distractors import Distractors
from videostar.data.cells import is_missing, read_list, read_object, read_score, read_seconds
from videostar.data.rows import Malformed
from videostar.labels import KINDS
from videostar.util.errors import UserError

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
_LISTS = {"names", "steps", "aliases", "among", "xyxy"}
_SECONDS = {"start", "end", "duration", "seconds"}
#: Keys whose names are common for columns of other meanings: read only if the user maps them.
AMBIGUOUS = frozenset({"aliases", "among", "range", "scale"})

_EVENT = "the main event"  # what a question about a time asks for, if the row does not name it
_WHICH = "Which of these does the video show?"  # the question about options, if the row has none


class KindAdapter(LabelAdapter):
    """The column `label` holds the main key of the label; columns with the names of its other keys hold those.

    Without a column `label`, the column with the main key's own name is read, except for an action's `name`, which may
    be the name of a person. `AMBIGUOUS` keys are read only if they are in `named`, the columns that the user mapped.
    Lists, times, numbers and options may be written in any form of `videostar.data.cells` and `choices.py`. An object
    in `label` holds all keys itself. A choice without options gets some from `distractors`.
    """

    def __init__(self, kind: str, named: Collection[str] = (), distractors: Distractors | None = None) -> None:
        self.kind, self.distractors = kind, distractors
        self.prompts = kind
        keys = {key for key in KINDS[kind].model_fields if key not in ("kind", MAIN.get(kind))}
        self.unread = sorted(keys & AMBIGUOUS - set(named))
        self._keys = sorted(keys - set(self.unread))
        self._first_index: int | None = None

    def for_rows(self, rows: Iterable[Row]) -> KindAdapter:
        """The same adapter, which knows all rows of a data set.

        It knows whether the indices of options count from 0, and the labels that options are drawn from. Raises
        UserError for distractors that know none of them.
        """
        if self.kind != "choice":
            return self
        found, labels = copy.copy(self), set[str]()

        def options_and_answers() -> Iterator[tuple[Any, Any]]:
            for row in rows:
                options, answer = row.get("options"), row.get(self.main_column(row))
                yield options, answer
                if is_missing(options) and isinstance(answer, str) and answer:
                    labels.add(answer)

        found._first_index = first_index(options_and_answers())
        if self.distractors is not None:
            found.distractors = self.distractors.among(labels)
        return found

    def label(self, row: Row) -> Mapping[str, Any]:
        """The label object of a row."""
        main = MAIN.get(self.kind)
        whole = read_object(row.get("label"))
        if isinstance(whole, Mapping) and main != "fields":
            columns = {**whole, "kind": self.kind}
        else:
            columns = {key: read_object(row[key]) for key in self._keys if not is_missing(row.get(key))}
            if main is not None:
                columns[main] = read_object(given(row, self.main_column(row)))
        try:
            if self.distractors is not None and "options" not in columns:
                return {"kind": self.kind, **self.distractors.options(columns.get("answer"), row)}
            return {"kind": self.kind, **self._read(columns)}
        except Malformed as error:
            raise UserError(f"label of kind {self.kind!r}: {error}") from None

    def _read(self, columns: dict[str, Any]) -> dict[str, Any]:
        """The values of a label object, from what people write. Raises Malformed."""
        for key, value in columns.items():
            if key in _LISTS:
                columns[key] = read_list(value)
            elif key in _SECONDS:
                columns[key] = read_seconds(value, f"`{key}`")
        if self.kind in ("score", "count") and "value" in columns:
            columns["value"] = read_score(columns["value"], *_limits(read_list(columns.get("range"))))
        if self.kind == "choice" and "options" in columns:
            options = Options.read(columns["options"])
            columns["options"] = dict(zip(options.letters, options.texts, strict=True))
            columns["answer"] = options.letter(columns.get("answer"), self._first_index)
        return columns

    def main_column(self, row: Row) -> str:
        """The column that holds the main key."""
        main = MAIN.get(self.kind, "label")
        if main == "name" or "label" in row:
            return "label"
        return next((column for column in (["labels", main] if main == "names" else [main]) if column in row), "label")

    def values(self, row: Row) -> Row:
        """Fields as text; `question`, `event` and `of`, which a row may lack."""
        if self.kind == "choice":
            return {"question": _WHICH} if is_missing(row.get("question")) else {}
        if self.kind == "fields" and isinstance(fields := self.label(row).get("fields"), Mapping):
            return {"names": ", ".join(fields)}
        if self.kind in ("interval", "timestamp"):
            # The times of an interval have columns of their own, so `label` names the event.
            names = [row.get("label") if self.kind == "interval" else "", row.get("event")]
            return {"event": next((name for name in names if not is_missing(name)), _EVENT)}
        return {"of": row.get("of", "")} if self.kind == "count" else {}


def _limits(value: Any) -> list[tuple[float, float]]:
    """The lowest and highest score of a range, if it is one."""
    match value:
        case [int() | float() as lowest, int() | float() as highest]:
            return [(lowest, highest)]
        case _:
            return []
