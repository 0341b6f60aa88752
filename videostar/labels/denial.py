"""Decides whether a sentence denies a phrase that it mentions."""

from __future__ import annotations

from collections.abc import Sequence

from videostar.labels import lexicon
from videostar.labels.text import SENTENCE_ENDS

_MARKS = frozenset(",;:()")
# Words that start a clause, where the scope of a negation ends.
_BARRIERS = frozenset(
    "but while when whereas because since although though after before until till yet however then so who which "
    "where by and".split()
)
# A negation before these denies nothing: "no doubt", "not only", "nothing else than"; "never stops", "cannot help".
_CANCELS = frozenset("doubt question only just merely simply solely wonder surprise mistaking mistake else".split())
_STOPPING = frozenset(
    "stop stops stopped stopping quit quits cease ceases hesitate hesitates doubt deny denying help pause pausing "
    "interruption rest resting fail fails failing tire tires".split()
)
# Words that no item of a denied list contains.
_NO_ITEM = lexicon.PRONOUNS | lexicon.AUXILIARIES | frozenset("and but so then".split())
# "instead of", "rather than", "as opposed to", "far from"
_IN_PLACE = {"instead": "of", "rather": "than", "opposed": "to", "far": "from"}
_NOBODY = frozenset("nobody one none anyone evidence sign".split())
# Predicates that deny X after "X is" or "X can be".
_EXCLUDED = frozenset("ruled wrong incorrect impossible unlikely excluded absent false out".split())


def is_denied(words: Sequence[str], first: int, start: int, end: int, stop: int) -> bool:
    """Whether the phrase words[start:end] is denied in its sentence, words[first:stop]."""
    return _denied_before(words, first, start, end) or _denied_after(words, first, start, end, stop)


def _denied_before(words: Sequence[str], first: int, start: int, end: int) -> bool:
    """Whether a negation before the phrase denies it: "he is not X", "instead of X"."""
    finite = words[start].endswith(("s", "ed")) and not words[start].endswith("ss")
    listed = False  # whether the phrase is in a list that is denied as a whole: "not running, jumping or walking"
    for i in range(start - 1, first - 1, -1):
        word, following = words[i], words[i + 1]
        if word in lexicon.NEGATIONS:
            verdict = _in_scope(words, first, i, start, finite)
            if verdict is not None:
                return verdict
        elif word in _IN_PLACE and following == _IN_PLACE[word]:
            return not (finite and start - i > 3)  # "instead of kicking the player catches"
        elif word == "than" and (i + 1 == start or following in lexicon.DETERMINERS):
            other = i > first and words[i - 1] == "other"
            return not (other and not lexicon.NEGATIONS.isdisjoint(words[max(first, i - 3) : i]))
        elif word == "but" and i > first and words[i - 1] == "anything":
            return True
        elif word in _MARKS:
            item = {*words[i + 1 : start]}
            joined = not item.isdisjoint(("or", "nor")) or _or_follows(words, end)
            listed = listed or (word == "," and joined and item.isdisjoint(_NO_ITEM))
            if not listed:
                return False
        elif word == "and" and (listed or (i + 1 == start and words[start].endswith("ing"))):
            continue
        elif word == "as":
            if following in lexicon.PRONOUNS or following in lexicon.DETERMINERS:
                return False
        elif word in _BARRIERS and not (word in ("who", "which") and i > first and words[i - 1] in _NOBODY):
            return False
    return False


def _in_scope(words: Sequence[str], first: int, i: int, start: int, finite: bool) -> bool | None:
    """Whether the scope of the negation words[i] includes the phrase at `start`; None to look for another negation."""
    word, between = words[i], words[i + 1 : start]
    following = between[0] if between else ""
    if following in _CANCELS or (following in ("the", "a", "any") and between[1:2] and between[1] in _CANCELS):
        return None
    if not _STOPPING.isdisjoint(between):
        return None
    if word in ("nothing", "none") and following in ("but", "other"):
        return None
    if word == "no" and following in lexicon.PRONOUNS:
        return None  # "no he is juggling": a reply
    predicate = any(k and w in lexicon.BE for k, w in enumerate(between))
    if word == "without" and (finite or predicate):
        return None
    if word == "no" and predicate and i > first and words[i - 1] in lexicon.PREPOSITIONS:
        return None  # "a man with no shirt is juggling"
    if predicate and not {"who", "that", "which"}.isdisjoint(words[first:i]):
        return None  # "the man who does not wear a hat is juggling"
    return True


def _or_follows(words: Sequence[str], end: int) -> bool:
    """Whether the list that goes on after `end` closes with "or" or "nor"."""
    for word in words[end : end + 14]:
        if word in ("or", "nor"):
            return True
        if word in SENTENCE_ENDS or word in ("and", "but", "he", "she", "they", "it"):
            return False
    return False


def _denied_after(words: Sequence[str], first: int, start: int, end: int, stop: int) -> bool:
    """Whether the words after a phrase deny it: "X is not what happens", but not "the man juggling is not old"."""
    after = words[end : min(end + 4, stop)]
    if not after or (after[0] not in lexicon.AUXILIARIES and after[0] not in ("never", "not")) or after[0] == "to":
        return False
    before = words[start - 1] if start > first else ""
    if before and before.isalpha() and before not in lexicon.GRAMMAR:
        return False
    if not (words[start].endswith("ing") or before in lexicon.ARTICLES or end - start > 1 or not before):
        return False
    return not lexicon.NEGATIONS.isdisjoint(after[:3]) or not _EXCLUDED.isdisjoint(after)
