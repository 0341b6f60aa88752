"""Prompt files: how a task is asked, and how it is asked again with the label given away."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field, field_validator

from videostar.labels import Label, parse_label
from videostar.resources import find_resource
from videostar.samples import Data, Sample
from videostar.yaml_files import load_mapping, validate

# Values are put in once and never read as templates, so a label with braces arrives as text.
_TEMPLATES = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


class Prompts(BaseModel):
    """One file of `prompts/`: templates that may name `label` and, to rationalise, `question`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    questions: tuple[str, ...] = Field(min_length=1)
    rationalise: tuple[str, ...] = Field(min_length=1)
    template: str

    @field_validator("questions", "rationalise", "template")
    @classmethod
    def _renders(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for text in (value,) if isinstance(value, str) else value:
            try:
                _TEMPLATES.from_string(text).render(question="q", label="l")
            except TemplateError as error:
                raise ValueError(
                    f"{text!r}: {error}; a template may use {{{{ question }}}} and {{{{ label }}}}"
                ) from None
        return value

    def render(self, text: str, **values: str) -> str:
        """`text` with its `{{ names }}` filled in."""
        return _TEMPLATES.from_string(text).render(**values)


@cache
def load_prompts(name: str, beside: Path | None = None) -> Prompts:
    """The prompts called `name`, or at that path (relative to the folder `beside`).

    Raises UserError when there is no such file or it says something that is not understood.
    """
    path = find_resource("prompts", name, beside)
    return validate(load_mapping(path), Prompts, str(path))


@dataclass(frozen=True)
class Question:
    """One question about one video, the same in every round."""

    id: str
    text: str
    hinted: str  # the same question with the label given away
    template_answer: str  # the label in a fixed sentence
    label: Label


class LabelAdapter:
    """From a sample's label to its question: the phrasing is drawn from the seed and the sample's id."""

    def __init__(self, data: Data, prompts: Prompts, seed: int) -> None:
        self.prompts, self.seed = prompts, seed
        self.labels = {
            name: parse_label({"kind": data.manifest.kind, "name": name, "among": data.labels}) for name in data.labels
        }

    def question(self, sample: Sample) -> Question:
        """The sample's question, its hinted form and its label."""
        label = self.labels[sample.label]
        draw = random.Random(f"{self.seed}/{sample.id}")
        text = draw.choice(self.prompts.questions)
        return Question(
            id=sample.id,
            text=text,
            hinted=self.prompts.render(draw.choice(self.prompts.rationalise), question=text, label=label.words()),
            template_answer=self.prompts.render(self.prompts.template, label=label.words()),
            label=label,
        )
