"""The paper's tasks (Video-STaR, section 4): adapters for rows that hold more than one label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from videostar.adapters.adapter import LabelAdapter, Row, given


class When(LabelAdapter):
    """When did it happen? Rows have `label`, `start` and `end` in seconds and maybe `duration`."""

    prompts = "when"
    example: ClassVar[Row] = {"label": "opening a door", "start": 3.0, "end": 7.5, "duration": 20.0}

    def label(self, row: Row) -> Mapping[str, Any]:
        """The interval."""
        times = {"start": given(row, "start"), "end": given(row, "end")}
        return {"kind": "interval", **times, **({"duration": row["duration"]} if row.get("duration") else {})}

    def values(self, row: Row) -> Row:
        """The event, which is the row's label."""
        return {"event": given(row, "label")}


class WhatHappened(LabelAdapter):
    """What happened between two times? Rows have `label`, `start` and `end` in seconds."""

    prompts = "what_happened"
    example: ClassVar[Row] = {"label": "opening a door", "start": 3.0, "end": 7.5}

    def label(self, row: Row) -> Mapping[str, Any]:
        """The action."""
        given(row, "start")
        given(row, "end")
        return {"kind": "action", "name": given(row, "label")}


class Before(LabelAdapter):
    """What was done just before? Rows have `label` and `previous`, the label before it in the same video."""

    prompts = "before"
    example: ClassVar[Row] = {"label": "closing a door", "previous": "opening a door"}
    column: ClassVar[str] = "previous"

    def label(self, row: Row) -> Mapping[str, Any]:
        """The neighbouring action."""
        return {"kind": "action", "name": given(row, self.column)}

    def values(self, row: Row) -> Row:
        """The event, which is the row's label."""
        return {"event": given(row, "label")}


class After(Before):
    """What was done just after? Rows have `label` and `next`, the label after it in the same video."""

    prompts = "after"
    example: ClassVar[Row] = {"label": "opening a door", "next": "closing a door"}
    column: ClassVar[str] = "next"


class DiveScore(LabelAdapter):
    """What score did the dive get? Rows have `score`."""

    prompts = "dive_score"
    example: ClassVar[Row] = {"score": 61.2}

    def label(self, row: Row) -> Mapping[str, Any]:
        """The judges' total, within a tenth."""
        return {"kind": "score", "value": given(row, "score"), "relative_tolerance": 0.1}


class DiveDifficulty(LabelAdapter):
    """How difficult was the dive? Rows have `difficulty`."""

    prompts = "dive_difficulty"
    example: ClassVar[Row] = {"difficulty": 3.2}

    def label(self, row: Row) -> Mapping[str, Any]:
        """The degree of difficulty."""
        return {"kind": "score", "value": given(row, "difficulty")}


class SubActions(LabelAdapter):
    """Which steps does the dive have, in order? Rows have `sub_actions`."""

    prompts = "sub_actions"
    example: ClassVar[Row] = {"sub_actions": ["Forward", "2.5 Soms.Pike", "Entry"]}

    def label(self, row: Row) -> Mapping[str, Any]:
        """The steps."""
        return {"kind": "sequence", "steps": given(row, "sub_actions")}


TASKS: Mapping[str, type[LabelAdapter]] = {
    "when": When,
    "what_happened": WhatHappened,
    "before": Before,
    "after": After,
    "dive_score": DiveScore,
    "dive_difficulty": DiveDifficulty,
    "sub_actions": SubActions,
}
