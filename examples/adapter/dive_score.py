"""An adapter of your own: the score of a dive from its judges' marks.

videostar adapter check examples/adapter/dive_score.py:DiveScore --data examples/adapter/dives.jsonl
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from videostar import LabelAdapter, NoQuestion


class DiveScore(LabelAdapter):
    """Which score did the dive get? Rows have `judges`, a list of marks, and `difficulty`."""

    prompts = "score"  # or a file of yours: "my_prompts.yaml"
    example: ClassVar[Mapping[str, Any]] = {"judges": [7.0, 7.5, 8.0], "difficulty": 3.2}

    def label(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The sum of the marks times the difficulty; an answer may be one tenth off."""
        if not row["judges"]:
            raise NoQuestion("a dive without marks")
        return {"kind": "score", "value": sum(row["judges"]) * row["difficulty"], "relative_tolerance": 0.1}
