"""How much each kept answer counts in the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

from videostar.config import Pipeline
from videostar.training.rows import Row
from videostar.util.errors import UserError


def check_weights(settings: Pipeline) -> None:
    """Raises UserError if the versions of a run will not have what its kept answers are weighed by."""
    if settings.training.row_weights == "evidence" and settings.verification.evidence is None:
        raise UserError(
            "training.row_weights: evidence needs a model that gives it: --set verification.evidence.model=..., or "
            "training.row_weights=uniform"
        )


def with_mean_one(rows: Sequence[Row], dataset: Path) -> list[Row]:
    """The rows with their weights divided by the mean of these. Raises UserError if all are 0."""
    middle = mean(row.weight for row in rows)  # exact: equal weights become 1.0
    if not middle:
        raise UserError(f"{dataset}: all of its answers have the weight 0, so there is nothing to learn from")
    return [replace(row, weight=row.weight / middle) for row in rows]
