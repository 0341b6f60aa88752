"""The label of kind `labels`: several actions that a video shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Literal

from pydantic import Field

from videostar.labels.action import is_label_list
from videostar.labels.conclusion import final_part
from videostar.labels.degenerate import is_refusal
from videostar.labels.label import ContentLabel, Name, Share
from videostar.labels.names import readable_name, squash
from videostar.labels.patterns import Mention
from videostar.labels.scripts import read_scripts
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


class MultiLabel(ContentLabel):
    """Several actions by name."""

    kind: Literal["labels"] = "labels"
    names: tuple[Name, ...] = Field(min_length=1)
    among: tuple[Name, ...] = ()  # the label set that the names are from
    min_recall: Share = 1.0  # the share of the names that an answer must assert

    def words(self) -> str:
        """The names as a list: "clapping, singing and laughing"."""
        return join_words([readable_name(name) for name in self.names])

    @cached_property
    def _distinct(self) -> tuple[str, ...]:
        return tuple({squash(name): name for name in reversed(self.names)}.values())[::-1]

    def judge_content(self, content: str) -> Verdict:
        """Whether `content` asserts enough of the names; `parsed` are the ones that it asserts."""
        text = normalise(read_scripts(content, self.names + self.among))
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
        mentions = _names(self.names, self.among).find(words)
        all_mentions = [m for places in mentions.values() for m in places]
        asserted = []
        reasons = set()
        for name in self._distinct:
            own = [m for m in mentions.get(name, ()) if not any(m.within(o) for o in all_mentions)]
            status = final_status(words, own)
            if status in ASSERTED:
                asserted.append(name)
            elif status is Status.DENIED:
                reasons.add(Reason.NEGATED)
            elif status is Status.OPEN:
                reasons.add(Reason.HEDGED)
        if self._lists_the_set(words, mentions):
            return Verdict.no(Reason.HEDGED)
        score = len(asserted) / len(self._distinct)
        if score >= self.min_recall - 1e-9:
            return Verdict.yes(asserted, score)
        reason = next((r for r in (Reason.HEDGED, Reason.NEGATED) if r in reasons), Reason.MISSING)
        return Verdict.no(reason, asserted, score)

    def _lists_the_set(self, words: Sequence[str], mentions: dict[str, list[Mention]]) -> bool:
        """Whether the answer only repeats the label set, so that it chooses none of the names."""
        others = {squash(n) for n in self.among} - {squash(n) for n in self.names}
        every = len(mentions) >= max(3, 0.8 * len({squash(n) for n in (*self.names, *self.among)}))
        if not others or not every or not any(squash(n) in others for n in mentions):
            return False
        return is_label_list(words, [m for places in mentions.values() for m in places])


@lru_cache(maxsize=256)
def _names(names: tuple[str, ...], among: tuple[str, ...]) -> LabelSet:
    kept = {squash(name): name for name in (*reversed(among), *reversed(names))}
    return label_set(tuple(kept.values())[::-1])


def final_status(words: Sequence[str], mentions: Sequence[Mention]) -> Status | None:
    """The status of a name after all of its mentions; None if no mention asserts, denies or leaves it open."""
    result: Status | None = None
    for mention in sorted(mentions, key=lambda m: m.start):
        status = Status.DENIED if _crossed_out(words, mention.end) else mention_status(words, mention)
        if status in ASSERTED:
            guessed = status is Status.SUPPOSED and count_guesses(words, mention.start, mention.end) > 1
            result = Status.OPEN if guessed else status
            if (is_overruled if status is Status.SUPPOSED else is_retracted)(words, mention.end):
                result = None
        elif status is Status.DENIED:
            if result in (None, Status.OPEN) or is_correction(words, mention.start, mention.end):
                result = status
        elif status is Status.OPEN and result is None:
            result = status
    return result


def _crossed_out(words: Sequence[str], end: int) -> bool:
    """Whether a name is followed by a "no": "yawning: no", "yawning (absent)"."""
    mark, verdict, after = [*words[end : end + 3], *("\n",) * 3][:3]
    return mark in _TICKS and verdict in _NOT_THERE and not after[0].isalnum()


def join_words(items: Sequence[str]) -> str:
    """Joins words to a list: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))
