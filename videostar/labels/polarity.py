"""Finds yes and no in an answer: in replies, and in a given statement that is asserted or denied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from videostar.labels import lexicon
from videostar.labels.patterns import Mention
from videostar.labels.status import ASSERTED, Status, mention_status, sentence_bounds
from videostar.labels.text import SENTENCE_ENDS, normalise, tokens
from videostar.labels.vocabulary import find_mentions, index_by_first_form, label_set

_YES = frozenset("yes yeah yep yup yea affirmative aye".split())
_NO = frozenset("no nope nah negative".split())
_SURE = frozenset("absolutely definitely certainly indeed sure surely exactly obviously undoubtedly".split())
_TRUE = frozenset("true correct right accurate".split())
_FALSE = frozenset("false incorrect wrong untrue inaccurate".split())
_CORRECTS = frozenset("but however actually wait though although instead therefore so".split())
_PLAIN_NOT = frozenset("not probably likely really at all of course quite exactly certainly definitely".split())
_BEFORE_TRUE = lexicon.BE | frozenset("be not entirely indeed probably definitely completely actually remains".split())
_VERY = frozenset("very quite totally completely entirely absolutely definitely indeed".split())
_PEOPLE = frozenset("person man woman boy girl lady guy child kid people individual player baby".split())
_ANYONE = frozenset("someone somebody anyone anybody".split())
_NOBODY = frozenset("nobody none".split())
# Not persons, so these do not confirm a statement about someone.
_ANIMALS = frozenset(
    "cat dog bird horse cow sheep goat monkey puppy kitten animal animals parrot chicken rabbit pig bear elephant "
    "wind robot cats dogs birds".split()
)
_CONTRACTED = frozenset("it's that's this's what's".split())  # a pronoun and its "is"
_OPINIONS = frozenset("think thought believe guess suppose say".split())
_VAGUE = frozenset("know tell say determine decide whether unclear unknown".split())
_FAILED = frozenset(
    "fails failed fail failing almost nearly refuses refused pretends pretended pretending unable".split()
)


@dataclass(frozen=True, slots=True)
class Reply:
    """A yes, a no, or both at once."""

    at: int  # index of its word
    sentence: int  # index of the first word of its sentence
    value: bool | None  # yes, no, or undecided
    corrects: bool = False  # it corrects earlier replies


def find_replies(words: Sequence[str]) -> list[Reply]:
    """The replies that need no statement: yes, no, true, "that is not the case", "it does"."""
    replies = []
    start = 0
    for stop in [*(k for k, word in enumerate(words) if word in SENTENCE_ENDS), len(words)]:
        if not (stop < len(words) and words[stop] == "?"):
            for at, value in _sentence_replies(words, start, stop):
                corrects = not _CORRECTS.isdisjoint(words[max(start, at - 4) : at])
                replies.append(Reply(at, start, value, corrects))
        start = stop + 1
    return replies


def _sentence_replies(words: Sequence[str], start: int, stop: int) -> Iterator[tuple[int, bool | None]]:
    """The index and value of each reply in the sentence words[start:stop]."""
    plain_words = [w for w in words[start:stop] if w[0].isalnum()]
    if not plain_words:
        return
    if _YES & set(plain_words) and _NO & set(plain_words) and ("or" in plain_words or "and" in plain_words):
        yield start, None
        return
    if (
        not _VAGUE.isdisjoint(plain_words)
        and not lexicon.NEGATIONS.isdisjoint(plain_words)
        and "whether" in plain_words
    ):
        return
    if plain_words[0] in _SURE or plain_words[:2] == ["of", "course"]:
        yield start, not lexicon.NEGATIONS.intersection(plain_words[1:3])
    elif set(plain_words) <= _PLAIN_NOT and "not" in plain_words:
        yield start, False
    elif (
        plain_words[-2:] == ["the", "case"]
        or plain_words[-3:] == ["what", "is", "happening"]
        or plain_words[-2:] == ["what", "happens"]
    ):
        yield start, lexicon.NEGATIONS.isdisjoint(plain_words)
    elif (opinion := _opinion(words[start:stop])) is not None:
        yield start, opinion
    elif _short(plain_words):
        yield start, lexicon.NEGATIONS.isdisjoint(plain_words)
    for i in range(start, stop):
        value = _word_value(words, i, start, stop)
        if value is not None:
            yield i, value


def _opinion(sentence: Sequence[str]) -> bool | None:
    """True for a sentence that starts with "I think so", False for "I do not think so" or "I think not", else None."""
    clause = sentence[: sentence.index(",")] if "," in sentence else sentence
    if len(clause) > 6 or clause[:1] not in (["i"], ["we"], ["i'd"]) or clause[-1] not in ("so", "not"):
        return None
    return None if _OPINIONS.isdisjoint(clause) else lexicon.NEGATIONS.isdisjoint(clause)


def _short(plain_words: Sequence[str]) -> bool:
    """Whether a sentence is a short reply like "It does not" or "He is"."""
    return (
        2 <= len(plain_words) <= 3
        and plain_words[0] in lexicon.PRONOUNS
        and plain_words[1] in lexicon.AUXILIARIES
        and (len(plain_words) == 2 or plain_words[2] == "not")
    )


def _word_value(words: Sequence[str], i: int, start: int, stop: int) -> bool | None:
    """Whether words[i] is a yes (True), a no (False) or neither (None) in its sentence words[start:stop]."""
    word = words[i]
    before = words[i - 1] if i > start else ""
    after = words[i + 1] if i + 1 < stop else ""
    closes = not after or not after[0].isalnum()
    if word in _YES:
        return before != "not"
    if word in _NO:
        if before == "not":
            return None
        opens = not before or not before[0].isalnum()
        follows = closes or (opens and (after in lexicon.PRONOUNS or after in lexicon.ARTICLES or after == "there"))
        return False if follows else None
    if word in _TRUE or word in _FALSE:
        opens = not before or not before[0].isalnum() or before in _VERY
        is_predicate = before in _BEFORE_TRUE or before in lexicon.BE | _CONTRACTED or before.endswith("n't")
        if not ((opens and closes) or (is_predicate and (closes or after in ("that", "because", "since", "as")))):
            return None
        denied = not lexicon.NEGATIONS.isdisjoint(words[max(start, i - 3) : i])
        return (word in _TRUE) is not denied
    return None


class Statement:
    """A sentence like "the person closes the door", which answers assert or deny."""

    def __init__(self, text: str) -> None:
        plain_words = [word for word in tokens(normalise(text)) if word[0].isalnum()]
        self.negative = not lexicon.NEGATIONS.isdisjoint(plain_words)
        plain_words = [w for w in plain_words if w not in lexicon.NEGATIONS]
        verb = _verb(plain_words)
        subject = [w for w in plain_words[:verb] if w not in lexicon.DETERMINERS and w != "there"]
        rest = plain_words[verb:]
        while len(rest) > 1 and (rest[0] in lexicon.BE or rest[0] in lexicon.AUXILIARIES):
            rest = rest[1:]
        self._subject = lexicon.forms(subject[-1]) if subject else frozenset[str]()
        self._person = bool(subject) and subject[-1] in _PEOPLE
        self._anyone = bool(subject) and (subject[-1] in _ANYONE or plain_words[:2] == ["a", "person"])
        name = " ".join(rest)
        self._starts = index_by_first_form(label_set((name,)).own_patterns(name))

    def find_replies(self, words: Sequence[str]) -> list[Reply]:
        """The places that assert (or deny, or leave open) the statement, with the value that this gives."""
        replies = []
        without_no = ["any" if word == "no" else word for word in words]  # "wearing no hat"
        for mention in find_mentions(self._starts, without_no):
            first, _ = sentence_bounds(words, mention.start, mention.end)
            if not self._about(words, first, mention):
                continue
            before = words[first : mention.start]
            status = mention_status(words, mention, action=False)
            if "no" in words[mention.start : mention.end]:
                status = Status.DENIED
            called_false = _called_false(before)
            if called_false is not None:
                status = Status.DENIED if called_false else Status.STATED
            if _or_not(before):  # "may or may not"
                status = Status.OPEN
            corrects = not _CORRECTS.isdisjoint(before)
            if status in ASSERTED:
                replies.append(Reply(mention.start, first, not self.negative, corrects))
            elif status is Status.DENIED:
                replies.append(Reply(mention.start, first, self.negative, corrects))
            elif status is Status.OPEN:
                replies.append(Reply(mention.start, first, None))
            elif "?" not in words[mention.end : mention.end + 40] and not _FAILED.isdisjoint(before):
                replies.append(Reply(mention.start, first, self.negative, corrects))
        return replies

    def _about(self, words: Sequence[str], first: int, mention: Mention) -> bool:
        """Whether the sentence of a mention has the statement's subject, as a noun or as a pronoun."""
        if not self._subject:
            return True
        passive = not lexicon.BE.isdisjoint(words[mention.start : mention.end])
        if passive and self._person and words[mention.end : mention.end + 1] != ["by"]:
            return True
        around = words[first : mention.end + 6]
        if not self._subject.isdisjoint(around) or not lexicon.PRONOUNS.isdisjoint(around):
            return True
        if not _NOBODY.isdisjoint(around) or ("no", "one") in pairwise(around):
            return True
        if self._anyone:
            return _ANIMALS.isdisjoint(around[: mention.start - first])
        return self._person and not _PEOPLE.isdisjoint(around)


def _or_not(before: Sequence[str]) -> bool:
    """Whether the words before a mention have "may or may not"."""
    return any(before[k] == "or" and "not" in before[k + 1 : k + 3] for k in range(len(before)))


def _called_false(before: Sequence[str]) -> bool | None:
    """True after "it's false that", False after "it's not false that", None after neither."""
    for k in range(len(before) - 1):
        if before[k] in _FALSE and before[k + 1] == "that":
            return lexicon.NEGATIONS.isdisjoint(before[max(0, k - 3) : k])
    return None


def _verb(plain_words: Sequence[str]) -> int:
    """The index at which the predicate of a statement starts."""
    for k, word in enumerate(plain_words):
        if word in lexicon.BE or word in lexicon.AUXILIARIES:
            return k
    for k, word in enumerate(plain_words):
        if k and lexicon.is_verb(word) and plain_words[k - 1] not in lexicon.DETERMINERS:
            return k
    return 0
