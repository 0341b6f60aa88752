"""The label of kind `choice`: the right one of several options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, model_validator

from videostar.labels.answer import Answer
from videostar.labels.cues import ANSWER
from videostar.labels.label import Label, Name
from videostar.labels.options import Options
from videostar.labels.settle import Exclusive, settle
from videostar.labels.statements import find_statements
from videostar.labels.verdict import Reason, Verdict

MAX_OPTIONS = 26
_MINOR = "option|choice|selection|pick|caption|description|statement|match|sentence|one|action|event|person|object"


class Choice(Label):
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

    def names_as_written(self) -> tuple[str, ...]:
        """The texts of the options."""
        return tuple(self.options.values())

    def listing(self) -> str:
        """The options as a question shows them, one a line."""
        return "\n".join(f"({letter}) {text}" for letter, text in self.options.items())

    def in_order(self, order: Sequence[int]) -> Choice:
        """The same options, those at the places `order` of today's; letters keep their places."""
        texts = list(self.options.values())
        letters = list(self.options)
        right = letters[list(order).index(letters.index(self.answer))]
        options = dict(zip(letters, (texts[place] for place in order), strict=True))
        return Choice(options=options, answer=right)

    @cached_property
    def _options(self) -> Options:
        return Options(self.options)

    def judge_parsed(self, answer: Answer) -> Verdict:
        """Whether the answer chooses the right option; `parsed` is the letter that it chooses."""
        statements = find_statements(answer, ANSWER, _MINOR)
        candidates = self._options.candidates(answer, statements)
        settled = settle(answer, candidates, statements, exclusive=Exclusive.SENTENCE)
        keys = list(self.options)
        chosen = keys[settled.candidate.value] if settled.candidate else None
        if chosen is None and not settled.hedged:
            left = [key for k, key in enumerate(keys) if k not in settled.denied]
            chosen = left[0] if len(left) == 1 and len(keys) > 2 else None  # all others are dismissed
        if chosen == self.answer:
            return Verdict.yes(self.answer)
        if chosen is not None:
            return Verdict.no(Reason.CONTRADICTED, chosen)
        if settled.hedged:
            return Verdict.no(Reason.HEDGED)
        if answer.is_refusal:
            return Verdict.no(Reason.DEGENERATE)
        return Verdict.no(Reason.NEGATED if keys.index(self.answer) in settled.denied else Reason.UNPARSED)
