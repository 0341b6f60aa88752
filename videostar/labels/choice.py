"""The label of kind `choice`: the right one of several options."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, model_validator

from videostar.labels.conclusion import conclusions
from videostar.labels.degenerate import is_refusal
from videostar.labels.label import ContentLabel, Name
from videostar.labels.options import Options, Pick
from videostar.labels.scripts import read_scripts
from videostar.labels.text import normalise, tokens
from videostar.labels.verdict import Reason, Verdict

MAX_OPTIONS = 26


class Choice(ContentLabel):
    """The right one of several options."""

    kind: Literal["choice"] = "choice"
    options: Annotated[Mapping[Name, Name], Field(min_length=2, max_length=MAX_OPTIONS)]  # texts by their letters
    answer: Name  # the letter of the right one

    @model_validator(mode="after")
    def _answer_is_an_option(self) -> Choice:
        if self.answer not in self.options:
            raise ValueError(f"answer {self.answer!r} is not one of the options {', '.join(self.options)}")
        if len({key.casefold() for key in self.options}) < len(self.options):
            raise ValueError("two options have the same letter")
        return self

    def words(self) -> str:
        """The letter and the text of the right option: "B. The phone"."""
        return f"{self.answer}. {self.options[self.answer]}"

    @cached_property
    def _options(self) -> Options:
        return Options(self.options)

    def judge_content(self, content: str) -> Verdict:
        """Whether `content` chooses the right option; `parsed` is the letter that it chooses."""
        text = normalise(self._options.mark_letters(read_scripts(content, tuple(self.options.values()))))
        pick = self._pick(text)
        if pick.key == self.answer:
            return Verdict.yes(self.answer)
        if pick.key is not None:
            return Verdict.no(Reason.CONTRADICTED, pick.key)
        if pick.hedged:
            return Verdict.no(Reason.HEDGED)
        if is_refusal(text):
            return Verdict.no(Reason.DEGENERATE)
        return Verdict.no(Reason.NEGATED if self.answer in pick.denied else Reason.UNPARSED)

    def _pick(self, text: str) -> Pick:
        for line in conclusions(text):
            pick = self._options.pick(tokens(line), final=True)
            if pick.key is not None or pick.hedged:
                return pick
        return self._options.pick(tokens(text), final=False)
