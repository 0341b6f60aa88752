"""The label of kind `interval`: from when to when something happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from videostar.labels.cues import alone, announced
from videostar.labels.doc import Plain
from videostar.labels.field_types import Share
from videostar.labels.numbers import written
from videostar.labels.settle import Candidate
from videostar.labels.times import Time, times
from videostar.labels.value import ValueLabel, intersection_over_union, overlap

_TO = frozenset("to - ~ until till through thru".split())
_FILLERS = frozenset(
    "the at about around approximately roughly mark second seconds s up just in video clip of very into before , "
    "minute".split()
)
_STARTS = frozenset("start starts started starting begin begins began beginning onset commences".split())
_STOPS = frozenset(
    "end ends ended ending finish finishes finished finishing stop stops stopped stopping until till concludes "
    "concluding offset continues to".split()
)
_LASTS = frozenset("lasts lasting lasted duration length".split())
_EDGES = frozenset("from until till to through at since".split())
_REACH = 25  # words between a start and its end


class Interval(ValueLabel):
    """A stretch of time in seconds, and how much of it an answer must meet."""

    kind: Literal["interval"] = "interval"
    start: Annotated[float, Field(ge=0)]
    end: float
    min_iou: Share = 0.5
    duration: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end <= self.start:
            raise ValueError("`end` must be after `start`")
        return self

    @property
    def threshold(self) -> float:
        """The overlap that is asked for."""
        return self.min_iou

    def words(self) -> str:
        """The stretch in seconds."""
        return f"from {written(self.start)} to {written(self.end)} seconds"

    def similarity(self, value: tuple[float, float]) -> float:
        """The intersection over the union."""
        shared = overlap((self.start, self.end), value)
        return intersection_over_union(shared, self.end - self.start, value[1] - value[0])

    def candidates(self, plain: Plain) -> Sequence[Candidate]:
        """The pairs of times that may be the stretch."""
        found = sorted([*times(plain, self.duration), *self._edges(plain)], key=lambda t: t.first)
        candidates = []
        k = 0
        while k < len(found):
            candidate = self._alone(plain, found[k])
            step = 1
            if candidate is None and k + 1 < len(found):
                candidate = _pair(plain, found[k], found[k + 1])
                step = 2
            if candidate:
                candidates.append(candidate)
            k += step if candidate else 1
        return candidates

    def _edges(self, plain: Plain) -> list[Time]:
        """The beginning and the end of the video, where they are times."""
        edges = []
        for i, word in enumerate(plain.words):
            if word not in ("beginning", "start", "end", "finish", "outset"):
                continue
            first = i
            while plain.word(first - 1) in ("the", "very"):
                first -= 1
            if plain.word(first - 1) not in _EDGES or plain.word(i + 1) in (":", "="):
                continue
            if word not in ("end", "finish"):
                edges.append(Time(0.0, first, i + 1, 1.0))
            elif self.duration is not None:
                edges.append(Time(self.duration, first, i + 1, 1.0))
        return edges

    def _alone(self, plain: Plain, time: Time) -> Candidate | None:
        """ "The first 9 seconds", "the last 5 seconds"."""
        if not time.span or not time.unit:
            return None
        if plain.word(time.first - 1) == "first":
            return Candidate((0.0, time.seconds), time.first, time.end, 1)
        if plain.word(time.first - 1) in ("last", "final") and self.duration is not None:
            return Candidate((max(0.0, self.duration - time.seconds), self.duration), time.first, time.end, 1)
        return None


def _pair(plain: Plain, a: Time, b: Time) -> Candidate | None:
    """The stretch between two neighbouring times, if they make one."""
    between = plain.words[a.end : b.first]
    if len(between) > _REACH or _opens(plain, b):
        return None
    if a.span:
        begins = not b.span and b.unit and not _STARTS.isdisjoint(between) and "." not in between
        return Candidate((b.seconds, b.seconds + a.seconds), a.first, b.end, 1) if begins else None
    if b.span or not _LASTS.isdisjoint(between):
        if not {"until", "till"}.isdisjoint(between) or (not b.span and "duration" not in between):
            return None
        return Candidate((a.seconds, a.seconds + b.seconds), a.first, b.end, 1)
    if not (_connected(plain, a, b, between) or _from_start_to_end(plain, a, b, between)):
        return None
    value = (a.seconds, b.seconds) if a.seconds <= b.seconds else None
    return Candidate(value, a.first, b.end, 1 if a.unit or b.unit else 0)


def _opens(plain: Plain, time: Time) -> bool:
    """Whether the time is the start of a stretch: "from 5", "between 5"."""
    i = time.first - 1
    while plain.word(i) in _FILLERS - {","}:
        i -= 1
    return plain.word(i) in ("from", "between")


def _connected(plain: Plain, a: Time, b: Time, between: Sequence[str]) -> bool:
    """Whether "a to b", "a - b", "between a and b" or "[a, b]" stands there."""
    words = [word for word in between if word not in _FILLERS]
    opening = plain.words[max(0, a.first - 4) : a.first]
    bracketed = plain.word(a.first - 1) in ("[", "(", "<", "{") and plain.word(b.end) in ("]", ")", ">", "}")
    if bracketed and words in ([], ["-"], [";"]):
        return plain.word(a.end) in (",", "-", ";")
    if words == ["and"]:
        return "between" in opening
    if len(words) != 1 or words[0] not in _TO or ("," in between and words[0] not in ("until", "till")):
        return False
    if plain.word(b.end) == "-" and plain.glued(b.end - 1):
        return False  # a date
    if a.unit or b.unit or bracketed:
        return True
    if plain.word(b.end)[:1].isalpha() and plain.word(b.end) not in ("in", "of"):
        return False
    told = (
        "from" in opening
        or plain.word(a.first - 1) in (":", "=")
        or alone(plain, a.first, b.end)
        or announced(plain, a.first)
    )
    start, stop = plain.sentence(a.first)
    return told or "seconds" in plain.words[max(start, a.first - 20) : min(stop, b.end + 20)]


def _from_start_to_end(plain: Plain, a: Time, b: Time, between: Sequence[str]) -> bool:
    """Whether the first is called the start and the second the end: "starts at a and ends at b"."""
    before = _clause(plain.words[max(0, a.first - 8) : a.first][::-1])
    after = _clause(plain.words[b.end : b.end + 6])
    begun = not _STARTS.isdisjoint(before) or _opens(plain, a) or not _STARTS.isdisjoint(between)
    return begun and (not _STOPS.isdisjoint(between) or not _STOPS.isdisjoint(after))


def _clause(words: Sequence[str]) -> Sequence[str]:
    for i, word in enumerate(words):
        if word in (".", ";", "and", "!", "?") or word[-1:].isdecimal():
            return words[:i]
    return words
