"""The label of kind `count`: how many times something is done, or how many there are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from videostar.labels import lexicon
from videostar.labels.absence import PEOPLE, find_absences
from videostar.labels.cues import is_alone, is_announced
from videostar.labels.doc import Doc
from videostar.labels.number_context import is_followed_by_noun, is_unrelated
from videostar.labels.numbers import Number, find_numbers, number_at
from videostar.labels.settle import Candidate
from videostar.labels.value import ValueLabel

_ADVERBS = {"once": 1, "twice": 2, "thrice": 3}
_TIMES = frozenset("times time x repetition repetitions rep reps instances occurrences occasions cycles".split())
_COUNTS = frozenset("count counts counted number total answer".split())
_NOT_ADVERB = frozenset("the a an he she they it you again more per all everyone his her their inside i we".split())
_PARTS = frozenset("more sets set extra additional other of attempts attempt tries try".split())
_SOME_OF_THEM = frozenset("last first next final previous other another remaining".split())
_PERSON = frozenset(["person", "peopl", "人", "사람"])  # stems
_NOT_ONE = frozenset("no the this that another each last next first second by any some every which at".split())


class Count(ValueLabel):
    """A whole number."""

    kind: Literal["count"] = "count"
    value: Annotated[int, Field(ge=0, le=10**12)]
    of: str | None = None  # what is counted: "squats"

    def words(self) -> str:
        """The number in digits."""
        return str(self.value)

    @property
    def threshold(self) -> float:
        """1.0: only the number itself is accepted."""
        return 1.0

    def similarity(self, value: float) -> float:
        """1 for the same number, 0.5 for one more or one less, and so on."""
        return 1 / (1 + abs(value - self.value))

    def candidates(self, doc: Doc) -> Sequence[Candidate]:
        """The numbers of a text that may be a count, in order."""
        counted = _stems(self.of or "")
        candidates = [c for c in (_candidate(doc, number, counted) for number in find_numbers(doc)) if c]
        candidates = _merge_enumerations(doc, candidates)
        for i, word in enumerate(doc.words):
            candidate = _count_without_number(doc, i, word, counted)
            if candidate:
                candidates.append(candidate)
        candidates += _absences(doc, counted, alone=not candidates)
        return sorted(candidates, key=lambda c: c.first)


def _candidate(doc: Doc, number: Number, counted: frozenset[str]) -> Candidate | None:
    """The count that a number is; None if it is something else. `counted`: stems of what is counted."""
    value = int(number.value) if number.value == int(number.value) else number.value
    if number.value < 0:
        return None
    end, after = number.end, doc.word(number.end)
    spelled_one = number.spelled and number.value == 1
    if spelled_one and doc.word(number.first - 1 - (doc.word(number.first - 1) == "-")) == "no":
        return None
    if after in ("x", "times", "time") and doc.word(number.end + 1) not in ("as", "faster", "more"):
        is_product = after == "x" and doc.word(end + 1)[:1].isdecimal()  # "3 x 8"
        return None if is_product else Candidate(value, number.first, end + 1, 1)
    if doc.word(number.first - 1) == "x" and doc.glued(number.first - 1) and doc.word(number.first - 2) != "=":
        return Candidate(value, number.first, end, 1)
    if after == "/" or doc.words[end : end + 2] == ["out", "of"]:
        end += 1
    elif is_unrelated(doc, number) or doc.word(number.first - 1) == "/":
        return None
    if doc.words[number.first - 2 : number.first] == ["out", "of"] or (after in _PARTS and after != "of"):
        return None
    if after == "more" and doc.word(number.end + 1) == "than":
        return None
    if doc.word(number.first - 1) in _SOME_OF_THEM or _is_whole(doc, number):
        return None
    if _counted_follows(doc, end, counted):
        return Candidate(value, number.first, end, 1)
    if spelled_one and (after == "of" or doc.word(number.first - 1) in _NOT_ONE):
        return None
    announced = is_announced(doc, number.first)
    if is_followed_by_noun(doc, number) and not announced and after not in _TIMES:
        return None if counted else Candidate(value, number.first, end, 0)
    near = doc.words[max(doc.sentence(number.first)[0], number.first - 7) : number.first]
    announced = announced or not _COUNTS.isdisjoint(near)
    if spelled_one and not announced and not is_alone(doc, number.first, end) and not _there_is(doc, number):
        return None
    return Candidate(value, number.first, end, int(announced))


def _there_is(doc: Doc, number: Number) -> bool:
    """Whether a number ends "there is one", "I see just one" or the like."""
    i = number.first - 1
    while doc.word(i) in ("just", "only", "exactly"):
        i -= 1
    there = doc.word(i) in ("there's", "see", "count") or (doc.word(i) in lexicon.BE and doc.word(i - 1) == "there")
    return there and doc.word(number.end) in ("", ".", "!", ",", "\n")


def _absences(doc: Doc, counted: frozenset[str], *, alone: bool) -> list[Candidate]:
    """The counts of 0 in words: "no one", "there are no people". If not `alone`, most are remarks beside a count."""
    found = []
    for first, end in find_absences(doc):
        settled = is_announced(doc, first) or is_alone(doc, first, end)
        sentence = doc.words[slice(*doc.sentence(first))]
        of_people = doc.words[end - 1] in PEOPLE and not _PERSON.isdisjoint(counted)
        if settled or (alone and (not counted or of_people or not counted.isdisjoint(map(_stem, sentence)))):
            found.append(Candidate(0, first, end))
    return found


def _is_whole(doc: Doc, number: Number) -> bool:
    """Whether a number is the 5 of "3 of the 5"."""
    of = number.first - 1 - (doc.word(number.first - 1) in ("the", "his", "her", "their", "all"))
    return doc.word(of) == "of" and number_at(doc, of - 1) is not None


def _counted_follows(doc: Doc, i: int, counted: frozenset[str]) -> bool:
    """Whether the few words from `i` on name what is counted, or repetitions."""
    pair = ""
    for word in doc.words[i : i + 6]:
        if word == "-":
            continue
        if not word[:1].isalpha() or word in ("and", "or", "to", "in", "of", "for", "with", "by", "on"):
            return False
        stem = _stem(word)
        if stem in counted or word in _TIMES or pair + stem in counted:
            return True
        if not word.isascii() and word.startswith(tuple(counted)):  # a script without spaces
            return True
        pair = word
    return False


def _count_without_number(doc: Doc, i: int, word: str, counted: frozenset[str]) -> Candidate | None:
    """The count at `i` in a word that is no number: "twice", "a single jump", "a dozen", "a pair of", "no goals"."""
    before, after = doc.word(i - 1), doc.word(i + 1)
    if word in _ADVERBS:
        if before in ("at", "every", "than") or after in _NOT_ADVERB or (word == "once" and not before):
            return None
        return Candidate(_ADVERBS[word], i, i + 1, 1)
    if word == "single" and before in ("a", "one", "only", "the", ":", ""):
        none = next((k for k in range(i - 1, max(-1, i - 5), -1) if doc.words[k] in lexicon.NEGATIONS), None)
        if none is not None:  # "not a single jump"
            return Candidate(0, none, i + 1, 1)
        return Candidate(1, i, i + 1, int(_counted_follows(doc, i + 1, counted)))
    if word in ("dozen", "pair", "couple") and before in ("a", "one") and doc.word(i - 2) != "half":
        value = 12 if word == "dozen" else 2
        named = _counted_follows(doc, i + 1 + (after == "of"), counted)
        return Candidate(value, i - 1, i + 1, 1) if named else None
    if word == "dozen" and doc.words[max(0, i - 2) : i] == ["half", "a"]:
        return Candidate(6, i - 2, i + 1, int(_counted_follows(doc, i + 1, counted)))
    if word in ("no", "zero") and counted and _counted_follows(doc, i + 1, counted) and word == "no":
        return Candidate(0, i, i + 1, 1)
    return None


def _merge_enumerations(doc: Doc, candidates: list[Candidate]) -> list[Candidate]:
    """The candidates with an enumeration "1, 2, 3, 4" as the one candidate 4."""
    kept: list[Candidate] = []
    length = 0  # of the current enumeration
    for c in candidates:
        before = kept[-1] if kept else None
        if before and c.value == before.value + 1 and _comma(doc, before.end, c.first):
            length += 1
            kept.pop()
            c = Candidate(c.value, before.first, c.end, 1 if length == c.value > 2 else c.level)
        else:
            length = 1
        kept.append(c)
    return kept


def _comma(doc: Doc, end: int, first: int) -> bool:
    return doc.words[end:first] in ([","], ["and"], [",", "and"], ["."], [".", ".", "."])


def _stems(name: str) -> frozenset[str]:
    """The stems of the words of a name, and of neighbouring words joined ("push-ups", "pushups")."""
    words = [_stem(word) for word in re.findall(r"[^\W\d_]+", name.lower())]
    stems = {word for word in words if len(word) > 2 or not word.isascii()} | {a + b for a, b in pairwise(words)}
    return frozenset(stems if _PERSON.isdisjoint(stems) else stems | _PERSON)


def _stem(word: str) -> str:
    for ending in ("ies", "es", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 1 and not word.endswith("ss"):
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word[:-1] if word.endswith("e") and len(word) > 3 else word
