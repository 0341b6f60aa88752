"""The base classes of all kinds of label, and types of fields that several of them have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from videostar.labels.answer import Answer, parse_answer, replies_in
from videostar.labels.cues import ANSWER, NOTHING
from videostar.labels.settle import Candidate, Exclusive, settle
from videostar.labels.statements import Statement, Strength, find_statements
from videostar.labels.verdict import Reason, Verdict

#: Why the whole of a reply is read, and not only its first turn.
UNDECIDED_REASONS = (Reason.UNPARSED, Reason.MISSING, Reason.DEGENERATE)
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class Label(BaseModel, ABC):
    """What an answer must contain. `parse_label` makes one of a JSON object."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def judge(self, answer: str, prompt: str | None = None) -> Verdict:
        """Whether the free text `answer`, a reply to `prompt`, contains this label. Never raises."""
        verdict = Verdict.no(Reason.DEGENERATE)
        for reply in replies_in(answer, prompt):
            parsed = parse_answer(reply, self.names_as_written())
            verdict = Verdict.no(Reason.DEGENERATE) if parsed.empty else self.judge_parsed(parsed)
            if verdict.reason not in UNDECIDED_REASONS:
                break
        return verdict

    @abstractmethod
    def judge_parsed(self, answer: Answer) -> Verdict:
        """The verdict on an answer that is not empty."""

    @abstractmethod
    def words(self) -> str:
        """The label in words, as a sentence would have it."""

    def names_as_written(self) -> tuple[str, ...]:
        """Names that an answer may have in any script, and that are searched as they are written."""
        return ()


class ListLabel(Label):
    """A label of several names. An answer contains it if what it calls its list asserts them, or else the whole."""

    nouns: ClassVar[str]  # what an answer may call the list, as alternatives of a regular expression
    minor: ClassVar[str]  # nouns that announce the list only before a colon, or after "final"

    @abstractmethod
    def read(self, words: Sequence[str]) -> Verdict:
        """The verdict on the words of an answer; `parsed` are the names that they assert."""

    def judge_parsed(self, answer: Answer) -> Verdict:
        """Whether the answer asserts enough of the names; `parsed` are the ones that it asserts."""
        best = None
        for statement, decides in self._lists(answer):
            verdict = self.read(answer.words[statement.first : None if statement.labelled else statement.stop])
            if verdict.accepted or verdict.reason is not Reason.MISSING or decides:
                return verdict
            best = best or (verdict if verdict.parsed else None)
        whole = self.read(answer.words)
        if whole.reason is Reason.MISSING and not whole.parsed and answer.is_refusal:
            return Verdict.no(Reason.DEGENERATE)
        return whole if whole.accepted or best is None else best

    def _lists(self, answer: Answer) -> Iterator[tuple[Statement, bool]]:
        """The statements that may be the list, and whether each decides. Of "label: a, label: b" the first is all."""
        labels: set[str] = set()
        final = []
        for statement in find_statements(answer, self.nouns):
            if statement.strength >= Strength.EXPLICIT and statement.noun not in labels:
                final.append(statement)
                labels |= {statement.noun} if "label" in statement.noun else set()
        yield from ((statement, statement.labelled) for statement in reversed(final))
        for statement in find_statements(answer, NOTHING, self.minor):
            if statement.strength >= Strength.EXPLICIT and statement.noun not in labels:
                yield statement, False
                labels.add(statement.noun)


class ValueLabel(Label):
    """A label that is a value. An answer contains it if the value that the answer settles on is close enough."""

    model_config = ConfigDict(allow_inf_nan=False)

    nouns: ClassVar[str] = ANSWER  # what an answer may call the value, as alternatives of a regular expression
    exclusive: ClassVar[Exclusive] = Exclusive.NOT

    @abstractmethod
    def candidates(self, answer: Answer, statements: Sequence[Statement]) -> Sequence[Candidate]:
        """The values of this kind in an answer, in order."""

    @abstractmethod
    def similarity(self, value: Any) -> float:
        """How close `value` is to the label's value, from 0 to 1."""

    @property
    def threshold(self) -> float:
        """The lowest similarity that is accepted."""
        return 0.5

    def judge_parsed(self, answer: Answer) -> Verdict:
        """Whether the answer settles on this value; `parsed` is the value that it settles on."""
        statements = find_statements(answer, self.nouns)
        settled = settle(answer, self.candidates(answer, statements), statements, exclusive=self.exclusive)
        if settled.hedged:
            return Verdict.no(Reason.HEDGED)
        if settled.candidate is None:
            if any(v is not None and self.similarity(v) >= self.threshold for v in settled.denied):
                return Verdict.no(Reason.NEGATED)
            return Verdict.no(Reason.DEGENERATE if answer.is_refusal else Reason.UNPARSED)
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
