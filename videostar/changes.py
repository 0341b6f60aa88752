"""What differs between the settings of a run and those that it is now asked for, and which stages that touches."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from videostar.config import Pipeline
from videostar.errors import UserError

# Where things lie, and how much room they have: what they are is known by its digest, and may move. When to stop.
_PLACES = {"data.name", "root", "model", "adapter", "prompts", "mix.data"}
_PLACES |= {"engine.base_url", "cache.folder", "cache.gb", "stop.patience"}
# The first stage that a setting or section touches; the longest name that fits counts.
_FIRST = {
    "training": "01/train",
    "mix": "01/train",
    "generation": "01/generate",
    "generation.max_new_tokens": "00/evaluate",
}
PARTS = ("generate", "version", "train", "evaluate")


def placed(settings: Pipeline) -> Pipeline:
    """The same settings with every path absolute, so that they mean the same from any working folder."""
    change: dict[str, Any] = {
        name: _absolute(value)
        for name in ("model", "adapter", "prompts")
        if (value := getattr(settings, name)) is not None
    }
    change["data"] = settings.data.model_copy(update={"name": _absolute(settings.data.name)})
    if settings.root is not None:  # a path, never a name
        change["root"] = str(Path(settings.root).expanduser().absolute())
    if settings.mix is not None:
        change["mix"] = settings.mix.model_copy(update={"data": _absolute(settings.mix.data)})
    if settings.cache.folder is not None:
        change["cache"] = settings.cache.model_copy(update={"folder": str(settings.cache.home.absolute())})
    return settings.model_copy(update=change)


def _absolute(name: str) -> str:
    """What is there as a path; the name of something shipped, of an entry point or of a hub's model stays."""
    path, colon, rest = name.partition(":")
    found = Path(path).expanduser()
    named = found.suffix == "" and len(found.parts) == 1  # as `demo`, which a folder may be called too
    return name if named or not found.exists() else f"{found.absolute()}{colon}{rest}"


def what(settings: Pipeline) -> dict[str, Any]:
    """Settings by dotted name, without those that only say where things lie."""
    return {name: value for name, value in _flat(settings.model_dump(mode="json")).items() if name not in _PLACES}


def changed(old: Pipeline, new: Pipeline) -> dict[str, str]:
    """`before -> after` of every setting that differs, by dotted name; `rounds` and places left out."""
    before, after = what(old), what(new)
    return {
        name: f"{before.get(name)!r} -> {after.get(name)!r}"
        for name in {**before, **after}
        if before.get(name) != after.get(name) and name != "rounds"
    }


def first_touched(name: str, rounds: int) -> str:
    """The first stage that setting `name` has a say in."""
    if name == "training.final_round":
        return f"{rounds:02}/version"
    while name:
        if name in _FIRST:
            return _FIRST[name]
        name = name.rpartition(".")[0]
    return "00/evaluate"


def stages(rounds: int) -> list[str]:
    """The stages of a run, in order."""
    return ["00/evaluate", *(f"{number:02}/{part}" for number in range(1, rounds + 1) for part in PARTS)]


def written(stage: str) -> list[str]:
    """What a stage writes, below the run."""
    number, part = stage.split("/")
    names = {
        "generate": ["answers.jsonl"],
        "version": ["dataset"],
        "train": ["adapter"],
        "evaluate": ["evaluation.json", "evaluation.jsonl"],
    }[part]
    return [f"rounds/{number}/{name}" for name in names]


def stage_name(said: str, rounds: int) -> str:
    """The stage that a user means by `round-02/train`, `2/train` or `02/train`. Raises UserError."""
    match = re.fullmatch(r"(?:round-?)?(\d+)/(\w+)", said)
    name = f"{int(match[1]):02}/{match[2]}" if match else said
    if name not in stages(rounds):
        raise UserError(f"--restart-from {said}: no such stage; there are {', '.join(stages(rounds))}")
    return name


def _flat(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
