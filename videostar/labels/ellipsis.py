"""Repeats shared objects and subjects: "peels and cuts the potatoes" -> "peels the potatoes and cuts the potatoes"."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import takewhile

from videostar.labels import inflections, lexicon
from videostar.labels.text import SENTENCE_ENDS

_JOINS = frozenset([",", "and", "then"])
_OPENINGS = lexicon.ARTICLES | lexicon.POSSESSIVES  # of an object
_AUXILIARIES = lexicon.BE | lexicon.HAVE
_TAGS = frozenset(["VBZ", "VBD", "VBG", "VBN"])
_MAX_SUBJECT = 4  # words
_MAX_OBJECT = 4


def expand_ellipsis(words: Sequence[str], *, pronouns: bool = False) -> list[str]:
    """`words` with the object of joined verbs after each verb, and the subject of joined participles before each.

    With `pronouns` also with the noun of "it" in "opens the box and closes it".

    >>> " ".join(expand_ellipsis("she peels and cuts the potatoes".split()))
    'she peels the potatoes and cuts the potatoes'
    """
    words = _with_nouns(words) if pronouns else words
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


def _with_nouns(words: Sequence[str]) -> list[str]:
    """`words` with the object of a verb in place of the pronoun of a joined verb: "opens the box and closes it"."""
    out: list[str] = []
    noun: list[str] = []
    for i, word in enumerate(words):
        if word in SENTENCE_ENDS:
            noun = []
        noun = _object(words, i) or noun
        joined = word in ("it", "them") and noun and not _JOINS.isdisjoint(words[max(0, i - 4) : i - 1])
        out += noun if joined and _tags(words[i - 1]) else [word]
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

    if not _is_content(word) or not word.isascii():
        return frozenset()
    return frozenset(
        tag
        for lemma in inflections.lemmas(word).get("VERB", ())
        for tag, forms in lemminflect.getAllInflections(lemma, upos="VERB").items()
        if word in forms and tag in _TAGS
    )


def _object(words: Sequence[str], at: int) -> list[str]:
    """The object that starts at words[at] with an article or a possessive; empty if there is none."""
    if at >= len(words) or words[at] not in _OPENINGS:
        return []
    content = list(takewhile(_is_content, words[at + 1 : at + _MAX_OBJECT]))
    return [words[at], *content] if content else []


def _subject(before: Sequence[str]) -> list[str]:
    """The subject and auxiliaries of a passive at the end of `before`: "the potatoes are"; empty if there is none."""
    auxiliaries = list(takewhile(lambda word: word in _AUXILIARIES, reversed(before)))
    if not auxiliaries or auxiliaries[0] not in lexicon.BE:
        return []
    verb = len(before) - len(auxiliaries)
    subject = list(takewhile(_is_content, reversed(before[max(0, verb - _MAX_SUBJECT) : verb])))
    return list(before[verb - len(subject) :]) if subject else []


def _is_content(word: str) -> bool:
    return word.isalpha() and word not in lexicon.GRAMMAR
