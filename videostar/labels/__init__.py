"""What "the answer contains the label" means, kind by kind.

A label is read with `parse_label` and judges answers; every kind is a file of its own in this folder.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Protocol, cast

from pydantic import BaseModel, ValidationError

from videostar.labels.action import Action
from videostar.labels.boolean import Boolean
from videostar.labels.box import Box
from videostar.labels.choice import Choice
from videostar.labels.count import Count
from videostar.labels.fields import Fields
from videostar.labels.interval import Interval
from videostar.labels.multi_label import MultiLabel
from videostar.labels.paraphrase import Paraphrase
from videostar.labels.score import Score
from videostar.labels.sequence import Steps
from videostar.labels.timestamp import Timestamp
from videostar.labels.verdict import Reason, Verdict
from videostar.util.errors import UserError

__all__ = ["KINDS", "Action", "Label", "Reason", "Verdict", "parse_label"]


class Label(Protocol):
    """What every kind of label can do."""

    def judge(self, answer: str, prompt: str | None = None) -> Verdict:
        """Whether the free text `answer`, given to `prompt`, contains this label. No text makes it raise."""
        ...

    def words(self) -> str:
        """The label said in words, as it would stand in a sentence."""
        ...


KINDS: Mapping[str, type[BaseModel]] = {
    "action": Action,
    "score": Score,
    "count": Count,
    "timestamp": Timestamp,
    "interval": Interval,
    "box": Box,
    "labels": MultiLabel,
    "sequence": Steps,
    "choice": Choice,
    "boolean": Boolean,
    "text": Paraphrase,
    "fields": Fields,
}


def parse_label(data: Mapping[str, Any]) -> Label:
    """The label that a label object describes: `{"kind": "action", "name": "juggling balls"}`.

    Raises UserError when the kind or a key is unknown, or a value does not fit.
    """
    if not isinstance(data, Mapping):
        raise UserError(f"a label must be an object with a `kind`, not {_short(data)}")
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        stated = f"unknown kind of label {_short(kind)}" if "kind" in data else "a label without `kind`"
        raise UserError(f"{stated}: {_nearest(kind, KINDS)}")
    model = KINDS[kind]
    try:
        return cast(Label, model.model_validate(data))
    except ValidationError as error:
        raise UserError(f"label of kind {kind!r}: {_explain(error, model)}") from None


def _explain(error: ValidationError, model: type[BaseModel]) -> str:
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"]) or "label"
    if problem["type"] == "extra_forbidden":
        return f"unknown key {place!r}: {_nearest(place, model.model_fields)}"
    if problem["type"] == "missing":
        return f"key {place!r} is missing: add it"
    if problem["type"] == "string_too_short":
        return f"{place!r} is empty: give it a name"
    return f"{place!r} is {_short(problem['input'])}: {problem['msg'][:1].lower()}{problem['msg'][1:]}"


def _nearest(wrong: Any, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(str(wrong)[:80], known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
