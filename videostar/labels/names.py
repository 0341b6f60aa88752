"""A label's name as people say it, and the patterns by which it is found in an answer.

"blowing out candles" becomes the elements blow, out, candle, each the set of its inflections, and between them what
the specification lets stand there. The same name gives several patterns: without a qualifier in parentheses, with the
particle after the object, with two words written as one or one as two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from videostar.labels import lexicon
from videostar.labels.patterns import Element, Gap, Pattern
from videostar.labels.text import normalise, split_camel_case, tokens

# Adjectives that are the verb all the same when a label starts with them.
_VERBS_TOO = frozenset("open close clean dry wet warm empty cool clear slap".split())

# These one does "down" as well.
_POSTURES = frozenset("sit lie lay kneel crouch squat".split())

_CODE = re.compile(r"\S*\+\S*\d\S*|\S*\d\S*\+\S*")
_GROUP = re.compile(r"\(([^()]*)\)")
_ALTERNATIVES = re.compile(r"([\w-]+)(?:/| or )([\w-]+)", re.IGNORECASE)


def squash(name: str) -> str:
    """`name` without case, spaces and punctuation. Names that are equal so are one label."""
    return "".join(t for t in tokens(normalise(name)) if t[0].isalnum())


@lru_cache(maxsize=8192)
def readable_name(name: str) -> str:
    """`name` as people say it: ShavingBeard -> shaving beard, kick_ball -> kick ball."""
    if _CODE.fullmatch(name.strip()):
        return name.strip()
    parts = " ".join(re.sub(r"[_+]+", " ", split_camel_case(name)).split())
    if parts != " ".join(name.split()):
        return " ".join(w if w.isupper() and len(w) > 1 else w.lower() for w in parts.split(" "))
    first = parts.split(" ")[0]
    return parts if len(first) > 1 and not first[1:].islower() else parts[:1].lower() + parts[1:]


def spellings(name: str) -> list[str]:
    """`name`, and the shorter ways to say it: without a qualifier in parentheses, one of "a/b" or "a or b"."""
    name = readable_name(name)
    found = [name]
    groups = _GROUP.findall(name)
    for group in groups:
        for spelling in list(found):
            found.append(" ".join(spelling.replace(f"({group})", " ", 1).split()))
    bare = found[-1]
    for match in _ALTERNATIVES.finditer(bare):
        for word in match.groups():
            found.append(bare[: match.start()] + word + bare[match.end() :])
    return [s for s in dict.fromkeys(found) if squash(s)]


@lru_cache(maxsize=16384)
def patterns(spelling: str) -> tuple[Pattern, ...]:
    """The patterns of one spelling of a name."""
    raw = tokens(normalise(spelling))
    names = [t for k, t in enumerate(raw) if _counts(raw, k)] or [t for t in raw if t[0].isalnum()]
    if not names:
        return ()
    if _CODE.fullmatch(spelling.strip()):
        elements = tuple(Element(frozenset([n]), Gap.NOTHING) for n in names)
        return (Pattern(elements),)
    loose = _after_marks(raw, names)
    found = [_pattern(names, loose)]
    found += _shifted(names, loose)
    place = len(names) > 2 and names[1] in lexicon.PREPOSITIONS - lexicon.PARTICLES | {"in", "on"}
    if place and not lexicon.forms(names[0]).isdisjoint(_POSTURES):  # sits down in a chair
        found.append(_pattern([names[0], "down", *names[1:]], [loose[0], *loose]))
    if "something" in names:
        return tuple(p for p in found if p)
    for k in range(len(names) - 1):  # push up -> pushup
        merged = [*names[:k], f"{names[k]}-{names[k + 1]}", *names[k + 2 :]]
        found.append(_pattern(merged, [False] * len(merged)))
    for k, name in enumerate(names):  # pullup -> pull up
        for halves in _parted(name):
            apart = [*names[:k], *halves, *names[k + 1 :]]
            found.append(_pattern(apart, [False] * len(apart), compound=not k))
    if len(names) > 2:
        found.append(_pattern(["-".join(names)], [False]))
    return tuple(p for p in found if p)


def _counts(raw: Sequence[str], k: int) -> bool:
    """Whether a token is part of the name: a word but an article, or the comma of "something, something"."""
    if raw[k] == ",":
        return raw[k - 1 : k + 2] == ["something", ",", "something"]
    return raw[k][0].isalnum() and raw[k] not in lexicon.ARTICLES


def _after_marks(raw: Sequence[str], names: Sequence[str]) -> list[bool]:
    loose, mark, k = [], False, 0
    for token in raw:
        if k < len(names) and token == names[k]:
            loose.append(mark)
            mark, k = False, k + 1
        elif not token[0].isalnum():
            mark = True
    return loose


def _parted(word: str) -> Iterator[list[str]]:
    """A compound written as two words: pullup -> pull up, yoyo -> yo yo."""
    for k in range(2, len(word) - 1) if word not in lexicon.GRAMMAR else ():
        head, tail = word[:k], word[k:]
        if head == tail or (k > 2 and lexicon.is_word(head) and lexicon.is_word(tail)):
            yield [head, tail]


def _shifted(names: Sequence[str], loose: Sequence[bool]) -> list[Pattern | None]:
    """Particles moved to the other side of the object: "puts the towel down", "picks up something"."""
    if len(names) < 3 or not lexicon.is_verb(names[0]):
        return []
    if names[1] in lexicon.PARTICLES and names[2] not in lexicon.PREPOSITIONS:
        end = next((k for k in range(2, len(names)) if names[k] in lexicon.PREPOSITIONS), len(names))
        order = [0, *range(2, end), 1, *range(end, len(names))]
        return [_pattern([names[k] for k in order], [loose[k] for k in order], particle=end - 1)]
    end = len(names) - 1
    if names[end] in lexicon.PARTICLES and lexicon.PARTICLES.isdisjoint(names[2:end]):
        order = [0, end, *range(1, end)]
        return [_pattern([names[k] for k in order], [loose[k] for k in order])]
    return []


def _pattern(
    names: Sequence[str], loose: Sequence[bool], *, particle: int | None = None, compound: bool = False
) -> Pattern | None:
    """The pattern of these words. `particle` is the index of one that may follow its object at a distance."""
    template = "something" in names
    elements: list[Element] = []
    pending = False  # "something" came before: any object stands here
    before = ""
    if names[-1].removesuffix("s") in lexicon.PARTICLES and names[-1].endswith("s"):
        compound = True  # pull ups: not "pulls up"
    first_verb = not compound and _acts(names)
    for k, name in enumerate(names):
        if name == "something":
            pending = True
            continue
        if name in lexicon.NUMBER_WORDS:
            number = lexicon.NUMBER_WORDS.index(name)
            accepted = frozenset([name, str(number)])
        elif name.isdigit() and int(name) < len(lexicon.NUMBER_WORDS):
            accepted = frozenset([name, lexicon.NUMBER_WORDS[int(name)]])
        elif name in ("in", "into", "on", "onto") and not template:
            accepted = frozenset([name[:2], name[:2] + "to"])
        elif name == "other":
            accepted = frozenset([name, "another"])
        elif (compound and k < len(names) - 1) or (name in lexicon.GRAMMAR and not name.endswith("ing")):
            accepted = frozenset([name])
        else:
            accepted = lexicon.forms(name)
        if len(names) == 2 and k and name in lexicon.PARTICLES:
            accepted |= {name + "s"}  # push-ups for push up
        if pending and elements:
            gap = Gap.OBJECT
        elif k == particle or not elements:
            gap = Gap.ADVERB if elements else Gap.NOTHING
        elif before in lexicon.PREPOSITIONS or (len(elements) == 1 and first_verb) or before.endswith("ing"):
            gap = Gap.ADVERB if name in lexicon.PREPOSITIONS else Gap.PHRASE
        else:
            gap = Gap.ADVERB if name in lexicon.PREPOSITIONS and not compound else Gap.NOTHING
        elements.append(Element(accepted, gap, loose[k]))
        pending, before = False, name
    if not elements:
        return Pattern((Element(frozenset(["something"]), Gap.NOTHING),))
    return Pattern(
        tuple(elements),
        tail=pending,
        gerund=lexicon.is_gerund(names[0]),
        participles=lexicon.past_forms(names[0]) if first_verb else frozenset(),
        nouns=lexicon.noun_forms(names[0]) if first_verb else frozenset(),
    )


def _acts(names: Sequence[str]) -> bool:
    """Whether a name starts with its verb, so that an object may follow at a distance."""
    first = names[0]
    if first in lexicon.PREPOSITIONS or first in lexicon.DETERMINERS or not lexicon.is_verb(first):
        return False
    if lexicon.is_gerund(first) or len(names) == 1:
        return True
    # "long jump" is a compound; "wash hands" is not, though wash can be an adjective as well.
    compound = lexicon.is_adjective(first) and lexicon.is_verb(names[-1]) and not names[-1].endswith("s")
    return first in _VERBS_TOO or not compound
