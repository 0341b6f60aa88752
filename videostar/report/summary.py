"""What the report says of one run besides its examples."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from videostar.report.charts import BarChart, LineChart, Point, bar_chart, line_chart
from videostar.report.tally import Confusion, Tally, confusion, label_rows
from videostar.runs.baseline_differences import against_baseline
from videostar.runs.baselines import Baseline, run_baselines
from videostar.runs.diff import CHANGES, diff
from videostar.runs.folder import FORECAST
from videostar.runs.manifest import Manifest, remaining
from videostar.runs.stage_names import PARTS, RoundFiles
from videostar.runs.training_log import read_training_log
from videostar.util.errors import UserError

_REASONS = 12  # reasons of a kind that are listed


@dataclass(frozen=True)
class RunSummary:
    """One run."""

    name: str
    folder: Path
    manifest: Manifest
    rounds: Sequence[Mapping[str, Any]]
    labels: Sequence[Mapping[str, Any]]
    accuracy: LineChart | None
    funnel: BarChart | None
    reasons: Sequence[tuple[str, Sequence[int]]]
    curves: Sequence[LineChart]
    time: BarChart | None
    tokens: BarChart | None
    forecast: Sequence[tuple[str, str, str]]
    baselines: Sequence[Baseline]
    against: Mapping[str, Mapping[int, Mapping[str, Any]]]  # by baseline and round: the paired difference from it
    skipped: Sequence[tuple[str, int, str]]
    changes: Sequence[Mapping[str, Any]]
    confusion: Confusion | None
    calibration: LineChart | None
    progress: str  # the stage that is next or in progress; empty if the run is finished
    seconds: float

    @property
    def last(self) -> Mapping[str, Any]:
        """The figures of the last evaluated round; empty before the first."""
        return self.rounds[-1]["evaluate"] if self.rounds else {}


def summarise(name: str, folder: Path, manifest: Manifest, tally: Tally) -> RunSummary:
    """Everything about a run whose ledgers have been counted. Raises UserError for a file that cannot be read."""
    rounds = _rounds(manifest)
    trained = _steps(folder, rounds)
    baselines = run_baselines(folder, manifest.data)
    return RunSummary(
        name=name,
        folder=folder,
        manifest=manifest,
        rounds=rounds,
        labels=label_rows(rounds, tally),
        accuracy=accuracy_chart("Held-out accuracy by round", {"test": rounds}, validation=True),
        funnel=_funnel(rounds),
        reasons=_reasons(rounds),
        curves=_curves(trained),
        time=_time(manifest),
        tokens=_tokens(rounds, tally, trained),
        forecast=_forecast(folder, manifest),
        baselines=baselines,
        against={one.name: against_baseline(folder, manifest, one) for one in baselines},
        skipped=_skipped(folder, tally),
        changes=_version_changes(folder, rounds),
        confusion=confusion(tally),
        calibration=_calibration(rounds),
        progress=_progress(manifest, tally),
        seconds=sum(stage.seconds for stage in manifest.stages.values()),
    )


def _forecast(folder: Path, manifest: Manifest) -> list[tuple[str, str, str]]:
    if not (folder / FORECAST).is_file():
        return []
    from videostar.runs.forecast import compare  # loads torch

    return compare(folder, manifest)


def _progress(manifest: Manifest, tally: Tally) -> str:
    stages = remaining(manifest)
    if not stages:
        return ""
    if manifest.halted:
        return f"a gate ended it in round {manifest.halted.round}"
    number, part = int(stages[0][:2]), stages[0][3:]
    answers = sum(tally.lines[number, split] for split in ((0,) if part == "generate" else (1, 2)))
    so_far = f", {answers:,} answers so far" if part in ("generate", "evaluate") and answers else ""
    return f"round {number}, {part}{so_far}"


def accuracy_chart(
    title: str, runs: Mapping[str, Sequence[Mapping[str, Any]]], *, validation: bool = False
) -> LineChart | None:
    """Accuracy with its 95 % interval by round, a line a run; with `validation` a second line for that split."""
    series = {name: _points(rounds, lambda facts: facts) for name, rounds in runs.items()}
    if validation:
        for rounds in runs.values():
            if points := _points(rounds, lambda facts: facts.get("validation") or {}):
                series["validation"] = points
    return line_chart(title, series, x_label="round", y_label="accuracy", percent=True)


def _points(rounds: Sequence[Mapping[str, Any]], figures: Any) -> list[Point]:
    found = ((each["number"], figures(each["evaluate"])) for each in rounds)
    return [
        Point(number, facts["accuracy"], *(facts["ci95"] or (None, None)))
        for number, facts in found
        if facts.get("accuracy") is not None
    ]


def _rounds(manifest: Manifest) -> list[dict[str, Any]]:
    """The facts of the stages of each round that has begun; empty for a stage that is not done."""
    last = max((int(name[:2]) for name in manifest.stages), default=-1)
    parts = dict.fromkeys((*PARTS, "health"))
    rounds: list[dict[str, Any]] = []
    for number in range(last + 1):
        stages = {part: manifest.stages.get(f"{number:02}/{part}") for part in parts}
        rounds.append({"number": number, **{part: stage.facts if stage else {} for part, stage in stages.items()}})
    return rounds


def _funnel(rounds: Sequence[Mapping[str, Any]]) -> BarChart | None:
    bars = {}
    for each in rounds:
        facts = each["generate"]
        if not facts:
            continue
        kept = {kind: facts.get(f"{kind}_kept", 0) for kind in ("direct", "rationalised", "template")}
        skipped = facts.get("video_asked", 0)
        none = facts.get("questions", 0) - sum(kept.values()) - skipped
        bars[f"round {each['number']}"] = {
            **{f"kept, {kind}": count for kind, count in kept.items()},
            "nothing kept": max(0, none),
            "video skipped": skipped,
        }
    return bar_chart("Training questions by what was kept", bars, colours=(0, 1, 2, 7, 5))


def _reasons(rounds: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[int]]]:
    """The questions that were asked and the rejected answers by kind and reason, for each round with a version."""
    done = [each for each in rounds if each["version"]]
    total: Counter[str] = Counter()
    for each in done:
        total.update(each["version"].get("rejected", {}))
    asked = [
        (f"questions asked, {kind}", [each["generate"].get(f"{kind}_asked", 0) for each in done])
        for kind in ("direct", "rationalised")
    ]
    reasons = [reason for reason, _ in total.most_common(_REASONS)]
    return asked + [
        (reason, [each["version"].get("rejected", {}).get(reason, 0) for each in done]) for reason in reasons
    ]


def _steps(folder: Path, rounds: Sequence[Mapping[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """The steps of training of each round that was trained."""
    logs = {each["number"]: read_training_log(RoundFiles(folder, each["number"]).training_log) for each in rounds}
    return {number: steps for number, steps in logs.items() if steps}


def _curves(trained: Mapping[int, Sequence[Mapping[str, Any]]]) -> list[LineChart]:
    def lines(name: str) -> dict[str, list[Point]]:
        return {
            f"round {number}": [Point(step["step"], step[name]) for step in steps if step[name] is not None]
            for number, steps in trained.items()
        }

    per = "preference pair" if any("pairs" in step for steps in trained.values() for step in steps) else "answer token"
    charts = [
        line_chart(f"Training loss per {per}", lines("loss"), x_label="step", y_label="loss"),
        _by_source(trained),
        line_chart("Gradient norm before clipping", lines("grad_norm"), x_label="step", y_label="norm"),
    ]
    return [chart for chart in charts if chart]


def _by_source(trained: Mapping[int, Sequence[Mapping[str, Any]]]) -> LineChart | None:
    """The loss of the last training, a line for the steps of each source; None if its rows are of one."""
    number = max(trained, default=0)
    series: dict[str, list[Point]] = {}
    for step in trained.get(number, ()):
        series.setdefault(step.get("source") or "several", []).append(Point(step["step"], step["loss"]))
    if len(series) < 2:
        return None
    title = f"Training loss per answer token, by source of the rows, round {number}"
    return line_chart(title, dict(sorted(series.items())), x_label="step", y_label="loss")


def _tokens(
    rounds: Sequence[Mapping[str, Any]], tally: Tally, trained: Mapping[int, Sequence[Mapping[str, Any]]]
) -> BarChart | None:
    bars = {}
    for each in rounds:
        number = each["number"]
        learned = sum(step["tokens"] or 0 for step in trained.get(number, ()))
        stages = {part: tally.tokens[number, part] for part in ("generate", "evaluate")}
        bars[f"round {number}"] = {"generate": stages["generate"], "train": learned, "evaluate": stages["evaluate"]}
    return bar_chart("Answer tokens by stage: written, or learned", bars)


def _time(manifest: Manifest) -> BarChart | None:
    bars: dict[str, dict[str, float]] = {}
    for name, stage in sorted(manifest.stages.items()):
        empty = dict.fromkeys(("generate", "train", "evaluate", "version", "health"), 0.0)
        bars.setdefault(f"round {int(name[:2])}", empty)[name[3:]] = stage.seconds
    return bar_chart("Seconds by stage", bars, unit=" s")


def _skipped(folder: Path, tally: Tally) -> list[tuple[str, int, str]]:
    """Reasons, counts and an example: of rows before the run, then of videos during it."""
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    path = folder / "skipped.jsonl"
    if path.is_file():
        try:
            for row in map(json.loads, path.read_bytes().splitlines()):
                counts[row["reason"]] += 1
                examples.setdefault(row["reason"], f"{row.get('video', '')}: {row.get('detail', '')}")
        except (ValueError, LookupError, TypeError) as error:
            raise UserError(f"{path}: is not as a run writes it ({error}); restore it") from None
    rows = [(reason, count, examples[reason]) for reason, count in counts.most_common()]
    return rows + [(reason, count, "while answering") for reason, count in tally.skipped.most_common()]


def _version_changes(folder: Path, rounds: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What changed from each dataset version to the next; versions with damaged files are not compared."""
    numbers = [each["number"] for each in rounds if each["version"].get("rows")]
    changes = []
    for before, after in pairwise(numbers):
        try:
            found = diff(f"{folder}:{before}", f"{folder}:{after}")
        except UserError:
            continue
        changes.append(
            {
                "before": before,
                "after": after,
                "counts": found.counts,
                "labels": [(label, counts) for label, counts in found.by_label.items() if _changed(counts)][:_REASONS],
            }
        )
    return changes


def _changed(counts: Mapping[Any, int]) -> bool:
    return any(counts[change] for change in CHANGES[:3])


def _calibration(rounds: Sequence[Mapping[str, Any]]) -> LineChart | None:
    for each in reversed(rounds):
        if found := each["evaluate"].get("calibration"):
            points = [Point(part["confidence"], part["accuracy"]) for part in found["bins"]]
            return line_chart(
                "Accuracy by the model's own probability",
                {f"round {each['number']}": points},
                x_label="probability",
                y_label="accuracy",
                percent=True,
                whole=False,
                diagonal=True,
                width=320,
                height=300,
            )
    return None
