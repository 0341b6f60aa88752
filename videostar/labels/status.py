"""How an answer means a phrase or a value that it mentions: stated, supposed, denied, left open or not asserted.

The rules read only the words around the mention, in its sentence or a little further, so the cost of a mention does
not grow with the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise

from videostar.labels import lexicon
from videostar.labels.denial import is_denied
from videostar.labels.text import SENTENCE_ENDS

WINDOW = 40  # words of a sentence that are read on either side of a mention


class Status(StrEnum):
    """How an answer means a phrase or value that it mentions."""

    STATED = "stated"
    SUPPOSED = "supposed"  # as an appearance or a guess, which later words may overrule
    DENIED = "denied"
    OPEN = "open"  # one of several alternatives
    NOT_ASSERTED = "not asserted"  # in a question, pretended, planned, or only a first impression


ASSERTED = (Status.STATED, Status.SUPPOSED)

# Words between "pretends" and what is pretended.
_LEADS_TO = frozenset(
    "to at for from advertising advertises announcing saying reading be being been a an the of in on it start "
    "starting begin beginning do doing perform performing "
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
_PRINTED = frozenset("flyer flyers poster posters banner banners brochure leaflet slogan advertisement advert".split())
_WOULD = frozenset("might could would may can".split())
_THINK = frozenset("think assume believe suppose expect suspect imagine guess mistake take".split())
_FIRST_SIGHT = frozenset(
    [("at", "first"), ("first", "glance"), ("first", "sight"), ("first", "impression"), ("first", "look")]
)
_COUNTED = lexicon.EPISTEMIC | frozenset(
    "counted estimated estimate counting say said idea see saw sounds hear".split()
)
_OVERRULES = frozenset("actually instead reality fact really rather".split())

_SAID = frozenset("says claims claimed states suggests".split())
_OR = frozenset(["or", "/", "versus", "vs"])
_ONE_SIDE = _LEADS_TO | lexicon.EPISTEMIC | lexicon.AUXILIARIES | lexicon.PRONOUNS | lexicon.DETERMINERS
_NEW_CLAUSE = frozenset("and but so he she they it while with because".split())
_OPTIONS = frozenset("possible potential candidate candidates options choices possibilities possibly".split())
_TORN = frozenset("torn decide choose undecided somewhere unsure choice toss toss-up hesitate ambiguous".split())
_EQUALLY = frozenset("possible plausible conceivable equally".split())
_WHETHER = frozenset(["whether", "if", "unless"])


def sentence_bounds(words: Sequence[str], start: int, end: int) -> tuple[int, int]:
    """Start and stop of the sentence around words[start:end], at most `WINDOW` words away; words[stop] is its mark."""
    first = max(0, start - WINDOW)
    for k in range(start - 1, first - 1, -1):
        if words[k] in SENTENCE_ENDS:
            first = k + 1
            break
    last = min(len(words), end + WINDOW)
    stop = next((k for k in range(end, last) if words[k] in SENTENCE_ENDS), last)
    return first, stop


def status_of(words: Sequence[str], start: int, end: int) -> Status:
    """The status of the phrase or value words[start:end]."""
    return phrase_status(words, *sentence_bounds(words, start, end), start, end)


def phrase_status(words: Sequence[str], first: int, stop: int, start: int, end: int) -> Status:
    """The status of words[start:end] in its sentence, words[first:stop]."""
    if stop < len(words) and words[stop] == "?":
        return _question_status(words, stop)
    before, after = words[first:start], words[end:stop]
    if "whether" in _clause(before):
        return Status.NOT_ASSERTED
    if is_denied(words, first, start, end, stop):
        return Status.DENIED
    if _is_unreal(words, first, start, stop) or _is_imagined(before):
        return Status.NOT_ASSERTED
    said = not _SAID.isdisjoint(before) or ("i", "said") in pairwise(before)
    if said and not lexicon.CONTRASTS.isdisjoint(after):
        return Status.NOT_ASSERTED  # "the caption says X, but it is only Y"
    if _is_taken_back(after):
        return Status.DENIED
    if _is_alternative(before, after):
        return Status.OPEN if lexicon.NEGATIONS.isdisjoint(before) else Status.DENIED  # "not X, Y or Z"
    if lexicon.EPISTEMIC.isdisjoint(before) and lexicon.THOUGHT.isdisjoint(before) and _COUNTED.isdisjoint(before):
        return Status.STATED
    return Status.NOT_ASSERTED if is_first_impression(before) else _supposed(_clause(before))


def _supposed(before: Sequence[str]) -> Status:
    plain = lexicon.EPISTEMIC.isdisjoint(before) and lexicon.THOUGHT.isdisjoint(before)
    return Status.STATED if plain else Status.SUPPOSED


def _question_status(words: Sequence[str], mark: int) -> Status:
    """The status of a phrase in a question that ends at `mark`: it is asserted only if a reply follows."""
    reply = mark + 1
    while reply < len(words) and words[reply] in SENTENCE_ENDS:
        reply += 1
    answer = words[reply : reply + 3]
    if not answer:
        return Status.NOT_ASSERTED
    if answer[0] in lexicon.AFFIRMATIONS:
        return Status.STATED
    if answer[0] in lexicon.REFUTES:
        return Status.DENIED
    short = len(answer) == 2 or (len(answer) == 3 and not answer[2].isalnum())  # "He is." "She does, ..."
    if short and answer[0] in lexicon.PRONOUNS and answer[1] in lexicon.AUXILIARIES:
        return Status.DENIED if answer[1] in lexicon.NEGATIONS else Status.STATED
    return Status.NOT_ASSERTED


def _is_unreal(words: Sequence[str], first: int, start: int, stop: int) -> bool:
    """Whether the mention is only pretended, planned, tried or talked about."""
    if not _PRINTED.isdisjoint(_clause(words[max(first, start - 10) : start])):
        return True
    tried = False
    for i in range(start - 1, max(first, start - 6) - 1, -1):
        word = words[i]
        if word in lexicon.UNREAL:
            # "almost 7" is about 7, and "almost certainly" is no doubt
            return not (word in ("almost", "nearly") and (words[i + 1].endswith("ly") or not words[start].isalpha()))
        if word in ("about", "going") and words[i + 1] == "to":
            return True
        if word == "about":
            return not _TALK.isdisjoint(words[max(first, i - 3) : i])
        tried = tried or word in _TRIES
        subject = word in lexicon.PRONOUNS and i > first and words[i - 1] == "that"
        if not (word in _LEADS_TO or subject or word in lexicon.BE or word in _TRIES or word.endswith("ly")):
            break
    if tried and not _IN_VAIN.isdisjoint(words[first:stop]):
        return True
    return _is_aim(words, first, start, stop)


def _is_aim(words: Sequence[str], first: int, start: int, stop: int) -> bool:
    """Whether the clause before the phrase has "wants to", "would have", "almost happens" or "it is unlikely that"."""
    for i in range(start - 2, max(first, start - 9) - 1, -1):
        word, following = words[i], words[i + 1]
        if not word.isalnum() or word in lexicon.BARRIERS or word in lexicon.BE:
            return False
        if following == "to" and (word in lexicon.UNREAL or word in ("about", "aims", "needs", "supposed")):
            return True
        if following == "to" and word in _TRIES and not _IN_VAIN.isdisjoint(words[first:stop]):
            return True
        if word in _WOULD and following == "have":
            return True
        if word in ("almost", "nearly") and following.endswith(("s", "ed")) and not following.endswith(("ss", "ways")):
            return True
    return False


def _is_imagined(before: Sequence[str]) -> bool:
    """Whether an "if", "whether" or "as though" governs what follows `before`."""
    for i in range(len(before) - 1, -1, -1):
        if before[i] in _WHETHER or (before[i] == "though" and i and before[i - 1] == "as"):
            return True
        if before[i] in (",", ";", ":", "but"):
            return False
    return False


def _is_alternative(before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether the mention is one side of an "or", one of a list, or one of several that are possible."""
    clause = _clause(before)
    return (
        _or_follows(after)
        or _or_precedes(before)
        or ("either" in before and "or" in (*before[before.index("either") :], *after))
        or ("between" in clause and not _TORN.isdisjoint(clause))
        or (("and" in before or "and" in after) and not _EQUALLY.isdisjoint(after))
        or _is_item(before, after)
    )


def _is_taken_back(after: Sequence[str]) -> bool:
    """Whether "but there is none", "but he does not have one" follows."""
    at = next((k for k, word in enumerate(after) if word in ("but", "yet", "and")), None)
    clause = after[at + 1 :] if at is not None else []
    if at is not None and after[at] == "and":
        return clause[:1] == ["none"]
    return clause[-1:] in (["one"], ["any"], ["none"]) and not lexicon.NEGATIONS.isdisjoint(clause)


def _or_follows(after: Sequence[str]) -> bool:
    """Whether "or Y" or ", or Y" follows, but not "or rather", which corrects."""
    at = 1 if after and after[0] in (",", "(") else 0
    joined = len(after) > at and after[at] in _OR and after[at] != "/"
    return joined and after[at + 1 : at + 2] not in (["rather"], ["so"])


def _or_precedes(before: Sequence[str]) -> bool:
    """Whether "Y or" precedes, with words like "maybe it is" between."""
    side = len(before)
    while side and before[side - 1] in _ONE_SIDE and before[side - 1] not in _OR:
        side -= 1
    return side > 0 and before[side - 1] in _OR - {"/"} and before[side : side + 1] != ["rather"]


def _is_item(before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether the mention is an item between commas of a list of possibilities."""
    if after[:1] == [","]:
        listed = _list_ends_in_or(after)
    elif before[-1:] == [","]:
        listed = False
    else:
        return False
    clause = _clause(before[: len(before) - (before[-1:] == [","])])
    these = any(a == "of" and b in ("these", "those", "following") for a, b in pairwise(before))
    return listed or these or not _OPTIONS.isdisjoint(clause)


def _clause(before: Sequence[str]) -> Sequence[str]:
    """The words of `before` after its last mark."""
    return before[max((k + 1 for k, word in enumerate(before) if word in ",;:()"), default=0) :]


def _list_ends_in_or(after: Sequence[str]) -> bool:
    """Whether ", Y or Z" follows: short items between commas, and an "or"."""
    length = 0
    for k, word in enumerate(after):
        if word == "or":
            return after[k + 1 : k + 2] not in (["so"], ["take"], ["rather"])
        length = 0 if word == "," else length + 1
        if length > 5 or word in _NEW_CLAUSE:
            return False
    return False


def is_first_impression(before: Sequence[str]) -> bool:
    """Whether the words before a phrase make it a first impression: "I thought", "at first glance it seems"."""
    contrast = max((i for i, word in enumerate(before) if word in ("but", "however", "though", "yet")), default=-1)
    before = before[contrast + 1 :]  # what follows "but" is no first impression
    clause = before[len(before) - before[::-1].index(",") :] if "," in before else before
    if not lexicon.THOUGHT.isdisjoint(clause) or "mistaken" in before or "confused" in before:
        return True
    pairs = set(pairwise(before))
    if any(a in _WOULD and b in _THINK for a, b in pairs):
        return True
    first = not {"initially", "originally"}.isdisjoint(before) or not pairs.isdisjoint(_FIRST_SIGHT)
    first = first or not pairs.isdisjoint([("i", "first"), ("first", "i"), ("my", "first")])
    return first and not _COUNTED.isdisjoint(before)


def is_overruled(words: Sequence[str], end: int) -> bool:
    """Whether a supposition that ends at `end` is soon overruled: "but it is in fact ..."."""
    contrast = False
    for word in words[end : end + 30]:
        if word in _OVERRULES and (contrast or word == "actually"):
            return True
        contrast = contrast or word in lexicon.CONTRASTS
    return False


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
