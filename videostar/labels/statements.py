"""Finds the statements of an answer that count: what it calls its answer, and what it concludes.

What precedes such a statement was only considered. A statement that is taken back does not count.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, replace
from enum import IntEnum

from videostar.labels.answer import Answer
from videostar.labels.cues import ABSENCE, ANSWER, CONCLUSION, CONSIDERATION, RETRACTION, UNDECIDED, announcement

_SCOPE = 80  # words of a statement that are read
_MAX_STATEMENTS = 40  # of more, only the last are read

# Before a noun, these make it something else: the first answer, another option, each score.
_ONE_OF_MANY = frozenset(
    "first initial second third fourth next another other previous earlier possible wrong incorrect every each some "
    "any no rough alternative candidate potential one this that following to i we frame".split()
)


class Strength(IntEnum):
    """How clearly a statement is the answer."""

    PASSING = 1  # "so", "overall": what follows may only go on with a description
    CONCLUDED = 2  # "therefore", "I'd say"
    EXPLICIT = 3  # "the score is"
    FINAL = 4  # "the answer is", "final score:"


@dataclass(frozen=True, slots=True)
class Statement:
    """The words after a cue, `words[first:stop]` of the answer, to the end of their sentence or line."""

    first: int
    stop: int
    strength: Strength
    labelled: bool = False  # a mark follows its noun: "Answer: ..."
    noun: str = ""  # of the cue


def find_statements(answer: Answer, nouns: str = ANSWER, minor: str = "") -> list[Statement]:
    """The statements of an answer in order.

    Args:
        answer: The parsed answer.
        nouns: What its answer may be called, as alternatives of a regular expression.
        minor: Nouns that announce an answer only before a colon, or after "final" or the like.
    """
    found = [
        _statement(answer, match.end(), _strength(match), bool(match["mark"] or match["heading"]), match["noun"])
        for match in announcement(nouns, minor).finditer(answer.text)
        if not _is_one_of_many(answer.text, match)
    ]
    found += [
        _statement(answer, match.end(), Strength.PASSING if match["weak"] else Strength.CONCLUDED)
        for match in CONCLUSION.finditer(answer.text)
    ]
    found = [_as_conclusion(answer, statement) for statement in found if statement.first < statement.stop]
    return sorted(found, key=lambda statement: statement.first)[-_MAX_STATEMENTS:]


def find_retractions(answer: Answer) -> list[int]:
    """The words at which the answer takes back what it said: "wait", "no, it is", "correction"."""
    text = answer.text
    starts = [m.end() for m in RETRACTION.finditer(text) if text[: m.start()].rstrip()[-1:] != "?"]
    return [bisect_left(answer.starts, start) for start in starts]


def is_undecided(answer: Answer) -> bool:
    """Whether the first or the last sentence says that the answer is not known."""
    if not answer.sentences:
        return False
    last = answer.text[answer.starts[answer.sentences[-1][0]] :][:400]
    return UNDECIDED.search(_first_sentence(answer)) is not None or UNDECIDED.search(last) is not None


def is_absent(answer: Answer) -> bool:
    """Whether the first sentence says that what was asked for does not happen in the video."""
    return bool(answer.sentences) and ABSENCE.search(_first_sentence(answer)) is not None


def is_consideration(answer: Answer, i: int) -> bool:
    """Whether the sentence around the word `i`, or the line before it, only starts to look for the answer."""
    first = answer.sentence(i)[0]
    if answer.word(first - 1) == "\n":
        first = max((start for start, stop in answer.sentences if stop <= first), default=first)
        first = answer.sentences[0][0] if first <= answer.sentences[0][1] else answer.sentence(i)[0]
    return CONSIDERATION.match(answer.text, answer.starts[first]) is not None


def _first_sentence(answer: Answer) -> str:
    stop = answer.sentences[0][1]
    return answer.text[: answer.ends[stop - 1]][:400] if stop else ""


def _as_conclusion(answer: Answer, statement: Statement) -> Statement:
    """The statement, as a conclusion if a "so" opens the last sentence."""
    opens = answer.sentence(statement.first)[0] >= statement.first - 4
    if (
        statement.strength is not Strength.PASSING
        or not opens
        or any(w[0].isalnum() for w in answer.words[statement.stop :])
    ):
        return statement
    return replace(statement, strength=Strength.CONCLUDED)


def _strength(match: re.Match[str]) -> Strength:
    if match["is"] in ("could be", "might be", "may be"):
        return Strength.PASSING
    final = "answer" in match["noun"] or "final" in match.string[max(0, match.start() - 12) : match.end()]
    return Strength.FINAL if final else Strength.EXPLICIT


def _is_one_of_many(text: str, match: re.Match[str]) -> bool:
    """Whether the noun of a cue is not the answer: "the first guess is", "another option is"."""
    if "yes or no" in match[0]:  # another question
        return True
    before = re.findall(r"[\w']+|[.,;:!?\n]", text[max(0, match.start() - 40) : match.start()])[-2:]
    if match["heading"] or match["dash"]:
        opening = text[: match.start()].rpartition("\n")[2].strip()
        if len(opening.split()) > 3:
            return True
    return any(word in _ONE_OF_MANY for word in before[-1:]) or (
        len(before) == 2 and before[0] in _ONE_OF_MANY - {"this", "that", "one"} and before[1][0].isalnum()
    )


def _statement(answer: Answer, start: int, strength: Strength, labelled: bool = False, noun: str = "") -> Statement:
    first = bisect_left(answer.starts, start)
    if first >= len(answer):
        return Statement(first, first, strength, labelled, noun)
    stop = first + 1
    ends = ("\n",) if labelled else (".", "!", "?", "\n")
    while stop < min(len(answer), first + _SCOPE) and (
        answer.words[stop - 1] not in ends or answer.words[stop - 2 : stop] == [":", "\n"]
    ):
        if labelled and answer.words[stop] == "," and ":" in answer.words[stop + 2 : stop + 5]:
            break  # the next key of an object
        stop += 1
    return Statement(first, stop, strength, labelled, noun)
