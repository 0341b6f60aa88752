"""The name of a label in readable words, and the patterns that find it in an answer.

The name "blowing out candles" becomes a pattern of the elements blow, out and candle: each is the set of a word's
inflections, with a rule for the words that may precede it. A name has several patterns: without a qualifier in
parentheses, with a particle behind the object, with two words as one or one word as two.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from videostar.labels import inflections, lexicon
from videostar.labels.answer import tokens
from videostar.labels.patterns import Element, Gap, Pattern
from videostar.labels.text import normalise, split_camel_case

# Adjectives that are verbs at the start of a label.
_ADJECTIVE_VERBS = frozenset("open close clean dry wet warm empty cool clear slap".split())
# Verbs that an answer may follow with "down".
_POSTURES = frozenset("sit lie lay kneel crouch squat".split())
_PLACES = lexicon.PREPOSITIONS - lexicon.PARTICLES | {"in", "on"}

# Words that an answer may have in place of a word of a name, besides its inflections.
_ALIKE = {
    **{word: frozenset([word, str(number)]) for number, word in enumerate(lexicon.NUMBER_WORDS)},
    **{str(number): frozenset([word, str(number)]) for number, word in enumerate(lexicon.NUMBER_WORDS)},
    **{
        word: frozenset([word, word + "ward", word + "wards"])
        for word in "up down left right back north south east west".split()
    },
    "other": frozenset(["other", "another"]),
}
_INTO = {word: frozenset([word[:2], word[:2] + "to"]) for word in ("in", "into", "on", "onto")}

_PLURAL_PARTICLES = frozenset(particle + "s" for particle in lexicon.PARTICLES)

_CODE = re.compile(r"\S*\+\S*\d\S*|\S*\d\S*\+\S*")
_GROUP = re.compile(r"\(([^()]*)\)")
_ALTERNATIVES = re.compile(r"([\w-]+)(?:/| or )([\w-]+)", re.IGNORECASE)


def squash(name: str) -> str:
    """`name` without case, spaces and punctuation: "Push-ups" -> pushups. Names of equal keys are one label."""
    return "".join(t for t in tokens(normalise(name).lower()) if t[0].isalnum())


@lru_cache(maxsize=8192)
def readable_name(name: str) -> str:
    """`name` in separate words: ShavingBeard -> shaving beard, kick_ball -> kick ball."""
    if _CODE.fullmatch(name.strip()):
        return name.strip()
    parts = " ".join(re.sub(r"[_+]+", " ", split_camel_case(name)).split())
    if parts != " ".join(name.split()):
        return " ".join(w if w.isupper() and len(w) > 1 else w.lower() for w in parts.split(" "))
    first = parts.split(" ")[0]
    return parts if len(first) > 1 and not first[1:].islower() else parts[:1].lower() + parts[1:]


def spellings(name: str) -> list[str]:
    """`name` and its shorter forms: without a qualifier in parentheses, or with one side of "a/b" or "a or b"."""
    name = readable_name(name)
    forms = [name]
    groups = _GROUP.findall(name)
    for group in groups:
        for spelling in list(forms):
            forms.append(" ".join(spelling.replace(f"({group})", " ", 1).split()))
    bare = forms[-1]
    for match in _ALTERNATIVES.finditer(bare):
        for word in match.groups():
            forms.append(bare[: match.start()] + word + bare[match.end() :])
    return [s for s in dict.fromkeys(forms) if squash(s)]


@lru_cache(maxsize=16384)
def patterns(spelling: str) -> tuple[Pattern, ...]:
    """The patterns of one of the `spellings` of a name."""
    raw = tokens(normalise(spelling).lower())
    if _CODE.fullmatch(spelling.strip()):
        return (Pattern(tuple(Element(frozenset([t]), Gap.NOTHING) for t in raw)),)
    words = _content(raw) or [t for t in raw if t[0].isalnum()]
    loose = frozenset(b for a, b in pairwise(t for t in raw if t not in lexicon.ARTICLES) if not a[0].isalnum())
    result = [_pattern(words, loose), *_with_moved_particle(words, loose)]
    if not inflections.forms(words[0]).isdisjoint(_POSTURES) and not _PLACES.isdisjoint(words[1:2]):
        result.append(_pattern([words[0], "down", *words[1:]], loose))  # sits down in a chair
    if "something" not in words:
        result += _respelled(words)
    return tuple(result)


def _content(raw: Sequence[str]) -> list[str]:
    """The tokens without articles and marks, except the comma of "something, something"."""
    listed = {k for k in range(1, len(raw)) if raw[k - 1 : k + 2] == ["something", ",", "something"]}
    return [t for k, t in enumerate(raw) if k in listed or (t[0].isalnum() and t not in lexicon.ARTICLES)]


def _respelled(words: Sequence[str]) -> Iterator[Pattern]:
    """The patterns of a name with two words or all as one, or with one word as two."""
    for k in range(len(words) - 1):  # push up -> pushup
        yield _pattern([*words[:k], f"{words[k]}-{words[k + 1]}", *words[k + 2 :]])
    for k, word in enumerate(words):  # pullup -> pull up
        for halves in _split_compound(word):
            yield _pattern([*words[:k], *halves, *words[k + 1 :]], compound=not k)
    yield _pattern(["-".join(words)])


def _split_compound(word: str) -> Iterator[list[str]]:
    """The ways to write a compound as two words: pullup -> pull up, yoyo -> yo yo."""
    for k in range(2, len(word) - 1) if word not in lexicon.GRAMMAR else ():
        head, tail = word[:k], word[k:]
        if head == tail or (k > 2 and inflections.lemmas(head) and inflections.lemmas(tail)):
            yield [head, tail]


def _with_moved_particle(words: Sequence[str], loose: Container[str]) -> list[Pattern]:
    """The patterns with the particle on the other side of the object: "puts the towel down", "picks up something"."""
    if len(words) < 3:
        return []
    verb, particle = words[:2]
    if particle in lexicon.PARTICLES and words[2] not in lexicon.PREPOSITIONS:
        end = next((k for k in range(2, len(words)) if words[k] in lexicon.PREPOSITIONS), len(words))
        return [_pattern([verb, *words[2:end], particle, *words[end:]], loose, particle=end - 1)]
    if words[-1] in lexicon.PARTICLES:
        return [_pattern([verb, words[-1], *words[1:-1]], loose)]
    return []


def _pattern(
    words: Sequence[str], loose: Container[str] = (), *, particle: int | None = None, compound: bool = False
) -> Pattern:
    """The pattern of some words.

    `loose`: the words that punctuation precedes. `particle`: the index of a particle that has moved behind its object.
    `compound`: the words are a compound noun, not a verb and its object.
    """
    compound = compound or words[-1] in _PLURAL_PARTICLES  # pull ups: not "pulls up"
    verb = words[0] if not compound and _starts_with_verb(words) else ""
    elements: list[Element] = []
    for k, word in enumerate(words):
        if word == "something":
            continue
        accepted = _accepted(word, template="something" in words, inflected=not compound or k == len(words) - 1)
        if len(words) == 2 and k and word in lexicon.PARTICLES:
            accepted |= {word + "s"}  # push-ups for push up
        gap = _gap(words, k, verb=bool(verb), compound=compound, moved=k == particle)
        elements.append(Element(accepted, gap, word in loose))
    if not elements:
        return Pattern((Element(frozenset(["something"]), Gap.NOTHING),))
    return Pattern(
        tuple(elements),
        tail=words[-1] == "something",
        gerund=inflections.is_gerund(words[0]),
        participles=inflections.past_forms(verb),
        nouns=inflections.noun_forms(verb),
    )


def _gap(words: Sequence[str], k: int, *, verb: bool, compound: bool, moved: bool) -> Gap:
    """What may come before words[k]. `verb`: the name starts with a verb; for the others see `_pattern`."""
    before = words[k - 1] if k else ""
    if {"something"}.issuperset(words[:k]):
        return Gap.NOTHING
    if before == "something":
        return Gap.OBJECT
    phrase = before in lexicon.PREPOSITIONS or before.endswith("ing") or (verb and k == 1)
    if moved or (words[k] in lexicon.PREPOSITIONS and (phrase or not compound)):
        return Gap.ADVERB
    return Gap.PHRASE if phrase else Gap.NOTHING


def _accepted(word: str, *, template: bool, inflected: bool) -> frozenset[str]:
    """The words that an answer may have for a word of a name. `template`: the name has the word "something"."""
    if word in _ALIKE:
        return _ALIKE[word]
    if word in _INTO and not template:
        return _INTO[word]
    if not inflected or (word in lexicon.GRAMMAR and not word.endswith("ing")):
        return frozenset([word])
    return inflections.forms(word)


def _starts_with_verb(words: Sequence[str]) -> bool:
    """Whether a name starts with its verb, so that a phrase may come between it and its object."""
    first = words[0]
    if first in lexicon.PREPOSITIONS or first in lexicon.DETERMINERS or not inflections.is_verb(first):
        return False
    if inflections.is_gerund(first) or len(words) == 1:
        return True
    # "long jump" is a compound; "wash hands" is not, although "wash" can be an adjective.
    compound = inflections.is_adjective(first) and inflections.is_verb(words[-1]) and not words[-1].endswith("s")
    return first in _ADJECTIVE_VERBS or not compound
