"""The label of kind `boolean`: yes or no."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from videostar.labels.answer import Answer
from videostar.labels.claim import Claim
from videostar.labels.label import Label, Name
from videostar.labels.languages import languages_of
from videostar.labels.languages.translation import translate
from videostar.labels.replies import find_replies
from videostar.labels.settle import Candidate, Exclusive, settle
from videostar.labels.statements import find_statements
from videostar.labels.verdict import Reason, Verdict


class Boolean(Label):
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
    def _claim(self) -> Claim | None:
        return (
            Claim(translate(self.statement), as_written=bool(languages_of(self.statement))) if self.statement else None
        )

    def judge_parsed(self, answer: Answer) -> Verdict:
        """Whether the answer gives the value; `parsed` is the value that it gives."""
        settled = settle(answer, self._candidates(answer), find_statements(answer), exclusive=Exclusive.SENTENCE)
        if settled.candidate is None:
            if not settled.hedged and answer.is_refusal:
                return Verdict.no(Reason.DEGENERATE)
            return Verdict.no(Reason.HEDGED if settled.hedged else Reason.UNPARSED)
        value = settled.candidate.value
        return Verdict.yes(value) if value is self.value else Verdict.no(Reason.CONTRADICTED, value)

    def _candidates(self, answer: Answer) -> list[Candidate]:
        replies = find_replies(answer)
        if self._claim is None:
            return replies
        own = self._claim.candidates(answer)
        if self._claim.negative:  # "No, he does not close it"
            sentences = {answer.sentence(c.first) for c in own}
            replies = [reply for reply in replies if answer.sentence(reply.first) not in sentences]
        return sorted([*replies, *own], key=lambda c: c.first)
