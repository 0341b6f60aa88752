"""Finds the cues that announce the value of an answer: "Answer:", "the final score is", "therefore", "in total"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from videostar.labels.doc import Doc

CONCLUDED = 2  # "therefore", "I'd say", "=", "in total"
EXPLICIT = 3  # "the answer is", "final score:"

_NOUNS = frozenset("answer prediction verdict conclusion estimate estimation guess final".split())
_IS = frozenset("is was : = are be would must should".split())
_NOT_THE_LAST = frozenset(
    "first initial second third another other previous earlier possible wrong every each one rough no any".split()
)
# After "final" these make no answer: "the final second", "the final jump".
_PARTS = frozenset(
    "frame frames second seconds part moment moments scene clip round attempt repetition rep jump set phase stage "
    "minute minutes third quarter half stretch entry position step image shot".split()
)
_CONCLUSIONS = frozenset("so therefore thus hence overall consequently accordingly altogether ultimately".split())
_I = frozenset(["i", "i'd", "i'll", "we", "we'd", "i'm"])
_CHOOSE = frozenset(
    "say go estimate guess settle choose pick rate give score put place award assign predict conclude count call bet "
    "answer judge grade locate".split()
)
_WEAK = frozenset("would will can therefore thus finally ultimately now have to must".split())
_RESULTS = frozenset("yields equals yielding totalling totaling totals conclusion summary".split())
_RESULTING = frozenset("this that which".split())
_STOPS = frozenset(",;:-(.!?\n")
_LEADS = frozenset(
    "about around approximately roughly exactly the a an at from between is be ( [ { < : = of to it was would by in "
    "probably likely maybe perhaps just only minus negative - nearly almost some circa ca ~ ≈".split()
)


@dataclass(frozen=True, slots=True)
class Cue:
    """A cue for a value."""

    end: int  # index of the first word after it
    level: int  # CONCLUDED or EXPLICIT


def find_cues(doc: Doc) -> Iterator[Cue]:
    """The cues of a text that precede a value, in order."""
    for i, word in enumerate(doc.words):
        if word in _NOUNS:
            end = _explicit_cue_end(doc, i)
            if end:
                yield Cue(end, EXPLICIT)
        elif word == "=":
            yield Cue(i + 1, CONCLUDED)
        elif word in _CONCLUSIONS:
            loose = word == "so" and doc.word(i + 1) in ("that", "far", "much", "many", "as")
            if not loose and (not i or doc.word(i - 1) in _STOPS or doc.word(i - 1) in ("and", "is")):
                yield Cue(i + 1, CONCLUDED)
        elif word in ("total", "sum"):
            closes = doc.word(i - 1) == "in" and doc.word(i + 1) not in (",", ":")  # "7 in total"
            if not closes or doc.sentence(i)[0] == i - 1:
                yield Cue(i + 1, CONCLUDED)
        elif word in _RESULTS or (word in ("gives", "makes") and doc.word(i - 1) in _RESULTING):
            yield Cue(i + 1, CONCLUDED)
        elif word in _I:
            end = _choice_cue_end(doc, i)
            if end:
                yield Cue(end, CONCLUDED)


def is_total(doc: Doc, end: int) -> bool:
    """Whether the words from `end` on call the value before them a total: "7 in total", "7 squats altogether"."""
    for i in range(end, min(end + 6, len(doc))):
        word = doc.words[i]
        if word in _STOPS or word in ("and", "but"):
            return False
        if word in ("altogether", "overall") or (word == "in" and doc.word(i + 1) in ("total", "all")):
            return True
    return False


def is_announced(doc: Doc, first: int) -> bool:
    """Whether an explicit cue leads up to the value at `first`: "answer: 7", "the final score is about 7"."""
    i = first - 1
    while doc.word(i) in _LEADS and doc.word(i) != "\n" and first - i < 8:
        i -= 1
    return any(_explicit_cue_end(doc, k) for k in range(max(0, i - 3), i + 1) if doc.words[k] in _NOUNS)


def is_alone(doc: Doc, first: int, end: int) -> bool:
    """Whether words[first:end] is all of its line, apart from brackets and words like "about"."""
    while doc.word(first - 1) in _LEADS:
        first -= 1
    while doc.word(end) in ("]", ")", "}", ">", ".", "!", ";", "of", "the"):
        end += 1
    return doc.word(first - 1) in ("", "\n") and doc.word(end) in ("", "\n")


def _explicit_cue_end(doc: Doc, i: int) -> int | None:
    """The end of the explicit cue whose noun is at `i`; None if it is no cue."""
    before = doc.word(i - 1)
    if before in _NOT_THE_LAST or (doc.word(i - 2) in _NOT_THE_LAST and before not in _STOPS):
        return None
    reach = 5 if doc.words[i] == "final" else 12
    if doc.words[i] == "final" and doc.word(i + 1) in _PARTS:
        return None
    for k in range(i + 1, min(i + reach, len(doc))):
        word = doc.words[k]
        if word in _IS:
            return k + 1
        if word == "\n":
            opens = not i or doc.word(doc.sentence(i)[0]) in _NOUNS | {"the", "my"}
            return k + 1 if opens and k - i < 5 else None
        if word in (".", "!", "?", ";"):
            return None
        if word == "of" and doc.words[i] == "final":
            return k + 1
    return None


def _choice_cue_end(doc: Doc, i: int) -> int | None:
    """The end of "I'd say", "I would go" and the like that start at `i`; None if it is no cue."""
    k = i + 1
    while doc.word(k) in _WEAK and k < i + 5:
        k += 1
    return k + 1 if doc.word(k) in _CHOOSE else None
