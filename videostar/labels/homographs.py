"""Tells an action from a thing of the same spelling: he fences, a fence; swimming, a swimming pool."""

from __future__ import annotations

from collections.abc import Sequence

from videostar.labels import inflections, lexicon

# After the name of an action, these make it the name of a thing or a place.
_EQUIPMENT = frozenset(
    "pool pools alley alleys board boards court courts ring gloves glove shoes shoe boots boot rod rods gear wall "
    "walls track tracks fountain range course courses cart carts club clubs mat mats suit suits equipment pants "
    "shorts machine machines lane lanes area room table tables school centre center rink arena hall gym field pitch "
    "pit bar bars pin pins stick sticks bag bags pole poles lift lifts resort resorts slope slopes outfit uniform "
    "goggles cap trunks costume jacket kit set net store shop mall hut magazine poster studio stadium park vest "
    "helmet helmets desk easel post posts bench iron irons rope ropes boat boats car cars truck".split()
)
# After the name of an action, these keep it the name of the action.
_EVENTS = frozenset(
    "swing shot match game lesson class session practice training competition tournament routine movement movements "
    "motion motions action gesture exercise exercises performance drill stroke technique attempt scene event race "
    "fight bout serve activity workout contest pose attack trick tricks style".split()
)
_LIGHT = frozenset(
    "do does did doing done perform performs performed performing give gives gave giving execute executes executed "
    "executing attempt attempts attempted attempting land lands landed landing complete completes completed "
    "completing practice practices practicing practise practises practising".split()
)
# Light verbs only before a noun that is itself the label's name: a drink, a jump, a throw.
_LIGHTER = (
    _LIGHT
    | lexicon.BE
    | frozenset(
        "take takes took taking make makes made making throw throws threw throwing deliver delivers delivered "
        "delivering show shows showing shown see seen depict depicts depicting contain contains feature features "
        "featuring include includes involve involves represent represents it's that's video clip act after during "
        "throughout with for into".split()
    )
)
# Nouns that name both an action and its result.
_RESULTS = frozenset(
    "painting drawing building carving writing crossing landing lighting opening covering filling dressing icing "
    "frosting clothing wiring stitching railing".split()
)
_MAKES = frozenset("make makes made making do does did doing".split())
_PLACES = frozenset("in on near next under behind beside".split())
_PRONOMINAL = frozenset("that this these those both all each".split())  # determiners that may be a whole phrase
_GOVERNING = lexicon.PREPOSITIONS - lexicon.PARTICLES - {"to", "of"} | {"on", "in"}  # an object follows them
# Between a determiner and its noun are none of these.
_NO_MODIFIERS = lexicon.AUXILIARIES | lexicon.PRONOUNS | lexicon.CONJUNCTIONS | lexicon.PREPOSITIONS | lexicon.NEGATIONS
_PLURALS = frozenset("people men women children kids players".split())


def is_thing(words: Sequence[str], first: int, start: int, end: int, *, noun: bool, gerund: bool) -> bool:
    """Whether words[start:end] is a thing and not an action, in the sentence that starts at `first`.

    `noun`: words[start] may be a noun. `gerund`: the label is an -ing form, so the noun alone is not its name.
    """
    before = words[start - 1] if start > first else ""
    after = words[end] if end < len(words) else ""
    if after in _EVENTS:
        return False
    if after in _EQUIPMENT and before not in lexicon.BE and before not in lexicon.PRONOUNS:
        return not inflections.is_adverb(before)
    if end == start + 1 and words[start].removesuffix("s") in _RESULTS:
        return _is_result(words, first, start)
    if not noun:
        return False
    head = _phrase_start(words, first, start)
    if head is None:
        return gerund and _is_object(before)
    if _is_performed(words, first, head, gerund=gerund):
        return gerund and after in _PLACES
    return head > first or gerund or after not in ("", ".", "\n")


def _is_performed(words: Sequence[str], first: int, head: int, *, gerund: bool) -> bool:
    """Whether the noun phrase from `head` on follows a light verb: "does a jump", "takes a drink"."""
    light = not _LIGHT.isdisjoint(words[max(first, head - 4) : head])
    return light or (not gerund and not _LIGHTER.isdisjoint(words[max(first, head - 2) : head]))


def _is_result(words: Sequence[str], first: int, start: int) -> bool:
    """Whether words[start], a noun like "painting", is the result: "a painting", but not "makes a painting"."""
    named = _phrase_start(words, first, start) is not None and _MAKES.isdisjoint(words[max(first, start - 3) : start])
    return named or words[start].endswith("s")


def _phrase_start(words: Sequence[str], first: int, start: int) -> int | None:
    """The start of the noun phrase that ends with words[start]; None if that word is no noun there."""
    opening = words[first]
    if start - 1 == first and inflections.is_adjective(opening) and opening not in lexicon.GRAMMAR:
        return None if _is_plural(words[start]) else first  # "Thick smoke rises"
    for i in range(start - 1, max(first, start - 4) - 1, -1):
        before = words[i]
        if before in lexicon.DETERMINERS:
            return i if _determines(words, i, start) else None
        if not before.isalpha() or before in _NO_MODIFIERS or before.endswith("ly"):
            return None
        if i < start - 1 and inflections.is_verb(before) and not inflections.is_adjective(before):
            return None
    return None


def _determines(words: Sequence[str], i: int, start: int) -> bool:
    """Whether the determiner words[i] belongs to words[start], and that is no verb: not "the girl drinks"."""
    determiner, subject = words[i], words[start - 1]
    if i == start - 1:
        return determiner not in _PRONOMINAL
    if _is_plural(words[start]):  # the girl drinks, the wooden fences
        return inflections.is_adjective(subject) and not inflections.is_noun(subject) and determiner not in ("a", "an")
    return determiner in ("a", "an") or not (subject in _PLURALS or _is_plural(subject))


def _is_plural(word: str) -> bool:
    return word.endswith("s") and not word.endswith("ss")


def _is_object(before: str) -> bool:
    """Whether a noun right after the word `before` is its object: "wearing skis", "on skis", "carries boxes"."""
    if before in lexicon.GRAMMAR:
        return before in _GOVERNING
    return inflections.is_verb(before) and not inflections.is_noun(before) and not inflections.is_adjective(before)
