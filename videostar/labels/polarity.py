"""Yes and no: replies, and statements asserted or denied."""

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
# These are no one, whatever they do.
_ANIMALS = frozenset(
    "cat dog bird horse cow sheep goat monkey puppy kitten animal animals parrot chicken rabbit pig bear elephant "
    "wind robot cats dogs birds".split()
)
_CONTRACTED = frozenset("it's that's this's what's".split())  # a pronoun and its "is"
_OPINIONS = frozenset("think thought believe guess suppose say".split())
_VAGUE = frozenset("know tell say determine decide whether unclear unknown".split())


@dataclass(frozen=True, slots=True)
class Reply:
    """A yes (True), a no (False) or both at once (None) at words[at], and whether it corrects what came before."""

    at: int
    sentence: int
    value: bool | None
    corrects: bool = False


def find_replies(words: Sequence[str]) -> list[Reply]:
    """The replies of a text that need no statement: yes, no, true, "that is not the case", "it does"."""
    found = []
    start = 0
    for stop in [*(k for k, word in enumerate(words) if word in SENTENCE_ENDS), len(words)]:
        if not (stop < len(words) and words[stop] == "?"):
            for at, value in _sentence(words, start, stop):
                corrects = not _CORRECTS.isdisjoint(words[max(start, at - 4) : at])
                found.append(Reply(at, start, value, corrects))
        start = stop + 1
    return found


def _sentence(words: Sequence[str], start: int, stop: int) -> Iterator[tuple[int, bool | None]]:
    spoken = [w for w in words[start:stop] if w[0].isalnum()]
    if not spoken:
        return
    if _YES & set(spoken) and _NO & set(spoken) and ("or" in spoken or "and" in spoken):
        yield start, None
        return
    if not _VAGUE.isdisjoint(spoken) and not lexicon.NEGATIONS.isdisjoint(spoken) and "whether" in spoken:
        return
    if spoken[0] in _SURE or spoken[:2] == ["of", "course"]:
        yield start, not lexicon.NEGATIONS.intersection(spoken[1:3])
    elif set(spoken) <= _PLAIN_NOT and "not" in spoken:
        yield start, False
    elif (
        spoken[-2:] == ["the", "case"]
        or spoken[-3:] == ["what", "is", "happening"]
        or spoken[-2:] == ["what", "happens"]
    ):
        yield start, lexicon.NEGATIONS.isdisjoint(spoken)
    elif (opinion := _opinion(words[start:stop])) is not None:
        yield start, opinion
    elif _short(spoken):
        yield start, lexicon.NEGATIONS.isdisjoint(spoken)
    for i in range(start, stop):
        value = _word(words, i, start, stop)
        if value is not None:
            yield i, value


def _opinion(sentence: Sequence[str]) -> bool | None:
    """Whether a sentence starts with "I think so" (True) or with "I do not think so" or "I think not" (False)."""
    clause = sentence[: sentence.index(",")] if "," in sentence else sentence
    if len(clause) > 6 or clause[:1] not in (["i"], ["we"], ["i'd"]) or clause[-1] not in ("so", "not"):
        return None
    return None if _OPINIONS.isdisjoint(clause) else lexicon.NEGATIONS.isdisjoint(clause)


def _short(spoken: Sequence[str]) -> bool:
    """ "It does not", "He is"."""
    return (
        2 <= len(spoken) <= 3
        and spoken[0] in lexicon.PRONOUNS
        and spoken[1] in lexicon.AUXILIARIES
        and (len(spoken) == 2 or spoken[2] == "not")
    )


def _word(words: Sequence[str], i: int, start: int, stop: int) -> bool | None:
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
        said_of = before in _BEFORE_TRUE or before in lexicon.BE | _CONTRACTED or before.endswith("n't")
        if not ((opens and closes) or (said_of and (closes or after in ("that", "because", "since", "as")))):
            return None
        denied = not lexicon.NEGATIONS.isdisjoint(words[max(start, i - 3) : i])
        return (word in _TRUE) is not denied
    return None


class Statement:
    """A sentence like "the person closes the door", found in answers asserted or denied."""

    def __init__(self, text: str) -> None:
        spoken = [word for word in tokens(normalise(text)) if word[0].isalnum()]
        self.negative = not lexicon.NEGATIONS.isdisjoint(spoken)
        spoken = [w for w in spoken if w not in lexicon.NEGATIONS]
        verb = _verb(spoken)
        subject = [w for w in spoken[:verb] if w not in lexicon.DETERMINERS and w != "there"]
        rest = spoken[verb:]
        while len(rest) > 1 and (rest[0] in lexicon.BE or rest[0] in lexicon.AUXILIARIES):
            rest = rest[1:]
        self._subject = lexicon.forms(subject[-1]) if subject else frozenset[str]()
        self._person = bool(subject) and subject[-1] in _PEOPLE
        self._anyone = bool(subject) and (subject[-1] in _ANYONE or spoken[:2] == ["a", "person"])
        name = " ".join(rest)
        self._starts = index_by_first_form(label_set((name,)).own_patterns(name))

    def find_replies(self, words: Sequence[str]) -> list[Reply]:
        """Where the statement is asserted or denied, or left open."""
        found = []
        without_no = ["any" if word == "no" else word for word in words]  # "wearing no hat"
        for mention in find_mentions(self._starts, without_no):
            first, _ = sentence_bounds(words, mention.start, mention.end)
            if not self._about(words, first, mention):
                continue
            meant = mention_status(words, mention, action=False)
            if "no" in words[mention.start : mention.end]:
                meant = Status.DENIED
            called = _called_false(words[first : mention.start])
            if called is not None:
                meant = Status.DENIED if called else Status.STATED
            if _or_not(words[first : mention.start]):  # "may or may not"
                meant = Status.OPEN
            corrects = not _CORRECTS.isdisjoint(words[first : mention.start])
            if meant in ASSERTED:
                found.append(Reply(mention.start, first, not self.negative, corrects))
            elif meant is Status.DENIED:
                found.append(Reply(mention.start, first, self.negative, corrects))
            elif meant is Status.OPEN:
                found.append(Reply(mention.start, first, None))
            elif words[mention.end : mention.end + 40].count("?") == 0 and _failed(words[first : mention.start]):
                found.append(Reply(mention.start, first, self.negative, corrects))
        return found

    def _about(self, words: Sequence[str], first: int, mention: Mention) -> bool:
        """Whether the sentence is about the statement's subject, by its noun or by a pronoun."""
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


_FAILED = frozenset(
    "fails failed fail failing almost nearly refuses refused pretends pretended pretending unable".split()
)


def _or_not(before: Sequence[str]) -> bool:
    """Whether "may or may not" stands there."""
    return any(before[k] == "or" and "not" in before[k + 1 : k + 3] for k in range(len(before)))


def _called_false(before: Sequence[str]) -> bool | None:
    """Whether a statement is called false ("it's false that"), or not false; None when it is called neither."""
    for k in range(len(before) - 1):
        if before[k] in _FALSE and before[k + 1] == "that":
            return lexicon.NEGATIONS.isdisjoint(before[max(0, k - 3) : k])
    return None


def _failed(before: Sequence[str]) -> bool:
    return not _FAILED.isdisjoint(before)


def _verb(spoken: Sequence[str]) -> int:
    """Where a statement's predicate starts."""
    for k, word in enumerate(spoken):
        if word in lexicon.BE or word in lexicon.AUXILIARIES:
            return k
    for k, word in enumerate(spoken):
        if k and lexicon.is_verb(word) and spoken[k - 1] not in lexicon.DETERMINERS:
            return k
    return 0
