"""The label of kind `score`: a number, such as the points of a dive, within a tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from videostar.labels.cues import is_announced
from videostar.labels.doc import Doc
from videostar.labels.number_context import is_followed_by_noun, is_unrelated
from videostar.labels.numbers import Number, find_numbers, format_number, number_at
from videostar.labels.settle import Candidate
from videostar.labels.value import ValueLabel, closeness

_DEFAULT_RELATIVE_TOLERANCE = 0.05
_SCORES = frozenset("score scores scored rating rate rated grade total points mark result value".split())
_AWARDS = frozenset(
    "give gives gave given award awards awarded assign assigned estimate estimated predict predicted earn earns "
    "earned receive receives received get gets got deserve deserves worth rate rated grade put place say go "
    "expect expected scoring scores score".split()
)
# Names of numbers that a score is made of.
_PARTS = frozenset(
    "difficulty dd execution artistic technical component components penalty penalties deduction deductions deduct "
    "deducts deducted lose loses losing marks tariff presentation coefficient factor multiplier minus each "
    "somersaults twists maximum max threshold".split()
)
_STOPS = frozenset(",;.!?\n(){}[]")


class Score(ValueLabel):
    """A number. An answer may differ by the greater of the two tolerances, or by 5 % if neither is given."""

    kind: Literal["score"] = "score"
    value: float
    tolerance: Annotated[float, Field(ge=0)] | None = None
    relative_tolerance: Annotated[float, Field(ge=0)] | None = None  # as a share of the value
    range: tuple[float, float] | None = None  # lowest and highest possible score

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.range and not self.range[0] < self.range[1]:
            raise ValueError("`range` must be [lo, hi] with lo < hi")
        return self

    def words(self) -> str:
        """The number in digits."""
        return format_number(self.value)

    def similarity(self, value: float) -> float:
        """1 for the same number, 0.5 at the tolerance."""
        relative = self.relative_tolerance
        if relative is None:
            relative = _DEFAULT_RELATIVE_TOLERANCE if self.tolerance is None else 0.0
        return closeness(abs(value - self.value), max(self.tolerance or 0.0, relative * abs(self.value)))

    def candidates(self, doc: Doc) -> Sequence[Candidate]:
        """The numbers of a text that may be the score.

        A number for a part of the score, such as the difficulty, is a candidate only if it is the only number.
        """
        candidates = self._read(doc, _PARTS)
        if candidates:
            return candidates
        parts = self._read(doc, frozenset())
        return parts if len({part.value for part in parts}) == 1 else []

    def _read(self, doc: Doc, exclude: frozenset[str]) -> list[Candidate]:
        candidates: list[Candidate] = []
        above = 0  # the words before this index belong to the last number, as in "8 out of 10"
        before: Number | None = None
        listed: list[int] = []  # where the numbers of the current list are
        for number in find_numbers(doc):
            if number.first < above:
                continue
            out_of = _out_of(doc, number)
            above = out_of.end if out_of else number.end
            candidate = self._candidate(doc, number, out_of, exclude)
            if candidate:
                candidates.append(candidate)
            if before is None or not _in_one_list(doc, before, number):
                listed = []
            listed.append(number.first)
            before = number
            while len(listed) > 2 and candidates and candidates[-1].first >= listed[0]:  # the marks of several judges
                candidates.pop()
        return candidates

    def _candidate(self, doc: Doc, number: Number, out_of: Number | None, exclude: frozenset[str]) -> Candidate | None:
        end = number.end
        if doc.word(end) in ("%", "percent"):
            end += 1
        elif out_of:
            if self.range and out_of.value != self.range[1]:
                return None
            end = out_of.end
        elif is_unrelated(doc, number):
            return None
        level = _level(doc, number.first, exclude)
        if level is None:
            return None
        if end > number.end or doc.word(end) in ("points", "point", "pts"):
            level = 1
        if level == 0:
            outside = self.range and not self.range[0] <= number.value <= self.range[1]
            if outside or (is_followed_by_noun(doc, number) and not is_announced(doc, number.first)):
                return None
            if number.spelled and number.end == number.first + 1 and number.value < 2:
                return None  # "one"
        return Candidate(number.value, number.first, end, level)


def _out_of(doc: Doc, number: Number) -> Number | None:
    """The 10 of "8/10", "8 out of 10" or "8 out of a possible 10"; None without one."""
    i = number.end
    if doc.word(i) in ("points", "marks", "point"):
        i += 1
    if doc.word(i) == "/":
        i += 1
    elif doc.words[i : i + 2] == ["out", "of"]:
        i += 2
        while doc.word(i) in ("a", "the", "possible", "maximum", "total", "max", "of", "an"):
            i += 1
    else:
        return None
    return number_at(doc, i)


def _in_one_list(doc: Doc, a: Number, b: Number) -> bool:
    """Whether two numbers are next to each other in a list: "8.5, 8.5 and 9"."""
    return doc.words[a.end : b.first] in ([","], ["and"], [",", "and"])


def _level(doc: Doc, first: int, exclude: frozenset[str]) -> int | None:
    """The level of the number at `first`: 1 after "a score of" or "I'd give", None after "a difficulty of", else 0."""
    for i in range(first - 1, max(-1, first - 9), -1):
        word = doc.words[i]
        if word in _STOPS or word[-1:].isdecimal():
            return 0
        if word in exclude or (word == "scale" and doc.word(i + 1) in ("of", "from")):
            return None
        if word in _SCORES:
            return None if doc.word(i - 1) in exclude else 1
        if word in _AWARDS:
            return 1
    return 0
