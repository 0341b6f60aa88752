"""The inflections of English words and their parts of speech, by lemminflect."""

from __future__ import annotations

from functools import cache, lru_cache

from videostar.labels import lexicon


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
    if word in ("person", "people"):
        inflections |= {"person", "persons", "people"}
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
def is_noun(word: str) -> bool:
    """Whether `word` can be a noun."""
    return "NOUN" in lemmas(word)


def is_adverb(word: str) -> bool:
    """Whether `word` can be an adverb: it is a common one or ends with -ly."""
    return word in lexicon.ADVERBS or (word.endswith("ly") and len(word) > 4)
