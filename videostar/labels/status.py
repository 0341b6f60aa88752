"""Decides whether an answer asserts, denies or leaves open a phrase that it mentions.

The rules read only the words around the mention, in its sentence or a little further, so the cost of a mention does
not grow with the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise

from videostar.labels import lexicon
from videostar.labels.denial import is_denied
from videostar.labels.homographs import is_thing
from videostar.labels.patterns import Mention
from videostar.labels.text import SENTENCE_ENDS

_WINDOW = 40  # words of a sentence that are read on either side of a mention


class Status(StrEnum):
    """How an answer means a phrase or value that it mentions."""

    STATED = "stated"
    SUPPOSED = "supposed"  # as an appearance or a guess, which later words may overrule
    DENIED = "denied"
    OPEN = "open"  # one of several alternatives
    NOT_ASSERTED = "not asserted"  # in a question, pretended, planned, or only a first impression


ASSERTED = (Status.STATED, Status.SUPPOSED)

# The action did not happen if one of these precedes it with only function words between.
_UNREAL = frozenset(
    "fail fails failed failing failure pretend pretends pretended pretending pretense pretence feign feigns feigned "
    "feigning mimic mimics mimicked mimicking mime mimes mimed miming imitate imitates imitated imitating simulate "
    "simulates simulated simulating refuse refuses refused refusing decline declines declined declining forget "
    "forgets forgot forgetting avoid avoids avoided avoiding refrain refrains refrained refraining unable prepare "
    "prepares prepared preparing ready plan plans planned planning want wants wanted wanting intend intends "
    "intended intending hope hopes hoped hoping wish wishes wished threaten threatens threatened threatening "
    "hesitate hesitates hesitated almost nearly unlike except unlikely impossible verge".split()
)
_LEADS_TO = frozenset(
    "to at for from be being been a an the of in on it start starting begin beginning do doing perform performing "
    "go going take taking get getting ever actually even any his her their its our my your instead him that trying "
    "try attempting attempt attempts vain".split()
)
_TRIES = frozenset("try tries tried trying attempt attempts attempted attempting struggle struggles struggled".split())
_IN_VAIN = frozenset("fails failed fail misses missed unable vain success unsuccessfully gives gave can't".split())
_TALK = frozenset(
    "talk talks talked talking speak speaks speaking spoke read reads reading think thinks thinking dream dreams "
    "dreaming dreamed book article poster story discuss discusses conversation joke jokes ask asks asked song "
    "lecture lectures".split()
)
# First impressions, and what others might take the action for.
_THOUGHT = frozenset(
    "thought assumed expected suspected supposed mistaken mistake mistook confuse confused considered guessed "
    "tempted imagined".split()
)
_WOULD = frozenset("might could would may can".split())
_THINK = frozenset("think assume believe suppose expect suspect imagine guess mistake take".split())
_FIRST_SIGHT = frozenset(
    [("at", "first"), ("first", "glance"), ("first", "sight"), ("first", "impression"), ("first", "look")]
)
_CONTRAST = frozenset("but however though although actually yet reality fact instead whereas".split())
_OVERRULES = frozenset("actually instead reality fact really rather".split())
_CORRECTS = frozenset("no actually wait correction however but fact reality closer sorry".split())

_TAKES_BACK = frozenset("actually wait correction sorry scratch".split())

AFFIRMATIONS = frozenset("yes yeah yep indeed correct right exactly absolutely definitely certainly sure".split())
_REFUTES = frozenset("no nope not".split())

_OR = frozenset(["or", "/", "versus", "vs"])
_ONE_SIDE = _LEADS_TO | lexicon.EPISTEMIC | lexicon.AUXILIARIES | lexicon.PRONOUNS | lexicon.DETERMINERS
_NEW_CLAUSE = frozenset("and but so he she they it while with because".split())
_THESE = frozenset("these those following".split())
_OPTIONS = frozenset("possible potential candidate candidates options choices possibilities possibly".split())
_TORN = frozenset("torn decide choose undecided somewhere unsure choice toss toss-up hesitate ambiguous".split())
_EQUALLY = frozenset("possible plausible conceivable equally".split())


def mention_status(words: Sequence[str], mention: Mention, *, action: bool = True) -> Status:
    """The status of `mention`. With `action`, a thing of the same spelling (see `is_thing`) is not asserted."""
    if mention.denied:
        return Status.DENIED
    first, stop = sentence_bounds(words, mention.start, mention.end)
    if action and is_thing(words, first, mention.start, mention.end, noun=mention.noun, gerund=mention.gerund):
        return Status.NOT_ASSERTED
    return phrase_status(words, first, mention.start, mention.end, stop)


def sentence_bounds(words: Sequence[str], start: int, end: int) -> tuple[int, int]:
    """Start and stop of the sentence around words[start:end], at most `_WINDOW` words away; words[stop] is its mark."""
    first = max(0, start - _WINDOW)
    for k in range(start - 1, first - 1, -1):
        if words[k] in SENTENCE_ENDS:
            first = k + 1
            break
    last = min(len(words), end + _WINDOW)
    stop = next((k for k in range(end, last) if words[k] in SENTENCE_ENDS), last)
    return first, stop


def phrase_status(words: Sequence[str], first: int, start: int, end: int, stop: int) -> Status:
    """The status of the phrase words[start:end] in its sentence, words[first:stop]."""
    if stop < len(words) and words[stop] == "?":
        return _question_status(words, stop)
    before = words[first:start]
    if is_denied(words, first, start, end, stop):
        return Status.DENIED
    if _unreal(words, first, start, stop) or _imagined(before):
        return Status.NOT_ASSERTED
    if ("i", "said") in pairwise(before) and not _CONTRAST.isdisjoint(words[end:stop]):
        return Status.NOT_ASSERTED  # "I said X, but it is only Y"
    if _alternative(before, words[end:stop]):
        return Status.OPEN
    if lexicon.EPISTEMIC.isdisjoint(before) and _THOUGHT.isdisjoint(before):
        return Status.STATED
    return Status.NOT_ASSERTED if _first_impression(before) else Status.SUPPOSED


def _question_status(words: Sequence[str], mark: int) -> Status:
    """The status of a phrase in a question that ends at `mark`: it is asserted only if a reply follows."""
    reply = mark + 1
    while reply < len(words) and words[reply] in SENTENCE_ENDS:
        reply += 1
    answer = words[reply : reply + 3]
    if not answer:
        return Status.NOT_ASSERTED
    if answer[0] in AFFIRMATIONS:
        return Status.STATED
    if answer[0] in _REFUTES:
        return Status.DENIED
    short = len(answer) == 2 or (len(answer) == 3 and not answer[2].isalnum())  # "He is." "She does, ..."
    if short and answer[0] in lexicon.PRONOUNS and answer[1] in lexicon.AUXILIARIES:
        return Status.DENIED if answer[1] in lexicon.NEGATIONS else Status.STATED
    return Status.NOT_ASSERTED


def _unreal(words: Sequence[str], first: int, start: int, stop: int) -> bool:
    """Whether the mention is only pretended, planned, tried or talked about."""
    tried = False
    for i in range(start - 1, max(first, start - 6) - 1, -1):
        word = words[i]
        if word in _UNREAL:
            return True
        if word in ("about", "going") and words[i + 1] == "to":
            return True
        if word == "about":
            return not _TALK.isdisjoint(words[max(first, i - 3) : i])
        tried = tried or word in _TRIES
        subject = word in lexicon.PRONOUNS and i > first and words[i - 1] == "that"
        if not (word in _LEADS_TO or subject or word in lexicon.BE or word in _TRIES or word.endswith("ly")):
            break
        if word.endswith("ly") and i > first and words[i - 1] in ("almost", "nearly"):
            break  # "almost certainly"
    return tried and not _IN_VAIN.isdisjoint(words[first:stop])


def _imagined(before: Sequence[str]) -> bool:
    """Whether an "if", "whether" or "as though" governs what follows `before`."""
    for i in range(len(before) - 1, -1, -1):
        if before[i] in ("whether", "if", "unless") or (before[i] == "though" and i and before[i - 1] == "as"):
            return True
        if before[i] in (",", ";", ":", "but"):
            return False
    return False


def _alternative(before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether the mention is one side of an "or", one of a list, or one of several that are possible."""
    if after and (after[0] in _OR or (after[0] in (",", "(") and after[1:2] and after[1] in _OR)):
        return True
    side = len(before)
    while side and before[side - 1] in _ONE_SIDE and before[side - 1] not in _OR:
        side -= 1
    if side and before[side - 1] in _OR:
        return True
    if "either" in before:
        either = len(before) - 1 - before[::-1].index("either")
        if "or" in before[either:] or "or" in after:
            return True
    if "between" in before and not _TORN.isdisjoint(before):
        return True
    if ("and" in before or "and" in after) and not _EQUALLY.isdisjoint(after):
        return True
    if not ((after and after[0] == ",") or (before and before[-1] == ",")):
        return False
    if not _OPTIONS.isdisjoint(before) or any(a == "of" and b in _THESE for a, b in pairwise(before)):
        return True
    return bool(after) and after[0] == "," and _list_ends_in_or(after)


def _list_ends_in_or(after: Sequence[str]) -> bool:
    """Whether ", Y or Z" follows: short items between commas, and an "or"."""
    length = 0
    for word in after:
        if word == "or":
            return True
        length = 0 if word == "," else length + 1
        if length > 5 or word in _NEW_CLAUSE:
            return False
    return False


def _first_impression(before: Sequence[str]) -> bool:
    """Whether the words before a phrase make it a first impression: "I thought", "at first glance it seems"."""
    if "but" in before:  # what follows "but" is no first impression
        before = before[len(before) - before[::-1].index("but") :]
    clause = before[len(before) - before[::-1].index(",") :] if "," in before else before
    if not _THOUGHT.isdisjoint(clause) or "mistaken" in before or "confused" in before:
        return True
    pairs = set(pairwise(before))
    if any(a in _WOULD and b in _THINK for a, b in pairs):
        return True
    return ("initially" in before or not pairs.isdisjoint(_FIRST_SIGHT)) and not lexicon.EPISTEMIC.isdisjoint(before)


def is_overruled(words: Sequence[str], end: int) -> bool:
    """Whether a supposition that ends at `end` is soon overruled: "but it is in fact ..."."""
    contrast = False
    for word in words[end : end + 30]:
        if word in _OVERRULES and (contrast or word == "actually"):
            return True
        contrast = contrast or word in _CONTRAST
    return False


def is_retracted(words: Sequence[str], end: int) -> bool:
    """Whether a statement that ends at `end` is soon taken back by a sentence like "Actually, ..." or "Wait, ..."."""
    following = words[end : end + _WINDOW]
    return not _TAKES_BACK.isdisjoint(following) and any(
        word in _TAKES_BACK and (mark in SENTENCE_ENDS or (mark == "," and word == "wait"))
        for mark, word in pairwise(following)
    )


def is_correction(words: Sequence[str], start: int, end: int) -> bool:
    """Whether a denial at words[start:end] takes back an earlier statement: "no, he is not"."""
    first, _ = sentence_bounds(words, start, end)
    return not _CORRECTS.isdisjoint(words[max(0, first - 3) : start])


def is_guess(words: Sequence[str], start: int) -> bool:
    """Whether the phrase at `start` is only a guess ("might be"), which is weaker than an appearance ("seems")."""
    first, _ = sentence_bounds(words, start, start)
    return not lexicon.MODALS.isdisjoint(words[first:start])


def count_guesses(words: Sequence[str], start: int, end: int) -> int:
    """The number of separate guesses ("could be", "maybe") in the sentences around words[start:end]."""
    first, stop = sentence_bounds(words, start, end)
    if first:
        first = sentence_bounds(words, first - 1, first - 1)[0]
    if stop < len(words):
        stop = sentence_bounds(words, stop + 1, stop + 1)[1]
    places = [k for k in range(first, stop) if words[k] in lexicon.MODALS]
    return sum(not k or place - places[k - 1] > 2 for k, place in enumerate(places))
