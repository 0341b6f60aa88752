"""Repeats shared objects and subjects: "peels and cuts the potatoes" -> "peels the potatoes and cuts the potatoes"."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from videostar.labels import lexicon

_JOINS = frozenset([",", "and", "then"])
_FINITE = frozenset(["VBZ", "VBD", "VBG"])
_MAX_SUBJECT = 4  # words
_MAX_OBJECT = 4


def expand_ellipsis(words: Sequence[str]) -> list[str]:
    """`words` with the object of joined verbs after each verb, and the subject of joined participles before each.

    >>> " ".join(expand_ellipsis("she peels and cuts the potatoes".split()))
    'she peels the potatoes and cuts the potatoes'
    """
    out: list[str] = []
    at = 0
    while at < len(words):
        verbs = _joined_verbs(words, at)
        if len(verbs) < 2:
            out.append(words[at])
            at += 1
            continue
        stop = verbs[-1] + 1
        shared_object = _object(words, stop)
        shared_subject = _subject(out) if not shared_object else []
        for k, verb in enumerate(verbs):
            following = verbs[k + 1] if k + 1 < len(verbs) else stop
            out += [*(shared_subject if k else []), words[verb], *(shared_object if k + 1 < len(verbs) else [])]
            out += words[verb + 1 : following]
        at = stop
    return out


def _joined_verbs(words: Sequence[str], at: int) -> list[int]:
    """The indices of joined verbs of one form, from words[at] on: peels, cuts and fries."""
    verbs = [at]
    tags = _tags(words[at])
    while tags:
        following = verbs[-1] + 1
        while following < len(words) and words[following] in _JOINS and following - verbs[-1] <= 3:
            following += 1
        if following == verbs[-1] + 1 or following >= len(words):
            break
        tags &= _tags(words[following])
        if tags:
            verbs.append(following)
    return verbs


@lru_cache(maxsize=1 << 14)
def _tags(word: str) -> frozenset[str]:
    """The Penn Treebank tags of a word as a finite verb or participle."""
    import lemminflect

    if not word.isalpha() or not word.isascii() or word in lexicon.GRAMMAR:
        return frozenset()
    return frozenset(
        tag
        for lemma in lexicon.lemmas(word).get("VERB", ())
        for tag, forms in lemminflect.getAllInflections(lemma, upos="VERB").items()
        if word in forms and tag in _FINITE | {"VBN"}
    )


def _object(words: Sequence[str], at: int) -> list[str]:
    """The object that starts at words[at] with an article or a possessive; empty if there is none."""
    if at >= len(words) or words[at] not in lexicon.ARTICLES | lexicon.POSSESSIVES:
        return []
    end = at + 1
    while end < len(words) and end - at < _MAX_OBJECT and words[end].isalpha() and words[end] not in lexicon.GRAMMAR:
        end += 1
    return list(words[at:end]) if end > at + 1 else []


def _subject(before: Sequence[str]) -> list[str]:
    """The subject and auxiliaries of a passive at the end of `before`: "the potatoes are"; empty if there is none."""
    verb = len(before)
    while verb and before[verb - 1] in lexicon.BE | lexicon.HAVE:
        verb -= 1
    if verb == len(before) or before[-1] not in lexicon.BE:
        return []
    start = verb
    while (
        start
        and verb - start < _MAX_SUBJECT
        and before[start - 1].isalpha()
        and before[start - 1] not in lexicon.GRAMMAR
    ):
        start -= 1
    return list(before[start:]) if start < verb else []
