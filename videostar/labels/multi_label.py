"""The label of kind `labels`: several actions that a video shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from videostar.labels.action import is_label_list
from videostar.labels.conclusion import final_part
from videostar.labels.degenerate import answer_content, is_refusal
from videostar.labels.field_types import Name, Share
from videostar.labels.names import readable_name, squash
from videostar.labels.patterns import Mention
from videostar.labels.status import (
    ASSERTED,
    Status,
    count_guesses,
    is_correction,
    is_overruled,
    is_retracted,
    mention_status,
)
from videostar.labels.text import normalise, tokens
from videostar.labels.verdict import Reason, Verdict
from videostar.labels.vocabulary import LabelSet, label_set

_TICKS = frozenset(":;=(,")
_NOT_THERE = frozenset("no false absent none not".split())


class MultiLabel(BaseModel):
    """Several names, of which at least the share `min_recall` is to be said, and the set that they are from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["labels"] = "labels"
    names: tuple[Name, ...] = Field(min_length=1)
    among: tuple[Name, ...] = ()
    min_recall: Share = 1.0

    def words(self) -> str:
        """The names in a row: "clapping, singing and laughing"."""
        return join_words([readable_name(name) for name in self.names])

    @cached_property
    def _distinct(self) -> tuple[str, ...]:
        return tuple({squash(name): name for name in reversed(self.names)}.values())[::-1]

    def judge(self, answer: str, prompt: str | None = None) -> Verdict:
        """Whether `answer` asserts enough of the names; `parsed` are those that it asserts."""
        kept = answer_content(answer, prompt)
        if kept is None:
            return Verdict.no(Reason.DEGENERATE)
        text = normalise(kept)
        final = final_part(text)
        verdict = self._read(tokens(final)) if final else None
        if verdict is None or (verdict.reason is Reason.MISSING and not verdict.parsed):
            whole = self._read(tokens(text))
            if verdict is None or not whole.accepted:
                verdict = whole
        if verdict.reason is Reason.MISSING and not verdict.parsed and is_refusal(text):
            return Verdict.no(Reason.DEGENERATE)
        return verdict

    def _read(self, words: Sequence[str]) -> Verdict:
        said_at = _names(self.names, self.among).find(words)
        places = [m for found in said_at.values() for m in found]
        asserted = []
        reasons = set()
        for name in self._distinct:
            own = [m for m in said_at.get(name, ()) if not any(m.within(o) for o in places)]
            meant = final_status(words, own)
            if meant in ASSERTED:
                asserted.append(name)
            elif meant is Status.DENIED:
                reasons.add(Reason.NEGATED)
            elif meant is Status.OPEN:
                reasons.add(Reason.HEDGED)
        if self._lists_the_set(words, said_at):
            return Verdict.no(Reason.HEDGED)
        score = len(asserted) / len(self._distinct)
        if score >= self.min_recall - 1e-9:
            return Verdict.yes(asserted, score)
        reason = next((r for r in (Reason.HEDGED, Reason.NEGATED) if r in reasons), Reason.MISSING)
        return Verdict.no(reason, asserted, score)

    def _lists_the_set(self, words: Sequence[str], said_at: dict[str, list[Mention]]) -> bool:
        """Whether the answer is the set of labels over again, so that none of them is chosen."""
        others = {squash(n) for n in self.among} - {squash(n) for n in self.names}
        every = len(said_at) >= max(3, 0.8 * len({squash(n) for n in (*self.names, *self.among)}))
        if not others or not every or not any(squash(n) in others for n in said_at):
            return False
        return is_label_list(words, [m for found in said_at.values() for m in found])


@lru_cache(maxsize=256)
def _names(names: tuple[str, ...], among: tuple[str, ...]) -> LabelSet:
    kept = {squash(name): name for name in (*reversed(among), *reversed(names))}
    return label_set(tuple(kept.values())[::-1])


def final_status(words: Sequence[str], mentions: Sequence[Mention]) -> Status | None:
    """How a name that is mentioned at these places is meant in the end; None when it is not meant at all."""
    result: Status | None = None
    for mention in sorted(mentions, key=lambda m: m.start):
        meant = Status.DENIED if _crossed_out(words, mention.end) else mention_status(words, mention)
        if meant in ASSERTED:
            guessed = meant is Status.SUPPOSED and count_guesses(words, mention.start, mention.end) > 1
            result = Status.OPEN if guessed else meant
            if (is_overruled if meant is Status.SUPPOSED else is_retracted)(words, mention.end):
                result = None
        elif meant is Status.DENIED:
            if result in (None, Status.OPEN) or is_correction(words, mention.start, mention.end):
                result = meant
        elif meant is Status.OPEN and result is None:
            result = meant
    return result


def _crossed_out(words: Sequence[str], end: int) -> bool:
    """Whether a name has a "no" to its right: "yawning: no", "yawning (absent)"."""
    mark, verdict, after = [*words[end : end + 3], *("\n",) * 3][:3]
    return mark in _TICKS and verdict in _NOT_THERE and not after[0].isalnum()


def join_words(items: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))
