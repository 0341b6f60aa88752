"""Reads pipeline files, and merges the settings of files and of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from videostar.config import Pipeline
from videostar.util.errors import UserError
from videostar.util.resources import find_resource
from videostar.util.yaml_files import load_mapping, validate

#: Sections that may be written as one of their values alone.
_SHORT = {"data": "name", "executor": "name", "verification.evidence": "model"}


def load_pipeline(name: str | None = None, *, settings: Sequence[str] = (), **overrides: Any) -> Pipeline:
    """The settings of a run: a pipeline file, with changes, such as `load_pipeline(data="my.csv", rounds=1)`.

    Raises UserError if there is no such file, or a key or value is wrong, with the nearest right name.

    Args:
        name: A file of `pipelines/`, by name or path. By default `lvlm` if a model is given, else `embedded` if data
            are given, else `demo`. A file may extend another: its keys replace that one's, section by section.
        settings: Changes by dotted name, as for `--set`: `["training.rank=8", "video.frames=16"]`.
        **overrides: Changes by key, such as `data="my.csv"`, `rounds=1`, `training={"rank": 8}` or `mix=None`.
    """
    default = "lvlm" if "model" in overrides else "embedded" if "data" in overrides else "demo"
    path = find_resource("pipelines", name or default)
    data = _change(_load_extended(path, ()), overrides, settings)
    return validate(data, Pipeline, f"{path} with --set" if settings else str(path))


def override(pipeline: Pipeline, *, settings: Sequence[str] = (), **overrides: Any) -> Pipeline:
    """`pipeline` with changes, given as to `load_pipeline`. Raises UserError."""
    data = _change(pipeline.model_dump(mode="json"), overrides, settings)
    return validate(data, Pipeline, "--set" if settings else "settings of the run")


def _load_extended(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in seen:
        raise UserError(f"{path}: extends itself; remove one `extends`")
    data = _long(load_mapping(path))
    parent = data.pop("extends", None)
    if parent is None:
        return data
    base = _load_extended(find_resource("pipelines", str(parent), path.parent), (*seen, path.resolve()))
    return _merge(base, data)


def _change(data: dict[str, Any], overrides: dict[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    changed = _merge(data, _long(overrides))
    for item in settings:
        _set_dotted(changed, item)
    return changed


def _long(settings: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Settings with those of `_SHORT`, such as `data: NAME`, as mappings, so that they can be merged."""
    found = {}
    for key, value in settings.items():
        name = f"{above}{key}"
        if isinstance(value, dict):
            value = _long(value, f"{name}.")
        found[key] = {_SHORT[name]: value} if name in _SHORT and isinstance(value, str) else value
    return found


def _merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _set_dotted(data: dict[str, Any], item: str) -> None:
    key, equals, value = item.partition("=")
    if not equals or not key:
        raise UserError(f"--set {item}: write section.key=value, such as --set training.rank=8")
    try:
        given = yaml.safe_load(value)
    except yaml.YAMLError:
        raise UserError(f"--set {item}: {value!r} is not a YAML value; quote it") from None
    is_short = key in _SHORT and not isinstance(given, dict) and given is not None
    *sections, last = [*key.split("."), _SHORT[key]] if is_short else key.split(".")
    for section in sections:
        if not isinstance(data.get(section), dict):
            data[section] = {}
        data = data[section]
    data[last] = given
