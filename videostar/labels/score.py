"""The label of kind `score`: a number, such as the points of a dive, within a tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from videostar.labels.answer import Answer
from videostar.labels.cues import ANSWER
from videostar.labels.label import ValueLabel, closeness
from videostar.labels.number_context import (
    follows_copula,
    is_announced,
    is_bound,
    is_concluded,
    is_followed_by_noun,
    is_measure,
    is_operand,
    is_part_of_name,
)
from videostar.labels.numbers import Number, find_numbers, format_number, number_at
from videostar.labels.settle import Candidate
from videostar.labels.statements import Statement

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

    nouns: ClassVar[str] = (
        rf"{ANSWER}|(?:final |overall )?(?:score|rating|mark|grade|value|result|total|difficulty)|final|(?<=\n)a"
    )

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

    def candidates(self, answer: Answer, statements: Sequence[Statement]) -> Sequence[Candidate]:
        """The numbers of an answer that may be the score.

        A number for a part of the score, such as the difficulty, or with a unit is a candidate only if it is the only
        number.
        """
        for exclude, measures in ((_PARTS, False), (_PARTS, True), (frozenset[str](), True)):
            candidates = self._read(answer, statements, exclude, measures)
            if candidates and (exclude or len({c.value for c in candidates}) == 1):
                return candidates
        return []

    def _read(
        self, answer: Answer, statements: Sequence[Statement], exclude: frozenset[str], measures: bool
    ) -> list[Candidate]:
        candidates: list[Candidate] = []
        above = 0  # the words before this index belong to the last number, as in "8 out of 10"
        before: Number | None = None
        listed: list[int] = []  # where the numbers of the current list are
        for number in find_numbers(answer):
            if number.first < above:
                continue
            out_of = _out_of(answer, number)
            above = out_of.end if out_of else number.end
            candidate = self._candidate(answer, statements, number, out_of, exclude, measures)
            if candidate:
                candidates.append(candidate)
            if before is None or not _in_one_list(answer, before, number):
                listed = []
            listed.append(number.first)
            before = number
            while len(listed) > 2 and candidates and candidates[-1].first >= listed[0]:  # the marks of several judges
                candidates.pop()
        return candidates

    def _candidate(
        self,
        answer: Answer,
        statements: Sequence[Statement],
        number: Number,
        out_of: Number | None,
        exclude: frozenset[str],
        measures: bool,
    ) -> Candidate | None:
        first = number.first
        level = _level(answer, first, exclude)
        if level is None or is_operand(answer, number) or is_bound(answer, first):
            return None
        if answer.word(number.end) in ("%", "percent"):
            return Candidate(self._share(number.value), first, number.end + 1, 1)
        if out_of:
            value = self._of_whole(number.value, out_of.value)
            return Candidate(value, first, out_of.end, 1) if value is not None else None
        return self._plain(answer, statements, number, level, measures)

    def _plain(
        self, answer: Answer, statements: Sequence[Statement], number: Number, level: int, measures: bool
    ) -> Candidate | None:
        """The candidate that a number without a percent sign or a scale is."""
        first = number.first
        concluded = is_concluded(statements, first)
        predicate = concluded or is_announced(answer, statements, first) or follows_copula(answer, first)
        if is_part_of_name(answer, number) or (is_measure(answer, number) and not (measures or predicate)):
            return None
        result = answer.word(first - 1) == "=" or (concluded and follows_copula(answer, first))
        level = max(level, int(result or answer.word(number.end) in ("points", "point", "pts")))
        closed = not answer.word(number.end + 1)[:1].isalpha()  # "20.4 m", not "3 m springboard"
        unit = measures and (_is_all(answer, number) or (closed and is_measure(answer, number)))
        noun = is_followed_by_noun(answer, number) and not (predicate or unit)
        if level == 0 and (noun or self._is_unlikely(number)):
            return None
        return Candidate(number.value, first, number.end, level)

    def _is_unlikely(self, number: Number) -> bool:
        """Whether a number that nothing calls a score is outside of the range, or only "one"."""
        one = number.spelled and number.end == number.first + 1 and number.value < 2
        return one or (self.range is not None and not self.range[0] <= number.value <= self.range[1])

    def _share(self, percentage: float) -> float:
        """The value of a percentage: a share of the range, if there is one."""
        if self.range is None or not 0 <= percentage <= 100:
            return percentage
        return self.range[0] + percentage / 100 * (self.range[1] - self.range[0])

    def _of_whole(self, part: float, whole: float) -> float | None:
        """The value of "part/whole"; None on another scale than the label's."""
        if self.range:
            return part if whole == self.range[1] else None
        fraction = whole > 0 and (part > whole or abs(self.value) <= 1)  # 3/4 is three of four points, or 0.75
        return part / whole if fraction else part


def _is_all(answer: Answer, number: Number) -> bool:
    """Whether the answer is a number with its unit in words: "thirty-six square metres"."""
    return not number.first and len(answer) <= number.end + 4


def _out_of(answer: Answer, number: Number) -> Number | None:
    """The 10 of "8/10", "8 out of 10" or "8 out of a possible 10"; None without one."""
    i = number.end
    if answer.word(i) in ("points", "marks", "point"):
        i += 1
    if answer.word(i) == "/" or (answer.word(i) == "of" and answer.word(i + 2) in ("points", "marks")):
        i += 1
    elif answer.words[i : i + 2] == ["out", "of"]:
        i += 2
        while answer.word(i) in ("a", "the", "possible", "maximum", "total", "max", "of", "an"):
            i += 1
    else:
        return None
    return number_at(answer, i)


def _in_one_list(answer: Answer, a: Number, b: Number) -> bool:
    """Whether two numbers are next to each other in a list: "8.5, 8.5 and 9"."""
    return answer.words[a.end : b.first] in ([","], ["and"], [",", "and"])


def _level(answer: Answer, first: int, exclude: frozenset[str]) -> int | None:
    """The level of the number at `first`: 1 after "a score of" or "I'd give", None after "a difficulty of", else 0."""
    for i in range(first - 1, max(-1, first - 9), -1):
        word = answer.words[i]
        if word[-1:].isdecimal() and answer.word(i - 1) in ("of", "from") and answer.word(i - 2) == "scale":
            return None
        if word in _STOPS or word[-1:].isdecimal():
            return 0
        if word in exclude or (word == "scale" and answer.word(i + 1) in ("of", "from")):
            return None
        if word in _SCORES:
            return None if answer.word(i - 1) in exclude else 1
        if word in _AWARDS:
            return 1
    return 0
