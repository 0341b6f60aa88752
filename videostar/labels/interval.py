"""The label of kind `interval`: when something starts and ends in the video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from videostar.labels.cues import is_alone, is_announced
from videostar.labels.doc import Doc
from videostar.labels.label import Share
from videostar.labels.numbers import format_number
from videostar.labels.settle import Candidate
from videostar.labels.times import Time, find_times
from videostar.labels.value import ValueLabel, intersection_over_union, shared_length

_TO = frozenset("to - ~ until till through thru".split())
_FILLERS = frozenset(
    "the at about around approximately roughly mark second seconds s up just in video clip of very into before , "
    "minute".split()
)
_OPENING = _FILLERS - {","} | {"<"}
_OTHER_UNITS = frozenset("minute minutes min mins hour hours frame frames percent %".split())
_STARTS = frozenset("start starts started starting begin begins began beginning onset commences".split())
_STOPS = frozenset(
    "end ends ended ending finish finishes finished finishing stop stops stopped stopping until till concludes "
    "concluding offset continues to".split()
)
_LASTS = frozenset("lasts lasting lasted duration length".split())
_EDGES = frozenset("from until till to through at since".split())
_MAX_GAP = 25  # words between a start and its end


class Interval(ValueLabel):
    """An interval of time."""

    kind: Literal["interval"] = "interval"
    start: Annotated[float, Field(ge=0)]  # seconds from the start of the video
    end: float
    min_iou: Share = 0.5
    duration: Annotated[float, Field(gt=0)] | None = None  # of the video in seconds, for answers like "halfway through"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end <= self.start:
            raise ValueError("`end` must be after `start`")
        return self

    @property
    def threshold(self) -> float:
        """The required intersection over union."""
        return self.min_iou

    def words(self) -> str:
        """The interval in seconds: "from 3 to 7.5 seconds"."""
        return f"from {format_number(self.start)} to {format_number(self.end)} seconds"

    def similarity(self, value: tuple[float, float]) -> float:
        """The intersection over union (IoU)."""
        shared = shared_length((self.start, self.end), value)
        return intersection_over_union(shared, self.end - self.start, value[1] - value[0])

    def candidates(self, doc: Doc) -> Sequence[Candidate]:
        """The pairs of times in a text that may be an interval, as (start, end) in seconds."""
        times = sorted([*find_times(doc, self.duration), *self._edges(doc)], key=lambda t: t.first)
        candidates = []
        k = 0
        while k < len(times):
            candidate = self._first_or_last_seconds(doc, times[k])
            step = 1
            if candidate is None and k + 1 < len(times):
                candidate = _pair(doc, times[k], times[k + 1])
                step = 2
            if candidate:
                candidates.append(candidate)
            k += step if candidate else 1
        return candidates

    def _edges(self, doc: Doc) -> list[Time]:
        """The times "from the beginning" and "until the end" of the video."""
        edges = []
        for i, word in enumerate(doc.words):
            if word not in ("beginning", "start", "end", "finish", "outset"):
                continue
            first = i
            while doc.word(first - 1) in ("the", "very"):
                first -= 1
            if doc.word(first - 1) not in _EDGES or doc.word(i + 1) in (":", "="):
                continue
            if word not in ("end", "finish"):
                edges.append(Time(0.0, first, i + 1, 1.0))
            elif self.duration is not None:
                edges.append(Time(self.duration, first, i + 1, 1.0))
        return edges

    def _first_or_last_seconds(self, doc: Doc, time: Time) -> Candidate | None:
        """The interval of "the first 9 seconds" or "the last 5 seconds"; None for other times."""
        if not time.is_duration or not time.unit:
            return None
        if doc.word(time.first - 1) == "first":
            return Candidate((0.0, time.seconds), time.first, time.end, 1)
        if doc.word(time.first - 1) in ("last", "final") and self.duration is not None:
            return Candidate((max(0.0, self.duration - time.seconds), self.duration), time.first, time.end, 1)
        return None


def _pair(doc: Doc, a: Time, b: Time) -> Candidate | None:
    """The interval from one time to the next; None if they do not belong together."""
    between = doc.words[a.end : b.first]
    if len(between) > _MAX_GAP or _opens(doc, b):
        return None
    if _in_angles(doc, a) and _in_angles(doc, b):
        return _pair_in_angles(doc, a, b)
    if a.is_duration:
        begins = not b.is_duration and b.unit and not _STARTS.isdisjoint(between) and "." not in between
        return Candidate((b.seconds, b.seconds + a.seconds), a.first, b.end, 1) if begins else None
    if b.is_duration or not _LASTS.isdisjoint(between):
        if not {"until", "till"}.isdisjoint(between) or (not b.is_duration and "duration" not in between):
            return None
        return Candidate((a.seconds, a.seconds + b.seconds), a.first, b.end, 1)
    if not (_connected(doc, a, b, between) or _from_start_to_end(doc, a, b, between)):
        return None
    value = (a.seconds, b.seconds) if a.seconds <= b.seconds else None
    return Candidate(value, a.first, b.end, 1 if a.unit or b.unit else 0)


def _in_angles(doc: Doc, time: Time) -> bool:
    """Whether the time has brackets of its own: "<5.0 seconds>"."""
    return doc.word(time.first - 1) == "<" and doc.word(time.end) == ">"


def _pair_in_angles(doc: Doc, a: Time, b: Time) -> Candidate | None:
    """The interval "<5.0 seconds> to <10.0 seconds>" or "<5.0> <10.0>"; None if other words come between."""
    between = [word for word in doc.words[a.end + 1 : b.first - 1] if word not in _FILLERS]
    opening = doc.words[max(0, a.first - 4) : a.first]
    joined = not between or (len(between) == 1 and between[0] in _TO) or (between == ["and"] and "between" in opening)
    if not (joined or _from_start_to_end(doc, a, b, between)) or doc.word(b.end + 1) in _OTHER_UNITS:
        return None
    value = (a.seconds, b.seconds) if a.seconds <= b.seconds else None
    return Candidate(value, a.first - 1, b.end + 1, 1)


def _opens(doc: Doc, time: Time) -> bool:
    """Whether the time is the start of an interval: "from 5", "between 5"."""
    i = time.first - 1
    while doc.word(i) in _OPENING:
        i -= 1
    return doc.word(i) in ("from", "between")


def _connected(doc: Doc, a: Time, b: Time, between: Sequence[str]) -> bool:
    """Whether two times are connected: "a to b", "a - b", "between a and b" or "[a, b]"."""
    words = [word for word in between if word not in _FILLERS]
    opening = doc.words[max(0, a.first - 4) : a.first]
    bracketed = doc.word(a.first - 1) in ("[", "(", "<", "{") and doc.word(b.end) in ("]", ")", ">", "}")
    if bracketed and words in ([], ["-"], [";"]):
        return doc.word(a.end) in (",", "-", ";")
    if words == ["and"]:
        return "between" in opening
    if len(words) != 1 or words[0] not in _TO or ("," in between and words[0] not in ("until", "till")):
        return False
    if doc.word(b.end) == "-" and doc.glued(b.end - 1):
        return False  # a date
    if a.unit or b.unit or bracketed:
        return True
    if doc.word(b.end)[:1].isalpha() and doc.word(b.end) not in ("in", "of"):
        return False
    marked = (
        "from" in opening
        or doc.word(a.first - 1) in (":", "=")
        or is_alone(doc, a.first, b.end)
        or is_announced(doc, a.first)
    )
    start, stop = doc.sentence(a.first)
    return marked or "seconds" in doc.words[max(start, a.first - 20) : min(stop, b.end + 20)]


def _from_start_to_end(doc: Doc, a: Time, b: Time, between: Sequence[str]) -> bool:
    """Whether the first time is called the start and the second the end: "starts at a and ends at b"."""
    before = _clause(doc.words[max(0, a.first - 8) : a.first][::-1])
    after = _clause(doc.words[b.end : b.end + 6])
    begun = not _STARTS.isdisjoint(before) or _opens(doc, a) or not _STARTS.isdisjoint(between)
    return begun and (not _STOPS.isdisjoint(between) or not _STOPS.isdisjoint(after))


def _clause(words: Sequence[str]) -> Sequence[str]:
    """The words up to the end of the clause or the next number."""
    for i, word in enumerate(words):
        if word in (".", ";", "and", "!", "?") or word[-1:].isdecimal():
            return words[:i]
    return words
