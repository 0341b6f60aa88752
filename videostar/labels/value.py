"""The base class of labels that are a value: scores, counts, times and boxes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import ConfigDict

from videostar.labels.degenerate import is_refusal
from videostar.labels.doc import Doc
from videostar.labels.label import ContentLabel
from videostar.labels.settle import Candidate, settle
from videostar.labels.text import normalise
from videostar.labels.verdict import Reason, Verdict


class ValueLabel(ContentLabel):
    """A label that is a value. An answer contains it if the value that the answer settles on is close enough."""

    model_config = ConfigDict(allow_inf_nan=False)

    last_counts: ClassVar[bool] = True  # of several values without a conclusion; if False, the answer hedges

    @abstractmethod
    def candidates(self, doc: Doc) -> Sequence[Candidate]:
        """The values of this kind in a text, in order."""

    @abstractmethod
    def similarity(self, value: Any) -> float:
        """How close `value` is to the label's value, from 0 to 1."""

    @property
    def threshold(self) -> float:
        """The lowest similarity that is accepted."""
        return 0.5

    def judge_content(self, content: str) -> Verdict:
        """Whether `content` settles on this value; `parsed` is the value that it settles on."""
        doc = Doc(content)
        settled = settle(doc, self.candidates(doc), last=self.last_counts)
        if settled.hedged:
            return Verdict.no(Reason.HEDGED)
        if settled.candidate is None:
            if any(v is not None and self.similarity(v) >= self.threshold for v in settled.denied):
                return Verdict.no(Reason.NEGATED)
            return Verdict.no(Reason.DEGENERATE if is_refusal(normalise(content)) else Reason.UNPARSED)
        value = settled.candidate.value
        if value is None:
            return Verdict.no(Reason.UNPARSED)
        parsed = list(value) if isinstance(value, tuple) else value
        score = self.similarity(value)
        if score >= self.threshold:
            return Verdict.yes(parsed, score)
        return Verdict.no(Reason.CONTRADICTED, parsed, score)


def closeness(distance: float, allowed: float) -> float:
    """A similarity for `distance`: 1 at no distance, 0.5 at the tolerance `allowed`, and towards 0 beyond it."""
    if distance <= allowed * (1 + 1e-9) + 1e-12:
        return max(0.5, 1 / (1 + distance / allowed)) if allowed else 1.0
    return min(1 / (1 + distance / allowed), 0.4999) if allowed else 0.0


def intersection_over_union(shared: float, first: float, second: float) -> float:
    """The intersection over the union of two lengths (or areas) `first` and `second`, which overlap by `shared`."""
    union = first + second - shared
    return min(1.0, shared / union) if union else 0.0


def shared_length(a: tuple[float, float], b: tuple[float, float]) -> float:
    """The length of the overlap of two intervals."""
    return max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
