"""How an answer means the names that it mentions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from videostar.labels import inflections
from videostar.labels.answer import words as words_of
from videostar.labels.homographs import is_thing
from videostar.labels.patterns import Mention
from videostar.labels.status import (
    ASSERTED,
    Status,
    count_guesses,
    is_overruled,
    phrase_status,
    sentence_bounds,
)
from videostar.labels.verdict import Reason

_REACH = 40  # words between a statement and what takes it back
_TICKS = frozenset(":;=(,")
_NOT_THERE = frozenset("no false absent none not".split())
#: Why a name with this status is not in the answer.
REASONS: Mapping[Status | None, Reason] = {
    Status.DENIED: Reason.NEGATED,
    Status.OPEN: Reason.HEDGED,
    Status.NOT_ASSERTED: Reason.CONTRADICTED,
}
_CORRECTS = frozenset("no actually wait correction however but yet fact reality closer sorry".split())


def mention_status(words: Sequence[str], mention: Mention, *, action: bool = True) -> Status:
    """The status of `mention`. With `action`, a thing of the same spelling (see `is_thing`) is not asserted."""
    if mention.denied:
        return Status.DENIED
    first, stop = sentence_bounds(words, mention.start, mention.end)
    if action and is_thing(words, first, mention.start, mention.end, noun=mention.noun, gerund=mention.gerund):
        return Status.NOT_ASSERTED
    return phrase_status(words, first, stop, mention.start, mention.end)


@lru_cache(maxsize=4096)
def is_action_name(name: str) -> bool:
    """Whether a name is an -ing form, which a thing of the same spelling does not assert: "bowling", not "dog"."""
    return inflections.is_gerund(next(iter(words_of(name)), ""))


def final_status(
    words: Sequence[str], mentions: Sequence[Mention], retractions: Sequence[int] = (), *, action: bool = True
) -> tuple[Status | None, Mention | None]:
    """The status of a name after all of its mentions, and the mention that decides it.

    `retractions` are the words that take back what precedes them. The status is None if no mention asserts the name,
    denies it or leaves it open.
    """
    result: tuple[Status | None, Mention | None] = None, None
    for mention in sorted(mentions, key=lambda m: m.start):
        thing = action or words[mention.start].endswith("ing")
        status = Status.DENIED if _is_crossed_out(words, mention.end) else mention_status(words, mention, action=thing)
        if status is Status.SUPPOSED:
            if count_guesses(words, mention.start, mention.end) > 1:
                status = Status.OPEN
            elif is_overruled(words, mention.end):
                status = Status.NOT_ASSERTED
        elif status is Status.STATED and any(mention.end <= mark <= mention.end + _REACH for mark in retractions):
            status = Status.NOT_ASSERTED
        elif status is Status.NOT_ASSERTED:
            continue
        stated = result[0] is Status.STATED or (result[0] is Status.SUPPOSED and status is Status.OPEN)
        if (
            not stated
            or status is Status.STATED
            or (status is Status.DENIED and is_correction(words, mention.start, mention.end))
        ):
            result = status, mention
    return result


def _is_crossed_out(words: Sequence[str], end: int) -> bool:
    """Whether a name is followed by a "no": "yawning: no", "yawning (absent)"."""
    mark, verdict, after = [*words[end : end + 3], *("\n",) * 3][:3]
    return mark in _TICKS and verdict in _NOT_THERE and not after[0].isalnum()


def is_correction(words: Sequence[str], start: int, end: int) -> bool:
    """Whether a denial at words[start:end] takes back an earlier statement: "no, he is not"."""
    first, _ = sentence_bounds(words, start, end)
    return not _CORRECTS.isdisjoint(words[max(0, first - 3) : start])


def is_label_list(words: Sequence[str], mentions: Sequence[Mention]) -> bool:
    """Whether the answer is a list of labels and little else. `mentions`: those of all labels."""
    covered = {k for mention in mentions for k in range(mention.start, mention.end)}
    word_indices = [k for k, word in enumerate(words) if word[0].isalnum()]
    rest = {words[k] for k in word_indices if k not in covered}
    return len(covered) >= 0.8 * len(word_indices) and rest.isdisjoint(("and", "then"))


def asserts_most(words: Sequence[str], others: Mapping[str, Sequence[Mention]], size: int) -> bool:
    """Whether an answer that asserts one label of a set of `size` asserts more than half of it, with `others`."""
    least = max(3, size // 2 + 1)
    if 1 + len(others) < least:
        return False
    asserted = sum(any(mention_status(words, m) in ASSERTED for m in own) for own in others.values())
    return 1 + asserted >= least
