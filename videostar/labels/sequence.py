"""The label of kind `sequence`: steps in the order of time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar, Literal

from pydantic import Field

from videostar.labels import inflections, lexicon
from videostar.labels.chronology import chronological, sort_numbered_lines
from videostar.labels.cues import ANSWER
from videostar.labels.ellipsis import expand_ellipsis
from videostar.labels.label import ListLabel, Name, Share
from videostar.labels.mentions import is_action_name, mention_status
from videostar.labels.names import readable_name, squash
from videostar.labels.patterns import Mention
from videostar.labels.status import ASSERTED, Status
from videostar.labels.verdict import Reason, Verdict
from videostar.labels.vocabulary import LabelSet, label_set

_INNER_DOT = re.compile(r"(?<=[^\W\d_])\.(?=[^\W\d_])")  # Soms.Pike
_ONWARD = frozenset("into onto in to from on with over".split())
_MAX_MENTIONS = 200  # that are put in order: of more, the first


class Steps(ListLabel):
    """Steps in the order of time."""

    nouns: ClassVar[str] = rf"{ANSWER}|sequence|order"
    minor: ClassVar[str] = "sequence|order|steps?|phases?|moves?|sub actions?|actions|option|choice"

    kind: Literal["sequence"] = "sequence"
    steps: tuple[Name, ...] = Field(min_length=1)
    min_coverage: Share = 1.0  # the share of the steps that an answer must assert in this order

    def words(self) -> str:
        """The steps as a list: "crack eggs, then whisk, then pour into pan"."""
        return ", then ".join(readable_name(step) for step in self.steps)

    @cached_property
    def _names(self) -> LabelSet:
        return label_set(tuple(self._owners))

    @cached_property
    def _owners(self) -> dict[str, str]:
        """From each spelling of a step to the key of the step."""
        owners = {}
        for step in map(_undotted, self.steps):
            for spelling in (step, _with_object(step), _without_be(step)):
                owners[spelling] = squash(step)
        return owners

    @cached_property
    def _keys(self) -> tuple[str, ...]:
        return tuple(squash(_undotted(step)) for step in self.steps)

    @cached_property
    def _names_by_key(self) -> dict[str, str]:
        return dict(zip(reversed(self._keys), reversed(self.steps), strict=True))

    def names_as_written(self) -> tuple[str, ...]:
        """The steps."""
        return self.steps

    def judge(self, answer: str, prompt: str | None = None) -> Verdict:
        """Whether the answer asserts enough of the steps in order.

        `parsed` are the steps that it asserts, in the order of time that it gives. The score is the length of the
        longest common subsequence with the label's steps, as a share of these.
        """
        return super().judge(_undotted(sort_numbered_lines(answer)), prompt and _undotted(prompt))

    def read(self, words: Sequence[str]) -> Verdict:
        """Whether `words` assert enough of the steps in order."""
        words = expand_ellipsis(["," if word in (">", "/") else word for word in words])
        statuses = self._statuses(words)
        keys = {mention: key for mention, key, status in statuses if status in ASSERTED}
        ordered = [keys[m] for m in chronological(words, keys)]
        if len(self._names_by_key) == len(self.steps):
            ordered = list(dict.fromkeys(ordered))  # a step told twice makes no new order
        length = _common(self._keys, ordered)
        parsed = [self._names_by_key[key] for key in ordered]
        score = length / len(self.steps)
        if score >= self.min_coverage - 1e-9:
            return Verdict.yes(parsed, score)
        found = {status for _, _, status in statuses}
        share = sum(key in ordered for key in self._keys) / len(self.steps)
        if Status.OPEN in found:
            reason = Reason.HEDGED
        elif share > score and share >= self.min_coverage - 1e-9:
            reason = Reason.CONTRADICTED
        else:
            reason = Reason.NEGATED if Status.DENIED in found else Reason.MISSING
        return Verdict.no(reason, parsed, score)

    def _statuses(self, words: Sequence[str]) -> list[tuple[Mention, str, Status]]:
        """The mentions of steps in order, with the keys of their steps and how they are meant."""
        matches = [(m, self._owners[name]) for name, mentions in self._names.find(words).items() for m in mentions]
        matches = [(m, key) for m, key in matches if not any(m.within(other) for other, _ in matches)]
        statuses = []
        for mention, key in sorted(matches, key=lambda match: match[0].start)[:_MAX_MENTIONS]:
            action = is_action_name(self._names_by_key[key]) or words[mention.start].endswith("ing")
            statuses.append((mention, key, mention_status(words, mention, action=action)))
        return statuses


def _with_object(step: str) -> str:
    """A step that lacks an object, with any object: "pour into pan" -> pour something into pan."""
    verb, _, rest = readable_name(step).partition(" ")
    return f"{verb} something {rest}" if rest.split(" ")[0] in _ONWARD and inflections.is_verb(verb) else step


def _without_be(step: str) -> str:
    """A step without its auxiliary: "a dog is digging" -> a dog digging."""
    return " ".join(word for word in step.split() if word.lower() not in lexicon.BE) or step


def _undotted(text: str) -> str:
    return _INNER_DOT.sub(" ", text)


def _common(steps: Sequence[str], ordered: Sequence[str]) -> int:
    """The length of the longest common subsequence of two sequences."""
    row = [0] * (len(ordered) + 1)
    for step in steps:
        diagonal = 0
        for k, key in enumerate(ordered, start=1):
            diagonal, row[k] = row[k], diagonal + 1 if step == key else max(row[k], row[k - 1])
    return row[-1]
