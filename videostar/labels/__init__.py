"""What it means that an answer contains its label.

`parse_label` reads a label, and `Label.judge` judges an answer by it. Each kind of label has a module of its own.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from videostar.labels.action import Action
from videostar.labels.boolean import Boolean
from videostar.labels.box import Box
from videostar.labels.choice import Choice
from videostar.labels.count import Count
from videostar.labels.fields import Fields
from videostar.labels.interval import Interval
from videostar.labels.label import Label
from videostar.labels.multi_label import MultiLabel
from videostar.labels.paraphrase import Paraphrase
from videostar.labels.score import Score
from videostar.labels.sequence import Steps
from videostar.labels.timestamp import Timestamp
from videostar.labels.verdict import Reason, Verdict
from videostar.util.errors import UserError

__all__ = ["KINDS", "Action", "Label", "Reason", "Verdict", "judge", "parse_label"]


KINDS: Mapping[str, type[Label]] = {
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
    """The label that `data` describes, an object with a `kind` and the fields of that kind.

    Raises UserError if the kind or a key is unknown, a key is missing, or a value is invalid.

    >>> label = parse_label({"kind": "count", "value": 3, "of": "squats"})
    >>> label.judge("She does three squats.").accepted
    True
    """
    if not isinstance(data, Mapping):
        raise UserError(f"a label must be an object with a `kind`, not {_short(data)}")
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        problem = f"unknown kind of label {_short(kind)}" if "kind" in data else "a label without `kind`"
        raise UserError(f"{problem}: {_nearest(kind, KINDS)}")
    model = KINDS[kind]
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise UserError(f"label of kind {kind!r}: {_explain(error, model)}") from None


def _explain(error: ValidationError, model: type[Label]) -> str:
    problem = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in problem["loc"]) or "label"
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key!r}: {_nearest(key, model.model_fields)}"
    if problem["type"] == "missing":
        return f"key {key!r} is missing: add it"
    if problem["type"] == "string_too_short":
        return f"{key!r} is empty: give it a name"
    return f"{key!r} is {_short(problem['input'])}: {problem['msg'][:1].lower()}{problem['msg'][1:]}"


def _nearest(unknown: Any, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(str(unknown)[:80], known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def judge(answer: str, label: Mapping[str, Any], prompt: str | None = None) -> Verdict:
    """Whether an answer contains a label.

    Args:
        answer: Free text, as a model wrote it.
        label: A label object, such as `{"kind": "action", "name": "opening a door"}`.
        prompt: The question that was answered, if it is known.

    Raises:
        UserError: The label has no known kind, or lacks a key.

    Example:
        >>> judge("The person opens a door.", {"kind": "action", "name": "opening a door"}).accepted
        True
    """
    return parse_label(label).judge(answer, prompt)
