"""Finds the words that say that there is none: "no one", "none", "there are no people", "did not see any cars"."""

from __future__ import annotations

from collections.abc import Iterator

from videostar.labels import inflections, lexicon
from videostar.labels.answer import Answer

# Words for people, and for nobody.
PEOPLE = lexicon.PEOPLE | lexicon.NOBODY | frozenset("passenger one anyone anybody any".split())
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
_SHOWN = lexicon.PICTURES | {"room"}
_REACH = 5  # words from "not" to "any"
_CLAUSE = 40  # words after an absence that may limit it


def find_absences(answer: Answer) -> Iterator[tuple[int, int]]:
    """The first word and the end of each phrase that says that there is none."""
    for i, word in enumerate(answer.words):
        end = _pronoun_end(answer, i)
        if end is None and word == "no" and _states(answer, i):
            end = _noun_end(answer, i + 1)
        elif end is None and word in lexicon.NEGATIONS:
            end = _any_end(answer, i)
            if end is None and word == "never" and inflections.is_verb(answer.word(i + 1)):
                end = i + 2
        if end is not None and answer.word(i - 1) != "or" and not _limited(answer, end):
            yield i, end


def _pronoun_end(answer: Answer, i: int) -> int | None:
    """The end of "nobody", "none" or "no one" at `i`; None without one."""
    if answer.words[i] in ("nobody", "noone", "none"):
        return i + 1
    one = i + 1 + (answer.word(i + 1) == "-")
    return one + 1 if answer.words[i] == "no" and answer.word(one) == "one" else None


def _states(answer: Answer, i: int) -> bool:
    """Whether the "no" at `i` opens its sentence, or follows "there are" or "the video shows"."""
    start = answer.sentence(i)[0]
    before = answer.words[max(start, i - 4) : i]
    if not before or before[-1] in (":", "=", "there's") or before[-1] in _SHOWS:
        return True
    if before[-1] == "has":
        return not _SHOWN.isdisjoint(before)
    return (before[-1] in lexicon.BE or before[-1] == "been") and "there" in before


def _noun_end(answer: Answer, i: int) -> int | None:
    """The end of the noun of what may be counted at `i`; None for other words."""
    i += answer.word(i) in ("visible", "actual", "such")
    word = answer.word(i)
    plural = word.endswith("s") and not word.endswith("ss") and len(word) > 3 and inflections.is_noun(word)
    return i + 1 if word in PEOPLE or (plural and word not in _ABSTRACT | _OTHER) else None


def _any_end(answer: Answer, i: int) -> int | None:
    """The end of "any friends" or "anyone" after the "not" at `i`, in its clause; None without it."""
    for k in range(i + 1, min(i + _REACH, len(answer))):
        if answer.words[k] in ("anyone", "anybody"):
            return k + 1
        if answer.words[k] == "any":
            return k + 1 if answer.word(k + 1) in ("", ".", "!", "\n") else _noun_end(answer, k + 1)
        if not answer.words[k][:1].isalpha():
            return None
    return None


def _limited(answer: Answer, end: int) -> bool:
    """Whether the words after a phrase make it something else: "no one else", "nobody knows", "no people but him"."""
    after = answer.words[end : min(answer.sentence(end - 1)[1], end + _CLAUSE)]
    other = not _LISTED.isdisjoint(after[1:4]) if after[:1] == ["of"] else not _OTHER.isdisjoint(after[:1])
    return other or not (_EXCEPT.isdisjoint(after) and _KNOWING.isdisjoint(after[:4]))
