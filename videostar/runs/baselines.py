"""Supervised baselines of a run, which `videostar baseline RUN` writes below it: their figures, without torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videostar.util.errors import UserError

BASELINES = "baselines"  # below a run, with a folder for each
FOLDS = "folds"  # beside them: out-of-fold predictions
FIGURES = "figures.json"
CONFIG = "config.json"
PREDICTIONS = "predictions.jsonl"


@dataclass(frozen=True)
class Baseline:
    """A classifier that is trained."""

    name: str  # of its folder
    config: dict[str, Any]  # what it was made with, and its classes
    figures: dict[str, Any]  # held-out accuracy, as in `evaluation.json`, and more


def read_baseline(folder: Path) -> Baseline:
    """The baseline in a folder. Raises UserError if it is damaged."""
    try:
        config, figures = (json.loads((folder / name).read_bytes()) for name in (CONFIG, FIGURES))
        accuracy, inputs = figures["accuracy"], config["inputs"]
        if not isinstance(accuracy, float | None) or not isinstance(inputs, dict):
            raise TypeError("no figures")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(
            f"{folder}: is no baseline that can be read ({error}); delete it, or give --out another"
        ) from None
    return Baseline(folder.name, config, figures)


def folds_of(data: str) -> Path:
    """Where the out-of-fold predictions of data that are no run's lie: below the working folder."""
    return Path(BASELINES) / Path(data).stem / FOLDS


def run_baselines(run: Path, data: str) -> list[Baseline]:
    """The baselines of a run by name; not those of other data than the digest `data`. Raises UserError."""
    found = (read_baseline(path.parent) for path in sorted((run / BASELINES).glob(f"*/{FIGURES}")))
    return [one for one in found if one.config["inputs"].get("data") == data]
