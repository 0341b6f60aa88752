"""What differs between the settings of a run and those that it is now asked for, and which stages that touches."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from videostar.config import Pipeline
from videostar.util.errors import UserError

# Where things lie, and how much room they have: what they are is known by its digest, and may move. When to stop.
_PLACES = {"data.name", "root", "model", "adapter", "prompts", "mix.data"}
_PLACES |= {"engine.base_url", "cache.folder", "cache.gb", "stop.patience"}
# The first stage that a setting or section touches; the longest name that fits counts. All else touches the first of
# all: rows to learn from as well, since an answer may name any action of the data.
_FIRST = {
    "training": "01/train",
    "training.start_from": "02/train",  # the first round has no adapter to go on from
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


def first_touched(name: str, rounds: int) -> str | None:
    """The first stage of a run of so many rounds that setting `name` has a say in; None if it has in none."""
    first = "00/evaluate"
    if name == "training.final_round":
        first = f"{max(2, rounds):02}/version"  # never the first round's
    else:
        while name:
            if name in _FIRST:
                first = _FIRST[name]
                break
            name = name.rpartition(".")[0]
    return first if first in stages(rounds) else None


def acting(settings: Pipeline, stage: str) -> dict[str, Any]:
    """Settings by dotted name that have a say in that stage of the first two rounds or in an earlier one."""
    order = stages(2)
    until = order.index(stage)
    return {
        name: value
        for name, value in what(settings).items()
        if name != "rounds" and (first := first_touched(name, 2)) and order.index(first) <= until
    }


def check_settings(folder: Path, old: Pipeline, new: Pipeline, restart_from: str | None) -> None:
    """Raises UserError when the run in `folder` cannot go on with the settings `new`, or not from that stage."""
    rounds = min(old.rounds, new.rounds)  # a stage that only one of them has was not made with the old settings
    differences = changed(old, new).items()
    touched = {f"{name}: {change}": first for name, change in differences if (first := first_touched(name, rounds))}
    if restart_from is not None:
        check_restart(restart_from, new.rounds, touched)
    elif touched:
        said = "; ".join(f"{change} (from {stage} on)" for change, stage in touched.items())
        raise UserError(
            f"{folder}: was made with other settings: {said}; use those, give another --out, or go on on purpose: "
            f"--restart-from {min(touched.values(), key=stages(rounds).index)}"
        )


def check_restart(restart_from: str, rounds: int, touched: Mapping[str, str]) -> None:
    """Raises UserError when `--restart-from` names no stage, or a later one than the first that a change touches.

    What was made before the change and what is made after it would stand in one table.
    """
    order = stages(rounds)
    start = order.index(stage_name(restart_from, rounds))
    for change, stage in sorted(touched.items(), key=lambda item: order.index(item[1])):
        if start > order.index(stage):
            raise UserError(
                f"--restart-from {restart_from}: {stage} is the first stage that {change} touches; give "
                f"--restart-from {stage} or an earlier one"
            )


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
        "evaluate": ["evaluation.json", "evaluation.jsonl", "validation.jsonl"],
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
