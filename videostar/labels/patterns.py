"""Patterns over the words of an answer: the words of a name in order, and what may come between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from itertools import takewhile

from videostar.labels import inflections, lexicon

_REACH = 8  # how far ahead of a word the next word of the label may be
_MAX_CONTENT = 4  # adjectives and noun modifiers among the words between
_STOP = _MAX_CONTENT + 1
_NOUN_REACH = 6  # how far before the verb of a passive its object may end
_PUNCTUATION = frozenset(",()/=:")
_FILLER = lexicon.DETERMINERS | lexicon.PREPOSITIONS | lexicon.ADVERBS
_NEVER = (lexicon.GRAMMAR - _FILLER) | frozenset(".!?\n,;:()/=<>[]{}")
_ENDS = frozenset(".!?\n;:")
_PHRASE_ENDS = _ENDS | frozenset([",", "and", "or", "but"])
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
            if after in _PHRASE_ENDS or after in lexicon.CONJUNCTIONS:
                return 0
        return at

    @cached_property
    def _passive_parts(self) -> tuple[list[Element], list[Element]] | None:
        """What precedes the participle in a passive, the object of the name, and what follows; None without object."""
        rest = list(self.elements[1:])
        particles = list(takewhile(lambda e: e.forms & lexicon.PARTICLES, rest[:-1]))
        rest = rest[len(particles) :]
        objects = 0
        if rest and rest[0].gap is Gap.PHRASE:
            objects = next((k for k, e in enumerate(rest) if k and e.gap is not Gap.NOTHING), len(rest))
        elif (rest and rest[0].gap is not Gap.OBJECT) or not (rest or self.tail):
            return None
        following = [replace(e, gap=Gap.ADVERB) if e.gap is Gap.OBJECT else e for e in rest[objects:]]
        return rest[:objects], particles + following

    def _passive(self, words: Sequence[str], i: int) -> Mention | None:
        """The passive mention with the participle `words[i]`: "the ball is being juggled", "balls juggled by"."""
        if self._passive_parts is None:
            return None
        noun, following = self._passive_parts
        at = i - 1
        while at > 0 and i - at < _REACH and words[at] in _BETWEEN_PASSIVE:
            at -= 1
        between = words[at + 1 : i]
        if _PASSIVE.isdisjoint(between) and "by" not in words[i + 1 : i + 2]:
            return None
        start, end = _backward(words, at, noun), i + 1
        for element in following:
            end = end and _next(words, end, element)
        if start < 0 or not end:
            return None
        return Mention(start, end, self.size, denied=not lexicon.NEGATIONS.isdisjoint(between))


def _next(words: Sequence[str], at: int, element: Element) -> int:
    """The index after `element`, searched from `at` across the words that may precede it; 0 if it is not there."""
    content = 0
    for j in range(at, min(at + _REACH, len(words))):
        word = words[j]
        if word in element.forms and (element.gap is not Gap.OBJECT or j > at):
            return j + 1
        if not content and (word in lexicon.ARTICLES or (element.loose and word in _PUNCTUATION)):
            continue
        if element.gap is Gap.OBJECT:
            content = _STOP if word in _ENDS or word in lexicon.NEGATIONS else 0
        elif element.gap is Gap.NOTHING:
            return 0
        elif not inflections.is_adverb(word):
            content = _STOP if element.gap is Gap.ADVERB else _content(words, j, content, element.forms)
        if content > _MAX_CONTENT:
            return 0
    return 0


def _content(words: Sequence[str], j: int, content: int, wanted: frozenset[str]) -> int:
    """How many words of the last phrase up to `words[j]` are content, of which `content` precede it.

    `_STOP` if that word, or so many of them, cannot precede the words `wanted`.
    """
    word = words[j]
    if word in _FILLER:
        # After a noun a new phrase starts, unless it is of the noun: "a slice of", "a game of".
        return _STOP if content and not (word == "of" and words[j - 1] in lexicon.MEASURES) else 0
    if word == "," and content and _adjectives(words[j - 1], words[j + 1] if j + 1 < len(words) else "", wanted):
        return content
    if word in _NEVER:
        return _STOP
    return 0 if word.endswith("'s") else content + 1


def _adjectives(before: str, after: str, wanted: frozenset[str]) -> bool:
    """Whether a comma between two words separates adjectives ("long, dusty"), not objects ("piano, guitar")."""
    if not inflections.is_adjective(before):
        return False
    return not inflections.is_noun(before) or (after not in wanted and inflections.is_adjective(after))


def _backward(words: Sequence[str], at: int, noun: Sequence[Element]) -> int:
    """The start of `noun`, which must end at `at` or a short phrase before it; -1 if it is not there."""
    for end in range(at, max(at - _NOUN_REACH, -1), -1):
        if words[end] in (_PHRASE_ENDS if noun else _ENDS):
            return -1
        if not noun:
            return end
        if words[end] in noun[-1].forms:
            start = end - len(noun) + 1
            found = start >= 0 and all(word in e.forms for word, e in zip(words[start:], noun, strict=False))
            return start if found else -1
    return -1
