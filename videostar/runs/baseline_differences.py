"""Differences between the rounds of a run and its baselines, on the same test questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from videostar.runs.baselines import BASELINES, PREDICTIONS, Baseline
from videostar.runs.manifest import Manifest
from videostar.runs.stage_names import RoundFiles
from videostar.stages.evaluation import Outcomes, compare_outcomes, read_outcomes
from videostar.util.errors import UserError


def against_baseline(folder: Path, manifest: Manifest, baseline: Baseline) -> dict[int, dict[str, Any]]:
    """By evaluated round, the paired difference of its test accuracy from that of a baseline of the run in `folder`.

    As `compare_outcomes`, clustered by video. A round without a question in common is not in it. Raises UserError if
    the predictions of the baseline or the answers of a round cannot be read.
    """
    predicted = _outcomes(folder / BASELINES / baseline.name / PREDICTIONS)
    found: dict[int, dict[str, Any]] = {}
    for number in range(manifest.settings.rounds + 1):
        files = RoundFiles(folder, number)
        if files.stage("evaluate") in manifest.stages:
            compared = compare_outcomes(read_outcomes(files.evaluation.with_suffix(".jsonl")), predicted)
            found |= {number: compared} if compared else {}
    return found


def _outcomes(path: Path) -> Outcomes:
    """The outcomes of a baseline on the test split."""
    try:
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        return {one["question_id"]: (one["right"], one["video_sha256"]) for one in lines if one["split"] == "test"}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); delete the baseline's folder, and make it again") from None
