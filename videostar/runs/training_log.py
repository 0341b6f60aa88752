"""The steps of a round's training, in `rounds/NN/training.jsonl`, also while they are being taken."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any, Self

from videostar.config import Pipeline
from videostar.runs.stage_names import RoundFiles
from videostar.training.log import read_log
from videostar.util.errors import UserError

_RECENT = 10  # steps over which the pace is averaged


def read_training_log(path: Path) -> list[dict[str, Any]]:
    """The steps in the file at `path`, a `training.jsonl`, to which a training may be appending; none without a file.

    A last line that is not finished is ignored. Rounds that an earlier videostar has trained have `lora/steps.json` in
    its place, with fewer figures. Raises UserError if the file is damaged.
    """
    old = path.parent / "lora" / "steps.json"
    try:
        if path.is_file():
            steps = read_log(path)
        else:
            path, steps = old, json.loads(old.read_bytes()) if old.is_file() else []
        if not all(isinstance(step["step"], int) and "loss" in step for step in steps):
            raise ValueError("a step has no number or no loss")
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: cannot be read ({error}); restore it") from None
    return list(steps)


def newest_training(folder: Path, settings: Pipeline) -> tuple[int, list[dict[str, Any]]] | None:
    """The last round of the run in `folder` of which there are steps, and the steps; None before the first."""
    for number in range(settings.rounds, 0, -1):
        if steps := read_training_log(RoundFiles(folder, number).training_log):
            return number, steps
    return None


def smoothed(steps: Sequence[dict[str, Any]]) -> list[float]:
    """For each step the mean loss of the last five, or of the last fortieth of a long training."""
    losses, width = [step["loss"] for step in steps], max(5, len(steps) // 40)
    return [fmean(losses[max(0, end - width) : end]) for end in range(1, len(losses) + 1)]


@dataclass(frozen=True)
class Pace:
    """How fast a training is, by its last ten steps; None: an earlier videostar did not measure it."""

    step: int
    steps: int | None  # of the whole training
    tokens_per_second: float | None  # that the model reads, those of videos among them
    seconds_left: float | None

    @classmethod
    def of(cls, steps: Sequence[dict[str, Any]]) -> Self:
        """The pace at the end of `steps`, of which there is at least one."""
        last, recent = steps[-1], list(islice(reversed(steps), _RECENT))
        step, total = last["step"], last.get("steps")
        seconds = sum(each.get("seconds") or 0.0 for each in recent)
        if not seconds:
            return cls(step, total, None, None)
        tokens = sum(each.get("input_tokens") or 0 for each in recent)
        left = None if total is None else (total - step) * seconds / len(recent)
        return cls(step, total, tokens / seconds if tokens else None, left)


def finite(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps whose loss is a finite number."""
    return [step for step in steps if step["loss"] is not None and math.isfinite(step["loss"])]
