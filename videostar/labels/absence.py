"""Finds the words that say that there is none: "no one", "none", "there are no people", "did not see any cars"."""

from __future__ import annotations

from collections.abc import Iterator

from videostar.labels import lexicon
from videostar.labels.doc import Doc

# Words for people, and for nobody.
PEOPLE = frozenset(
    "people person persons human humans man men woman women child children player passenger individual nobody noone "
    "none one anyone anybody any".split()
)
# Plurals that an absence of says nothing of a count.
_ABSTRACT = frozenset(
    "signs indications words changes details clues subtitles captions sounds reasons doubts questions problems "
    "options answers means ways ideas links limits numbers results times news plans others frames seconds".split()
)
_OTHER = frozenset(
    "else other others more fewer less longer additional further the but too or answer person number".split()
)
_LISTED = frozenset("above options answers choices".split())
_EXCEPT = frozenset("except excepting besides but apart aside other until till before unless".split())
_KNOWING = frozenset(
    "know knows knew tell tells say says sure certain count counts counted determine guess cares wonder".split()
)
_SHOWS = frozenset(
    "see sees saw seen show shows showed contain contains depict depicts feature features include includes detect "
    "detects observe find count have".split()
)
_SHOWN = frozenset("video clip scene image picture frame frames footage film room".split())
_REACH = 5  # words from "not" to "any"


def find_absences(doc: Doc) -> Iterator[tuple[int, int]]:
    """The first word and the end of each phrase that says that there is none."""
    for i, word in enumerate(doc.words):
        end = _pronoun_end(doc, i)
        if end is None and word == "no" and _states(doc, i):
            end = _noun_end(doc, i + 1)
        elif end is None and word in lexicon.NEGATIONS:
            end = _any_end(doc, i)
        if end is not None and doc.word(i - 1) != "or" and not _limited(doc, end):
            yield i, end


def _pronoun_end(doc: Doc, i: int) -> int | None:
    """The end of "nobody", "none" or "no one" at `i`; None without one."""
    if doc.words[i] in ("nobody", "noone", "none"):
        return i + 1
    one = i + 1 + (doc.word(i + 1) == "-")
    return one + 1 if doc.words[i] == "no" and doc.word(one) == "one" else None


def _states(doc: Doc, i: int) -> bool:
    """Whether the "no" at `i` opens its sentence, or follows "there are" or "the video shows"."""
    start = doc.sentence(i)[0]
    before = doc.words[max(start, i - 4) : i]
    if not before or before[-1] in (":", "=", "there's") or before[-1] in _SHOWS:
        return True
    if before[-1] == "has":
        return not _SHOWN.isdisjoint(before)
    return (before[-1] in lexicon.BE or before[-1] == "been") and "there" in before


def _noun_end(doc: Doc, i: int) -> int | None:
    """The end of the noun of what may be counted at `i`; None for other words."""
    i += doc.word(i) in ("visible", "actual", "such")
    word = doc.word(i)
    plural = word.endswith("s") and not word.endswith("ss") and len(word) > 3 and lexicon.is_noun(word)
    return i + 1 if word in PEOPLE or (plural and word not in _ABSTRACT | _OTHER) else None


def _any_end(doc: Doc, i: int) -> int | None:
    """The end of "any friends" or "anyone" after the "not" at `i`, in its clause; None without it."""
    for k in range(i + 1, min(i + _REACH, len(doc))):
        if doc.words[k] in ("anyone", "anybody"):
            return k + 1
        if doc.words[k] == "any":
            return k + 1 if doc.word(k + 1) in ("", ".", "!", "\n") else _noun_end(doc, k + 1)
        if not doc.words[k][:1].isalpha():
            return None
    return None


def _limited(doc: Doc, end: int) -> bool:
    """Whether the words after a phrase make it something else: "no one else", "nobody knows", "no people but him"."""
    after = doc.words[end : doc.sentence(end - 1)[1]]
    other = not _LISTED.isdisjoint(after[1:4]) if after[:1] == ["of"] else not _OTHER.isdisjoint(after[:1])
    return other or not (_EXCEPT.isdisjoint(after) and _KNOWING.isdisjoint(after[:4]))
