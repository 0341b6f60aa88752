"""Chooses among the values that an answer mentions the one that it settles on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import pairwise
from typing import Any

from videostar.labels.answer import Answer
from videostar.labels.statements import Statement, Strength, find_retractions, is_consideration, is_undecided
from videostar.labels.status import ASSERTED, Status, is_guess, status_of

_MAX_CANDIDATES = 200  # of more, the first and the last are read
# Words that may come between the two sides of an "or".
_SIDES = frozenset(
    "or either even maybe perhaps possibly at from about around approximately the a an is be could might it its also "
    "s sec second seconds points times between probably just to by in on , ( ) [ ] % mark - and x > < of".split()
)
_RANGE = frozenset("to - ~".split())
_MARKS = frozenset(".!?\n,;:-()")


class Exclusive(IntEnum):
    """Where two values exclude each other, so that an answer with both hedges, unless it concludes with one."""

    NOT = 0  # nowhere: the first counts
    SENTENCE = 1
    ANSWER = 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value in an answer, at `words[first:end]`."""

    value: Any  # None if it is invalid: an end before its start
    first: int
    end: int
    level: int = 0  # 1 if it clearly is a value of the label's kind
    status: Status | None = None  # None: to be read from the words around it


@dataclass(frozen=True, slots=True)
class Settled:
    """The value that an answer settles on, if it settles on one."""

    candidate: Candidate | None = None
    hedged: bool = False  # it leaves several values open
    denied: tuple[Any, ...] = ()  # the values that it denies


def settle(
    answer: Answer,
    candidates: Sequence[Candidate],
    statements: Sequence[Statement],
    *,
    exclusive: Exclusive = Exclusive.NOT,
) -> Settled:
    """The candidate that an answer settles on; the `candidates` are in the order of the text.

    An explicit final answer decides, or else a conclusion, or else the first sentence that states a value, unless it
    is taken back.
    """
    return _Settlement(answer, candidates, statements, exclusive).settle()


@dataclass(slots=True)
class _Usable:
    """A candidate that is asserted or left open."""

    value: Any
    first: int
    end: int
    level: int
    status: Status
    sentence: int  # its number
    group: int | None = None  # of alternatives, by number

    @property
    def rank(self) -> tuple[int, bool]:
        return self.level, self.status is Status.STATED


class _Settlement:
    """The candidates of an answer, and the parts of it that count."""

    def __init__(
        self, answer: Answer, candidates: Sequence[Candidate], statements: Sequence[Statement], exclusive: Exclusive
    ) -> None:
        self.answer, self.statements, self.exclusive = answer, statements, exclusive
        self.usable: list[_Usable] = []
        denied = []
        for c in candidates:
            status = c.status or status_of(answer.words, c.first, c.end)
            if status in ASSERTED or status is Status.OPEN:
                self.usable.append(_Usable(c.value, c.first, c.end, c.level, status, answer.sentence_number(c.first)))
            elif status is Status.DENIED:
                denied.append(c.value)
        self.denied = tuple(denied)
        self._drop_retracted()
        _group(answer, self.usable, exclusive)
        self.best = max((u.rank for u in self.usable), default=(0, False))

    def _drop_retracted(self) -> None:
        """Drops what the answer takes back, if it then asserts something."""
        for mark in reversed(find_retractions(self.answer)):
            before = {u.value for u in self.usable if u.first < mark}
            after = [u for u in self.usable if u.first >= mark]
            after = [u for u in after if u.value not in before] or after
            if any(u.status in ASSERTED for u in after):
                self.usable = after
                self.statements = [s for s in self.statements if s.stop > mark]
                return

    def settle(self) -> Settled:
        """The candidate that the first part with an assertion settles on."""
        for part in (*self._final_parts(), *self._leads()):
            settled = self._choose(part)
            if settled is not None:
                return replace(settled, denied=self.denied)
        return Settled(denied=self.denied)

    def _final_parts(self) -> Iterator[list[_Usable]]:
        """The candidates in final answers and conclusions, the one that counts most first."""
        yield from self._inside(Strength.FINAL)
        yield from self._inside(Strength.EXPLICIT)
        for part in self._inside(Strength.CONCLUDED):
            if self.exclusive is Exclusive.SENTENCE or max(u.level for u in part) >= self.best[0]:
                yield part
        yield from ([u] for u in reversed(self.usable) if _is_total(self.answer, u.end))

    def _inside(self, strength: Strength) -> Iterator[list[_Usable]]:
        """The candidates in each statement of this strength, from the last one to the first."""
        for statement in reversed([s for s in self.statements if s.strength is strength]):
            part = [u for u in self.usable if statement.first < u.end and u.first < statement.stop]
            if part:
                yield part

    def _leads(self) -> Iterator[list[_Usable]]:
        """The clearest candidates by sentence, from the first one on."""
        if not self.usable or (is_undecided(self.answer) and self.usable[0].sentence):
            return
        if not self.best[0]:
            yield from self._inside(Strength.PASSING)
        top = [u for u in self.usable if u.rank == self.best or u.status is Status.OPEN]
        if self.exclusive is Exclusive.ANSWER:
            yield top
            return
        if is_consideration(self.answer, top[0].first):
            top.reverse()
        for lead in top:
            yield [u for u in top if u.sentence == lead.sentence]

    def _choose(self, part: Sequence[_Usable]) -> Settled | None:
        """The candidate that a part settles on; None if it states none."""
        asserted = [u for u in part if u.status in ASSERTED]
        if not asserted:
            return Settled(hedged=True) if len({u.value for u in self.usable}) > 1 else None
        best = max(u.rank for u in asserted)
        chosen = self._after_but([u for u in asserted if u.rank == best])
        values = {u.value for u in self._rivals(chosen)}
        if len(values) > 1:
            chosen = [
                u
                for u in self.usable[::-1]
                if u.first > part[-1].first and u.value in values and u.status is Status.STATED and u.group is None
            ]
        return Settled(Candidate(chosen[0].value, chosen[0].first, chosen[0].end)) if chosen else Settled(hedged=True)

    def _after_but(self, chosen: list[_Usable]) -> list[_Usable]:
        """The candidates from a "but" on: "he looks at it at 0:18 but opens it at 0:42"."""
        for k, u in enumerate(chosen):
            contrasted = u.sentence == chosen[0].sentence and "but" in self.answer.words[chosen[0].end : u.first]
            if contrasted and not is_guess(self.answer.words, u.first):
                return chosen[k:]
        return chosen

    def _rivals(self, chosen: Sequence[_Usable]) -> Iterator[_Usable]:
        """The candidates that leave the first of `chosen` open, and that one."""
        pick = chosen[0]
        yield from chosen if self.exclusive else [pick]
        yield from (u for u in self.usable if pick.group is not None and u.group == pick.group)
        if pick.status is Status.SUPPOSED and is_guess(self.answer.words, pick.first):
            for u in self.usable:
                if u.sentence == pick.sentence and u.status is Status.SUPPOSED and is_guess(self.answer.words, u.first):
                    yield u


def _is_total(answer: Answer, end: int) -> bool:
    """Whether the words from `end` on call the value before them a total: "7 in total", "7 squats altogether"."""
    for i in range(end, min(end + 6, len(answer))):
        word = answer.words[i]
        if word in _MARKS or word == "and":
            return False
        if word in ("altogether", "overall") or (word == "in" and answer.word(i + 1) in ("total", "all")):
            return True
    return False


def _group(answer: Answer, usable: Sequence[_Usable], exclusive: Exclusive) -> None:
    """Marks neighbouring candidates with different values that are alternatives: "7 or 8", "7 to 8"."""
    for number, (a, b) in enumerate(pairwise(usable)):
        between = answer.words[a.end : b.first]
        joined = (
            _joined_by_or(answer, a, between)
            or _is_range(answer, a, between)
            or (exclusive is Exclusive.SENTENCE and "and" in between and _SIDES.issuperset(between))
        )
        if a.value == b.value or not joined:
            continue
        b.group = a.group = a.group if a.group is not None else number


def _joined_by_or(answer: Answer, a: _Usable, between: Sequence[str]) -> bool:
    if "or" not in between and "vs" not in between and "versus" not in between:
        return False
    place = between.index("or") if "or" in between else 0
    if between[place + 1 : place + 2] in (["rather"], ["more"], ["better"], ["so"], ["take"]):
        return False
    noun = min(place, 2) if between[0].isalpha() else 0  # "4 squats or 5 squats"
    if _SIDES.issuperset(between[noun:]) and len(between) < 10 and _MARKS.isdisjoint(between[:noun]):
        return True
    if {".", "!", "?", "\n"}.isdisjoint(between):
        return "either" in answer.words[max(answer.sentence(a.first)[0], a.first - 12) : a.first]
    return False


def _is_range(answer: Answer, a: _Usable, between: Sequence[str]) -> bool:
    if len(between) > 5 or not _SIDES.issuperset(between):
        return False
    if "and" in between:
        return "between" in answer.words[max(0, a.first - 3) : a.first]
    return bool(between) and not _RANGE.isdisjoint(between)
