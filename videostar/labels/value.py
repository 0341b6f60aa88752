"""What the kinds of label that are a value have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from videostar.labels.degenerate import answer_content, is_refusal
from videostar.labels.doc import Doc
from videostar.labels.settle import Candidate, settle
from videostar.labels.text import normalise
from videostar.labels.verdict import Reason, Verdict


class ValueLabel(BaseModel, ABC):
    """A label that is a value: an answer contains it when the value that it settles on is near enough."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    # Whether of several values without a conclusion the last one counts; else they are a hedge.
    last_counts: ClassVar[bool] = True

    @abstractmethod
    def words(self) -> str:
        """The value as it would stand in a sentence."""

    @abstractmethod
    def candidates(self, doc: Doc) -> Sequence[Candidate]:
        """The values of this kind that stand in a text, in order."""

    @abstractmethod
    def similarity(self, value: Any) -> float:
        """How near a value comes to this one, from 0 to 1."""

    @property
    def threshold(self) -> float:
        """The similarity from which on a value is accepted."""
        return 0.5

    def judge(self, answer: str, prompt: str | None = None) -> Verdict:
        """Whether the value that `answer` settles on is this one; `prompt` is what it was asked with."""
        text = answer_content(answer, prompt)
        if text is None:
            return Verdict.no(Reason.DEGENERATE)
        doc = Doc(text)
        settled = settle(doc, self.candidates(doc), last=self.last_counts)
        if settled.hedged:
            return Verdict.no(Reason.HEDGED)
        if settled.candidate is None:
            if any(v is not None and self.similarity(v) >= self.threshold for v in settled.denied):
                return Verdict.no(Reason.NEGATED)
            return Verdict.no(Reason.DEGENERATE if is_refusal(normalise(text)) else Reason.UNPARSED)
        value = settled.candidate.value
        if value is None:
            return Verdict.no(Reason.UNPARSED)
        parsed = list(value) if isinstance(value, tuple) else value
        score = self.similarity(value)
        if score >= self.threshold:
            return Verdict.yes(parsed, score)
        return Verdict.no(Reason.CONTRADICTED, parsed, score)


def closeness(distance: float, allowed: float) -> float:
    """From 1 for no distance over 0.5 for the one that is allowed down to 0."""
    if distance <= allowed * (1 + 1e-9) + 1e-12:
        return max(0.5, 1 / (1 + distance / allowed)) if allowed else 1.0
    return min(1 / (1 + distance / allowed), 0.4999) if allowed else 0.0


def intersection_over_union(shared: float, first: float, second: float) -> float:
    """Of two lengths or areas that share `shared`."""
    union = first + second - shared
    return min(1.0, shared / union) if union else 0.0


def shared_length(a: tuple[float, float], b: tuple[float, float]) -> float:
    """The length of what two intervals share."""
    return max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
