"""Tells an action from a thing of the same spelling: he fences, a fence; swimming, a swimming pool."""

from __future__ import annotations

from collections.abc import Sequence

from videostar.labels import lexicon

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
        return not (before in lexicon.ADVERBS or before.endswith("ly"))
    word = words[start]
    if end == start + 1 and (word in _RESULTS or word.removesuffix("s") in _RESULTS):
        named = before in lexicon.DETERMINERS or (
            start - first > 1 and words[start - 2] in lexicon.DETERMINERS and before not in lexicon.GRAMMAR
        )
        return word.endswith("ings") or (named and _MAKES.isdisjoint(words[max(first, start - 3) : start]))
    if not noun or not before:
        return False
    head = _phrase_start(words, first, start)
    if head is None:
        return gerund and _is_object(before)
    light = not _LIGHT.isdisjoint(words[max(first, head - 4) : head])
    if light or (not gerund and not _LIGHTER.isdisjoint(words[max(first, head - 2) : head])):
        return gerund and after in ("in", "on", "near", "next", "under", "behind", "beside")
    return head > first or gerund or after not in ("", ".", "\n")


def _phrase_start(words: Sequence[str], first: int, start: int) -> int | None:
    """The start of the noun phrase that ends with words[start]; None if that word is no noun there."""
    word = words[start]
    plural = word.endswith("s") and not word.endswith("ss")
    i = start - 1
    while i >= first and start - i <= 4:
        before = words[i]
        if i == first == start - 1 and not plural and lexicon.is_adjective(before) and before not in lexicon.ADVERBS:
            return i  # "Thick smoke rises"
        if before in lexicon.DETERMINERS:
            if i == start - 1:
                return None if before in ("that", "this", "these", "those", "both", "all", "each") else i
            subject = words[start - 1]
            if plural:  # the girl drinks, the wooden fences
                bare = lexicon.is_adjective(subject) and not lexicon.is_noun(subject)
                return i if bare and before not in ("a", "an") else None
            many = subject in _PLURALS or (subject.endswith("s") and not subject.endswith("ss"))
            return None if many and before not in ("a", "an") else i
        if not before.isalpha() or before in lexicon.AUXILIARIES or before in lexicon.PRONOUNS:
            return None
        if before in lexicon.CONJUNCTIONS or before in lexicon.PREPOSITIONS or before in lexicon.NEGATIONS:
            return None
        if before.endswith("ly") or (lexicon.is_verb(before) and not lexicon.is_adjective(before) and i < start - 1):
            return None
        i -= 1
    return None


def _is_object(before: str) -> bool:
    """Whether a noun right after the word `before` is its object: "wearing skis", "on skis", "carries boxes"."""
    if before in lexicon.PREPOSITIONS:
        return before not in ("to", "of", "and") and before not in lexicon.PARTICLES - {"on", "in"}
    if before in lexicon.AUXILIARIES or before in lexicon.PRONOUNS or before in lexicon.ADVERBS:
        return False
    return lexicon.is_verb(before) and not lexicon.is_noun(before) and not lexicon.is_adjective(before)
