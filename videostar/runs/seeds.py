"""Means and spreads over runs with different seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from videostar.runs.manifest import Manifest


def across(runs: Mapping[int, Manifest]) -> dict[str, Any]:
    """Test accuracy and kept rows over the seeds, by round and for the best round of each run (by validation).

    Each figure has mean, sample standard deviation (0 for one run), minimum and maximum; null if no run has it. A run
    that stopped early has no later rounds.
    """
    last = max(manifest.settings.rounds for manifest in runs.values())
    best = [_accuracy(manifest, manifest.best.round) for manifest in runs.values() if manifest.best]
    return {
        "seeds": list(runs),
        "rounds": {str(number): _round(list(runs.values()), number) for number in range(last + 1)},
        "best": {"runs": len(best), "accuracy": _spread(best)},
    }


def _round(runs: Sequence[Manifest], number: int) -> dict[str, Any]:
    done = [manifest for manifest in runs if f"{number:02}/evaluate" in manifest.stages]
    versions = [manifest.stages.get(f"{number:02}/version") for manifest in done]
    return {
        "runs": len(done),
        "kept": _spread([stage.facts["rows"] if stage else None for stage in versions]),
        "accuracy": _spread([_accuracy(manifest, number) for manifest in done]),
    }


def _accuracy(manifest: Manifest, number: int) -> float | None:
    found: float | None = manifest.stages[f"{number:02}/evaluate"].facts["accuracy"]
    return found


def _spread(values: Sequence[float | None]) -> dict[str, float] | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    deviation = statistics.stdev(known) if len(known) > 1 else 0.0
    return {"mean": statistics.fmean(known), "sd": deviation, "min": min(known), "max": max(known)}
