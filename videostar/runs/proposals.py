"""Labels that a model proposes for videos without any, as a row file."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from videostar.config import Pipeline
from videostar.data.formats.row_maker import one_line
from videostar.data.formats.text_files import plain_classes
from videostar.data.rows import Skipped
from videostar.data.samples import Sample
from videostar.runs.zero_shot import Videos, ZeroShot, labelled, unlabelled
from videostar.stages.calibration import calibration, fit_temperature, least_confidence
from videostar.training.mix import warn_of_skipped
from videostar.util.errors import UserError
from videostar.util.files import write_text
from videostar.util.object_path import ObjectPath, join
from videostar.util.progress import Progress, Tick
from videostar.util.terminal import warn

_DIGITS = 4  # of a probability: rounding differs between machines
_COLUMNS = ("video", "label", "score", "margin", "trust", "split")
_TIMES = ("start", "end")  # of rows about a part of their video


@dataclass(frozen=True)
class _Calibrated:
    temperature: float = 1.0
    cut: float | None = None  # the least probability that a proposal needs
    figures: Mapping[str, Any] | None = None


def propose_labels(
    settings: Pipeline,
    videos: str,
    labels: Path,
    out: Path,
    *,
    model: str,
    templates: Sequence[str],
    calibrate: str | None = None,
    precision: float | None = None,
    progress: Progress,
) -> dict[str, Any]:
    """Write the likeliest label of each video, with its probability, to the row file `out`.

    Args:
        settings: Those of frames, cache, root and columns.
        videos: A folder, or a row file.
        labels: A text file with a label a line.
        out: A new .csv.
        model: `embedded`, or the folder of an evidence model.
        templates: Texts with `{label}`; a label's logit is the mean over them.
        calibrate: Labelled videos, in any form of `--data`, on which a temperature is fitted; None: it is 1.
        precision: The share of those labelled videos that is right from the least probability of a proposal on; others
            are written to a second file, `NAME.below.csv`. None: all are proposed.
        progress: Makes the progress bars.

    Raises:
        UserError: A file cannot be read, or exists already; no video can be used; or no probability has the precision.
    """
    if model == "embedded":
        warn("the embedded CoCa proposes labels: it knows the demo's videos alone; --model gives a real one")
    files = [out] if precision is None else [out, out.with_name(f"{out.stem}.below.csv")]
    names = _labels(labels)
    _check(files, templates, calibrate, precision)
    source = unlabelled(settings, videos)
    known = labelled(settings, calibrate, labels) if calibrate else None
    for one in filter(None, (source, known)):
        _ = one.plan  # reads all rows, so that errors in files show before any video is opened
    classifier = ZeroShot(settings, model, names, templates)
    found = _Calibrated()
    if known is not None:
        compared = Videos.read(known, settings, progress("labelled videos checked"))
        found = _calibrate(classifier, compared, names, precision, progress("labelled videos compared"))
    shown = Videos.read(source, settings, progress("videos checked"))
    rows = []
    for sample, logits in classifier.logits(shown, progress("videos labelled")):
        place = _place(join(source.root, sample.video), out.absolute().parent)
        rows.append({"video": place, **_proposal(sample, names, softmax(logits / found.temperature))})
    if not rows:
        raise source.nothing_usable(shown.skipped, len(shown.skipped))
    warn_of_skipped(source.where, len(rows) + len(shown.skipped), shown.skipped)
    kept = [row for row in rows if found.cut is None or row["score"] >= found.cut]
    below = [row for row in rows if found.cut is not None and row["score"] < found.cut]
    for file, part in zip(files, (kept, below), strict=False):
        write_text(file, _table(part))
    return {
        "files": [str(file) for file in files],
        "videos": len(rows) + len(shown.skipped),
        "proposed": len(kept),
        "below": len(below),
        "skipped": dict(Counter(row.reason for row in shown.skipped)),
        "labels": _by_label(kept, names),
        "calibration": found.figures,
    }


def _labels(file: Path) -> list[str]:
    """The labels in a file. Raises UserError if there are not two, or one is there twice."""
    if not file.is_file():
        raise UserError(f"--labels {file}: no such file; give a text file with a label a line")
    names = [one_line(name) for name in plain_classes(file)]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise UserError(f"--labels {file}: {twice!r} is there twice; remove one")
    if len(names) < 2:
        raise UserError(
            f"--labels {file}: has {len(names)} label{'s' * (len(names) != 1)}; give two or more, one a line"
        )
    return names


def _check(files: Sequence[Path], templates: Sequence[str], calibrate: str | None, precision: float | None) -> None:
    """Raises UserError for options that do not fit."""
    if files[0].suffix.lower() != ".csv":
        raise UserError(f"--out {files[0]}: is written as a table; give a name that ends in .csv")
    for file in files:
        if file.exists():
            raise UserError(f"--out {file}: exists; give another name")
    for template in templates:
        if "{label}" not in template:
            raise UserError(f"--template {template!r}: has no {{label}}; write it where the label belongs")
    if precision is not None and calibrate is None:
        raise UserError("--precision: is measured on labelled videos; name them with --calibrate")


def _calibrate(
    classifier: ZeroShot, videos: Videos, names: Sequence[str], precision: float | None, tick: Tick
) -> _Calibrated:
    """The temperature and the cut by labelled videos. Raises UserError if there are none, or no cut has `precision`."""
    numbers = {name: number for number, name in enumerate(names)}
    found = []
    for sample, logits in classifier.logits(videos, tick):
        if sample.label in numbers:
            found.append((logits, numbers[sample.label]))
        else:
            videos.skipped.append(Skipped(sample.row, sample.video, "no label", "give its label in the column `label`"))
    where = f"--calibrate {videos.source.where}"
    if not found:
        raise UserError(f"{where}: {videos.source.nothing_usable(videos.skipped, len(videos.skipped))}")
    warn_of_skipped(where, len(found) + len(videos.skipped), videos.skipped)
    logits, right = np.stack([row for row, _ in found]), [number for _, number in found]
    correct = (logits.argmax(axis=1) == right).tolist()
    if all(correct):
        warn(f"{where}: the model has all {len(correct)} labels right, so the temperature is as low as it can be")
    temperature = round(fit_temperature(logits, right), _DIGITS)
    before, after = (_tops(logits / divisor) for divisor in (1.0, temperature))
    figures: dict[str, Any] = {
        "videos": len(found),
        "skipped": dict(Counter(row.reason for row in videos.skipped)),
        "temperature": temperature,
        "accuracy": float(np.mean(correct)),
        "ece": {name: _ece(tops, correct) for name, tops in (("before", before), ("after", after))},
        "cut": None,
    }
    if precision is None:
        return _Calibrated(temperature, None, figures)
    cut = least_confidence(after, correct, precision)
    if cut is None:
        raise UserError(
            f"{where}: at no probability is the share {precision:g} of the labels right (of all {len(found)} videos "
            f"{figures['accuracy']:.1%}); give a lower --precision, other templates, or another model"
        )
    above = [one for one, score in zip(correct, after, strict=True) if score >= cut]
    figures["cut"] = {"score": cut, "videos": len(above), "precision": float(np.mean(above))}
    return _Calibrated(temperature, cut, figures)


def _tops(logits: np.ndarray) -> list[float]:
    """The highest probability of each row, as it is written."""
    tops: list[float] = softmax(logits, axis=1).max(axis=1).round(_DIGITS).tolist()
    return tops


def _ece(confidences: Sequence[float], right: Sequence[bool]) -> float | None:
    figures = calibration(confidences, right)
    return None if figures is None else round(figures["ece"], _DIGITS)


def _proposal(sample: Sample, names: Sequence[str], probabilities: np.ndarray) -> dict[str, Any]:
    first, second = np.argsort(-probabilities, kind="stable")[:2]
    score = round(float(probabilities[first]), _DIGITS)
    margin = round(float(probabilities[first] - probabilities[second]), _DIGITS)
    # For training alone: a proposed label tests nothing.
    row = {"label": names[first], "score": score, "margin": margin, "trust": score, "split": "train"}
    return row | {name: sample.values[name] for name in _TIMES if name in sample.values}


def _place(video: Path, folder: Path) -> str:
    """The path of a video in a row file in `folder`: relative to it if it lies below."""
    below = not isinstance(video, ObjectPath) and video.is_relative_to(folder)
    return video.relative_to(folder).as_posix() if below else str(video)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    table = io.StringIO()
    times = [name for name in _TIMES if any(name in row for row in rows)]
    writer = csv.DictWriter(table, [*_COLUMNS, *times], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue()


def _by_label(rows: Iterable[Mapping[str, Any]], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The number of proposals of each label and their mean probability, most frequent ones first."""
    scores: dict[str, list[float]] = {name: [] for name in names}
    for row in rows:
        scores[row["label"]].append(row["score"])
    ordered = sorted(scores.items(), key=lambda item: -len(item[1]))
    return {
        name: {"videos": len(found), "score": round(float(np.mean(found)), _DIGITS) if found else None}
        for name, found in ordered
    }
