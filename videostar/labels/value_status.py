"""Decides whether an answer states, supposes or denies a value that it mentions, or only considers it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from videostar.labels import lexicon
from videostar.labels.doc import Doc
from videostar.labels.status import AFFIRMATIONS, Status

_WINDOW = 40  # words of a sentence that are read on either side of a value
_STOPS = frozenset(",;:()[]{}\n")
_OPENING = frozenset("([{<")
_CONTRASTS = frozenset("but however though although yet actually".split())
# Words that start a clause, where the scope of a negation ends.
_BARRIERS = frozenset(
    "but while when whereas because since although though after before until till yet however then so which and as "
    "due".split()
)
# "I don't think that it is 7" denies the 7; "it does not splash and is worth 7" does not.
_OPINIONS = frozenset(
    "think believe say true agree suppose possible evidence case confirm assume mean likely sure certain".split()
)
_VERBS = (lexicon.BE - {"be", "been", "being"}) | frozenset(
    "gets got earns earned receives received deserves gives scores scored makes lands hits happens occurs".split()
)
_NEGATIONS = lexicon.NEGATIONS | {"unlikely", "impossible"}
_CANCELS = frozenset("doubt question only just merely simply".split())
_IN_PLACE = {"instead": "of", "rather": "than", "opposed": "to", "far": "from", "other": "than", "compared": "to"}
_COMPARED = frozenset(
    "more less fewer greater higher lower better worse above below beyond exceeds exceed exceeding exceeded longer "
    "later earlier".split()
)
_SLIGHTLY = frozenset("just slightly little bit marginally barely".split())
_EXCLUDED = frozenset("wrong incorrect impossible unlikely excluded unrealistic out".split())
_UNREAL = frozenset(
    "fail fails failed failing pretend pretends pretended pretending refuse refuses refused plan plans planned want "
    "wants wanted intend intends intended hope hopes hoped unable try tries tried trying attempt attempts attempted "
    "attempting aim aims needs supposed".split()
)
_OTHERS = frozenset("previous preceding".split())
_THOUGHT = frozenset("thought assumed expected suspected mistaken mistook considered tempted guessed".split())
_FIRSTLY = frozenset("initially originally first".split())
_SEEMS = lexicon.EPISTEMIC | _THOUGHT | frozenset("counted count estimated estimate guess say said".split())
_WOULD = frozenset("would could might should".split())


def value_status(doc: Doc, first: int, end: int) -> Status:
    """The status of the value at `words[first:end]`, by the words of its sentence."""
    start, stop = doc.sentence(first)
    first = _opening(doc, first, start)
    before = doc.words[max(start, first - _WINDOW) : first]
    after = doc.words[end : min(doc.sentence(end - 1)[1], end + _WINDOW)]
    if after[-1:] == ["?"]:
        return _question_status(doc, stop)
    if _denied_before(before) or _denied_after(after):
        return Status.DENIED
    if _compared(before) or _unreal(before) or _first_impression(before):
        return Status.NOT_ASSERTED
    return Status.SUPPOSED if not lexicon.MODALS.isdisjoint(_clause(before)) else Status.STATED


def _opening(doc: Doc, first: int, start: int) -> int:
    """The start of the brackets around the value, with the key of an object: `{"box": [`."""
    for i in range(first - 1, max(start, first - 10) - 1, -1):
        if doc.words[i] in _OPENING:
            first = i
        elif first - i > 1 and doc.words[i + 1 : first][-1:] != [":"]:
            break
    return first


def _question_status(doc: Doc, reply: int) -> Status:
    """The status of a value in a question: it is asserted or denied only by a reply, at `reply`."""
    while doc.word(reply) == "\n":
        reply += 1
    if doc.word(reply) in AFFIRMATIONS:
        return Status.STATED
    return Status.DENIED if doc.word(reply) in ("no", "nope") else Status.NOT_ASSERTED


def _clause(before: Sequence[str]) -> Sequence[str]:
    """The words of `before` after its last mark."""
    for i in range(len(before) - 1, -1, -1):
        if before[i] in _STOPS:
            return before[i + 1 :]
    return before


def _denied_before(before: Sequence[str]) -> bool:
    """Whether the words before a value deny it: "not 7", "rather than 7"."""
    verb = False  # whether a verb, and so another clause, comes between
    for i in range(len(before) - 1, -1, -1):
        word, following = before[i], before[i + 1 : i + 2]
        if word in _NEGATIONS:
            if following and following[0] in _CANCELS:
                return False
            return not verb or not _OPINIONS.isdisjoint(before[i + 1 : i + 5])
        if following and _IN_PLACE.get(word) == following[0]:
            return not verb
        if word in _STOPS or word in _BARRIERS:
            return False
        verb = verb or word in _VERBS
    return False


def _denied_after(after: Sequence[str]) -> bool:
    """Whether the words after a value deny it: "7 is not ...", "7 would be too high", "7 can be ruled out"."""
    while after and after[0] in ("points", "seconds", "s", "times", "]", ")", "/", "%"):
        after = after[1:]
    if not after or after[0] not in lexicon.AUXILIARIES | {"seems", "not"} or after[0] in ("to", "not"):
        return False
    words = after[:5]
    words = words[: next((k for k, w in enumerate(words) if w in _STOPS), len(words))]
    too = any(a == "too" and b in ("high", "low", "much", "many", "few", "generous") for a, b in pairwise(words))
    return too or not lexicon.NEGATIONS.isdisjoint(words[:3]) or not _EXCLUDED.isdisjoint(words)


def _compared(before: Sequence[str]) -> bool:
    """Whether the words before a value make it a bound: "above 7", "more than 7"; not "just above 7"."""
    words = list(before[-5:])
    while words and words[-1] in ("the", "a", "about", "from", "around"):
        words.pop()
    if words and words[-1] in ("than", "unlike"):
        return True
    return bool(words) and words[-1] in _COMPARED and _SLIGHTLY.isdisjoint(words[:-1])


def _unreal(before: Sequence[str]) -> bool:
    """Whether the words before a value make it attempted, planned or imagined, or the value of something else."""
    clause = _clause(before)
    if not _OTHERS.isdisjoint(clause) or ("the", "earlier") in pairwise(clause):
        return True
    near = clause[-8:]
    if any(a in ("almost", "nearly") and _is_inflected(b) for a, b in pairwise(near)):
        return True  # "almost happens at 7"; "almost 7" is about 7
    if any(b == "to" and (a in _UNREAL or a == "about") for a, b in pairwise(near)):
        return True
    if any(a in _WOULD and b == "have" for a, b in pairwise(near)):
        return True
    for i in range(len(before) - 1, -1, -1):
        if before[i] in (",", ";", ":", "but"):
            return False
        if before[i] in ("whether", "if", "unless"):
            return True
    return False


def _is_inflected(word: str) -> bool:
    return word.endswith(("s", "ed")) and not word.endswith(("ss", "ways"))


def _first_impression(before: Sequence[str]) -> bool:
    """Whether the words before a value make it a first impression: "I first thought", "at first it looks like"."""
    contrast = max((i for i, word in enumerate(before) if word in _CONTRASTS), default=-1)
    before = before[contrast + 1 :]
    if not _THOUGHT.isdisjoint(_clause(before)):
        return True
    return not _FIRSTLY.isdisjoint(before) and not _SEEMS.isdisjoint(before)
