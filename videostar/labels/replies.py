"""Finds the replies of an answer: yes, no, true, "that is not the case", "it does"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from videostar.labels import lexicon
from videostar.labels.answer import Answer
from videostar.labels.settle import Candidate
from videostar.labels.status import Status, is_first_impression

_BOTH = ({"yes", "no"}, {"true", "false"}, {"correct", "incorrect"}, {"right", "wrong"})
_SURE = frozenset("absolutely definitely certainly indeed sure surely exactly obviously undoubtedly".split())
_TRUE = frozenset("true correct right accurate".split())
_PLAIN_NOT = frozenset("not probably likely really at all of course quite exactly certainly definitely".split())
_BEFORE_TRUE = lexicon.BE | frozenset(
    "be not entirely indeed probably definitely completely actually remains it's that's this's what's".split()
)
_VERY = frozenset("very quite totally completely entirely absolutely definitely indeed".split())
_AFTER_TRUE = frozenset("that because since as".split())
_OPINIONS = frozenset("think thought believe guess suppose say".split())
_VAGUE = frozenset("know tell say determine decide unclear unknown".split())
_SO = (["the", "case"], ["is", "happening"], ["what", "happens"])


def find_replies(answer: Answer) -> list[Candidate]:
    """The places that reply yes or no, in order. The value of "yes or no" is None."""
    return [
        Candidate(value, first + at, first + at + 1, 1, Status.OPEN if value is None else Status.STATED)
        for first, stop in answer.sentences
        if answer.words[stop - 1] != "?"
        for at, value in _replies(answer.words[first:stop])
    ]


def _replies(sentence: Sequence[str]) -> Iterator[tuple[int, bool | None]]:
    """The index and value of each reply in a sentence."""
    plain = [word for word in sentence if word[0].isalnum()]
    if _is_undecided(sentence, plain):
        return
    both = next((k for k in range(len(plain) - 2) if _is_both(*plain[k : k + 3])), None)
    if both is not None:
        if plain[both - 1 : both] != ["answer"]:  # "answer yes or no" is a question
            yield 0, None
        return
    whole = _reply_of(sentence, plain)
    last = sentence[len(sentence) - sentence[::-1].index("but") :] if "but" in sentence else []
    if whole is None and _is_short([word for word in last if word[0].isalnum()]):  # "he was about to, but he did not"
        whole = lexicon.NEGATIONS.isdisjoint(last)
    if whole is not None:
        yield 0, whole
    for i in range(len(sentence)):
        value = _word_value(sentence, i)
        if value is not None:
            yield i, value


def _is_undecided(sentence: Sequence[str], plain: Sequence[str]) -> bool:
    """Whether a sentence has no words, says that it is not known whether, or is only a first impression."""
    denied = not lexicon.NEGATIONS.isdisjoint(plain)
    unknown = "whether" in plain and denied and not _VAGUE.isdisjoint(plain)
    impression = is_first_impression(sentence) and {"but", "however", "though"}.isdisjoint(plain)
    return not plain or unknown or impression


def _is_both(first: str, joint: str, second: str) -> bool:
    """Whether three words are "yes or no" or the like."""
    return joint in ("or", "and") and {first, second} in _BOTH


def _reply_of(sentence: Sequence[str], plain: Sequence[str]) -> bool | None:
    """The value of a sentence that replies as a whole: "Certainly.", "Not at all", "It does not"; None for others."""
    if plain[0] in _SURE or plain[:2] == ["of", "course"]:
        return lexicon.NEGATIONS.isdisjoint(plain[1:3])
    if "not" in plain and _PLAIN_NOT.issuperset(plain):
        return False
    if _is_short(plain) or plain[-2:] in _SO:
        return lexicon.NEGATIONS.isdisjoint(plain)
    clause = sentence[: sentence.index(",")] if "," in sentence else plain
    opinion = 0 < len(clause) <= 6 and clause[0] in ("i", "we", "i'd") and clause[-1] in ("so", "not")
    return lexicon.NEGATIONS.isdisjoint(clause) if opinion and not _OPINIONS.isdisjoint(clause) else None


def _is_short(plain: Sequence[str]) -> bool:
    """Whether a clause is a short reply like "It does not" or "He is"."""
    return (
        plain[:1] != []
        and plain[0] in lexicon.PRONOUNS
        and plain[1:2] != []
        and plain[1] in lexicon.AUXILIARIES
        and (plain[2:] in ([], ["not"]))
    )


def _word_value(sentence: Sequence[str], i: int) -> bool | None:
    """Whether the word at `i` is a yes (True), a no (False) or neither (None)."""
    word = sentence[i]
    before = sentence[i - 1] if i else ""
    after = sentence[i + 1] if i + 1 < len(sentence) else ""
    opens, closes = not before[:1].isalnum(), not after[:1].isalnum()
    if word in lexicon.YES:
        return before != "not"
    if word in lexicon.NO:
        stated = opens and (after in lexicon.PRONOUNS | lexicon.ARTICLES or after == "there")
        return False if before != "not" and (closes or stated) else None
    if word not in _TRUE | lexicon.FALSE:
        return None
    predicate = before in _BEFORE_TRUE or before.endswith("n't")
    if ((opens or before in _VERY) and closes) or (predicate and (closes or after in _AFTER_TRUE)):
        return (word in _TRUE) is lexicon.NEGATIONS.isdisjoint(sentence[max(0, i - 3) : i])
    return None
