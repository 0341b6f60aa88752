"""Patterns over the words of an answer: the words of a name in order, and what may come between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from videostar.labels import lexicon

_REACH = 8  # how far ahead of a word the next word of the label may be
_MAX_CONTENT = 4  # adjectives and noun modifiers among the words between
_INVISIBLE = lexicon.ARTICLES | frozenset(",()/=:")
_FILLER = lexicon.DETERMINERS | lexicon.PREPOSITIONS | lexicon.ADVERBS
_NEVER = (lexicon.GRAMMAR - _FILLER) | frozenset(".!?\n,;:()/=")
_ENDS = frozenset(".!?\n;:")
_PASSIVE = lexicon.BE | lexicon.GET
_BETWEEN_PASSIVE = (
    _PASSIVE | lexicon.AUXILIARIES | lexicon.ADVERBS | lexicon.NEGATIONS | frozenset([",", "which", "that"])
)


class Gap(IntEnum):
    """What may come between an element and the one before it."""

    NOTHING = 0  # articles only: the parts of a compound
    ADVERB = 1  # "blow" quickly "out"
    PHRASE = 2  # the start of a noun phrase: "sweep" the dusty kitchen "floor"
    OBJECT = 3  # any object: "put" [the red cup] "into"


@dataclass(frozen=True, slots=True)
class Element:
    """One word of a name: its forms, and what may come before it."""

    forms: frozenset[str]
    gap: Gap
    loose: bool = False  # the name has punctuation before it, so the answer may have it too


@dataclass(frozen=True, slots=True)
class Mention:
    """A place in an answer, tokens[start:end], that has the words of a name."""

    start: int
    end: int
    size: int  # of the pattern, see `Pattern.size`
    denied: bool = False  # within the mention: "the ball is not being juggled"
    noun: bool = False  # its first word may be a thing: a bowl, not bowling
    gerund: bool = False  # the name is an -ing form

    def within(self, other: Mention) -> bool:
        """Whether `other` is a longer name around this mention, or a name of this size in fewer words of the answer."""
        if other.size > self.size:
            return other.start <= self.start and self.end <= other.end
        return other.size == self.size and self.start < other.start and other.end == self.end


@dataclass(frozen=True)
class Pattern:
    """Elements that an answer must have in this order."""

    elements: tuple[Element, ...]
    tail: bool = False  # any object must follow the last element
    gerund: bool = False  # the first element is the -ing form of a verb
    participles: frozenset[str] = frozenset()  # past forms of its verb, for the passive
    nouns: frozenset[str] = frozenset()  # forms of its verb that may be a thing: the fence of fencing

    @cached_property
    def size(self) -> int:
        """How specific the pattern is: of two names at one place, the one of greater size counts."""
        return 2 * len(self.elements) + sum(e.gap is Gap.OBJECT for e in self.elements) + self.tail

    def match_at(self, words: Sequence[str], i: int) -> Mention | None:
        """The mention whose first word, or whose verb in a passive, is `words[i]`; None if there is none."""
        end = self._forward(words, i)
        if end:
            # A longer name can only be a thing if its words are apart: "a brush" in her "hair".
            length = len(self.elements)
            alone = length == 1 or (end - i > length and i > 0 and words[i - 1] in lexicon.DETERMINERS)
            return Mention(i, end, self.size, noun=alone and words[i] in self.nouns, gerund=self.gerund)
        return self._passive(words, i) if words[i] in self.participles else None

    def _forward(self, words: Sequence[str], i: int) -> int:
        """The end of the match that starts at `i`; 0 if there is none."""
        at = i + 1
        for element in self.elements[1:]:
            at = _next(words, at, element)
            if not at:
                return 0
        if self.tail:
            after = words[at] if at < len(words) else "."
            if after in _ENDS or after == "," or after in lexicon.CONJUNCTIONS:
                return 0
        return at

    def _passive(self, words: Sequence[str], i: int) -> Mention | None:
        """The passive mention with the participle `words[i]`: "the ball is being juggled", "balls juggled by"."""
        rest = list(self.elements[1:])
        particle: list[Element] = []
        while len(rest) > 1 and rest[0].forms & lexicon.PARTICLES:
            particle.append(rest.pop(0))
        objects = 0  # how many elements are the object, which comes first in a passive
        if rest and rest[0].gap is Gap.PHRASE:
            objects = next((k for k, e in enumerate(rest) if k and e.gap is not Gap.NOTHING), len(rest))
        elif not (rest and rest[0].gap is Gap.OBJECT) and not (self.tail and not rest):
            return None
        noun, rest = rest[:objects], rest[objects:]
        at = i - 1
        while at > 0 and i - at < _REACH and words[at] in _BETWEEN_PASSIVE:
            at -= 1
        between = words[at + 1 : i]
        by = i + 1 < len(words) and words[i + 1] == "by"
        if not any(w in _PASSIVE for w in between) and not by:
            return None
        start = at
        if noun:
            before = _backward(words, at, noun)
            if before is None:
                return None
            start = before
        elif at < 0 or words[at] in _ENDS:
            return None
        end = i + 1
        for element in [*particle, *rest]:
            gap = Gap.ADVERB if element.gap is Gap.OBJECT else element.gap
            end = _next(words, end, Element(element.forms, gap, element.loose))
            if not end:
                return None
        denied = any(w in lexicon.NEGATIONS for w in between)
        return Mention(start, end, self.size, denied=denied)


def _next(words: Sequence[str], at: int, element: Element) -> int:
    """The index after `element`, searched from `at` across the words that may precede it; 0 if it is not there."""
    wanted, gap = element.forms, element.gap
    content = 0
    for j in range(at, min(at + _REACH, len(words))):
        word = words[j]
        if word in wanted and (gap is not Gap.OBJECT or j > at):
            return j + 1
        if word in _INVISIBLE and (element.loose or word in lexicon.ARTICLES) and not content:
            continue
        if gap is Gap.OBJECT:
            if word in _ENDS or word in lexicon.NEGATIONS:
                return 0
        elif gap is Gap.NOTHING:
            return 0
        elif word in lexicon.ADVERBS or (word.endswith("ly") and len(word) > 4):
            continue
        elif word in _FILLER:
            if content and word == "of" and words[j - 1] in lexicon.MEASURES:  # a slice of, a game of
                content = 0
            # A new phrase starts after a noun, so that noun was the object and not an adjective of this element.
            elif content or gap is Gap.ADVERB:
                return 0
        elif word == "," and content and _adjectives(words[j - 1], words[j + 1] if j + 1 < len(words) else "", wanted):
            continue
        elif gap is Gap.ADVERB or word in _NEVER:
            return 0
        elif word.endswith("'s"):
            content = 0
        else:
            content += 1
            if content > _MAX_CONTENT:
                return 0
    return 0


def _adjectives(before: str, after: str, wanted: frozenset[str]) -> bool:
    """Whether a comma between two words separates adjectives ("long, dusty"), not objects ("piano, guitar")."""
    if not lexicon.is_adjective(before):
        return False
    return not lexicon.is_noun(before) or (after not in wanted and lexicon.is_adjective(after))


def _backward(words: Sequence[str], at: int, noun: Sequence[Element]) -> int | None:
    """The start of the noun `thing`, which must end at `at` or a short phrase before it; None if it is not there."""
    last = at
    for _ in range(6):
        if last < 0 or words[last] in _ENDS or words[last] in (",", "and", "or", "but"):
            return None
        if words[last] in noun[-1].forms:
            break
        last -= 1
    else:
        return None
    start = last - len(noun) + 1
    if start < 0 or any(words[start + k] not in e.forms for k, e in enumerate(noun)):
        return None
    return start
