"""The label of kind `timestamp`: when something happens in the video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from videostar.labels.answer import Answer
from videostar.labels.cues import ANSWER
from videostar.labels.label import ValueLabel, closeness
from videostar.labels.number_context import is_alone, is_announced
from videostar.labels.numbers import format_number
from videostar.labels.settle import Candidate
from videostar.labels.statements import Statement, is_absent
from videostar.labels.times import Time, find_times

_NAMES = frozenset("timestamp timestamps time moment seconds secs second position fraction sec ts".split())
_AT = frozenset("at around about approximately roughly near by".split())
_LEADS = frozenset("is at of about around approximately value s roughly".split())
_SHARES = ("normal", "fraction", "relative", "proportion", "ratio")


class Timestamp(ValueLabel):
    """A moment of the video."""

    nouns: ClassVar[str] = rf"{ANSWER}|(?:time ?stamps?|time|moment|second)|(?<=\n)a"

    kind: Literal["timestamp"] = "timestamp"
    seconds: Annotated[float, Field(ge=0)]  # from the start of the video
    tolerance: Annotated[float, Field(ge=0)] = 1.0  # seconds
    duration: Annotated[float, Field(gt=0)] | None = None  # of the video in seconds, for answers like "halfway through"

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.duration is not None and self.seconds > self.duration:
            raise ValueError("`seconds` must not be after the end, `duration`")
        return self

    def words(self) -> str:
        """The moment in seconds: "7.5 seconds"."""
        return f"{format_number(self.seconds)} seconds"

    def similarity(self, value: float) -> float:
        """1 for the same moment, 0.5 at the tolerance."""
        return closeness(abs(value - self.seconds), self.tolerance)

    def candidates(self, answer: Answer, statements: Sequence[Statement]) -> Sequence[Candidate]:
        """The times of a text that may be the moment, in seconds."""
        levels = [
            (t, self._level(answer, statements, t)) for t in find_times(answer, self.duration) if not t.is_duration
        ]
        candidates = [
            Candidate(self._seconds(answer, t), t.first, t.end, level) for t, level in levels if level is not None
        ]
        return [] if is_absent(answer) else candidates

    def _level(self, answer: Answer, statements: Sequence[Statement], time: Time) -> int | None:
        if time.unit:
            return 1
        if time.seconds < 0 or answer.word(time.end) in ("%", "/", "percent"):
            return None
        if (
            is_announced(answer, statements, time.first)
            or is_alone(answer, time.first, time.end)
            or _named(answer, time.first)
        ):
            return 1
        at = answer.word(time.first - 1) in _AT
        return 0 if at and not answer.word(time.end)[:1].isalpha() else None

    def _seconds(self, answer: Answer, time: Time) -> float:
        """The seconds of a time. A number without a unit may be called a share of the duration in its sentence."""
        if self.duration is None or time.unit or not 0 <= time.seconds <= 1:
            return time.seconds
        start, stop = answer.sentence(time.first)
        is_share = any(word.startswith(_SHARES) for word in answer.words[max(start, time.first - 30) : stop][:60])
        return time.seconds * self.duration if is_share else time.seconds


def _named(answer: Answer, first: int) -> bool:
    """Whether the number at `first` follows "time:", "timestamp is" or the like."""
    stated = False
    for i in range(first - 1, max(-1, first - 8), -1):
        word = answer.words[i]
        if word in _NAMES or word.startswith(_SHARES):
            return True
        stated = stated or word in (":", "=", "is")
        if word in (".", "\n") or (not stated and word[:1].isalpha() and word not in _LEADS):
            return False
    return False
