"""What a judgement says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Reason(StrEnum):
    """Why an answer was accepted or not: `matched`, or the first of the others that holds."""

    MATCHED = "matched"
    DEGENERATE = "degenerate"
    HEDGED = "hedged"
    CONTRADICTED = "contradicted"
    NEGATED = "negated"
    UNPARSED = "unparsed"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one answer by one label.

    `parsed` is what was read in the answer, as plain JSON: for an action the label it settles on.
    """

    accepted: bool
    score: float
    reason: Reason
    parsed: Any = None

    @classmethod
    def yes(cls, parsed: Any, score: float = 1.0) -> Verdict:
        """The answer contains the label."""
        return cls(True, score, Reason.MATCHED, parsed)

    @classmethod
    def no(cls, reason: Reason, parsed: Any = None, score: float = 0.0) -> Verdict:
        """The answer does not contain the label, for that reason."""
        return cls(False, score, reason, parsed)

    def as_dict(self) -> dict[str, Any]:
        """The verdict as it stands in a file."""
        return {
            "accepted": self.accepted,
            "score": self.score,
            "reason": self.reason.value,
            "parsed": self.parsed,
        }
