"""The order of time in which an answer puts what it mentions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from videostar.labels.patterns import Mention
from videostar.labels.text import SENTENCE_ENDS

_EARLIER = frozenset("after once having".split())  # what they govern came before the rest
_PERFECT = frozenset("has have had having she's he's they've".split())
_LATER = frozenset("before until till".split())
_THAT = frozenset("that this which".split())
_NEAR = 5  # words between a connective at the start and what it governs, when no comma closes it
_CLOSES = frozenset([",", ";", ":", "then", "finally"])
_NUMBERED = re.compile(
    r"[ \t>*#_(-]{0,8}(?:step|phase|stage)?[ \t]{0,3}(\d{1,3})[ \t]{0,3}[*_]{0,3}[.):-][*_]{0,3}[ \t]+\S", re.IGNORECASE
)


def sort_numbered_lines(text: str) -> str:
    """`text` with the lines of a numbered list in the order of their numbers."""
    lines = text.split("\n")
    numbered = [(int(m[1]), k) for k, line in enumerate(lines) if (m := _NUMBERED.match(line[:80]))]
    numbers = [number for number, _ in numbered]
    if len(set(numbers)) < len(numbers) or all(a < b for a, b in pairwise(numbers)):
        return text
    moved = [lines[k] for _, k in sorted(numbered)]
    for (_, k), line in zip(numbered, moved, strict=True):
        lines[k] = line
    return "\n".join(lines)


def chronological(words: Sequence[str], steps: Mapping[Mention, str]) -> list[Mention]:
    """The mentions of steps as they follow each other in time, by "before", "after" and their like.

    They come in the order of the text. What a "before" names again ("before she opens it, she ...") is the step told
    already, and only tells the place of another.
    """
    mentions = list(steps)
    told: list[Mention] = []
    last = 0  # where in `told` the events of the sentence before start
    k = 0
    while k < len(mentions):
        stop = mentions[k].end
        while stop < len(words) and words[stop] not in SENTENCE_ENDS:
            stop += 1
        count = k
        while count < len(mentions) and mentions[count].start < stop:
            count += 1
        start = mentions[k - 1].end if k else 0
        while (mark := _next_end(words, start, mentions[k].start)) is not None:
            start = mark + 1
        events, back = _sentence(words, mentions[k:count], start, stop)
        anchor = _anchor(words[start:stop], steps, events, told)
        if back:
            told[last:last] = events
        elif anchor is not None:
            told[anchor:anchor] = events[:-1]
        else:
            last = len(told)
            told += events
        k = count
    return told


def _anchor(
    said: Sequence[str], steps: Mapping[Mention, str], events: Sequence[Mention], told: Sequence[Mention]
) -> int | None:
    """Where in `told` the step stands before which a sentence with "before" puts its other events."""
    if len(events) < 2 or _LATER.isdisjoint(said):
        return None
    keys = [steps[m] for m in told]
    return keys.index(steps[events[-1]]) if steps[events[-1]] in keys else None


def _next_end(words: Sequence[str], start: int, stop: int) -> int | None:
    return next((i for i in range(start, stop) if words[i] in SENTENCE_ENDS), None)


def _sentence(words: Sequence[str], events: Sequence[Mention], start: int, stop: int) -> tuple[list[Mention], bool]:
    """The events of words[start:stop] in time, and whether they come before those of the sentence before."""
    back = _looks_back(words, start, stop)
    if back is None:
        return _clauses(words, list(events), start, stop), False
    head = [m for m in events if m.end <= back]
    tail = _clauses(words, [m for m in events if m.start >= back], back, stop)
    if head and not tail:  # "she had entered before that"
        had = max((i for i in range(start, back) if words[i] == "had"), default=head[-1].start)
        tail, head = [m for m in head if m.end > had], [m for m in head if m.end <= had]
    return tail + _clauses(words, head, start, back), not head


def _looks_back(words: Sequence[str], start: int, stop: int) -> int | None:
    """Where in a sentence "before that" or "but first" stands."""
    for i in range(start, stop):
        following = words[i + 1] if i + 1 < stop else ""
        if words[i] == "before" and (following in _THAT or not following or following == ","):
            return i
        if words[i] == "prior" and words[i + 2 : i + 3] and words[i + 2] in _THAT:
            return i
        if words[i] in ("beforehand", "previously", "earlier") or (words[i] == "but" and following == "first"):
            return i
    return None


def _clauses(words: Sequence[str], events: list[Mention], start: int, stop: int) -> list[Mention]:
    """The events of a sentence without "before that", in time. Each connective is dealt with once."""
    done: list[Mention] = []
    while events:
        at = _connective(words, events, start, stop)
        if at is None:
            break
        earlier = words[at] not in _LATER
        head = [m for m in events if m.end <= at]
        end = _governs(words, events, at, stop, fronted=not head)
        sub = [m for m in events if at < m.start < end]
        rest = [m for m in events if m.start >= end]
        if head:
            # "opens it and closes it after taking the milk": only what stands last comes after
            done += [*head[:-1], *sub, head[-1]] if earlier else [*head, *sub]
            events = rest
        elif earlier:
            done = [*sub, *done] if words[at] == "having" else [*done, *sub]
            events = rest
        else:
            following = _clauses(words, rest, end, stop)
            return [*done, *following, *sub]
        start = end
    return done + events


def _connective(words: Sequence[str], events: Sequence[Mention], start: int, stop: int) -> int | None:
    for i in range(start, stop):
        if words[i] in _EARLIER or words[i] in _LATER or _after_all(words, i):
            if any(m.start <= i < m.end for m in events) or (i + 1 < stop and words[i + 1] in _THAT):
                continue
            if words[i] == "once" and i + 1 >= stop:
                continue
            return i
    return None


def _after_all(words: Sequence[str], i: int) -> bool:
    """Whether words[i] opens "preceded by", "as soon as" or "when she has"."""
    following = words[i + 1 : i + 4]
    if words[i] == "when":
        return not _PERFECT.isdisjoint(following)
    return (words[i] == "preceded" and following[:1] == ["by"]) or (
        words[i] == "as" and following[:2] == ["soon", "as"]
    )


def _governs(words: Sequence[str], events: Sequence[Mention], at: int, stop: int, *, fronted: bool) -> int:
    """Where the clause ends that the connective words[at] opens."""
    following = [m for m in events if m.start > at]
    for i in range(at + 1, stop):
        if words[i] in _CLOSES and not any(m.start <= i < m.end for m in events):
            return i + 1
    if fronted and following:
        near = following[0].start - at <= _NEAR
        return following[0].end if near else at + 1
    return stop
