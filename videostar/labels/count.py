"""The label of kind `count`: how many times something is done, or how many there are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from videostar.labels import lexicon
from videostar.labels.absence import PEOPLE, find_absences
from videostar.labels.answer import Answer
from videostar.labels.cues import ANSWER
from videostar.labels.label import ValueLabel
from videostar.labels.languages.translation import translate
from videostar.labels.number_context import (
    follows_copula,
    is_alone,
    is_announced,
    is_bound,
    is_followed_by_noun,
    is_measure,
    is_operand,
    is_part_of_name,
    is_sentence,
    is_time,
)
from videostar.labels.numbers import Number, find_numbers, number_at
from videostar.labels.settle import Candidate
from videostar.labels.statements import Statement
from videostar.labels.status import sentence_bounds
from videostar.labels.text import normalise

_ADVERBS = {"once": 1, "twice": 2, "thrice": 3}
_GROUPS = {"dozen": 12, "pair": 2, "couple": 2}
_NOT_REPEATED = frozenset("at every than counted checked watched looked".split())  # "counted twice"
_TIMES = frozenset("times time x repetition repetitions rep reps instances occurrences occasions cycles".split())
_COUNTS = frozenset("count counts counted number total answer".split())
_NOT_ADVERB = frozenset("the a an he she they it you again more per all everyone his her their inside i we".split())
_PARTS = frozenset("more sets set extra additional other of attempts attempt tries try".split())
_SOME_OF_THEM = frozenset("last first next final previous other another remaining".split())
_PERSON = frozenset(["person", "peopl", "人", "사람"])  # stems
_REACH = 12  # words, or letters of a script without spaces, between what is counted and its number
_NOT_ONE = frozenset(
    "no the third fourth fifth this that another each last next first second by any some every which at".split()
)


class Count(ValueLabel):
    """A whole number."""

    nouns: ClassVar[str] = rf"{ANSWER}|(?:final |overall )?(?:counts?|number|(?<!in )total|tally|sum)|final|(?<=\n)a"

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

    @cached_property
    def _counted(self) -> frozenset[str]:
        """The stems of what is counted, and of a word for people or repetitions in English."""
        return _stems(self.of) | _stems(translate(f"2 {self.of}")) if self.of else frozenset()

    def names_as_written(self) -> tuple[str, ...]:
        """What is counted, in a word that has no translation."""
        return (self.of,) if self.of and _PERSON.isdisjoint(self._counted) else ()

    def candidates(self, answer: Answer, statements: Sequence[Statement]) -> Sequence[Candidate]:
        """The numbers of a text that may be a count, in order."""
        counted = self._counted
        candidates = [
            c for c in (_candidate(answer, statements, number, counted) for number in find_numbers(answer)) if c
        ]
        for i, word in enumerate(answer.words):
            candidate = _count_without_number(answer, i, word, counted)
            if candidate:
                candidates.append(candidate)
        candidates += _absences(answer, statements, counted, alone=not candidates)
        return _merge_enumerations(answer, sorted(candidates, key=lambda c: c.first))


def _candidate(
    answer: Answer, statements: Sequence[Statement], number: Number, counted: frozenset[str]
) -> Candidate | None:
    """The count that a number is; None if it is something else. `counted`: stems of what is counted."""
    value = int(number.value) if number.value == int(number.value) else number.value
    first, end, after = number.first, number.end, answer.word(number.end)
    repeated = _repeats(answer, number)
    if repeated:
        return Candidate(value, first, repeated, 1)
    announced = is_announced(answer, statements, first)
    predicate = announced or follows_copula(answer, first)
    if repeated is not None or _is_no_count(answer, number) or (is_measure(answer, number) and not predicate):
        return None
    if is_time(answer, number) and not _counted_follows(answer, end, counted):
        return None
    if after == "/" or answer.words[end : end + 2] == ["out", "of"]:
        end += 1
    if _counted_follows(answer, end, counted) or _counted_precedes(answer, first, counted):
        return Candidate(value, first, end, 1)
    one = number.spelled and number.value == 1
    if one and (after == "of" or answer.word(first - 1) in _NOT_ONE):
        return None
    level = _level(answer, number, end, bool(counted), announced=announced, predicate=predicate)
    return Candidate(value, first, end, level) if level is not None else None


def _level(answer: Answer, number: Number, end: int, counted: bool, *, announced: bool, predicate: bool) -> int | None:
    """1 if a number, which no name of what is counted follows, clearly is the count, else 0; None if it is none."""
    first, after = number.first, answer.word(number.end)
    closed = after == "items" and not answer.word(number.end + 1)[:1].isalpha()
    if is_followed_by_noun(answer, number) and not announced and after not in _TIMES and not closed:
        return int(predicate) if not counted and (predicate or _is_plain(answer, number)) else None
    clear = announced or is_sentence(answer, first, end) or answer.word(first - 1) == "="
    clear = clear or _follows_count(answer, first)
    return int(clear) if clear or _is_plain(answer, number) or is_alone(answer, first, end) else None


def _is_plain(answer: Answer, number: Number) -> bool:
    """Whether a number is no "one", or says that there is one."""
    if not (number.spelled and number.value == 1):
        return True
    return _there_is(answer, number) or _is_one_person(answer, number)


def _repeats(answer: Answer, number: Number) -> int | None:
    """The end of "3 times", "3x" or "x3"; 0 if "x" makes it a product or a comparison, None without either."""
    before, after, end = answer.word(number.first - 1), answer.word(number.end), number.end
    if number.value < 0:
        return None
    if after in ("x", "times", "time") and answer.word(end + 1) not in ("as", "faster", "more"):
        return 0 if after == "x" and answer.word(end + 1)[:1].isdecimal() else end + 1
    multiplied = before == "x" and answer.glued(number.first - 1) and answer.word(number.first - 2) != "="
    return end if multiplied else None


def _is_no_count(answer: Answer, number: Number) -> bool:
    """Whether a number is a part, a bound, an operand, the number of a frame, or the 5 of "3 of the 5"."""
    before, after = answer.word(number.first - 1), answer.word(number.end)
    if number.value < 0 or before in _SOME_OF_THEM | {"/"} or (number.spelled and number.value == 1 and before == "no"):
        return True
    if is_operand(answer, number) or is_bound(answer, number.first) or _is_whole(answer, number):
        return True
    if (after in _PARTS - {"of"} and before != "=") or answer.words[number.first - 2 : number.first] == ["out", "of"]:
        return True
    out_of = after == "/" or answer.words[number.end : number.end + 2] == ["out", "of"]
    return is_part_of_name(answer, number) and not out_of


def _follows_count(answer: Answer, first: int) -> bool:
    """Whether "I counted", "a total of" or the like shortly precedes the number at `first`."""
    near = answer.words[max(answer.sentence(first)[0], first - 7) : first]
    near = near[max((k + 1 for k, word in enumerate(near) if word == ";" or word.isdecimal()), default=0) :]
    return not _COUNTS.isdisjoint(near)


def _is_one_person(answer: Answer, number: Number) -> bool:
    """Whether a sentence starts "one person is" or is only that."""
    opens = {"only", "just", "exactly"}.issuperset(answer.words[answer.sentence(number.first)[0] : number.first])
    closes = answer.word(number.end + 1) in lexicon.BE | {"", ".", "!", "\n"}
    return opens and closes and answer.word(number.end) in lexicon.PEOPLE


def _there_is(answer: Answer, number: Number) -> bool:
    """Whether a number ends "there is one", "I see just one" or the like."""
    i = number.first - 1
    while answer.word(i) in ("just", "only", "exactly"):
        i -= 1
    if answer.word(i) in ("see", "count"):
        return answer.word(number.end) in ("", ".", "!", ",", "\n")
    return answer.word(i) == "there's" or (answer.word(i) in lexicon.BE and answer.word(i - 1) == "there")


def _absences(
    answer: Answer, statements: Sequence[Statement], counted: frozenset[str], *, alone: bool
) -> list[Candidate]:
    """The counts of 0 in words: "no one", "there are no people". If not `alone`, most are remarks beside a count."""
    found = []
    for first, end in find_absences(answer):
        start, stop = sentence_bounds(answer.words, first, end)
        sentence = answer.words[start:stop]
        settled = is_announced(answer, statements, first) or is_alone(answer, first, end) or sentence == ["none"]
        of_people = answer.words[end - 1] in PEOPLE and not _PERSON.isdisjoint(counted)
        if settled or (alone and (not counted or of_people or not counted.isdisjoint(map(_stem, sentence)))):
            found.append(Candidate(0, first, end))
    return found


def _is_whole(answer: Answer, number: Number) -> bool:
    """Whether a number is the 5 of "3 of the 5"."""
    of = number.first - 1 - (answer.word(number.first - 1) in ("the", "his", "her", "their", "all"))
    return answer.word(of) == "of" and number_at(answer, of - 1) is not None


def _counted_follows(answer: Answer, i: int, counted: frozenset[str]) -> bool:
    """Whether the few words from `i` on name what is counted, or repetitions."""
    pair = ""
    for k, word in enumerate(answer.words[i : i + 6], start=i):
        if word == "-":
            continue
        if (
            not word[:1].isalpha()
            or word in lexicon.BE
            or word in ("there", "a", "the", "and", "or", "to", "in", "of", "for", "with", "by", "on")
        ):
            return False
        stem = _stem(word)
        if stem in counted or word in _TIMES or pair + stem in counted:
            return True
        if not word.isascii() and answer.text.startswith(tuple(counted), answer.starts[k]):  # a script without spaces
            return True
        pair = word
    return False


def _counted_precedes(answer: Answer, first: int, counted: frozenset[str]) -> bool:
    """Whether the words of the clause just before `first` name what is counted, in a script other than Latin."""
    start = first
    while start and first - start < _REACH and answer.word(start - 1)[0].isalpha() and answer.word(start - 1) != "and":
        start -= 1
    clause = answer.text[answer.starts[start] : answer.starts[first]]
    return not clause.isascii() and any(name in clause for name in counted if not name.isascii())


def _count_without_number(answer: Answer, i: int, word: str, counted: frozenset[str]) -> Candidate | None:
    """The count at `i` in a word that is no number: "twice", "a single jump", "a dozen", "a pair of", "no goals"."""
    before, after = answer.word(i - 1), answer.word(i + 1)
    if word in _ADVERBS:
        other = before in _NOT_REPEATED or after in _NOT_ADVERB or (word == "once" and not before and after)
        return None if other else Candidate(_ADVERBS[word], i, i + 1, 1)
    if word == "single" and before in ("a", "one", "only", "the", ":", ""):
        none = next((k for k in range(i - 1, max(-1, i - 5), -1) if answer.words[k] in lexicon.NEGATIONS), None)
        if none is not None:  # "not a single jump"
            return Candidate(0, none, i + 1, 1)
        return Candidate(1, i, i + 1, int(_counted_follows(answer, i + 1, counted)))
    if word == "dozen" and answer.words[max(0, i - 2) : i] == ["half", "a"]:
        return Candidate(6, i - 2, i + 1, int(_counted_follows(answer, i + 1, counted)))
    named = _counted_follows(answer, i + 1 + (after == "of"), counted)
    if word in _GROUPS and before in ("a", "one") and named:
        return Candidate(_GROUPS[word], i - 1, i + 1, 1)
    return Candidate(0, i, i + 1, 1) if word == "no" and counted and named else None


def _merge_enumerations(answer: Answer, candidates: list[Candidate]) -> list[Candidate]:
    """The candidates with an enumeration "1, 2, 3, 4" as the one candidate 4."""
    kept: list[Candidate] = []
    length = 0  # of the current enumeration
    for c in candidates:
        before = kept[-1] if kept else None
        if before and c.value == before.value + 1 and _comma(answer, before.end, c.first):
            length += 1
            kept.pop()
            c = Candidate(c.value, before.first, c.end, 1 if length == c.value > 2 else c.level)
        else:
            length = 1
        kept.append(c)
    return kept


def _comma(answer: Answer, end: int, first: int) -> bool:
    return answer.words[end:first] in ([","], ["and"], [",", "and"], ["."], [".", ".", "."])


def _stems(name: str) -> frozenset[str]:
    """The stems of the words of a name, and of neighbouring words joined ("push-ups", "pushups")."""
    words = [_stem(word) for word in re.findall(r"[^\W\d_]+", normalise(name).lower())]
    stems = {word for word in words if (len(word) > 2 and word not in lexicon.GRAMMAR) or not word.isascii()} | {
        a + b for a, b in pairwise(words)
    }
    return frozenset(stems if _PERSON.isdisjoint(stems) else stems | _PERSON)


def _stem(word: str) -> str:
    for ending in ("ies", "es", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 1 and not word.endswith("ss"):
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word[:-1] if word.endswith("e") and len(word) > 3 else word
