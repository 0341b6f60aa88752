"""Decides whether a sentence denies a phrase or a value that it mentions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from videostar.labels import lexicon

_MARKS = frozenset(",;:()")
_NEGATIONS = lexicon.NEGATIONS | {"unlikely", "impossible", "doubtful"}
# A negation before these denies nothing: "no doubt", "not only", "nothing else than"; "never stops", "cannot help".
_CANCELS = frozenset("doubt question only just merely simply solely wonder surprise mistaking mistake else".split())
_STOPPING = frozenset(
    "stop stops stopped stopping quit quits cease ceases hesitate hesitates doubt deny denying help pause pausing "
    "interruption rest resting fail fails failing tire tires".split()
)
# "instead of", "rather than", "as opposed to", "far from"
_IN_PLACE = {
    "instead": "of",
    "rather": "than",
    "opposed": "to",
    "far": "from",
    "compared": "to",
    "reverse": "of",
    "opposite": "of",
}
_FINITE = (lexicon.BE - {"be", "been", "being"}) | frozenset(
    "gets got earns earned receives received deserves gives scores scored makes lands hits happens occurs".split()
)
_UNITS = frozenset("points seconds s times ] ) / %".split())
_TOO = frozenset("high low much many few generous early late".split())


def is_denied(words: Sequence[str], first: int, start: int, end: int, stop: int) -> bool:
    """Whether the phrase words[start:end] is denied in its sentence, words[first:stop]."""
    return _denied_before(words, first, start) or _denied_after(words, first, start, end, stop)


def _denied_before(words: Sequence[str], first: int, start: int) -> bool:
    """Whether a negation before the phrase denies it: "he is not X", "instead of X"."""
    for i in range(start - 1, first - 1, -1):
        word, following = words[i], words[i + 1]
        if word in _NEGATIONS:
            denied = _in_scope(words, first, i, start)
            if denied is not None:
                return denied
        elif following == _IN_PLACE.get(word) or words[max(first, i - 1) : i + 1] == ["anything", "but"]:
            return True
        elif word == "than" and (i + 1 == start or following in lexicon.DETERMINERS):
            return words[max(first, i - 2) : i] not in (["nothing", "other"], ["none", "other"])
        elif _ends_scope(words, first, i) and not (word == "and" and i + 1 == start and words[start].endswith("ing")):
            return False
    return False


def _ends_scope(words: Sequence[str], first: int, i: int) -> bool:
    """Whether the scope of a negation before words[i] ends there."""
    word, following, before = words[i], words[i + 1], words[max(first, i - 2) : i]
    if word in ("as", "though", "if") and not {"look", "seem", "appear"}.isdisjoint(before):
        return False  # "it does not look as though"
    if word == "as":
        return following in lexicon.PRONOUNS or following in lexicon.DETERMINERS
    # "no one who", "does not show a moment where"
    shown = before[-1:] and before[-1] in lexicon.MOMENTS
    if word in ("who", "which", "where", "when") and (shown or before[-1:] in (["one"], ["nobody"], ["none"])):
        return False
    return word in _MARKS or word == "and" or word in lexicon.BARRIERS


def _in_scope(words: Sequence[str], first: int, i: int, start: int) -> bool | None:
    """Whether the scope of the negation words[i] includes the phrase at `start`; None to look for another negation."""
    word, between = words[i], words[i + 1 : start]
    if _is_cancelled(word, between):
        return None
    predicate = not lexicon.BE.isdisjoint(between[1:])
    if predicate and (word == "without" or words[max(first, i - 1)] in lexicon.PREPOSITIONS):
        return None  # "a man with no shirt is juggling"
    if predicate and not {"who", "that", "which"}.isdisjoint(words[first:i]):
        return None  # "the man who does not wear a hat is juggling"
    if words[start].isalpha() or word in ("no", "neither", "none"):
        return True
    return _FINITE.isdisjoint(between) or not lexicon.OPINIONS.isdisjoint(between[:5])


def _is_cancelled(word: str, between: Sequence[str]) -> bool:
    """Whether the words after a negation take it back: "no doubt", "not only", "never stops", "nothing but"."""
    following = between[0] if between else ""
    return (
        following in _CANCELS
        or not _STOPPING.isdisjoint(between)
        or (word in ("nothing", "none") and following in ("but", "other"))
        or (word == "no" and following in lexicon.PRONOUNS)  # "no he is juggling": a reply
    )


def _denied_after(words: Sequence[str], first: int, start: int, end: int, stop: int) -> bool:
    """Whether the words after a phrase deny it: "X is not what happens", but not "the man juggling is not old"."""
    value = not words[start].isalpha()
    before = words[start - 1] if start > first else ""
    if not value and not _is_subject(words, before, start, end):
        return False
    while value and end < stop and words[end] in _UNITS:
        end += 1
    after = _predicate(words, end, stop)
    if not after or (value and after[0] == "not"):
        return False
    clause = after[: next((k for k, word in enumerate(after) if word in _MARKS), len(after))]
    too = any(a == "too" and b in _TOO for a, b in pairwise(clause))
    return too or not lexicon.NEGATIONS.isdisjoint(clause[:3]) or not lexicon.EXCLUDED.isdisjoint(clause)


def _is_subject(words: Sequence[str], before: str, start: int, end: int) -> bool:
    """Whether the phrase words[start:end] may be a subject, and is not the end of one."""
    if before.isalpha() and before not in lexicon.GRAMMAR:
        return False
    return words[start].endswith("ing") or before in lexicon.ARTICLES or end - start > 1 or not before


def _predicate(words: Sequence[str], end: int, stop: int) -> Sequence[str]:
    """The verb after a subject that ends at `end`, with four more words; empty without one."""
    after = words[end : min(end + 5, stop)]
    if after and after[0] in ("that", "which", "who"):  # "the dishwasher that the title has is not visible"
        verbs = [k for k in range(end, min(stop, end + 20)) if words[k] in _FINITE]
        after = words[verbs[-1] : min(verbs[-1] + 5, stop)] if verbs else []
    verb = after and after[0] != "to" and (after[0] in lexicon.AUXILIARIES or after[0] in ("never", "not", "seems"))
    return after if verb else []
