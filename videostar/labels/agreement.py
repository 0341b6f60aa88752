"""Decides whether two similar sentences agree.

Sentence embeddings hardly differ for a "not", another count or swapped roles; these rules find such differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from videostar.labels import inflections, lexicon
from videostar.labels.answer import tokens
from videostar.labels.denial import is_denied
from videostar.labels.numbers import parse_number_words
from videostar.labels.status import ASSERTED, Status, phrase_status
from videostar.labels.text import normalise

_OPPOSITES = (
    "open/close,shut enter/leave,exit push/pull start,begin/stop,finish,end on/off up/down in,into,inside/out,outside "
    "left/right front/back win/lose fill/empty lift,raise/lower,drop take/give,return buy/sell "
    "catch,score/miss,drop build,assemble,fix,repair/destroy,demolish,break,dismantle throw/catch stand/sit,lie "
    "laugh,smile/cry first/last full/empty hot/cold clean/dirty,soil long/short big,large/small,little fast,quick,"
    "quickly/slow,slowly man,boy,father,husband/woman,girl,mother,wife old,elderly/young happy/sad light/dark "
    "day/night indoors/outdoors wet/dry alone/together forward,forwards/backward,backwards arrive/depart,leave "
    "accelerate/brake remember/forget love,like/hate,dislike pass/fail appear/disappear increase/decrease tie/untie "
    "lock/unlock fold/unfold wrap/unwrap load/unload dress/undress above/below,under over/under attach/detach,remove "
    "insert/remove add/remove top/bottom,base red/green,blue,yellow,black,white,orange,purple,pink,brown,grey,gray "
    "blue/green,yellow,black,white,orange,purple,pink,brown,grey,gray green/yellow,black,white,orange,purple,pink,"
    "brown black/white,yellow,orange white/yellow,orange,brown"
)
_CLAUSE = frozenset(", ; : after before while when then".split())
_TOWARDS = frozenset("on onto in into to toward towards".split())
_SIDES = frozenset(["left", "right"])
_AWAY = frozenset("from off".split())
_NOT_REALLY = lexicon.NEGATIONS | frozenset("fails failed fail misses refuses almost nearly nobody".split())


def agreement_status(reference: str, sentence: str) -> Status:
    """STATED if `sentence` says what `reference` says, DENIED if it contradicts it, OPEN if it leaves it undecided."""
    replies, pair = zip(*map(_split_reply, (reference, sentence)), strict=True)
    if None not in replies and replies[0] is not replies[1]:
        return Status.DENIED
    return _Pair(*pair).status()


class _Pair:
    """The words of two sentences, and the rules that compare them."""

    def __init__(self, first: Sequence[str], second: Sequence[str]) -> None:
        self.first, self.second = first, second
        self.lemmas = [_lemma(w) for w in first], [_lemma(w) for w in second]
        self.shared = set(self.lemmas[0]) & set(self.lemmas[1]) - {""}

    def status(self) -> Status:
        status = self._polarity()
        if status is not Status.STATED:
            return status
        if self._opposites() or self._counts() or self._roles() or self._times() or self._directions():
            return Status.DENIED
        return Status.STATED

    def _polarity(self) -> Status:
        """The status by the shared verbs: whether one sentence states what the other denies or leaves open."""
        if self._same_denial():
            return Status.STATED
        agreements = []
        for lemma in dict.fromkeys(self.lemmas[0]):
            if lemma not in self.shared or not inflections.is_verb(lemma):
                continue
            if any(self._is_thing(k, lemma) for k in (0, 1)):
                continue
            statuses = [self._meant(k, lemma) for k in (0, 1)]
            if Status.OPEN in statuses and statuses[0] is not statuses[1]:
                return Status.OPEN
            agreements.append((statuses[0] in ASSERTED) is (statuses[1] in ASSERTED))
        if agreements and not all(agreements):
            return Status.DENIED
        if not agreements:
            counts = [sum(w in _NOT_REALLY for w in side) for side in (self.first, self.second)]
            return Status.STATED if bool(counts[0]) is bool(counts[1]) else Status.DENIED
        return Status.STATED

    def _same_denial(self) -> bool:
        """Whether one has "X, not Y" and the other denies Y."""
        for own, other in ((0, 1), (1, 0)):
            words = (self.first, self.second)[own]
            at = next((k for k, word in enumerate(words) if word == "not" and words[k - 1] == ","), None)
            contrast = {_lemma(word) for word in words[at + 1 :]} - {""} if at is not None else set()
            lemmas = self.lemmas[other]
            place = max((lemmas.index(lemma) for lemma in contrast if lemma in lemmas), default=None)
            if place is not None and contrast <= set(lemmas):
                return is_denied((self.first, self.second)[other], 0, place, place + 1, len(lemmas))
        return False

    def _is_thing(self, side: int, lemma: str) -> bool:
        """Whether a word that may be a verb is a noun in this sentence: the baby, a dog."""
        at = self.lemmas[side].index(lemma)
        return bool(at) and (self.first, self.second)[side][at - 1] in lexicon.DETERMINERS

    def _meant(self, side: int, lemma: str) -> Status:
        words = (self.first, self.second)[side]
        at = self.lemmas[side].index(lemma)
        stopped = at and _lemma(words[at - 1]) in ("stop", "quit", "cease")
        if stopped or is_denied(words, 0, at, at + 1, len(words)):
            return Status.DENIED
        return phrase_status(words, 0, len(words), at, at + 1)

    def _opposites(self) -> bool:
        """Whether a word of one sentence is the opposite of a word of the other, and neither word is in both."""
        own = [set(side) - self.shared for side in self.lemmas]
        return any(not _opposites().get(lemma, frozenset()).isdisjoint(own[1]) for lemma in own[0])

    def _counts(self) -> bool:
        """Whether the two give different counts of one thing."""
        counted = [dict(_numbers(words)) for words in (self.first, self.second)]
        return any(counted[1].get(noun, number) != number for noun, number in counted[0].items())

    def _roles(self) -> bool:
        """Whether subject and object are swapped around a shared verb."""
        sides = list(zip((self.first, self.second), self.lemmas, strict=True))
        if any("by" in words for words, _ in sides):
            return False
        return any(
            inflections.is_verb(verb)
            and _swapped(*(_around(words, lemmas, verb, self.shared) for words, lemmas in sides))
            for verb in self.shared
        )

    def _times(self) -> bool:
        """Whether the order of events differs, by "before", "after" or "then"."""
        phases = [_phases(words, lemmas) for words, lemmas in zip((self.first, self.second), self.lemmas, strict=True)]
        first, second = phases
        return first is not None and second is not None and _swapped(first, second)

    def _directions(self) -> bool:
        """Whether one has a motion to a place and the other one from it: "on the shelf", "from the shelf"."""
        to, away = zip(*(_moves(words) for words in (self.first, self.second)), strict=True)
        return bool((to[0] - away[0]) & (away[1] - to[1]) or (away[0] - to[0]) & (to[1] - away[1]))


def _around(words: Sequence[str], lemmas: Sequence[str], verb: str, shared: set[str]) -> tuple[set[str], set[str]]:
    """The shared words before and after a verb in its clause."""
    at = lemmas.index(verb)
    start = max((k + 1 for k in range(at) if words[k] in _CLAUSE), default=0)
    stop = next((k for k in range(at, len(words)) if words[k] in _CLAUSE), len(words))
    return set(lemmas[start:at]) & shared, set(lemmas[at + 1 : stop]) & shared


def _swapped(first: tuple[set[str], set[str]], second: tuple[set[str], set[str]]) -> bool:
    return not (first[0].isdisjoint(second[1]) or first[1].isdisjoint(second[0]))


def _phases(words: Sequence[str], lemmas: Sequence[str]) -> tuple[set[str], set[str]] | None:
    """The verbs of the earlier and of the later event; None if the sentence has no "before", "after" or "then"."""
    at = next((k for k, word in enumerate(words) if word in ("before", "after", "then")), None)
    if at is None:
        return None
    fronted = at < 2
    if fronted and "," not in words[at:]:
        return None
    split = words.index(",", at) if fronted else at
    earlier, later = (
        {w for w in part if w and inflections.is_verb(w)} for part in (lemmas[:split], lemmas[split + 1 :])
    )
    return (later, earlier) if (words[at] == "after") is not fronted and words[at] != "then" else (earlier, later)


def _moves(words: Sequence[str]) -> tuple[set[str], set[str]]:
    """The places that a motion in the sentence goes to, and those that one comes from."""
    to: set[str] = set()
    away: set[str] = set()
    for k, word in enumerate(words):
        places = to if word in _TOWARDS else away if word in _AWAY else None
        noun = next(
            (w for w in words[k + 1 : k + 4] if w.isalpha() and (w in _SIDES or w not in lexicon.GRAMMAR)), None
        )
        if places is not None and noun:
            places.add(_lemma(noun))
    return to, away


def _split_reply(text: str) -> tuple[bool | None, list[str]]:
    """The yes or no that a sentence starts with, if it does, and its other words."""
    words = _words(text)
    if words[:1] and words[1:2] == [","] and (words[0] in lexicon.YES or words[0] in lexicon.NO):
        return words[0] in lexicon.YES, words[2:]
    return None, words


def _words(text: str) -> list[str]:
    return [t for t in tokens(normalise(text).lower()) if t not in (".", "!", "\n")]


@lru_cache(maxsize=1 << 14)
def _lemma(word: str) -> str:
    """The base form of a word, as a verb if it can be one; empty for function words."""
    opposite = word in _opposites()
    if not word[0].isalpha() or (word in lexicon.GRAMMAR | lexicon.BE and not opposite):
        return ""
    lemmas = inflections.lemmas(word)
    for kind in ("VERB", "NOUN", "ADJ"):
        if lemmas.get(kind):
            return str(lemmas[kind][0])
    return word


@lru_cache(maxsize=1)
def _opposites() -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = {}
    for pair in _OPPOSITES.split():
        one, other = (side.split(",") for side in pair.split("/"))
        for a in one:
            table.setdefault(a, set()).update(other)
        for b in other:
            table.setdefault(b, set()).update(one)
    return {word: frozenset(others) for word, others in table.items()}


def _numbers(words: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Each counted noun with its number: "two young children" -> child, 2."""
    for k, word in enumerate(words):
        number = float(word) if word.isdigit() and len(word) < 6 else parse_number_words(word)
        if word in ("a", "an"):
            number = 1
        if number is None:
            continue
        for noun in words[k + 1 : k + 4]:
            if not noun.isalpha() or noun in lexicon.GRAMMAR:
                break
            if inflections.is_noun(noun):
                yield _lemma(noun), number
