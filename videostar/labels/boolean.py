"""The label of kind `boolean`: yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from videostar.labels.conclusion import conclusions
from videostar.labels.degenerate import is_refusal
from videostar.labels.label import ContentLabel, Name
from videostar.labels.polarity import Reply, Statement, find_replies
from videostar.labels.text import normalise, tokens
from videostar.labels.verdict import Reason, Verdict


class Boolean(ContentLabel):
    """A yes or a no."""

    kind: Literal["boolean"] = "boolean"
    value: bool
    statement: Name | None = None  # the sentence that is true or false

    def words(self) -> str:
        """The statement, or that it is not true; without a statement "yes" or "no"."""
        if self.statement is None:
            return "yes" if self.value else "no"
        return self.statement if self.value else f"no, it is not true that {self.statement}"

    @cached_property
    def _statement(self) -> Statement | None:
        return Statement(self.statement) if self.statement else None

    def judge_content(self, content: str) -> Verdict:
        """Whether `content` gives the value; `parsed` is the value that it gives."""
        text = normalise(content)
        value, hedged = self._settled(text)
        if value is None:
            if not hedged and is_refusal(text):
                return Verdict.no(Reason.DEGENERATE)
            return Verdict.no(Reason.HEDGED if hedged else Reason.UNPARSED)
        return Verdict.yes(value) if value is self.value else Verdict.no(Reason.CONTRADICTED, value)

    def _settled(self, text: str) -> tuple[bool | None, bool]:
        """The value that the text gives, or None; and whether it hedges."""
        for line in conclusions(text):
            replies = self._read(tokens(line))
            if replies:
                return replies[0].value, replies[0].value is None
        return _agreed(self._read(tokens(text)))

    def _read(self, words: Sequence[str]) -> list[Reply]:
        replies = find_replies(words)
        if self._statement is not None:
            own = self._statement.find_replies(words)
            if self._statement.negative:
                sentences = {t.sentence for t in own}
                replies = [t for t in replies if t.sentence not in sentences]
            replies = replies + own
        return sorted(replies, key=lambda t: t.at)


def _agreed(replies: Sequence[Reply]) -> tuple[bool | None, bool]:
    """The value that all replies agree on, or that corrects the others; without one None, and whether they hedge."""
    values = {t.value for t in replies if t.value is not None}
    if len(values) == 1:
        undecided = replies[-1].value is None
        return (None, True) if undecided else (values.pop(), False)
    if not values:
        return None, bool(replies)
    last = [t for t in replies if t.value is not None][-1]
    return (last.value, False) if last.corrects else (None, True)
