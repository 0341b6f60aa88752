"""The order in time of the steps that an answer mentions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from videostar.labels.patterns import Mention
from videostar.labels.text import SENTENCE_ENDS

_EARLIER = frozenset("after once having".split())  # the clause that they open came before the rest
_PERFECT = frozenset("has have had having she's he's they've".split())
_LATER = frozenset("before until till".split())
_PHRASES = frozenset([("prior", "to"), ("preceded", "by"), ("as", "soon")])
_SPANS = frozenset("seconds second minutes minute moments moment while".split())  # "after ten seconds"
_THAT = frozenset("that this which".split())
_NEAR = 5  # words between a connective at the start of a sentence and its event, if no comma closes its clause
_CLOSES = frozenset([",", ";", ":", "then", "finally"])
_NUMBERED = re.compile(
    r"[ \t>*#_(-]{0,8}(?:step|phase|stage)?[ \t]{0,3}(\d{1,3})[ \t]{0,3}[*_]{0,3}[.):-][*_]{0,3}[ \t]+\S", re.IGNORECASE
)


def sort_numbered_lines(text: str) -> str:
    """`text` with the lines of a numbered list sorted by their numbers."""
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
    """The mentions of steps in the order of time, according to "before", "after" and similar connectives.

    `steps`: mentions in the order of the text, with the keys of their steps. A step that is mentioned again after
    "before" ("before she opens it, she ...") only gives the place of the other events of that sentence.
    """
    mentions = list(steps)
    ordered: list[Mention] = []
    last = 0  # where in `ordered` the events of the previous sentence start
    k = 0
    while k < len(mentions):
        ends = (i for i in range(mentions[k].end, len(words)) if words[i] in SENTENCE_ENDS)
        stop = next(ends, len(words))
        count = k + sum(m.start < stop for m in mentions[k:])
        start = mentions[k].start
        while start > (mentions[k - 1].end if k else 0) and words[start - 1] not in SENTENCE_ENDS:
            start -= 1
        events, back = _order_sentence(words, mentions[k:count], start, stop)
        anchor = _anchor(words[start:stop], steps, events, ordered)
        if back:
            ordered[last:last] = events
        elif anchor is not None:
            ordered[anchor:anchor] = events[:-1]
        else:
            last = len(ordered)
            ordered += events
        k = count
    return ordered


def _anchor(
    sentence: Sequence[str], steps: Mapping[Mention, str], events: Sequence[Mention], ordered: Sequence[Mention]
) -> int | None:
    """The index in `ordered` of the step before which a sentence with "before" puts its other events; None without."""
    if len(events) < 2 or _LATER.isdisjoint(sentence):
        return None
    keys = [steps[m] for m in ordered]
    return keys.index(steps[events[-1]]) if steps[events[-1]] in keys else None


def _order_sentence(
    words: Sequence[str], events: Sequence[Mention], start: int, stop: int
) -> tuple[list[Mention], bool]:
    """The events of words[start:stop] in time, and whether they precede those of the previous sentence."""
    back = _looks_back(words, start, stop)
    if back is None:
        return _order_clauses(words, list(events), start, stop), False
    head = [m for m in events if m.end <= back]
    tail = _order_clauses(words, [m for m in events if m.start >= back], back, stop)
    if head and not tail:  # "she had entered before that"
        had = max((i for i in range(start, back) if words[i] == "had"), default=head[-1].start)
        tail, head = [m for m in head if m.end > had], [m for m in head if m.end <= had]
    return tail + _order_clauses(words, head, start, back), not head


def _looks_back(words: Sequence[str], start: int, stop: int) -> int | None:
    """The index of "before that", "but first" or the like in a sentence; None without one."""
    for i in range(start, stop):
        following = words[i + 1] if i + 1 < stop else ""
        if words[i] == "before" and (following in _THAT or following in ("", ",")):
            return i
        if words[i] == "prior" and not _THAT.isdisjoint(words[i + 2 : i + 3]):
            return i
        if words[i] in ("beforehand", "previously", "earlier") or (words[i] == "but" and following == "first"):
            return i
    return None


def _order_clauses(words: Sequence[str], events: list[Mention], start: int, stop: int) -> list[Mention]:
    """The events of a sentence in time, if it has no "before that". Handles the connectives one after the other."""
    done: list[Mention] = []
    while events:
        at = _connective(words, events, start, stop)
        if at is None:
            break
        earlier = words[at] not in _LATER and words[at] != "prior"
        head = [m for m in events if m.end <= at]
        end = _clause_end(words, events, at, stop, fronted=not head)
        sub = [m for m in events if at < m.start < end]
        rest = [m for m in events if m.start >= end]
        if head:
            # "opens it and closes it after taking the milk": only the last event comes after
            done += [*head[:-1], *sub, head[-1]] if earlier else [*head, *sub]
            events = rest
        elif earlier:
            done = [*sub, *done] if words[at] == "having" else [*done, *sub]
            events = rest
        else:
            following = _order_clauses(words, rest, end, stop)
            return [*done, *following, *sub]
        start = end
    return done + events


def _connective(words: Sequence[str], events: Sequence[Mention], start: int, stop: int) -> int | None:
    """The index of the first connective of time outside the events; None without one."""
    for i in range(start, stop):
        following = words[i + 1 : min(i + 5, stop)]
        if not _is_connective(words, i) or any(m.start <= i < m.end for m in events):
            continue
        if (following or words[i] != "once") and _THAT.isdisjoint(following[:1]) and _SPANS.isdisjoint(following):
            return i
    return None


def _is_connective(words: Sequence[str], i: int) -> bool:
    """Whether words[i] starts a connective: "after", "before", "prior to", "as soon as", "when she has" ..."""
    if words[i] == "when":
        return not _PERFECT.isdisjoint(words[i + 1 : i + 4])
    return words[i] in _EARLIER or words[i] in _LATER or tuple(words[i : i + 2]) in _PHRASES


def _clause_end(words: Sequence[str], events: Sequence[Mention], at: int, stop: int, *, fronted: bool) -> int:
    """The end of the clause that the connective words[at] opens."""
    following = [m for m in events if m.start > at]
    for i in range(at + 1, stop):
        if words[i] in _CLOSES and not any(m.start <= i < m.end for m in events):
            return i + 1
    if fronted and following:
        near = following[0].start - at <= _NEAR
        return following[0].end if near else at + 1
    return stop
