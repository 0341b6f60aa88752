"""Read YAML files into typed settings. Errors name the file, the key and the nearest correct name."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from videostar.util.errors import UserError
from videostar.util.terminal import printable

Model = TypeVar("Model", bound=BaseModel)


def load_mapping(path: Path, loader: type[Any] = yaml.SafeLoader) -> dict[str, Any]:
    """The mapping in the file at `path`, by a safe loader of PyYAML's. Raises UserError if the file has none."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), loader)  # noqa: S506 - ours are safe: SafeLoader, BaseLoader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: holds no `key: value` lines; see the shipped files for the form")
    return data


def validate(data: dict[str, Any], model: type[Model], where: str) -> Model:
    """`data` as an instance of `model`. Raises UserError with each wrong key, its reason and the nearest key."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise UserError(f"{where}: {'; '.join(_message(item, model) for item in error.errors())}") from None


def _message(item: Any, model: type[BaseModel]) -> str:
    location = [str(part) for part in item["loc"] if part != "[key]"]  # pydantic's mark of a wrong key of a mapping
    key = ".".join(location) or "the file"
    if item["type"] == "missing":
        return f"{key}: is missing"
    if item["type"] != "extra_forbidden":
        return f"{printable(key)}: {item['msg'].removeprefix('Value error, ')}, not {item['input']!r}"
    fields = _section(model, location[:-1]).model_fields
    known = [field.alias or name for name, field in fields.items()]
    near = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
    return f"unknown key {key!r}; {hint}"


def _section(model: type[BaseModel], location: list[str]) -> type[BaseModel]:
    """The class of the section at `location`, in which a key is unknown."""
    for part in location:
        if part.isdigit():  # a place in a list
            continue
        annotation = model.model_fields[part].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]  # `Mix | None` holds its class among its arguments
        model = next(option for option in options if isinstance(option, type) and issubclass(option, BaseModel))
    return model
