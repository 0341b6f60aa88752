"""Objects and subjects that several verbs share, said with each of them: "peels and cuts the potatoes"."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from videostar.labels import lexicon

_JOINS = frozenset([",", "and", "then"])
_FINITE = frozenset(["VBZ", "VBD", "VBG"])
_SUBJECT = 4  # words of a subject at most
_OBJECT = 4


def expand_ellipsis(words: Sequence[str]) -> list[str]:
    """`words` with the object of a row of verbs after each, and the subject of a row of participles before each."""
    out: list[str] = []
    at = 0
    while at < len(words):
        row = _row(words, at)
        if len(row) < 2:
            out.append(words[at])
            at += 1
            continue
        stop = row[-1] + 1
        given = _object(words, stop)
        taken = _subject(out) if not given else []
        for k, verb in enumerate(row):
            following = row[k + 1] if k + 1 < len(row) else stop
            out += [*(taken if k else []), words[verb], *(given if k + 1 < len(row) else [])]
            out += words[verb + 1 : following]
        at = stop
    return out


def _row(words: Sequence[str], at: int) -> list[int]:
    """Where the verbs of one form stand that are joined from words[at] on: peels, cuts and fries."""
    row = [at]
    tags = _tags(words[at])
    while tags:
        following = row[-1] + 1
        while following < len(words) and words[following] in _JOINS and following - row[-1] <= 3:
            following += 1
        if following == row[-1] + 1 or following >= len(words):
            break
        tags &= _tags(words[following])
        if tags:
            row.append(following)
    return row


@lru_cache(maxsize=1 << 14)
def _tags(word: str) -> frozenset[str]:
    """The finite forms and participles that a word is of its verb."""
    import lemminflect

    if not word.isalpha() or not word.isascii() or word in lexicon.GRAMMAR:
        return frozenset()
    return frozenset(
        tag
        for lemma in lemminflect.getAllLemmas(word).get("VERB", ())
        for tag, forms in lemminflect.getAllInflections(lemma, upos="VERB").items()
        if word in forms and tag in _FINITE | {"VBN"}
    )


def _object(words: Sequence[str], at: int) -> list[str]:
    """The object that starts at words[at] with an article or a possessive."""
    if at >= len(words) or words[at] not in lexicon.ARTICLES | lexicon.POSSESSIVES:
        return []
    end = at + 1
    while end < len(words) and end - at < _OBJECT and words[end].isalpha() and words[end] not in lexicon.GRAMMAR:
        end += 1
    return list(words[at:end]) if end > at + 1 else []


def _subject(before: Sequence[str]) -> list[str]:
    """The subject of a passive and its auxiliaries, at the end of `before`: "the potatoes are"."""
    verb = len(before)
    while verb and before[verb - 1] in lexicon.BE | lexicon.HAVE:
        verb -= 1
    if verb == len(before) or before[-1] not in lexicon.BE:
        return []
    start = verb
    while (
        start and verb - start < _SUBJECT and before[start - 1].isalpha() and before[start - 1] not in lexicon.GRAMMAR
    ):
        start -= 1
    return list(before[start:]) if start < verb else []
