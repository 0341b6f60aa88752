"""Finds where an answer asserts or denies a given sentence, such as "the person closes the door"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from videostar.labels import inflections, lexicon
from videostar.labels.answer import Answer
from videostar.labels.answer import words as words_of
from videostar.labels.mentions import mention_status
from videostar.labels.patterns import Mention
from videostar.labels.settle import Candidate
from videostar.labels.status import ASSERTED, Status, sentence_bounds
from videostar.labels.text import SENTENCE_ENDS
from videostar.labels.vocabulary import find_mentions, index_by_first_form, label_set

_ANYONE = frozenset("someone somebody anyone anybody".split())
# Not persons, so these do not confirm a statement about someone.
_ANIMALS = frozenset(
    "cat dog bird horse cow sheep goat monkey puppy kitten animal animals parrot chicken rabbit pig bear elephant "
    "wind robot cats dogs birds".split()
)
# "the clip ends with the guests sitting down" is about the guests.
_FRAME = re.compile(
    r"^(?:the |this )?(?:clip|video|film|scene) (?:ends|starts|begins|opens|shows|finishes)(?: with)? (?=\w+ \w+)",
    re.IGNORECASE,
)
_GENERIC = frozenset("person people individual individuals player players someone somebody adult human".split())
_WOMEN = frozenset("woman women girl girls lady she her herself".split())
_MEN = frozenset("man men boy boys guy he his him himself".split())
_PLAIN = {"no": "any", **dict.fromkeys("lying sitting standing placed located resting parked situated".split(), "now")}
_FAILED = frozenset(
    "fails failed fail failing almost nearly refuses refused pretends pretended pretending unable".split()
)


class Claim:
    """A sentence that answers assert or deny.

    One in another language, `as_written`, has no known subject or verb: an answer must have its words in their order.
    """

    def __init__(self, text: str, *, as_written: bool = False) -> None:
        self._as_written = as_written
        plain_words = words_of(_FRAME.sub("", text))
        self.negative = not (lexicon.NEGATIONS - {"without"}).isdisjoint(plain_words)
        plain_words = [w for w in plain_words if w == "without" or w not in lexicon.NEGATIONS]
        verb = 0 if as_written else _verb(plain_words)
        subject = [w for w in plain_words[:verb] if w not in lexicon.DETERMINERS and w != "there"]
        rest = plain_words[verb:]
        if "there" in plain_words[:2] and rest[-3:-2] == ["in"] and rest[-1] in lexicon.PICTURES:
            rest = rest[:-3]  # "there is a cat in the image"
        while len(rest) > 1 and (rest[0] in lexicon.BE or rest[0] in lexicon.AUXILIARIES):
            rest = rest[1:]
        self._subject = inflections.forms(subject[-1]) if subject else frozenset[str]()
        self._person = bool(subject) and subject[-1] in lexicon.PEOPLE
        self._anyone = bool(subject) and (subject[-1] in _ANYONE or plain_words[:2] == ["a", "person"])
        name = " ".join(rest)
        self._starts = index_by_first_form(label_set((name,)).own_patterns(name))
        self._verb = inflections.forms(rest[0])
        self._object = [w for w in rest[1:] if w not in lexicon.DETERMINERS]

    def candidates(self, answer: Answer) -> list[Candidate]:
        """The places that assert, deny or leave open the sentence, with the truth value that this gives it."""
        words = answer.words
        if self._as_written:
            return list(self._find_as_written(words))
        without_no = [
            word if word in self._starts else _PLAIN.get(word, word) for word in self._with_object(words)
        ]  # "wearing no hat"
        found = []
        for mention in find_mentions(self._starts, without_no):
            first, _ = sentence_bounds(words, mention.start, mention.end)
            status = self._status(words, first, mention) if self._is_about(words, first, mention) else None
            if status is Status.OPEN:
                found.append(Candidate(None, mention.start, mention.end, 1, status))
            elif status is not None:
                value = (status in ASSERTED) is not self.negative
                found.append(Candidate(value, mention.start, mention.end, 1, Status.STATED))
        contrasts = [i for i in range(len(words)) if self._is_contrasted(words, i)]
        return found + [Candidate(self.negative, i, i + 1, 1, Status.STATED) for i in contrasts]

    def _find_as_written(self, words: Sequence[str]) -> Iterator[Candidate]:
        """The places that have the words of the sentence, with or without a denial among them."""
        kept = [k for k, word in enumerate(words) if word not in lexicon.NEGATIONS]
        for mention in find_mentions(self._starts, [words[k] for k in kept]):
            start, end = kept[mention.start], kept[mention.end - 1] + 1
            status = mention_status(words, Mention(start, end, mention.size), action=False)
            denied = status is Status.DENIED or not lexicon.NEGATIONS.isdisjoint(words[start:end])
            if denied or status in ASSERTED:
                yield Candidate(self.negative is denied, start, end, 1, Status.STATED)

    def _with_object(self, words: Sequence[str]) -> list[str]:
        """`words` with the object of the claim for an "it" that follows it in its sentence."""
        last = self._object[-1:] and inflections.forms(self._object[-1])
        if not last or last.isdisjoint(words):
            return list(words)
        named, out = False, []
        for word in words:
            named = (named and word not in SENTENCE_ENDS) or word in last
            out.append(self._object[-1] if named and word in ("it", "them") else word)
        return out

    def _status(self, words: Sequence[str], first: int, mention: Mention) -> Status | None:
        """How a mention means the sentence; None if it says nothing of it."""
        before = words[first : mention.start]
        if any(word == "or" and "not" in before[k + 1 : k + 3] for k, word in enumerate(before)):
            return Status.OPEN  # "may or may not"
        false = next((k for k, (a, b) in enumerate(pairwise(before)) if a in lexicon.FALSE and b == "that"), None)
        if false is not None:  # "it is not false that"
            denied = lexicon.NEGATIONS.isdisjoint(before[max(0, false - 3) : false])
            return Status.DENIED if denied else Status.STATED
        if "no" in words[mention.start : mention.end]:
            return Status.DENIED
        status = mention_status(words, mention, action=False)
        if status is not Status.NOT_ASSERTED:
            return status
        failed = "?" not in words[mention.end : mention.end + 40] and not _FAILED.isdisjoint(before)
        return Status.DENIED if failed else None

    def _is_contrasted(self, words: Sequence[str], i: int) -> bool:
        """Whether words[i] is the "not" of "he uses a stone, not a hammer", for "he uses a hammer"."""
        if words[i] != "not" or words[i - 1 : i] != [","] or not self._object:
            return False
        after = [w for w in words[i + 1 : i + 2 + len(self._object)] if w not in lexicon.DETERMINERS]
        before = words[sentence_bounds(words, i, i)[0] : i]
        return after[: len(self._object)] == self._object and not self._verb.isdisjoint(before)

    def _is_about(self, words: Sequence[str], first: int, mention: Mention) -> bool:
        """Whether the sentence of a mention has the statement's subject, as a noun or as a pronoun."""
        if not self._subject:
            return True
        passive = not lexicon.BE.isdisjoint(words[mention.start : mention.end])
        if passive and self._person and words[mention.end : mention.end + 1] != ["by"]:
            return True
        around = words[first : mention.end + 6]
        if not self._subject.isdisjoint(around):
            return True
        women, men = not self._subject.isdisjoint(_WOMEN), not self._subject.isdisjoint(_MEN)
        if women or men:  # of another person
            return not (_GENERIC | (_WOMEN if women else _MEN) | {"they", "who"}).isdisjoint(
                words[first : mention.start]
            )
        if not lexicon.PRONOUNS.isdisjoint(around):
            return True
        if not lexicon.NOBODY.isdisjoint(around) or ("no", "one") in pairwise(around):
            return True
        if self._anyone:
            return _ANIMALS.isdisjoint(around[: mention.start - first])
        return self._person and not lexicon.PEOPLE.isdisjoint(around)


def _verb(plain_words: Sequence[str]) -> int:
    """The index at which the predicate of a sentence starts."""
    auxiliary = next((k for k, w in enumerate(plain_words) if w in lexicon.AUXILIARIES - {"to"}), None)
    verbs = [
        k
        for k, word in enumerate(plain_words)
        if k and inflections.is_verb(word) and plain_words[k - 1] not in lexicon.DETERMINERS
    ]
    if auxiliary is None:
        return verbs[0] if verbs else 0
    # "the assistant counts the swabs before the wound is closed"
    finite = [
        k for k in verbs if k < auxiliary and plain_words[k].endswith("s") and inflections.is_noun(plain_words[k - 1])
    ]
    return finite[0] if finite else auxiliary
