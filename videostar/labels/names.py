"""The name of a label in readable words, and the patterns that find it in an answer.

The name "blowing out candles" becomes a pattern of the elements blow, out and candle: each is the set of a word's
inflections, with a rule for the words that may precede it. A name has several patterns: without a qualifier in
parentheses, with a particle behind the object, with two words as one or one word as two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from videostar.labels import lexicon
from videostar.labels.patterns import Element, Gap, Pattern
from videostar.labels.text import normalise, split_camel_case, tokens

# Adjectives that are verbs at the start of a label.
_ADJECTIVE_VERBS = frozenset("open close clean dry wet warm empty cool clear slap".split())
# Verbs that an answer may follow with "down".
_POSTURES = frozenset("sit lie lay kneel crouch squat".split())

_CODE = re.compile(r"\S*\+\S*\d\S*|\S*\d\S*\+\S*")
_GROUP = re.compile(r"\(([^()]*)\)")
_ALTERNATIVES = re.compile(r"([\w-]+)(?:/| or )([\w-]+)", re.IGNORECASE)


def squash(name: str) -> str:
    """`name` without case, spaces and punctuation: "Push-ups" -> pushups. Names of equal keys are one label."""
    return "".join(t for t in tokens(normalise(name)) if t[0].isalnum())


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
    raw = tokens(normalise(spelling))
    words = [t for k, t in enumerate(raw) if _is_part(raw, k)] or [t for t in raw if t[0].isalnum()]
    if not words:
        return ()
    if _CODE.fullmatch(spelling.strip()):
        elements = tuple(Element(frozenset([n]), Gap.NOTHING) for n in words)
        return (Pattern(elements),)
    loose = _follow_punctuation(raw, words)
    result = [_pattern(words, loose)]
    result += _with_moved_particle(words, loose)
    place = len(words) > 2 and words[1] in lexicon.PREPOSITIONS - lexicon.PARTICLES | {"in", "on"}
    if place and not lexicon.forms(words[0]).isdisjoint(_POSTURES):  # sits down in a chair
        result.append(_pattern([words[0], "down", *words[1:]], [loose[0], *loose]))
    if "something" in words:
        return tuple(p for p in result if p)
    for k in range(len(words) - 1):  # push up -> pushup
        merged = [*words[:k], f"{words[k]}-{words[k + 1]}", *words[k + 2 :]]
        result.append(_pattern(merged, [False] * len(merged)))
    for k, word in enumerate(words):  # pullup -> pull up
        for halves in _split_compound(word):
            apart = [*words[:k], *halves, *words[k + 1 :]]
            result.append(_pattern(apart, [False] * len(apart), compound=not k))
    if len(words) > 2:
        result.append(_pattern(["-".join(words)], [False]))
    return tuple(p for p in result if p)


def _is_part(raw: Sequence[str], k: int) -> bool:
    """Whether a token is part of the name: a word that is no article, or the comma of "something, something"."""
    if raw[k] == ",":
        return raw[k - 1 : k + 2] == ["something", ",", "something"]
    return raw[k][0].isalnum() and raw[k] not in lexicon.ARTICLES


def _follow_punctuation(raw: Sequence[str], words: Sequence[str]) -> list[bool]:
    """For each word of the name, whether a mark of punctuation precedes it."""
    loose, mark, k = [], False, 0
    for token in raw:
        if k < len(words) and token == words[k]:
            loose.append(mark)
            mark, k = False, k + 1
        elif not token[0].isalnum():
            mark = True
    return loose


def _split_compound(word: str) -> Iterator[list[str]]:
    """The ways to write a compound as two words: pullup -> pull up, yoyo -> yo yo."""
    for k in range(2, len(word) - 1) if word not in lexicon.GRAMMAR else ():
        head, tail = word[:k], word[k:]
        if head == tail or (k > 2 and lexicon.is_word(head) and lexicon.is_word(tail)):
            yield [head, tail]


def _with_moved_particle(words: Sequence[str], loose: Sequence[bool]) -> list[Pattern | None]:
    """The patterns with the particle on the other side of the object: "puts the towel down", "picks up something"."""
    if len(words) < 3 or not lexicon.is_verb(words[0]):
        return []
    if words[1] in lexicon.PARTICLES and words[2] not in lexicon.PREPOSITIONS:
        end = next((k for k in range(2, len(words)) if words[k] in lexicon.PREPOSITIONS), len(words))
        order = [0, *range(2, end), 1, *range(end, len(words))]
        return [_pattern([words[k] for k in order], [loose[k] for k in order], particle=end - 1)]
    end = len(words) - 1
    if words[end] in lexicon.PARTICLES and lexicon.PARTICLES.isdisjoint(words[2:end]):
        order = [0, end, *range(1, end)]
        return [_pattern([words[k] for k in order], [loose[k] for k in order])]
    return []


def _pattern(
    words: Sequence[str], loose: Sequence[bool], *, particle: int | None = None, compound: bool = False
) -> Pattern | None:
    """The pattern of some words.

    `loose`: for each word whether punctuation precedes it. `particle`: the index of a particle that has moved behind
    its object. `compound`: the words are a compound noun, not a verb and its object.
    """
    template = "something" in words
    elements: list[Element] = []
    after_something = False  # whether "something" precedes the word, for which the answer has any object
    before = ""
    if words[-1].removesuffix("s") in lexicon.PARTICLES and words[-1].endswith("s"):
        compound = True  # pull ups: not "pulls up"
    first_verb = not compound and _starts_with_verb(words)
    for k, word in enumerate(words):
        if word == "something":
            after_something = True
            continue
        if word in lexicon.NUMBER_WORDS:
            number = lexicon.NUMBER_WORDS.index(word)
            accepted = frozenset([word, str(number)])
        elif word.isdigit() and int(word) < len(lexicon.NUMBER_WORDS):
            accepted = frozenset([word, lexicon.NUMBER_WORDS[int(word)]])
        elif word in ("in", "into", "on", "onto") and not template:
            accepted = frozenset([word[:2], word[:2] + "to"])
        elif word == "other":
            accepted = frozenset([word, "another"])
        elif (compound and k < len(words) - 1) or (word in lexicon.GRAMMAR and not word.endswith("ing")):
            accepted = frozenset([word])
        else:
            accepted = lexicon.forms(word)
        if len(words) == 2 and k and word in lexicon.PARTICLES:
            accepted |= {word + "s"}  # push-ups for push up
        if after_something and elements:
            gap = Gap.OBJECT
        elif k == particle or not elements:
            gap = Gap.ADVERB if elements else Gap.NOTHING
        elif before in lexicon.PREPOSITIONS or (len(elements) == 1 and first_verb) or before.endswith("ing"):
            gap = Gap.ADVERB if word in lexicon.PREPOSITIONS else Gap.PHRASE
        else:
            gap = Gap.ADVERB if word in lexicon.PREPOSITIONS and not compound else Gap.NOTHING
        elements.append(Element(accepted, gap, loose[k]))
        after_something, before = False, word
    if not elements:
        return Pattern((Element(frozenset(["something"]), Gap.NOTHING),))
    return Pattern(
        tuple(elements),
        tail=after_something,
        gerund=lexicon.is_gerund(words[0]),
        participles=lexicon.past_forms(words[0]) if first_verb else frozenset(),
        nouns=lexicon.noun_forms(words[0]) if first_verb else frozenset(),
    )


def _starts_with_verb(words: Sequence[str]) -> bool:
    """Whether a name starts with its verb, so that a phrase may come between it and its object."""
    first = words[0]
    if first in lexicon.PREPOSITIONS or first in lexicon.DETERMINERS or not lexicon.is_verb(first):
        return False
    if lexicon.is_gerund(first) or len(words) == 1:
        return True
    # "long jump" is a compound; "wash hands" is not, although "wash" can be an adjective.
    compound = lexicon.is_adjective(first) and lexicon.is_verb(words[-1]) and not words[-1].endswith("s")
    return first in _ADJECTIVE_VERBS or not compound
