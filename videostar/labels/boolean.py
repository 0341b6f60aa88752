"""The label of kind `boolean`: yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict

from videostar.labels.conclusion import conclusions
from videostar.labels.degenerate import answer_content, is_refusal
from videostar.labels.field_types import Name
from videostar.labels.polarity import Reply, Statement, find_replies
from videostar.labels.text import normalise, tokens
from videostar.labels.verdict import Reason, Verdict


class Boolean(BaseModel):
    """A yes or a no, and the statement that it is about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["boolean"] = "boolean"
    value: bool
    statement: Name | None = None

    def words(self) -> str:
        """What is so: the statement or "no: " before it; without one "yes" or "no"."""
        if self.statement is None:
            return "yes" if self.value else "no"
        return self.statement if self.value else f"no, it is not true that {self.statement}"

    @cached_property
    def _statement(self) -> Statement | None:
        return Statement(self.statement) if self.statement else None

    def judge(self, answer: str, prompt: str | None = None) -> Verdict:
        """Whether `answer` settles on the value; `parsed` is the value that it settles on."""
        kept = answer_content(answer, prompt)
        if kept is None:
            return Verdict.no(Reason.DEGENERATE)
        text = normalise(kept)
        value, hedged = self._settled(text)
        if value is None:
            if not hedged and is_refusal(text):
                return Verdict.no(Reason.DEGENERATE)
            return Verdict.no(Reason.HEDGED if hedged else Reason.UNPARSED)
        return Verdict.yes(value) if value is self.value else Verdict.no(Reason.CONTRADICTED, value)

    def _settled(self, text: str) -> tuple[bool | None, bool]:
        for line in conclusions(text):
            told_there = self._read(tokens(line))
            if told_there:
                return told_there[0].value, told_there[0].value is None
        return _agreed(self._read(tokens(text)))

    def _read(self, words: Sequence[str]) -> list[Reply]:
        found = find_replies(words)
        if self._statement is not None:
            about = self._statement.find_replies(words)
            if self._statement.negative:
                sentences = {t.sentence for t in about}
                found = [t for t in found if t.sentence not in sentences]
            found = found + about
        return sorted(found, key=lambda t: t.at)


def _agreed(told_there: Sequence[Reply]) -> tuple[bool | None, bool]:
    """The value that all agree on, or that corrects the others; else None, and whether there was any."""
    values = {t.value for t in told_there if t.value is not None}
    if len(values) == 1:
        undecided = told_there[-1].value is None
        return (None, True) if undecided else (values.pop(), False)
    if not values:
        return None, bool(told_there)
    last = [t for t in told_there if t.value is not None][-1]
    return (last.value, False) if last.corrects else (None, True)
