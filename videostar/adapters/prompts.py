"""Prompt files: how a task is asked, and how it is asked again with the label given away."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, UndefinedError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import SandboxedEnvironment
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from videostar.util.errors import UserError
from videostar.util.resources import find_resource
from videostar.util.yaml_files import load_mapping, validate

# Values are put in once and never read as templates, so a label with braces arrives as text.
_TEMPLATES = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


class Prompts(BaseModel):
    """One file of `prompts/`: templates that may name the columns of a row and `label`, the label in words.

    In `rationalise`, `question` is the whole question as it was asked; in `questions`, it is the row's column.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    questions: tuple[str, ...] = Field(min_length=1)
    rationalise: tuple[str, ...] = Field(min_length=1)
    template: str
    _file: str = PrivateAttr("")  # what it was read from

    @property
    def file(self) -> str:
        """The name of the file, such as `action.yaml`."""
        return self._file

    @field_validator("questions", "rationalise", "template")
    @classmethod
    def _parses(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for text in (value,) if isinstance(value, str) else value:
            try:
                _TEMPLATES.from_string(text)
            except TemplateError as error:
                raise ValueError(f"{text!r}: {error}; write names as {{{{ label }}}}") from None
        return value

    def render(self, text: str, values: Mapping[str, Any]) -> str:
        """`text` with its `{{ names }}` filled in. Raises UserError for a name that there is no value for."""
        try:
            template, names = _compiled(text)
            said = tuple(values.get(name) for name in names)
            # A million rows share a few labels. Of other values equal ones may be written differently: 1, 1.0, True.
            return _filled(text, said) if all(type(value) is str for value in said) else template.render(values)
        except UndefinedError as error:
            raise UserError(f"prompt {text!r}: {error}; there are {', '.join(sorted(values))}") from None
        except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
            raise UserError(f"prompt {text!r}: {error}") from None


@cache
def _compiled(text: str) -> tuple[Template, tuple[str, ...]]:
    """The template, and the names that it looks up."""
    return _TEMPLATES.from_string(text), tuple(sorted(find_undeclared_variables(_TEMPLATES.parse(text))))


@lru_cache(maxsize=8192)
def _filled(text: str, said: tuple[str, ...]) -> str:
    template, names = _compiled(text)
    return template.render(zip(names, said, strict=True))


@cache
def load_prompts(name: str, beside: Path | None = None) -> Prompts:
    """The prompts called `name`, or at that path (relative to the folder `beside`).

    Raises UserError when there is no such file or it says something that is not understood.
    """
    path = find_resource("prompts", name, beside)
    prompts = validate(load_mapping(path), Prompts, str(path))
    prompts._file = path.name
    return prompts
