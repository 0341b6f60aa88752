"""Differences between the settings of a run and those given now, and the first stage that each affects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from videostar.adapters.distractors import RANDOM
from videostar.config import Pipeline
from videostar.config.training import ROUNDING_ONLY
from videostar.runs.stage_names import stage_name, stages
from videostar.util.errors import UserError
from videostar.util.object_path import parse_root

# Places, and the room that they have: their content has a digest and may move. When to stop, and where figures are
# reported. The size of files: a ledger that has begun keeps its own. And how many engines answer, and how a training is
# split and saved: rounding is all that they change.
_PLACES = {"data.name", "root", "model", "adapter", "prompts", "mix.sources.data", "data.classes", "evaluation.sets"}
_PLACES |= {"engine.base_url", "engine.count", "judge.base_url", "stop.patience", "tracking", "questions_per_file"}
_PLACES |= {"verification.evidence.model", "distractors", "cache.folder", "cache.gb", "cache.videos_gb"}
_PLACES |= {f"training.{name}" for name in ROUNDING_ONLY}
# The first stage that a setting or section affects; the longest matching name counts. Any other setting affects the
# first stage of all, and so do the training rows: an answer may name any action of the data.
_FIRST = {
    "evaluation": "",  # none: controls change no other figure, and rounds that are finished stay as they are
    "training": "01/train",
    "training.start_from": "02/train",  # the first round has no LoRA to continue
    "mix": "01/train",
    "generation": "01/generate",
    "generation.keep_blind": "01/version",
    "generation.final_line": "00/evaluate",
    "generation.max_new_tokens": "00/evaluate",
}


def with_absolute_paths(settings: Pipeline) -> Pipeline:
    """The same settings with absolute paths, so that they mean the same from any working folder."""
    change: dict[str, Any] = {
        name: _absolute(value)
        for name in ("model", "adapter", "prompts")
        if (value := getattr(settings, name)) is not None
    }
    data = settings.data
    classes = data.classes and str(Path(data.classes).expanduser().absolute())
    change["data"] = data.model_copy(update={"name": _absolute(data.name), "classes": classes})
    sets = tuple(map(_absolute, settings.evaluation.sets))
    change["evaluation"] = settings.evaluation.model_copy(update={"sets": sets})
    if settings.distractors not in (None, RANDOM):
        change["distractors"] = str(Path(settings.distractors).expanduser().absolute())
    if settings.root is not None:  # always a path, never a name
        change["root"] = str(parse_root(settings.root, Path(), "root"))
    if settings.mix is not None:
        sources = settings.mix.sources
        moved = tuple(source.model_copy(update={"data": _absolute(source.data)}) for source in sources)
        change["mix"] = settings.mix.model_copy(update={"sources": moved})
    if settings.cache.folder is not None:
        change["cache"] = settings.cache.model_copy(update={"folder": str(settings.cache.home.absolute())})
    evidence = settings.verification.evidence
    if evidence and evidence.model != "embedded":
        moved_evidence = evidence.model_copy(update={"model": str(Path(evidence.model).expanduser().absolute())})
        change["verification"] = settings.verification.model_copy(update={"evidence": moved_evidence})
    return settings.model_copy(update=change)


def _absolute(name: str) -> str:
    """An existing file or folder as an absolute path; names of shipped files, entry points and hub models unchanged."""
    path, colon, rest = name.partition(":")
    found = Path(path).expanduser()
    is_name = found.suffix == "" and len(found.parts) == 1  # such as `demo`, even beside a folder of that name
    return name if is_name or not found.exists() else f"{found.absolute()}{colon}{rest}"


def without_places(settings: Pipeline) -> dict[str, Any]:
    """Settings by dotted name, without those that are only places, and without gates and executor, in no file."""
    flat = _flat(settings.model_dump(mode="json", exclude={"gates", "executor"}))
    return {name: value for name, value in flat.items() if re.sub(r"\.\d+", "", name) not in _PLACES}


def changed(old: Pipeline, new: Pipeline) -> dict[str, str]:
    """`before -> after` of each setting that differs, by dotted name, without places and `rounds`."""
    before, after = without_places(old), without_places(new)
    return {
        name: f"{before.get(name)!r} -> {after.get(name)!r}"
        for name in {**before, **after}
        if before.get(name) != after.get(name) and name != "rounds"
    }


def changed_gates(old: Pipeline, new: Pipeline) -> list[str]:
    """`name: before -> after` of each gate that differs."""
    gates = ((name, getattr(old.gates, name), getattr(new.gates, name)) for name in type(new.gates).model_fields)
    return [f"gates.{name}: {before or 'off'} -> {after or 'off'}" for name, before, after in gates if before != after]


def first_affected(name: str, rounds: int) -> str | None:
    """The first stage that setting `name` affects in a run of `rounds` rounds; None if it affects none."""
    first = "00/evaluate"
    if name.partition(".")[0] == "gates":
        return None
    if name == "training.final_round":
        first = f"{max(2, rounds):02}/version"  # never the first round's
    else:
        while name:
            if name in _FIRST:
                first = _FIRST[name]
                break
            name = name.rpartition(".")[0]
    return first if first in stages(rounds) else None


def affecting(settings: Pipeline, stage: str) -> dict[str, Any]:
    """Settings by dotted name that affect that stage of the first two rounds, or an earlier one."""
    order = stages(2)
    until = order.index(stage)
    return {
        name: value
        for name, value in without_places(settings).items()
        if name != "rounds" and (first := first_affected(name, 2)) and order.index(first) <= until
    }


def check_settings(folder: Path, old: Pipeline, new: Pipeline, restart_from: str | None) -> None:
    """Raises UserError if the run in `folder` cannot go on with the settings `new`, or not from that stage."""
    rounds = min(old.rounds, new.rounds)  # later stages were not made with the old settings
    differences = changed(old, new).items()
    affected = {f"{name}: {change}": first for name, change in differences if (first := first_affected(name, rounds))}
    if restart_from is not None:
        check_restart(restart_from, new.rounds, affected)
    elif affected:
        changes = "; ".join(f"{change} (from {stage} on)" for change, stage in affected.items())
        raise UserError(
            f"{folder}: was made with other settings: {changes}; use those, give another --out, or go on on purpose: "
            f"--restart-from {min(affected.values(), key=stages(rounds).index)}"
        )


def check_restart(restart_from: str, rounds: int, affected: Mapping[str, str]) -> None:
    """Raises UserError if `--restart-from` names no stage, or a later one than the first that a change affects.

    Otherwise results from before and after the change would be in one table.
    """
    order = stages(rounds)
    start = order.index(stage_name(restart_from, rounds))
    for change, stage in sorted(affected.items(), key=lambda item: order.index(item[1])):
        if start > order.index(stage):
            raise UserError(
                f"--restart-from {restart_from}: {stage} is the first stage that {change} affects; give "
                f"--restart-from {stage} or an earlier one"
            )


def _flat(data: dict[Any, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = dict(enumerate(value))
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
