"""English function words by class, and the inflections of words.

The lists are closed classes: none of them depends on a data set or a label.
"""

from __future__ import annotations

from functools import cache, lru_cache

ARTICLES = frozenset(["a", "an", "the"])
POSSESSIVES = frozenset("my your his her its our their one's someone's somebody's whose".split())
NUMBER_WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()
DETERMINERS = (
    ARTICLES
    | POSSESSIVES
    | frozenset(NUMBER_WORDS)
    | frozenset(
        "this that these those some any each every another both several many few all other various multiple".split()
    )
)
PARTICLES = frozenset("up down on off out in over away back apart together around through".split())
PREPOSITIONS = PARTICLES | frozenset(
    "into onto to from with at of by for upon across along against under underneath behind beside near inside "
    "outside toward towards above below between among beneath beyond past about amid next front top".split()
)
ADVERBS = frozenset(
    "very quite really just also still again now then often always repeatedly together slowly quickly already "
    "actually clearly even simply so too more most well hard fast ever once twice both right left straight forward "
    "backward forwards backwards yet indeed currently".split()
)
# "Eats a slice of cake" mentions eating cake: these words do not separate a verb from its object.
MEASURES = frozenset(
    "piece slice glass cup bottle pair game bit lot lots bunch set couple number stack pile round match sip bite "
    "can bowl plate mug jar box bag group handful series kind type sort part row pieces slices glasses cups bottles "
    "pairs games bits shot shots one some dozens hundreds thousands tons plenty pile piles".split()
)
CONJUNCTIONS = frozenset(
    "and or but nor while when whereas because since although though as if unless until till that which who whom "
    "where than so yet however whether then before after".split()
)
BE = frozenset("is are was were be been being am isn't aren't wasn't weren't isnt arent wasnt werent 's".split())
GET = frozenset("get gets got getting gotten".split())
HAVE = frozenset("has have had having hasn't haven't hadn't".split())
AUXILIARIES = (
    BE
    | HAVE
    | frozenset(
        "does do did doesn't don't didn't doesnt dont didnt can could can't cannot couldn't may might must shall "
        "should will would won't wouldn't shouldn't to".split()
    )
)
PRONOUNS = frozenset(
    "he she it they we you i him them me us who he's she's it's they're we're you're i'm who's that's there's "
    "himself herself itself themselves someone somebody anyone everyone".split()
)
NEGATIONS = frozenset(
    "not no never neither nor without nobody none nothing cannot hardly scarcely isn't aren't wasn't weren't "
    "doesn't don't didn't can't couldn't won't wouldn't shouldn't hasn't haven't hadn't ain't mustn't needn't isnt "
    "arent wasnt werent doesnt dont didnt cant couldnt wont wouldnt hasnt havent "
    # German, French, Portuguese, Dutch, Swedish, Indonesian and Russian, as `normalise` writes them
    "nicht kein keine keinen pas nao niet inte bukan не нет".split()
)
GRAMMAR = DETERMINERS | PREPOSITIONS | ADVERBS | CONJUNCTIONS | AUXILIARIES | PRONOUNS | NEGATIONS
MODALS = frozenset("could might may perhaps maybe possibly".split())
# Words of an appearance or a belief, as opposed to a fact.
EPISTEMIC = MODALS | frozenset(
    "seem seems seemed appear appears appeared look looks looked looking probably likely suggest suggests suggested "
    "suspect suspected think thought believe believed assume assumed expect expected guess guessed mistake resemble "
    "resembles resembled impression would".split()
)


def lemmas(word: str) -> dict[str, tuple[str, ...]]:
    """The lemmas of `word` in the dictionary, by its possible parts of speech (VERB, NOUN, ADJ, ADV, ...)."""
    import lemminflect  # slow to import: it loads its tables

    by_kind: dict[str, tuple[str, ...]] = lemminflect.getAllLemmas(word)
    return by_kind


@cache
def forms(word: str) -> frozenset[str]:
    """Every inflection of `word`, itself included: juggling -> juggle, juggles, juggled, juggling.

    The words of a label are inflected once; those of an answer are then only looked up in sets. lemminflect is used
    rather than simplemma because it gives the lemmas of a word both as noun and as verb (shook, left, shot, fell), and
    the forms of a lemma.
    """
    if "-" in word:  # a compound written as one word: only its last part is inflected
        head, _, tail = word.rpartition("-")
        return frozenset(head.replace("-", "") + form for form in forms(tail))
    if not word.isalpha() or not word.isascii():
        return frozenset([word])
    import lemminflect

    inflections = {word}
    by_kind = lemmas(word)
    if word == "left":  # a direction in labels, not a form of `leave`
        by_kind.pop("VERB", None)
    for kind in ("VERB", "NOUN"):
        for lemma in by_kind.get(kind, ()):
            for inflected in lemminflect.getAllInflections(lemma, upos=kind).values():
                inflections.update(inflected)
    if not by_kind:
        kind = "VERB" if word.endswith("ing") else "NOUN"
        stems = {*lemminflect.getAllLemmasOOV(word, kind).get(kind, (word,))}
        if kind == "VERB":  # snowkiting may come from snowkite or snowkit
            stems |= {word[:-3], word[:-3] + "e"}
        for stem in stems:
            for inflected in lemminflect.getAllInflectionsOOV(stem, kind).values():
                inflections.update(inflected)
    return frozenset(f.lower() for f in inflections)


@cache
def past_forms(word: str) -> frozenset[str]:
    """The past forms of a verb, which its passive may have: throwing -> threw, thrown."""
    import lemminflect

    past = {form for form in forms(word) if form.endswith("ed")}
    for lemma in lemmas(word).get("VERB", ()):
        inflected = lemminflect.getAllInflections(lemma, upos="VERB")
        past.update(inflected.get("VBD", ()), inflected.get("VBN", ()))
    return frozenset(past)


@cache
def is_gerund(word: str) -> bool:
    """Whether `word` is the -ing form of a verb: swinging is, swing is not."""
    return word.endswith("ing") and len(word) > 4 and word not in lemmas(word).get("VERB", ())


@cache
def noun_forms(word: str) -> frozenset[str]:
    """The forms of `word` that may be a noun, without gerunds: fencing -> fence, fences."""
    return frozenset(
        form
        for form in forms(word)
        if not is_gerund(form) and any(form.startswith(lemma[:-1]) for lemma in lemmas(form).get("NOUN", ()))
    )


@lru_cache(maxsize=1 << 16)
def is_verb(word: str) -> bool:
    """Whether `word` can be a verb: it ends with -ing, or the dictionary has it as a verb."""
    return (word.endswith("ing") and len(word) > 4) or "VERB" in lemmas(word)


@lru_cache(maxsize=1 << 16)
def is_adjective(word: str) -> bool:
    """Whether `word` can be an adjective."""
    return "ADJ" in lemmas(word)


@lru_cache(maxsize=1 << 16)
def is_word(word: str) -> bool:
    """Whether `word` is in the dictionary."""
    return bool(lemmas(word))


@lru_cache(maxsize=1 << 16)
def is_noun(word: str) -> bool:
    """Whether `word` can be a noun."""
    return "NOUN" in lemmas(word)
