"""Finds the options of a question that an answer mentions, by letter or by their own words."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from videostar.labels import inflections, lexicon
from videostar.labels.answer import Answer, both_ends
from videostar.labels.letters import Letter, OptionLetters
from videostar.labels.mentions import mention_status
from videostar.labels.number_context import is_bound, is_operand
from videostar.labels.numbers import find_numbers
from videostar.labels.option_texts import OptionText, find_spellings
from videostar.labels.patterns import Mention
from videostar.labels.settle import Candidate
from videostar.labels.statements import Statement, Strength
from videostar.labels.status import Status, sentence_bounds
from videostar.labels.vocabulary import LabelSet, label_set

_ELIMINATE = frozenset(
    "eliminate eliminates eliminated eliminating exclude excludes excluding excluded rule rules ruling ruled discard "
    "discarding reject rejecting unlike dismiss dismissing".split()
)
_PREFERRED = frozenset(
    "correct best better stronger likely answer must choose pick select fits matches leaves leaving remains "
    "points therefore definitely clearly".split()
)
_WEAK = frozenset("possible possibly plausible also could may might tempting".split())
_CLAUSE = frozenset("because since as so but while although though whereas which".split()) | frozenset(",;:.!?\n()")
_MAX_MENTIONS = 100  # of options: of more, the first and the last are read
_LABEL_MARKS = frozenset(".:;)(,=/]") | lexicon.ARTICLES
_AIMS = frozenset(
    "want wants wanted wanting intend intends intended plan plans planned hope hopes hoped prepare prepares preparing "
    "going about try tries tried trying ready wishes wished".split()
)
_NOT = (["not"], ["no"], ["never"])
_JOINED = frozenset([",", "and", "or", "nor", "/", "both", "neither", "either"])


@dataclass(frozen=True, slots=True)
class _Named:
    """An option at words[start:end], by its letter or by its text."""

    start: int
    end: int
    option: int  # index
    letter: bool  # by its letter
    mention: Mention
    clash: bool = False  # another option's text follows the letter


class Options:
    """The options of a question, ready for a search in answers."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._letters = OptionLetters(options)
        self._texts = [OptionText.of(text) for text in options.values()]
        values = [text.value for text in self._texts]
        self._values = dict(zip(values, range(len(values)), strict=True)) if None not in values else {}
        if len(self._values) < len(values):
            self._values = {}
        self._owners = find_spellings(options) if not self._values else {}
        self._names: LabelSet = label_set(tuple(self._owners))

    def candidates(self, answer: Answer, statements: Sequence[Statement]) -> list[Candidate]:
        """The options that an answer mentions: level 0 by text, 1 as a predicate, 2 by letter, 3 if preferred."""
        named = self._named(answer, statements)
        if not named:
            return self._by_content(answer)
        return [
            Candidate(n.option, n.start, n.end, self._level(answer.words, n), self._status(answer.words, n, named))
            for n in named
        ]

    def _by_content(self, answer: Answer) -> list[Candidate]:
        """The options whose words are all in the first sentence, in any order and inflection: a paraphrase."""
        first, stop = answer.sentences[0]
        sentence = answer.words[first:stop]
        if sentence[-1] == "?" or not lexicon.NEGATIONS.isdisjoint(sentence):
            return []
        return [
            Candidate(k, first, stop)
            for k, content in enumerate(text.content for text in self._texts)
            if len(content) > 1 and not any(forms.isdisjoint(sentence) for forms in content)
        ]

    def _named(self, answer: Answer, statements: Sequence[Statement]) -> list[_Named]:
        """The mentions of options in order, without lists of all options. A letter and its text are one mention."""
        matches = [(self._owners[text], m) for text, own in self._names.find(answer.words).items() for m in own]
        texts = [
            _Named(m.start, m.end, k, False, m) for k, m in matches if not any(m.within(other) for _, other in matches)
        ]
        texts += self._numbers(answer)
        letters = self._letters.find(answer, statements)
        held = {letter.at for letter in letters}
        texts = sorted((t for t in texts if t.end - t.start > 1 or t.start not in held), key=lambda t: t.start)
        named = []
        used: set[int] = set()
        for letter in letters:
            end, own, clash = self._own_text(answer, letter, texts)
            used.update(t.start for t in texts if letter.at <= t.start < end or (clash and t.start == own))
            named.append(_Named(letter.first, end, letter.index, True, Mention(letter.first, end, 1), clash))
        named = sorted([*named, *(t for t in texts if t.start not in used)], key=lambda n: n.start)
        stated = {k for s in statements if s.strength >= Strength.EXPLICIT for k in range(s.first - 1, s.first + 3)}
        return both_ends(self._without_echo(answer.words, named, stated), _MAX_MENTIONS)

    def _numbers(self, answer: Answer) -> list[_Named]:
        """The numbers that are options, if all options are numbers."""
        return [
            _Named(n.first, n.end, self._values[n.value], False, Mention(n.first, n.end, 1))
            for n in (find_numbers(answer) if self._values else ())
            if n.value in self._values and not (is_operand(answer, n) or is_bound(answer, n.first))
        ]

    def _own_text(self, answer: Answer, letter: Letter, texts: Sequence[_Named]) -> tuple[int, int, bool]:
        """The end of a letter with its text, where a text starts after it, and whether that is another option's."""
        at = letter.end
        bracketed = answer.word(letter.end - 1) == ")"  # "(D). The ...": the full stop ends the sentence
        while at - letter.end < 4 and answer.word(at) in _LABEL_MARKS and not (bracketed and answer.word(at) == "."):
            at += 1
        own = self._texts[letter.index].words
        following = answer.words[at : at + len(own) + 4]
        shared = sum(word in following for word in set(own))
        if own and at > letter.at + 1 and shared >= 0.6 * len(set(own)):
            last = max(k for k, word in enumerate(following) if word in own)
            return at + last + 1, at, False
        other = next((t for t in texts if t.start == at), None)
        clash = (
            other is not None
            and other.option != letter.index
            and at > letter.at + 1
            and _closes(answer.words, other.end)
        )
        return letter.end, at, clash

    def _without_echo(self, words: Sequence[str], named: list[_Named], stated: Container[int]) -> list[_Named]:
        """The mentions without runs that only repeat the list of all options, but with the one that is stated."""
        kept: list[_Named] = []
        k = 0
        while k < len(named):
            run = named[k : k + len(self._texts)]
            alike = len({n.letter for n in run}) == 1
            every = (
                alike
                and [n.option for n in run] == list(range(len(self._texts)))
                and (len(self._texts) > 2 or any(n.end - n.start > 1 for n in run))
            )
            if every and all(_only_marks(words, a.end, b.start) for a, b in pairwise(run)):
                kept += run[:1] if run[0].start in stated else []
                k += len(self._texts)
            else:
                kept.append(named[k])
                k += 1
        return kept

    def _level(self, words: Sequence[str], named: _Named) -> int:
        if named.letter:
            return 3 if _is_preferred(words, named) else 2
        start = named.start - (words[max(0, named.start - 1)] in lexicon.ARTICLES)
        return int(words[max(0, start - 1) : start] in (["is"], ["are"]) and _closes(words, named.end))

    def _status(self, words: Sequence[str], named: _Named, others: Sequence[_Named]) -> Status:
        if named.clash:
            return Status.OPEN
        if _is_ruled_out(words, named, others):
            return Status.DENIED
        if _is_compared(words, named, others):
            return Status.OPEN
        status = mention_status(words, named.mention, action=not named.letter and self._texts[named.option].is_action)
        purpose = self._texts[named.option].is_purpose and not named.letter
        if named.letter and self._texts[named.option].is_question and status is Status.NOT_ASSERTED:
            return Status.STATED  # the option is a question
        if (
            purpose
            and status is Status.NOT_ASSERTED
            and not _AIMS.isdisjoint(words[max(0, named.start - 4) : named.start])
        ):
            return Status.STATED
        if status is Status.STATED and not _WEAK.isdisjoint(words[named.end : named.end + 3]):
            return Status.SUPPOSED
        return status


def _only_marks(words: Sequence[str], start: int, stop: int) -> bool:
    return all(not words[k][0].isalnum() or words[k] in ("and", "or") for k in range(start, stop))


def _closes(words: Sequence[str], at: int) -> bool:
    return at >= len(words) or words[at] in _CLAUSE


def _is_ruled_out(words: Sequence[str], named: _Named, others: Sequence[_Named]) -> bool:
    """Whether a mention eliminates its option: "A and C are wrong", "B does not match", "ruling out D"."""
    first, stop = sentence_bounds(words, named.start, named.end)
    at = _group_start(words, first, named, others)
    if not _ELIMINATE.isdisjoint(words[max(first, at - 6 if named.letter else at - 3) : at]):
        return True
    at = _group_end(words, stop, named, others)
    if at < stop and (words[at] in (":", ";") or (words[at] == "," and words[at + 1 : at + 2] not in _NOT)):
        at += 1
    clause = words[at : min(at + 9, stop)]
    predicate = clause[: next((k for k, word in enumerate(clause) if word in _CLAUSE), len(clause))]
    if not predicate or not _is_predicate(predicate):
        return False
    return not lexicon.EXCLUDED.isdisjoint(predicate) or not lexicon.NEGATIONS.isdisjoint(predicate)


def _group_end(words: Sequence[str], stop: int, named: _Named, others: Sequence[_Named]) -> int:
    """The end of the list of options that contains a mention, with brackets around or after it."""
    ends = {n.start: n.end for n in others}
    at = named.end
    while at < stop and (at in ends or (words[at] in _JOINED and _joins(words, at, ends))):
        at = ends.get(at, at + 1)
    if at < stop and words[at] == ")":  # "the others (A, B, C) do not match"
        return at + 1
    if at < stop and words[at] == "(":
        return next((k + 1 for k in range(at, min(at + 14, stop)) if words[k] == ")"), at)
    return at


def _is_compared(words: Sequence[str], named: _Named, others: Sequence[_Named]) -> bool:
    """Whether a mention only compares its option with others: "between B and D"."""
    first, _ = sentence_bounds(words, named.start, named.end)
    at = _group_start(words, first, named, others)
    closed = words[named.start - 1] == "," and "and" in words[at : named.start]  # "between B and D, B is ..."
    return at > first and words[at - 1] in ("between", "among") and not closed


def _group_start(words: Sequence[str], first: int, named: _Named, others: Sequence[_Named]) -> int:
    """The start of the list of options ("A, B and C") that contains a mention."""
    starts = {n.end: n.start for n in others}
    at = named.start
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
    return (
        first in lexicon.AUXILIARIES
        or first in lexicon.EXCLUDED
        or first in lexicon.NEGATIONS
        or inflections.is_verb(first)
    )


def _is_preferred(words: Sequence[str], named: _Named) -> bool:
    """Whether a mention prefers its option to the others: "the best is B", "B is most likely", "that leaves B"."""
    first, stop = sentence_bounds(words, named.start, named.end)
    before = words[max(first, named.start - 6) : named.start]
    after = words[named.end : min(named.end + 5, stop)]
    before = before[max((k + 1 for k, w in enumerate(before) if w in ";("), default=0) :]
    after = after[: next((k for k, w in enumerate(after) if w in ";("), len(after))]
    near = [*before, *after]
    return not _PREFERRED.isdisjoint(near) and _WEAK.isdisjoint(near)
