"""Chooses among the values in an answer the one that it settles on."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from videostar.labels.cues import CONCLUDED, find_cues, is_alone, is_total
from videostar.labels.doc import Doc
from videostar.labels.status import ASSERTED, Status
from videostar.labels.value_status import value_status

_MAX_GAP = 30  # words between a value and its correction
_TAKES_BACK = frozenset("wait correction scratch sorry oops recounting hmm".split())
_MARKS = frozenset(".!?\n,;:-()")
# Words that may come between the two sides of an "or".
_SIDES = frozenset(
    "or either even maybe perhaps possibly at from about around approximately the a an is be could might it its also "
    "s sec second seconds points times between probably just to by in on , ( ) [ ] % mark - and".split()
)
_RANGE = frozenset("to - ~".split())


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value in an answer, at `words[first:end]` of its `Doc`."""

    value: Any  # None if it is invalid: an end before its start
    first: int
    end: int
    level: int = 0  # 1 if it clearly is a value of the label's kind


@dataclass(frozen=True, slots=True)
class Settled:
    """The value that an answer settles on, if it settles on one."""

    candidate: Candidate | None = None
    hedged: bool = False  # it leaves several values open
    denied: tuple[Any, ...] = ()  # the values that it denies


def settle(doc: Doc, candidates: Sequence[Candidate], *, last: bool = True) -> Settled:
    """The candidate that an answer settles on.

    An explicit final answer decides, or else a conclusion, or else the last assertion. Without `last`, several values
    without a conclusion are a hedge. The `candidates` must be in the order of the text.
    """
    statuses = [value_status(doc, c.first, c.end) for c in candidates]
    denied = tuple(c.value for c, status in zip(candidates, statuses, strict=True) if status is Status.DENIED)
    usable = [c for c, status in zip(candidates, statuses, strict=True) if status in ASSERTED]
    if not usable:
        return Settled(denied=denied)
    firm = {c.first for c, status in zip(candidates, statuses, strict=True) if status is Status.STATED}
    groups = _alternatives(doc, usable)
    ranks = _ranks(doc, usable, groups)
    best = max(ranks)
    chosen = [k for k, rank in enumerate(ranks) if rank == best]
    stated = [k for k in chosen if usable[k].first in firm]
    favourite = (stated or chosen)[-1]
    pick = _correction_of(doc, usable, favourite)
    rivals = [k for k, group in enumerate(groups) if group is not None and group == groups[pick]]
    if pick == favourite and not rivals and best < CONCLUDED:
        if not last:
            rivals = [k for k in chosen if _correction_of(doc, usable, k) == k]
        elif not stated:
            rivals = [k for k, c in enumerate(usable) if c.first not in firm]
    values = {usable[k].value for k in rivals}
    if len(values) > 1:
        later = [c for c, group in zip(usable, groups, strict=True) if group is None and c.first > usable[pick].first]
        later = [c for c in later if c.value in values and c.first in firm]
        return Settled(later[-1], denied=denied) if later else Settled(hedged=True, denied=denied)
    return Settled(usable[pick], denied=denied)


def _ranks(doc: Doc, candidates: Sequence[Candidate], groups: Sequence[int | None]) -> list[int]:
    """The rank of each candidate: the greater of its level and the level of the cue that announces it."""
    ranks = [c.level for c in candidates]
    firsts = [c.first for c in candidates]
    for cue in find_cues(doc):
        k = bisect_left(firsts, cue.end)
        if k < len(firsts) and firsts[k] < _scope_end(doc, cue.end):
            ranks[k] = max(ranks[k], cue.level)
    for k, c in enumerate(candidates):
        if is_total(doc, c.end):
            ranks[k] = max(ranks[k], CONCLUDED)
    final = candidates[-1]
    if "\n" in doc.words[: final.first] and is_alone(doc, final.first, final.end):
        ranks[-1] = max(ranks[-1], CONCLUDED)
    shared: dict[int | None, int] = {}
    for rank, group in zip(ranks, groups, strict=True):
        shared[group] = max(rank, shared.get(group, 0))
    return [rank if group is None else shared[group] for rank, group in zip(ranks, groups, strict=True)]


def _scope_end(doc: Doc, start: int) -> int:
    """The end of the scope of a cue that ends before `start`: its sentence, or the next if no word follows in it."""
    stop = doc.sentence(start - 1)[1]
    if not any(word.isalnum() for word in doc.words[start:stop]):
        while doc.word(stop) == "\n":
            stop += 1
        if stop < len(doc):
            stop = doc.sentence(stop)[1]
    return stop


def _alternatives(doc: Doc, candidates: Sequence[Candidate]) -> list[int | None]:
    """For each candidate the number of its group of alternatives ("7 or 8", "between 7 and 8"), or None."""
    groups: list[int | None] = [None] * len(candidates)
    for k in range(len(candidates) - 2, -1, -1):
        a, b = candidates[k], candidates[k + 1]
        if a.value == b.value or b.first - a.end > 16:
            continue
        between = doc.words[a.end : b.first]
        listed = groups[k + 1] is not None and between == [","]
        if listed or _joined_by_or(doc, a, between) or _is_range(doc, a, between):
            group = groups[k + 1]
            groups[k] = groups[k + 1] = k if group is None else group
    return groups


def _joined_by_or(doc: Doc, a: Candidate, between: Sequence[str]) -> bool:
    if "or" not in between and "vs" not in between and "versus" not in between:
        return False
    place = between.index("or") if "or" in between else 0
    if between[place + 1 : place + 2] in (["rather"], ["more"], ["better"]):
        return False
    noun = min(place, 2)  # "4 squats or 5 squats"
    if _SIDES.issuperset(between[noun:]) and len(between) < 10 and _MARKS.isdisjoint(between[:noun]):
        return True
    if {".", "!", "?", "\n"}.isdisjoint(between):
        return "either" in doc.words[max(doc.sentence(a.first)[0], a.first - 12) : a.first]
    return False


def _is_range(doc: Doc, a: Candidate, between: Sequence[str]) -> bool:
    if len(between) > 5 or not _SIDES.issuperset(between):
        return False
    if "and" in between:
        return "between" in doc.words[max(0, a.first - 3) : a.first]
    return bool(between) and not _RANGE.isdisjoint(between)


def _correction_of(doc: Doc, candidates: Sequence[Candidate], pick: int) -> int:
    """The index of the candidate that corrects the one at `pick` ("7, no, 8", "Wait, it is 8"), or else `pick`."""
    for k in range(pick + 1, len(candidates)):
        first, stop = candidates[pick].end, candidates[k].first
        if stop - first > _MAX_GAP:
            break
        if candidates[k].value != candidates[pick].value and any(_takes_back(doc, i) for i in range(first, stop)):
            pick = k
    return pick


def _takes_back(doc: Doc, i: int) -> bool:
    """Whether the word at `i` takes back what precedes it."""
    word, before, after = doc.word(i), doc.word(i - 1), doc.word(i + 1)
    if word == "rather":
        return before == "or"
    if word == "mean":
        return before == "i"
    if word == "that":
        return before == "make"
    if before not in _MARKS and before not in ("no", "oh", "but"):
        return False
    if word == "no":
        return after in _MARKS or after.isdecimal() or after in ("wait", "it's", "it")
    return word in _TAKES_BACK or (word == "actually" and before in ".!?\n-")
