"""The label of kind `interval`: when something starts and ends in the video."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, takewhile
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from videostar.labels.answer import Answer
from videostar.labels.cues import ANSWER
from videostar.labels.label import Share, ValueLabel, intersection_over_union, shared_length
from videostar.labels.number_context import is_alone, is_announced
from videostar.labels.numbers import format_number
from videostar.labels.settle import Candidate
from videostar.labels.statements import Statement, is_absent
from videostar.labels.times import Time, find_times

_TO = frozenset("to - ~ until till through thru >".split())
_FILLERS = frozenset(
    "the at about around approximately roughly mark second seconds s up just in video clip of very into before , "
    "minute time timestamp point <".split()
)
_OTHER_UNITS = frozenset("minute minutes min mins hour hours frame frames percent %".split())
_STARTS = frozenset("start starts started starting begin begins began beginning onset commences from since".split())
_STOPS = frozenset(
    "end ends ended ending finish finishes finished finishing complete completes completed stop stops stopped stopping "
    "until till concludes concluding offset continues wraps".split()
)
_CLAUSE_ENDS = frozenset([".", ";", "and", "\n", ",", ":"])
_LASTS = frozenset("lasts lasting lasted duration length".split())
_EDGES = frozenset("from until till to through at since".split())
_RANGE_NAMES = frozenset("from between during timestamps timestamp times frame interval range window segment".split())
_MAX_GAP = 25  # words between a start and its end
_MAX_SENTENCES_GAP = 60  # words, where both are named


class Interval(ValueLabel):
    """An interval of time."""

    nouns: ClassVar[str] = (
        rf"{ANSWER}|time ?stamps?|(?:time )?(?:interval|range|window|span|segment)s?|time ?frame|times?|(?<=\n)a"
    )

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

    def candidates(self, answer: Answer, statements: Sequence[Statement]) -> Sequence[Candidate]:
        """The pairs of times in an answer that may be an interval, as (start, end) in seconds."""
        times = sorted([*find_times(answer, self.duration), *self._edges(answer)], key=lambda t: t.first)
        reader = _Pairs(answer, statements, times)
        candidates = []
        k = 0
        while k < len(times):
            candidate, step = self._first_or_last_seconds(answer, times[k]), 1
            if candidate is None:
                candidate, step = reader.pair_at(k)
            if candidate:
                candidates.append(candidate)
            k += step
        absent = is_absent(answer) and candidates and candidates[0].first >= answer.sentences[0][1]
        return [] if absent else candidates

    def _edges(self, answer: Answer) -> list[Time]:
        """The times "from the beginning" and "until the end" of the video."""
        edges = []
        for i, word in enumerate(answer.words):
            if word not in ("beginning", "start", "end", "finish", "outset"):
                continue
            first = i
            while answer.word(first - 1) in ("the", "very"):
                first -= 1
            of = answer.word(i + 1) == "of" and answer.word(i + 2)[:1].isdigit()
            named = of or answer.word(i + 1) in ("time", "point")  # the start time of 0.2
            if answer.word(first - 1) not in _EDGES or answer.word(i + 1) in (":", "=") or named:
                continue
            if word not in ("end", "finish"):
                edges.append(Time(0.0, first, i + 1, 1.0))
            elif self.duration is not None:
                edges.append(Time(self.duration, first, i + 1, 1.0))
        return edges

    def _first_or_last_seconds(self, answer: Answer, time: Time) -> Candidate | None:
        """The interval of "the first 9 seconds" or "the last 5 seconds"; None for other times."""
        if not time.is_duration or not time.unit:
            return None
        if answer.word(time.first - 1) == "first":
            return Candidate((0.0, time.seconds), time.first, time.end, 1)
        if answer.word(time.first - 1) in ("last", "final") and self.duration is not None:
            return Candidate((max(0.0, self.duration - time.seconds), self.duration), time.first, time.end, 1)
        return None


class _Pairs:
    """Reads pairs of neighbouring times as intervals."""

    def __init__(self, answer: Answer, statements: Sequence[Statement], times: Sequence[Time]) -> None:
        self.answer, self.statements, self.times = answer, statements, times

    def pair_at(self, k: int) -> tuple[Candidate | None, int]:
        """The interval that starts with the time `k`, and the number of times that it takes."""
        if k + 1 >= len(self.times):
            return None, 1
        a, b = self.times[k], self.times[k + 1]
        if self._connected(k):
            if self._connected(k + 2) and self._role(k) == "start" and self._role(k + 2) == "end":
                return Candidate(None, a.first, self.times[k + 3].end, 1), 4  # both ends are ranges
            return _candidate(a, b, int(bool(a.unit or b.unit))), 2
        if not a.is_duration:
            return self._apart(k)
        between = self.answer.words[a.end : b.first]
        if b.unit and not b.is_duration and not _STARTS.isdisjoint(between) and "." not in between:
            return Candidate((b.seconds, b.seconds + a.seconds), a.first, b.end, 1), 2
        return None, 1

    def _apart(self, k: int) -> tuple[Candidate | None, int]:
        """The interval from the time `k` to one that words call its end or length, and the number of times."""
        a, role = self.times[k], self._role(k)
        if role == "end":
            return None, 1
        for j in range(k + 1, len(self.times)):
            b = self.times[j]
            between = self.answer.words[a.end : b.first]
            too_far = len(between) > (_MAX_SENTENCES_GAP if role else _MAX_GAP)
            if too_far or (j > k + 1 and not self._is_aside(j - 1, started=bool(role))):
                break
            if self._lasts(b, between):
                return Candidate((a.seconds, a.seconds + b.seconds), a.first, b.end, 1), j - k + 1
            if self._ends(j, between, started=bool(role)):
                return _candidate(a, b, 1), j - k + 1
        return None, 1

    def _role(self, k: int) -> str | None:
        """Whether the words before a time call it the start or the end of something; None if neither."""
        time = self.times[k]
        start = max(self.answer.sentence(time.first)[0], time.first - _MAX_GAP, self.times[k - 1].end if k else 0)
        line = self.answer.words[max(0, start - 4) : start]
        if line[-1:] == ["\n"] and (len(line) < 4 or "\n" in line[:-1]):
            start -= len(line)  # the name is on a line of its own
        words = self.answer.words[start : time.first]
        if words[-1:] == ["to"]:
            return "end"
        last = next((word for word in reversed(words) if word in _STARTS or word in _STOPS), None)
        return last and ("end" if last in _STOPS else "start")

    def _ends(self, j: int, between: Sequence[str], *, started: bool) -> bool:
        """Whether the time `j` is an end. `started`: the time before `between` is called a start."""
        time = self.times[j]
        if time.is_duration:
            return False
        if self._stops_after(time) and (started or not _STARTS.isdisjoint(between)):
            return True
        joined = any(a == "and" and b in _STOPS - {"until", "till"} for a, b in pairwise(between))  # "and ends at"
        apart = started or joined or not {".", "when", "time"}.isdisjoint(between)
        return apart and self._role(j) == "end" and not self._in_parentheses(time)

    def _stops_after(self, time: Time) -> bool:
        """Whether the words after a time call it an end: "5 s is when it ends"."""
        after = self.answer.words[time.end : time.end + 6]
        clause = list(takewhile(lambda w: w not in _CLAUSE_ENDS and not w[-1:].isdigit(), after))
        return not _STOPS.isdisjoint(clause)

    def _lasts(self, time: Time, between: Sequence[str]) -> bool:
        """Whether a time is how long the stretch lasts that starts before `between`."""
        of_video = any(a in ("video", "clip") and b in _LASTS for a, b in pairwise(between))
        if of_video or not {"until", "till"}.isdisjoint(between):
            return False
        return time.is_duration or "duration" in between or (not _LASTS.isdisjoint(between[-4:]) and bool(time.unit))

    def _is_aside(self, k: int, *, started: bool) -> bool:
        """Whether the time `k` is only mentioned between a start, which is `started` if called so, and its end."""
        if self._in_parentheses(self.times[k]):
            return True
        return started and self._role(k) is None and not self._connected(k)

    def _in_parentheses(self, time: Time) -> bool:
        before = self.answer.words[max(0, time.first - 6) : time.first]
        return "(" in before and ")" not in before[before.index("(") :]

    def _in_angles(self, time: Time) -> bool:
        """Whether the time has brackets of its own: "<5.0 seconds>"."""
        return self.answer.word(time.first - 1) == "<" and self.answer.word(time.end) == ">"

    def _connected(self, k: int) -> bool:
        """Whether the time `k` and the next are connected: "a to b", "a - b", "between a and b" or "[a, b]"."""
        if k + 1 >= len(self.times):
            return False
        a, b = self.times[k], self.times[k + 1]
        return not a.is_duration and not b.is_duration and b.first - a.end <= _MAX_GAP and self._joined(a, b)

    def _joined(self, a: Time, b: Time) -> bool:
        """Whether the marks and words around two times that are no durations connect them."""
        answer = self.answer
        between, end = answer.words[a.end : b.first], b.end
        bracketed = answer.word(a.first - 1) in ("[", "(", "<", "{") and answer.word(end) in ("]", ")", ">", "}")
        if self._in_angles(a) and self._in_angles(b):
            between, end = between[1:-1], end + 1
        if answer.word(end) in _OTHER_UNITS or (answer.word(end) == "-" and answer.glued(end - 1)):  # a date
            return False
        opening = answer.words[max(0, a.first - 6) : a.first]
        words = [word for word in between if word not in _FILLERS]
        if words == ["and"]:
            return "between" in opening
        if bracketed and words in ([], ["-"], [";"]):
            return between[:1] in ([], [","], ["-"], [";"])
        if len(words) != 1 or words[0] not in _TO or ("," in between and words[0] not in ("until", "till")):
            return False
        return bool(a.unit or b.unit or bracketed) or self._is_range(a, b, opening)

    def _is_range(self, a: Time, b: Time, opening: Sequence[str]) -> bool:
        """Whether two numbers without a unit, with the words `opening` before them, are a range of times."""
        answer = self.answer
        if not _RANGE_NAMES.isdisjoint(opening) or answer.word(a.first - 1) in (":", "="):
            return True
        if answer.word(b.end)[:1].isalpha() and answer.word(b.end) not in ("in", "of"):
            return False
        start, stop = answer.sentence(a.first)
        if "seconds" in answer.words[max(start, a.first - 20) : min(stop, b.end + 20)]:
            return True
        return is_alone(answer, a.first, b.end) or is_announced(answer, self.statements, a.first)


def _candidate(a: Time, b: Time, level: int) -> Candidate:
    return Candidate((a.seconds, b.seconds) if a.seconds <= b.seconds else None, a.first, b.end, level)
