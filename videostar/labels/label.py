"""The base classes of all kinds of label, and types of fields that several of them have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from videostar.labels.degenerate import answer_content
from videostar.labels.verdict import Reason, Verdict

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class Label(BaseModel, ABC):
    """What an answer must contain. `parse_label` makes one of a JSON object."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @abstractmethod
    def judge(self, answer: str, prompt: str | None = None) -> Verdict:
        """Whether the free text `answer`, a reply to `prompt`, contains this label. Never raises."""

    @abstractmethod
    def words(self) -> str:
        """The label in words, as a sentence would have it."""


class ContentLabel(Label):
    """A label that judges an answer without an echo of the prompt and without a looping tail."""

    def judge(self, answer: str, prompt: str | None = None) -> Verdict:
        """Whether `answer`, a reply to `prompt`, contains this label, see `judge_content`."""
        content = answer_content(answer, prompt)
        return Verdict.no(Reason.DEGENERATE) if content is None else self.judge_content(content)

    @abstractmethod
    def judge_content(self, content: str) -> Verdict:
        """The verdict on `content`, see `answer_content`."""
