"""Tables of checks and runs, on standard output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from videostar.adapters.check import Finding
from videostar.cli.training_plot import print_training
from videostar.runs.baseline_differences import against_baseline
from videostar.runs.baselines import run_baselines
from videostar.runs.check import Report
from videostar.runs.gates import describe_fired, describe_halt
from videostar.runs.manifest import Fired, Manifest, remaining
from videostar.runs.row_tally import FEW
from videostar.runs.suspects import Suspect
from videostar.runs.training_log import newest_training
from videostar.stages.judge_check import Figures, JudgeReport, Share
from videostar.util.terminal import printable

_EXAMPLES = 3
_SUSPECTS = 20
_METRICS = {
    "mae": "mean error {:.3g}",
    "spearman": "Spearman {:.2f}",
    "r_l2": "R-l2 {:.4f}",
    "mean_iou": "mean IoU {:.1%}",
    "recall_0.3": "R@0.3 {:.1%}",
    "recall_0.5": "R@0.5 {:.1%}",
    "recall_0.7": "R@0.7 {:.1%}",
    "off_by_one": "at most one off {:.1%}",
    "edit_score": "edit score {:.1%}",
}


def print_report(report: Report) -> None:
    """The usable rows of each split, then the problems, those that lose data first."""
    console = Console()
    table = Table(title=_plain(f"{report.data}: {report.usable} of {report.rows} rows usable"), box=SIMPLE_HEAD)
    for column in ("split", "rows", "videos", "classes", "fewest rows", "most rows", f"classes under {FEW} rows"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split, counts in report.splits.items():
        extremes = [f"{found[1]} {found[0]}" if found else "-" for found in (counts.fewest, counts.most)]
        cells = (split, counts.rows, counts.videos, counts.classes, *extremes, len(counts.few))
        table.add_row(*(_plain(str(cell)) for cell in cells))
    console.print(table)
    if report.suspects is not None:
        _print_suspects(report.suspects, report.agreement, console)
    if not report.problems:
        console.print("no problems")
        return
    problems = Table(box=SIMPLE_HEAD)
    for column in ("problem", "count", "such as"):
        problems.add_column(column, overflow="fold", justify="right" if column == "count" else "left")
    for problem in sorted(report.problems, key=lambda problem: not problem.loses_data):
        what = problem.what if problem.loses_data else f"({problem.what})"
        problems.add_row(_plain(what), str(problem.count), Text("\n").join(map(_plain, problem.examples)))
    console.print(problems)
    if not report.loses_data:
        console.print("problems in parentheses lose no data")


def _print_suspects(suspects: Sequence[Suspect], agreement: float | None, console: Console) -> None:
    """The first suspects, one a row; how far they can be trusted depends on how good the classifier is."""
    if agreement is not None:
        console.print(f"a classifier that never saw the training rows agrees with {agreement:.0%} of their labels")
    if not suspects:
        console.print("no label suspects")
        return
    table = Table(title=f"{len(suspects)} label suspects", box=SIMPLE_HEAD)
    for column in ("row", "video", "label", "proposed", "probability"):
        table.add_column(column, overflow="fold", justify="right" if column == "probability" else "left")
    for row in suspects[:_SUSPECTS]:
        cells = row.where, row.video, row.label, row.proposed, f"{row.probability:.2f}"
        table.add_row(*map(_plain, cells))
    console.print(table)
    if len(suspects) > _SUSPECTS:
        console.print(f"and {len(suspects) - _SUSPECTS} more; --out FILE.csv writes all")


def print_judge(title: str, report: JudgeReport) -> None:
    """One row per kind of label, with 95 % intervals."""
    Console().print(judge_table(title, report.figures))
    if report.skipped:
        _line(f"{report.skipped} cases were skipped: embeddings judge labels of kind `text` only")


def judge_table(title: str, figures: Mapping[str, Figures]) -> Table:
    """Precision and recall by kind of label, with 95 % intervals."""
    table = Table(title=_plain(title), box=SIMPLE_HEAD, padding=0, show_edge=False)
    for column in ("kind", "cases", "true", "accepted", "precision", "recall"):
        table.add_column(column, justify="left" if column == "kind" else "right")
    for kind, found in figures.items():
        counts = map(str, (found.cases, found.true, found.accepted))
        table.add_row(kind, *counts, _interval(found.precision), _interval(found.recall))
    return table


def _interval(share: Share | None) -> str:
    return "-" if share is None else f"{share.value:.3f} ({share.low:.3f} to {share.high:.3f})"


def print_findings(adapter: str, findings: list[Finding]) -> None:
    """One row per promise, with the first data rows that break it."""
    table = Table(title=_plain(f"adapter {adapter}"), box=SIMPLE_HEAD)
    for column in ("promise", "tried", "broken", "such as"):
        table.add_column(column, overflow="fold", justify="right" if column in ("tried", "broken") else "left")
    for found in findings:
        examples = Text("\n").join(map(_plain, found.broken[:_EXAMPLES]))
        table.add_row(found.promise, str(found.tried), str(len(found.broken)), examples)
    Console().print(table)


def print_forecast(rows: list[tuple[str, str, str]]) -> None:
    """The forecast of a dry run beside the actual figures of all stages."""
    table = Table(title="forecast and actual", box=SIMPLE_HEAD)
    for column in ("", "forecast", "actual"):
        table.add_column(column, justify="right" if column else "left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _plain(text: str) -> Text:
    """Text from files, without power over the terminal or the markup."""
    return Text(printable(text))


def print_rounds(folder: Path, manifest: Manifest) -> None:
    """One row per finished round with 95 % intervals of accuracies, then the differences between rounds.

    Round 0 is the base model.
    """
    names = Path(manifest.settings.data.name).name, Path(manifest.settings.model).name
    evaluations = {n: stage.facts for n in _rounds(manifest) if (stage := manifest.stages.get(f"{n:02}/evaluate"))}
    validated = any(facts.get("validation") for facts in evaluations.values())
    table = Table(title=_plain(f"{names[0]}, {names[1]} model"), box=SIMPLE_HEAD, padding=0, show_edge=False)
    columns = ["round", "direct\npass", "rationalised\npass", "kept", "trained\nsteps", "held-out accuracy"]
    for column in [*columns, *["validation"] * validated]:
        table.add_column(column, justify="right", no_wrap=column == columns[-1])
    for number in _rounds(manifest):
        stages = {name: stage.facts for name, stage in manifest.stages.items() if name.startswith(f"{number:02}/")}
        if not stages:
            break
        answers, version = stages.get(f"{number:02}/generate"), stages.get(f"{number:02}/version")
        trained, evaluation = stages.get(f"{number:02}/train"), evaluations.get(number)
        best = manifest.best is not None and manifest.best.round == number
        table.add_row(
            f"best {number}" if best else str(number),
            _share(answers, "direct"),
            _share(answers, "rationalised"),
            str(version["rows"]) if version else "-",
            str(trained["steps"]) if trained else "-",
            _accuracy(evaluation),
            *[_percent((evaluation or {}).get("validation"))] * validated,
        )
    Console().print(table)
    for number, facts in evaluations.items():
        for compared in facts.get("against", ()):
            if compared["round"] == number - 1:
                _line(f"round {number}: {_points(compared)} against round {number - 1}")
    for number in list(evaluations)[-1:]:
        for kind, figures in _metrics(evaluations[number].get("per_kind", {})):
            _line(f"round {number}, {kind}: {figures}")
        controls = evaluations[number].get("controls", {})
        if shown := _controls(controls):
            _line(f"round {number}, controls: {shown}")
        if missing := [name for name in manifest.settings.evaluation.controls if name not in controls]:
            where = f"--restart-from {number:02}/evaluate"
            _line(f"round {number} was evaluated without {', '.join(missing)}; {where} does it again with them")
        if found := evaluations[number].get("calibration"):
            _line(f"round {number}, calibration: {_calibration(found)}")
        for name, figures in evaluations[number].get("sets", {}).items():
            if figures["n"]:
                _line(f"round {number}, {name} {_against_base(figures, evaluations[0]['sets'][name])}")
    if evaluations:
        _line(_best(folder, manifest))
    for baseline in run_baselines(folder, manifest.data):
        _line(f"baseline {baseline.name}: {_accuracy(baseline.figures)}, a supervised classifier on the same labels")
        for number, compared in list(against_baseline(folder, manifest, baseline).items())[-1:]:
            _line(f"round {number}: {_points(compared)} against baseline {baseline.name}")
    for name, stage in manifest.stages.items():
        for fired in stage.facts.get("fired", ()):
            _line(f"round {int(name[:2])}: gate {describe_fired(Fired.model_validate(fired))}")
    if manifest.stopped is not None:
        patience = manifest.settings.stop.patience
        _line(f"stopped after round {manifest.stopped}: validation was below its best for {patience} rounds")


def print_status(folder: Path, manifest: Manifest) -> None:
    """The table of rounds, the loss of the newest training, and the next stage or the gates that ended the run."""
    print_rounds(folder, manifest)
    if training := newest_training(folder, manifest.settings):
        print_training(*training, Console())
    names = remaining(manifest)
    if manifest.halted is not None:
        _line(describe_halt(folder, manifest.halted))
    else:
        _line(f"next: {names[0]}" if names else "finished")


def print_baseline(folder: Path, figures: Mapping[str, Any]) -> None:
    """The accuracy of a supervised classifier, and where it lies."""
    validation = f", validation {_percent(figures['validation'])}" if figures["validation"] else ""
    _line(f"held-out accuracy {_accuracy(dict(figures))}{validation}, n={figures['n']}, {figures['classes']} classes")
    if figures["unknown"]:
        _line(f"{figures['unknown']} test videos have a label that no training video has; they count as wrong")
    _line(str(folder))


def print_folds(folder: Path, figures: Mapping[str, Any]) -> None:
    """The accuracy of out-of-fold predictions, and where they lie."""
    counts = f"n={figures['n']}, {figures['classes']} classes, {figures['folds']} folds"
    _line(f"out-of-fold accuracy {_accuracy(dict(figures))}, {counts}")
    _line(str(folder))


def _rounds(manifest: Manifest) -> range:
    return range(manifest.settings.rounds + 1)


def _best(folder: Path, manifest: Manifest) -> str:
    best = manifest.best
    if best is None:
        return (
            "no best round: it is selected on a validation split, and the data have none; --set data.validation=0.2 "
            "holds out a fifth of the training videos"
        )
    found = f"best round on validation: {best.round} ({best.accuracy:.1%}, n={best.n})"
    return f"{found}, its LoRA: {folder / best.lora}" if best.lora else f"{found}, the base model: there is no LoRA"


def _share(answers: dict[str, Any] | None, kind: str) -> str:
    asked = (answers or {}).get(f"{kind}_asked", 0)
    kept = (answers or {}).get(f"{kind}_kept", 0)
    return f"{kept}/{asked} ({kept / asked:.0%})" if asked else "-"


def _accuracy(evaluation: dict[str, Any] | None) -> str:
    if not evaluation or evaluation["accuracy"] is None:
        return "-"
    low, high = evaluation["ci95"]
    return f"{evaluation['accuracy']:.1%} ({low:.1%} to {high:.1%})"


def _metrics(per_kind: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each kind of label, or field of one, with the figures of `metrics_by_kind` that it has."""
    for kind, figures in per_kind.items():
        shown = [form.format(figures[key]) for key, form in _METRICS.items() if figures.get(key) is not None]
        if shown:
            yield kind, f"{', '.join(shown)}; {figures['read']} answers with a value"
        yield from _metrics({f"{kind} {name}": part for name, part in figures.get("fields", {}).items()})


def _controls(controls: dict[str, Any]) -> str:
    """The accuracy under each control that questions were asked under, with its interval and the share of chance."""
    parts = []
    for name, figures in controls.items():
        if figures["n"]:
            chance = "" if figures["chance"] is None else f", chance {figures['chance']:.1%}"
            low, high = figures["ci95"]
            shown = "single frame" if name == "single" else name
            parts.append(f"{shown} {figures['accuracy']:.1%} ({low:.1%} to {high:.1%}{chance})")
    return ", ".join(parts)


def _calibration(figures: dict[str, Any]) -> str:
    auroc = "-" if figures["auroc"] is None else f"{figures['auroc']:.2f}"
    return f"ECE {figures['ece']:.1%}, Brier {figures['brier']:.2f}, AUROC {auroc}"


def _against_base(figures: dict[str, Any], base: dict[str, Any]) -> str:
    """The accuracy on a set, and its difference from that of the base model, with the interval in points."""
    compared = next((one for one in figures["against"] if one["round"] == 0), None)
    accuracy = f"{figures['accuracy']:.1%}"
    if compared is None:
        return accuracy
    difference, low, high = (100 * share for share in (compared["difference"], *compared["ci95"]))
    return f"{accuracy} (base {base['accuracy']:.1%}, {difference:+.1f} points, {low:.1f} to {high:.1f})"


def _percent(figures: dict[str, Any] | None) -> str:
    return f"{figures['accuracy']:.1%}" if figures and figures["n"] else "-"


def _points(compared: dict[str, Any]) -> str:
    difference, low, high = (100 * share for share in (compared["difference"], *compared["ci95"]))
    return f"{difference:+.1f} points ({low:.1f} to {high:.1f})"


def _line(text: str) -> None:
    Console(soft_wrap=True).print(_plain(text))
