"""Out-of-fold predictions of the training videos: each by a classifier that was trained on the other folds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from videostar.baseline.classifier import UNKNOWN
from videostar.baseline.clips import LabelledClip
from videostar.baseline.fit import Options
from videostar.baseline.training import Training, check_same, locked
from videostar.config import Pipeline
from videostar.data.folds import CONFIG, Prediction, fold_file, read_folds, read_inputs, write_fold
from videostar.data.source import with_frame_rate
from videostar.runs.data import RunData
from videostar.stages.evaluation import accuracy_figures
from videostar.util.errors import UserError
from videostar.util.files import make_folder, write_json
from videostar.util.progress import Progress, silent

_FORMAT = 1
FOLDS = 4
_KEPT = 20  # classes of a video whose probabilities are written


def predict_folds(
    pipeline: Pipeline,
    out: Path,
    options: Options,
    *,
    folds: int = FOLDS,
    data: str | None = None,
    any_classifier: bool = False,
    progress: Progress = silent,
) -> list[Prediction]:
    """Predict every training video by a classifier that was not trained on it, and write the predictions to `out`.

    Each classifier is trained on the other folds and on the validation videos, to its last epoch. A fold that is
    written is not made again, so an interrupted command goes on with the next fold.

    Args:
        pipeline: The settings of a run, from `load_pipeline`: its data, frames, cache and seed.
        out: The folder of the predictions.
        options: The encoder, and how a classifier is trained.
        folds: The number of parts of the training videos.
        data: The digest that the data must have, that of a run; None: any.
        any_classifier: Take the predictions that are there for the same data, whatever classifier they are by.
        progress: Makes the progress bars; by default none are shown.

    Returns:
        The predictions, fold by fold.

    Raises:
        UserError: Settings, data or encoder are wrong, labels are no classes, or `out` has other inputs.
    """
    pipeline = with_frame_rate(pipeline)
    source = RunData(pipeline, sets=False)
    before = read_inputs(out)
    if before and any_classifier and all(fold_file(out, fold).is_file() for fold in range(1, before["folds"] + 1)):
        source.read(progress)
        if before["data"] != source.identity:
            raise UserError(
                f"{out}: has predictions of other data, or with other settings; delete it to make them anew"
            )
        return read_folds(out)
    training = Training(pipeline, options, source, progress)
    if data is not None and data != training.inputs["data"]:
        raise UserError("the data are not those of the run any more; restore them")
    inputs = {**training.inputs, "folds": folds}
    with locked(out):
        if before := read_inputs(out):
            if any_classifier and any(before.get(name) != value for name, value in inputs.items()):
                raise UserError(
                    f"{out}: has some folds of another classifier; repeat the command that made them, or delete it"
                )
            check_same(out, before, inputs)
        splits = training.splits("train", "validation")
        clips, contents = splits["train"], {clip.sha256 for clip in splits["train"]}
        others = [clip for clip in splits["validation"] if clip.number != UNKNOWN and clip.sha256 not in contents]
        if len(contents) < 2:
            raise UserError("all training rows show the same video: there is no other to train a classifier on")
        places = fold_of(clips, folds, pipeline.seed)
        make_folder(out)
        write_json(out / CONFIG, {"format": _FORMAT, "inputs": inputs, "classes": training.clips.classes})
        for fold in range(1, folds + 1):
            if not fold_file(out, fold).is_file():
                held_out = [clip for clip, place in zip(clips, places, strict=True) if place == fold]
                rest = [clip for clip, place in zip(clips, places, strict=True) if place != fold]
                title = f"fold {fold} of {folds}: training steps"
                scores = training.scores([*rest, *others], held_out, title)
                classes = training.clips.classes
                write_fold(out, fold, [_prediction(*of, fold, classes) for of in zip(held_out, scores, strict=True)])
    return read_folds(out)


def out_of_fold(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """The figures of `accuracy_figures` for them, and the numbers of `classes` and `folds`."""
    outcomes = {
        one.question_id: (max(one.scores, key=one.scores.__getitem__) == one.label, one.video_sha256)
        for one in predictions
    }
    classes, folds = ({getattr(one, name) for one in predictions} for name in ("label", "fold"))
    return {**accuracy_figures(outcomes), "classes": len(classes), "folds": len(folds)}


def fold_of(clips: Sequence[LabelledClip], folds: int, seed: int) -> list[int]:
    """The fold of each clip, from 1: clips of a label are spread evenly, and those with the same content are together.

    Contents are dealt out label by label, in an order that is drawn from the seed and their digests.
    """
    labels: dict[str, str] = {}  # by content: that of the first clip
    for clip in clips:
        labels.setdefault(clip.sha256, clip.label)
    dealt = sorted(labels, key=lambda content: (labels[content], random.Random(f"{seed}/{content}").random()))
    place = {content: 1 + number % folds for number, content in enumerate(dealt)}
    return [place[clip.sha256] for clip in clips]


def _prediction(clip: LabelledClip, scores: Sequence[float], fold: int, classes: Sequence[str]) -> Prediction:
    ranked = sorted(zip(classes, scores, strict=True), key=lambda item: -item[1])
    kept = ranked[:_KEPT] + [item for item in ranked[_KEPT:] if item[0] == clip.label]
    named = {name: round(score, 6) for name, score in kept}
    return Prediction(clip.id, clip.video, clip.sha256, fold, clip.label, named)
