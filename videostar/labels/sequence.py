"""The label of kind `sequence`: steps in the order of time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from pydantic import Field

from videostar.labels import lexicon
from videostar.labels.chronology import chronological, sort_numbered_lines
from videostar.labels.conclusion import final_part
from videostar.labels.degenerate import is_refusal
from videostar.labels.ellipsis import expand_ellipsis
from videostar.labels.label import ContentLabel, Name, Share
from videostar.labels.names import readable_name, squash
from videostar.labels.patterns import Mention
from videostar.labels.scripts import read_scripts
from videostar.labels.status import ASSERTED, Status, mention_status
from videostar.labels.text import normalise, tokens
from videostar.labels.verdict import Reason, Verdict
from videostar.labels.vocabulary import LabelSet, label_set

_INNER_DOT = re.compile(r"(?<=[^\W\d_])\.(?=[^\W\d_])")  # Soms.Pike
_ARROW = re.compile(r"[ \t]/[ \t]|[-=]>")  # one step / the next -> the last
_ONWARD = frozenset("into onto in to from on with over".split())
_MAX_MENTIONS = 200  # that are put in order: of more, the first


class Steps(ContentLabel):
    """Steps in the order of time."""

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
            owners[_with_object(step)] = owners[step] = squash(step)
        return owners

    @cached_property
    def _keys(self) -> tuple[str, ...]:
        return tuple(squash(_undotted(step)) for step in self.steps)

    def judge_content(self, content: str) -> Verdict:
        """Whether `content` asserts enough of the steps in order.

        `parsed` are the steps that it asserts, in the order of time that it gives. The score is the length of the
        longest common subsequence with the label's steps, as a share of these.
        """
        text = normalise(_ARROW.sub(", ", _undotted(sort_numbered_lines(read_scripts(content, self.steps)))))
        final = final_part(text)
        verdict = self._read(expand_ellipsis(tokens(final))) if final else None
        if verdict is None or (verdict.reason is Reason.MISSING and not verdict.parsed):
            verdict = self._read(expand_ellipsis(tokens(text)))
        if verdict.reason is Reason.MISSING and not verdict.parsed and is_refusal(text):
            return Verdict.no(Reason.DEGENERATE)
        return verdict

    def _read(self, words: Sequence[str]) -> Verdict:
        matches = [(m, self._owners[name]) for name, mentions in self._names.find(words).items() for m in mentions]
        matches = [(m, key) for m, key in matches if not any(m.within(other) for other, _ in matches)]
        keys: dict[Mention, str] = {}
        reasons = set()
        for mention, key in sorted(matches, key=lambda f: f[0].start)[:_MAX_MENTIONS]:
            status = mention_status(words, mention)
            if status in ASSERTED:
                keys[mention] = key
            elif status is Status.DENIED:
                reasons.add(Reason.NEGATED)
            elif status is Status.OPEN:
                reasons.add(Reason.HEDGED)
        ordered = [keys[m] for m in chronological(words, keys)]
        length = _common(self._keys, ordered)
        parsed = [self.steps[self._keys.index(key)] for key in ordered]
        score = length / len(self.steps)
        if score >= self.min_coverage - 1e-9:
            return Verdict.yes(parsed, score)
        asserted = sum(key in ordered for key in self._keys)
        if Reason.HEDGED in reasons:
            return Verdict.no(Reason.HEDGED, parsed, score)
        if asserted > length and asserted / len(self.steps) >= self.min_coverage - 1e-9:
            return Verdict.no(Reason.CONTRADICTED, parsed, score)
        return Verdict.no(Reason.NEGATED if reasons else Reason.MISSING, parsed, score)


def _with_object(step: str) -> str:
    """A step that lacks an object, with any object: "pour into pan" -> pour something into pan."""
    verb, _, rest = readable_name(step).partition(" ")
    return f"{verb} something {rest}" if rest.split(" ")[0] in _ONWARD and lexicon.is_verb(verb) else step


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
