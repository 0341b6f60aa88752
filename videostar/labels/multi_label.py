"""The label of kind `labels`: several actions that a video shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import ClassVar, Literal

from pydantic import Field

from videostar.labels.cues import ANSWER
from videostar.labels.label import ListLabel, Name, Share
from videostar.labels.mentions import REASONS, asserts_most, final_status, is_action_name, is_label_list
from videostar.labels.names import readable_name, squash
from videostar.labels.patterns import Mention
from videostar.labels.status import ASSERTED, Status
from videostar.labels.verdict import Reason, Verdict
from videostar.labels.vocabulary import LabelSet, label_set


class MultiLabel(ListLabel):
    """Several actions or things by name."""

    nouns: ClassVar[str] = rf"{ANSWER}|labels?"
    minor: ClassVar[str] = "labels?|actions?|activities|names?|objects?|things|items|events?|classes|categories|tags"

    kind: Literal["labels"] = "labels"
    names: tuple[Name, ...] = Field(min_length=1)
    among: tuple[Name, ...] = ()  # the label set that the names are from
    min_recall: Share = 1.0  # the share of the names that an answer must assert

    def words(self) -> str:
        """The names as a list: "clapping, singing and laughing"."""
        return join_words([readable_name(name) for name in self.names])

    @cached_property
    def _keys(self) -> frozenset[str]:
        return frozenset(map(squash, self.names))

    @cached_property
    def _distinct(self) -> tuple[str, ...]:
        return tuple({squash(name): name for name in reversed(self.names)}.values())[::-1]

    def names_as_written(self) -> tuple[str, ...]:
        """The names and the label set."""
        return self.names + self.among

    def read(self, words: Sequence[str]) -> Verdict:
        """Whether `words` assert enough of the names; `parsed` are the ones that they assert."""
        mentions = _names(self.names, self.among).find(words)
        every = [m for places in mentions.values() for m in places]
        statuses = {}
        for name in self._distinct:
            own = [m for m in mentions.get(name, ()) if not any(m.within(o) for o in every)]
            statuses[name], _ = final_status(words, own, action=is_action_name(name))
        asserted = [name for name, status in statuses.items() if status in ASSERTED]
        if self._lists_the_set(words, mentions, asserted):
            return Verdict.no(Reason.HEDGED)
        score = len(asserted) / len(self._distinct)
        if score >= self.min_recall - 1e-9:
            return Verdict.yes(asserted, score)
        reasons = [REASONS[status] for status in (Status.OPEN, Status.DENIED) if status in statuses.values()]
        return Verdict.no(reasons[0] if reasons else Reason.MISSING, asserted, score)

    def _lists_the_set(
        self, words: Sequence[str], mentions: Mapping[str, list[Mention]], asserted: Sequence[str]
    ) -> bool:
        """Whether the answer only repeats the label set, or asserts most of it, so that it chooses none."""
        others = {name: places for name, places in mentions.items() if squash(name) not in self._keys}
        size = len(self._keys | {squash(name) for name in self.among})
        if not others:
            return False
        if asserted and size > 2 * len(self._distinct) and asserts_most(words, others, size):
            return True
        places = [m for places in mentions.values() for m in places]
        return len(mentions) >= max(3, 0.8 * size) and is_label_list(words, places)


@lru_cache(maxsize=256)
def _names(names: tuple[str, ...], among: tuple[str, ...]) -> LabelSet:
    kept = {squash(name): name for name in (*reversed(among), *reversed(names))}
    return label_set(tuple(kept.values())[::-1])


def join_words(items: Sequence[str]) -> str:
    """Joins words to a list: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))
