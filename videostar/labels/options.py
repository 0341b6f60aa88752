"""Decides which of several options an answer chooses, by letter or by the option's own words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from videostar.labels import lexicon
from videostar.labels.letters import OptionLetters
from videostar.labels.patterns import Mention
from videostar.labels.status import ASSERTED, Status, mention_status, sentence_bounds
from videostar.labels.text import SENTENCE_ENDS, both_ends, tokens
from videostar.labels.vocabulary import LabelSet, label_set

_LEADING = re.compile(
    r"^(?:(?:because|since|to|by|so that|in order to|he|she|they|it|someone|the (?:person|man|woman|boy|girl|baby|lady|"
    r"child|kid)|was|were|is|are|wants? to|wanted to)\s+)+(?=\w+\s*\w)",
    re.IGNORECASE,
)
_POSSESSIVE = re.compile(r"\b(?:his|her|its|their|my|your|our)\s+(?=\w)", re.IGNORECASE)
_WRONG = frozenset(
    "wrong incorrect false excluded eliminated ruled impossible unlikely implausible inaccurate irrelevant out "
    "contradicted unsupported untrue fails mismatch".split()
)
_ELIMINATE = frozenset(
    "eliminate eliminates eliminated eliminating exclude excludes excluding excluded rule ruling ruled discard "
    "discarding reject rejecting unlike dismiss dismissing".split()
)
_PREFERRED = frozenset(
    "correct right best better stronger likely answer must choose pick select fits matches leaves leaving remains "
    "points therefore definitely clearly".split()
)
_WEAK = frozenset("possible possibly plausible also could may might tempting".split())
_CORRECTS = frozenset("actually wait instead correction however sorry rather no but".split())
_CLAUSE = frozenset("because since as so but while although though whereas which".split()) | frozenset(",;:.!?\n()")
_MAX_MENTIONS = 100  # of options: of more, the first and the last are read
# Words that `_core` removes from the start of an option.
_LEADS = frozenset(
    "because since to by so that in order he she they it someone the a an person man woman boy girl baby lady child "
    "kid was were is are want wants wanted his her its their".split()
)
_LABEL_MARKS = frozenset(".:;)(,=/") | lexicon.ARTICLES
_AIMS = frozenset(
    "want wants wanted wanting intend intends intended plan plans planned hope hopes hoped prepare prepares preparing "
    "going about try tries tried trying ready wishes wished".split()
)
_NOT = (["not"], ["no"], ["never"])
_JOINED = frozenset([",", "and", "or", "nor", "/", "both", "neither", "either"])


@dataclass(frozen=True, slots=True)
class Pick:
    """The option that an answer chooses, if it chooses one."""

    key: str | None = None
    hedged: bool = False  # the answer leaves several open
    denied: frozenset[str] = frozenset()  # keys of the options that it denies


@dataclass(frozen=True, slots=True)
class _Mention:
    """A mention of an option at words[start:end], by its letter or by its text."""

    start: int
    end: int
    option: int  # index
    letter: bool  # by its letter
    mention: Mention
    clash: bool = False  # another option's text follows the letter


class Options:
    """The options of a question, ready for a search in answers."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self.keys = list(options)
        self._letters = OptionLetters(self.keys)
        self._texts = [_core(text) for text in options.values()]
        self._names: LabelSet = label_set(tuple(self._texts))
        self._purposes = [_is_purpose(text) for text in options.values()]
        self._actions = [lexicon.is_gerund(first_word(text)) for text in self._texts]

    def mark_letters(self, answer: str) -> str:
        """`answer` with its letters marked. Its normalised tokens are the words for `pick`."""
        return self._letters.mark(answer)

    def pick(self, words: Sequence[str], *, final: bool) -> Pick:
        """The choice in `words`. In a `final` answer the first sentence that chooses an option decides."""
        mentions = self._mentions(words)
        chosen: list[_Mention] = []
        denied: set[int] = set()
        opened = False
        for mention in mentions:
            status = self._status(words, mention, mentions)
            if status in ASSERTED:
                if final and chosen and _parted(words, chosen[-1].end, mention.start):
                    break
                chosen.append(mention)
            elif status is Status.DENIED:
                denied.add(mention.option)
                chosen = [c for c in chosen if c.option != mention.option or c.letter > mention.letter]
            elif status is Status.OPEN:
                opened = True
        decided = self._decide(words, chosen)
        if decided is not None:
            return Pick(None, hedged=True) if decided.clash else Pick(self.keys[decided.option])
        left = [key for k, key in enumerate(self.keys) if k not in denied]
        if not chosen and len(left) == 1 and len(denied) > 1:  # all others are dismissed
            return Pick(left[0])
        return Pick(None, bool(chosen) or opened, frozenset(self.keys[k] for k in denied))

    def _mentions(self, words: Sequence[str]) -> list[_Mention]:
        """The mentions of options in order, without lists of all options. A letter and its text are one mention."""
        texts: list[_Mention] = []
        matches = [(self._texts.index(text), m) for text, own in self._names.find(words).items() for m in own]
        for k, m in matches:
            if not any(m.within(other) for _, other in matches):
                texts.append(_Mention(m.start, m.end, k, False, m))
        texts.sort(key=lambda n: n.start)
        starts = {mention.start: mention for mention in reversed(texts)}
        letters: list[_Mention] = []
        used: set[int] = set()
        for i, word in enumerate(words):
            letter = OptionLetters.option_index(word)
            if letter is None or letter >= len(self.keys):
                continue
            end, clash = i + 1, False
            at = i + 1
            while at < len(words) and at - i < 5 and words[at] in _LABEL_MARKS and at not in starts:
                at += 1
            led = at
            while led < len(words) and led - i < 8 and words[led] in _LEADS and led not in starts:
                led += 1
            text, own = starts.get(at), starts.get(led)
            if own is not None and own.option == letter:
                end = own.end
                used.add(own.start)
            elif text is not None and words[i + 1] in _LABEL_MARKS and _closes(words, text.end):
                clash = True
                used.add(text.start)
            letters.append(_Mention(i, end, letter, True, Mention(i, end, 1), clash))
        mentions = sorted([*letters, *(t for t in texts if t.start not in used)], key=lambda n: n.start)
        return both_ends(self._without_echo(words, mentions), _MAX_MENTIONS)

    def _without_echo(self, words: Sequence[str], mentions: list[_Mention]) -> list[_Mention]:
        """The mentions without runs that only repeat the list of all options."""
        count = len(self.keys)
        kept: list[_Mention] = []
        k = 0
        while k < len(mentions):
            run = mentions[k : k + count]
            every = [n.option for n in run] == list(range(count)) and (
                count > 2 or any(n.end - n.start > 1 for n in run)
            )
            if every and all(_only_marks(words, a.end, b.start) for a, b in pairwise(run)):
                k += count
            else:
                kept.append(mentions[k])
                k += 1
        return kept

    def _status(self, words: Sequence[str], mention: _Mention, mentions: Sequence[_Mention]) -> Status:
        if _ruled_out(words, mention, mentions):
            return Status.DENIED
        if _compared(words, mention, mentions):
            return Status.OPEN
        status = mention_status(words, mention.mention, action=not mention.letter and self._actions[mention.option])
        purpose = self._purposes[mention.option] and not mention.letter
        aimed_at = purpose and not _AIMS.isdisjoint(words[max(0, mention.start - 4) : mention.start])
        return Status.STATED if aimed_at and status is Status.NOT_ASSERTED else status

    def _decide(self, words: Sequence[str], chosen: Sequence[_Mention]) -> _Mention | None:
        by_letter = [mention for mention in chosen if mention.letter]
        candidates = by_letter or list(chosen)
        if len({mention.option for mention in candidates}) <= 1:
            return candidates[-1] if candidates else None
        preferred = [mention for mention in candidates if _preferred(words, mention)]
        if len({mention.option for mention in preferred}) == 1:
            return preferred[-1]
        last = candidates[-1]
        before = max((n.end for n in candidates if n.option != last.option), default=0)
        if not _CORRECTS.isdisjoint(words[max(before, last.start - 12) : last.start]):
            return last
        return None


def first_word(text: str) -> str:
    """The first word of a text; empty without one."""
    return next((word for word in tokens(text.casefold()) if word[0].isalnum()), "")


def _core(text: str) -> str:
    """An option without words that an answer need not repeat: "to adjust his hat" -> adjust hat."""
    short = _POSSESSIVE.sub("", _LEADING.sub("", text.strip().rstrip(".")))
    return short if first_word(short) else text


def _is_purpose(text: str) -> bool:
    """Whether an option is the purpose of an action: "to see the cake", "pick up the ball"."""
    first = first_word(_core(text))
    return first_word(text) == "to" or (lexicon.is_verb(first) and not first.endswith(("ing", "ed", "s")))


def _parted(words: Sequence[str], start: int, stop: int) -> bool:
    return any(words[k] in SENTENCE_ENDS for k in range(start, stop))


def _only_marks(words: Sequence[str], start: int, stop: int) -> bool:
    return all(not words[k][0].isalnum() or words[k] in ("and", "or") for k in range(start, stop))


def _closes(words: Sequence[str], at: int) -> bool:
    return at >= len(words) or words[at] in _CLAUSE


def _ruled_out(words: Sequence[str], mention: _Mention, mentions: Sequence[_Mention]) -> bool:
    """Whether a mention eliminates its option: "A and C are wrong", "B does not match", "ruling out D"."""
    ends = {n.start: n.end for n in mentions}
    first, stop = sentence_bounds(words, mention.start, mention.end)
    at = _group_start(words, first, mention, mentions)
    if not _ELIMINATE.isdisjoint(words[max(first, at - 3) : at]):
        return True
    at = mention.end
    while at < stop and (at in ends or (words[at] in _JOINED and _joins(words, at, ends))):
        at = ends.get(at, at + 1)
    if at < stop and words[at] == ")":  # "the others (A, B, C) do not match"
        at += 1
    elif at < stop and words[at] == "(":
        closing = next((k for k in range(at, min(at + 14, stop)) if words[k] == ")"), at - 1)
        at = closing + 1
    if at < stop and (words[at] in (":", ";") or (words[at] == "," and words[at + 1 : at + 2] not in _NOT)):
        at += 1
    predicate = []
    for word in words[at : min(at + 9, stop)]:
        if word in _CLAUSE:
            break
        predicate.append(word)
    if not predicate or not _is_predicate(predicate):
        return False
    return not _WRONG.isdisjoint(predicate) or not lexicon.NEGATIONS.isdisjoint(predicate)


def _compared(words: Sequence[str], mention: _Mention, mentions: Sequence[_Mention]) -> bool:
    """Whether a mention only compares its option with others: "between B and D"."""
    first, _ = sentence_bounds(words, mention.start, mention.end)
    at = _group_start(words, first, mention, mentions)
    closed = words[mention.start - 1] == "," and "and" in words[at : mention.start]  # "between B and D, B is ..."
    return at > first and words[at - 1] in ("between", "among") and not closed


def _group_start(words: Sequence[str], first: int, mention: _Mention, mentions: Sequence[_Mention]) -> int:
    """The start of the list of options ("A, B and C") that contains a mention."""
    starts = {n.end: n.start for n in mentions}
    at = mention.start
    while at > first and (at in starts or words[at - 1] in _JOINED | lexicon.ARTICLES):
        at = starts.get(at, at - 1)
    return at


def _joins(words: Sequence[str], at: int, ends: Mapping[int, int]) -> bool:
    """Whether another option follows the "and" or comma at `at`."""
    return any(
        k in ends
        for k in range(at + 1, min(at + 4, len(words)))
        if all(w in _JOINED | lexicon.ARTICLES for w in words[at:k])
    )


def _is_predicate(predicate: Sequence[str]) -> bool:
    """Whether the words after a list of options are a predicate of it."""
    first = predicate[0]
    if first in lexicon.ADVERBS or first.endswith("ly"):
        first = predicate[1] if len(predicate) > 1 else ""
    return first in lexicon.AUXILIARIES or first in _WRONG or first in lexicon.NEGATIONS or lexicon.is_verb(first)


def _preferred(words: Sequence[str], mention: _Mention) -> bool:
    """Whether a mention prefers its option to the others: "the best is B", "B is most likely", "that leaves B"."""
    first, stop = sentence_bounds(words, mention.start, mention.end)
    before = words[max(first, mention.start - 6) : mention.start]
    after = words[mention.end : min(mention.end + 5, stop)]
    before = before[max((k + 1 for k, w in enumerate(before) if w in ";("), default=0) :]
    after = after[: next((k for k, w in enumerate(after) if w in ";("), len(after))]
    near = [*before, *after]
    return not _PREFERRED.isdisjoint(near) and _WEAK.isdisjoint(near)
