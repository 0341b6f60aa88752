"""Prompt files: templates of questions, of hinted questions (rationalisation) and of template answers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, UndefinedError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import SandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from videostar.adapters.final_line import lead_of
from videostar.util.errors import UserError
from videostar.util.resources import find_resource
from videostar.util.yaml_files import load_mapping, validate

# Values are inserted once and never parsed as templates, so a label with braces stays text.
_TEMPLATES = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


class Prompts(BaseModel):
    """One file of `prompts/`: templates that may use the columns of a row and `label`, the label in words.

    In `rationalise`, `question` is the rendered question; elsewhere it is the row's column of that name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    questions: tuple[str, ...] = Field(min_length=1)
    rationalise: tuple[str, ...] = Field(min_length=1)
    template: str
    final_line: str | None = None  # what a model is asked to write last, such as "Answer: <letter>"
    _file: str = PrivateAttr("")  # name of the file that it was read from

    @property
    def file(self) -> str:
        """The name of the file, such as `action.yaml`."""
        return self._file

    @field_validator("questions", "rationalise", "template", "final_line")
    @classmethod
    def _parses(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for text in (value,) if isinstance(value, str) else value or ():
            try:
                _TEMPLATES.from_string(text)
            except TemplateError as error:
                raise ValueError(f"{text!r}: {error}; write names as {{{{ label }}}}") from None
        return value

    @field_validator("final_line")
    @classmethod
    def _has_a_lead(cls, line: str | None) -> str | None:
        if line is not None:
            lead_of(line)
        return line

    def render(self, text: str, values: Mapping[str, Any]) -> str:
        """`text` with its `{{ names }}` filled in. Raises UserError for a name that there is no value for."""
        try:
            template, names = _compiled(text)
            used = tuple(values.get(name) for name in names)
            # A million rows share a few labels. Only texts are cached: 1, 1.0 and True are equal, but not in words.
            return _filled(text, used) if all(type(value) is str for value in used) else template.render(values)
        except UndefinedError as error:
            raise UserError(f"prompt {text!r}: {error}; there are {', '.join(sorted(values))}") from None
        except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise UserError(f"prompt {text!r}: {error}") from None


@cache
def _compiled(text: str) -> tuple[Template, tuple[str, ...]]:
    """The template and the names that it uses."""
    return _TEMPLATES.from_string(text), tuple(sorted(find_undeclared_variables(_TEMPLATES.parse(text))))


@lru_cache(maxsize=8192)
def _filled(text: str, values: tuple[str, ...]) -> str:
    template, names = _compiled(text)
    return template.render(zip(names, values, strict=True))


@cache
def load_prompts(name: str, beside: Path | None = None) -> Prompts:
    """The prompts called `name`, or at that path (relative to the folder `beside`).

    Raises UserError if there is no such file or it is wrong.
    """
    path = find_resource("prompts", name, beside)
    prompts = validate(load_mapping(path), Prompts, str(path))
    prompts._file = path.name
    return prompts
