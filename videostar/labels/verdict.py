"""The verdict of a label on an answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Reason(StrEnum):
    """Why an answer is accepted (`matched`) or rejected (one of the others)."""

    MATCHED = "matched"
    DEGENERATE = "degenerate"
    HEDGED = "hedged"
    CONTRADICTED = "contradicted"
    NEGATED = "negated"
    UNPARSED = "unparsed"
    MISSING = "missing"
    OTHER_FACT = "other fact"
    NO_VERDICT = "no verdict"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one answer."""

    accepted: bool
    score: float  # from 0 to 1: how well the answer agrees with the label
    reason: Reason
    parsed: Any = None  # the value or names that the answer gives, as plain JSON

    @classmethod
    def yes(cls, parsed: Any, score: float = 1.0) -> Verdict:
        """An accepting verdict."""
        return cls(True, score, Reason.MATCHED, parsed)

    @classmethod
    def no(cls, reason: Reason, parsed: Any = None, score: float = 0.0) -> Verdict:
        """A rejecting verdict."""
        return cls(False, score, reason, parsed)

    def as_dict(self) -> dict[str, Any]:
        """The verdict as a JSON object."""
        return {
            "accepted": self.accepted,
            "score": self.score,
            "reason": self.reason.value,
            "parsed": self.parsed,
        }
