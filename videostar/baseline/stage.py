"""`videostar baseline`: train a classifier on the labels of a run, and write it with its held-out accuracy."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file

from videostar.baseline.clips import Clips, LabelledClip
from videostar.baseline.fit import Options
from videostar.baseline.training import Training, check_same, locked, probabilities
from videostar.config import Pipeline
from videostar.data.source import with_frame_rate
from videostar.runs.baselines import CONFIG, FIGURES, PREDICTIONS, read_baseline
from videostar.runs.data import RunData
from videostar.stages.evaluation import accuracy_figures
from videostar.util.errors import UserError
from videostar.util.files import new_folder, write_json, write_text
from videostar.util.progress import Progress, silent

_FORMAT = 1


def train_baseline(
    pipeline: Pipeline, out: Path | str, options: Options, *, data: str | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Train a classifier on the training videos and write it to the folder `out`, which is whole or absent.

    Args:
        pipeline: The settings of a run, from `load_pipeline`: its data, frames, cache and seed.
        out: A new folder for the weights, their config, figures and predictions. If it is there from the same inputs,
            nothing is trained again.
        options: The encoder, and how it is trained.
        data: The digest that the data must have, that of a run; None: any.
        progress: Makes the progress bars; by default none are shown.

    Returns:
        The figures, as in its `figures.json`.

    Raises:
        UserError: Settings, data or encoder are wrong, labels are no classes, or `out` has other inputs.
    """
    folder, pipeline = Path(out), with_frame_rate(pipeline)
    training = Training(pipeline, options, RunData(pipeline, sets=False), progress)
    if data is not None and data != training.inputs["data"]:
        raise UserError(
            "the data are not those of the run any more, so that accuracies cannot be compared; restore them"
        )
    with locked(folder):
        if folder.exists():
            found = read_baseline(folder)
            check_same(folder, found.config["inputs"], training.inputs)
            return found.figures
        splits = training.splits("train", "validation", "test")
        if not splits["test"]:
            raise UserError("no test video can be shown: there is nothing to measure accuracy on")
        model, epoch, logits = training.train(splits)
        clips = training.clips
        lines = [line for split, scores in logits.items() for line in _predictions(splits[split], scores, clips, split)]
        figures = {
            **_figures(lines, "test"),
            "validation": _figures(lines, "validation") if splits["validation"] else None,
            "skipped": len(clips.skipped),
            "classes": len(clips.classes),
            "unknown": sum(clip.number < 0 for clip in splits["test"]),
            "epoch": epoch,
            "trained": sum(value.numel() for value in model.parameters() if value.requires_grad),
            "parameters": sum(value.numel() for value in model.parameters()),
        }
        config = {"format": _FORMAT, "inputs": training.inputs, "classes": clips.classes}
        with new_folder(folder) as made:
            save_file(model.trained_weights(), made / "model.safetensors")
            write_json(made / CONFIG, config)
            write_json(made / FIGURES, figures)
            write_text(made / PREDICTIONS, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
            write_text(made / "skipped.jsonl", "".join(json.dumps(asdict(row)) + "\n" for row in clips.skipped))
            write_text(made / "README.md", _card(config, figures))
        return figures


def _predictions(
    clips: Sequence[LabelledClip], logits: np.ndarray, known: Clips, split: str
) -> Iterator[dict[str, Any]]:
    for clip, scores in zip(clips, probabilities(logits), strict=True):
        number = int(scores.argmax())
        yield {
            "question_id": clip.id,
            "split": split,
            "video": clip.video,
            "video_sha256": clip.sha256,
            "label": clip.label,
            "predicted": known.classes[number],
            "probability": round(float(scores[number]), 4),
            "right": number == clip.number,
        }


def _figures(lines: Sequence[dict[str, Any]], split: str) -> dict[str, Any]:
    """The figures of a split, computed as those of a round are."""
    of_split = [line for line in lines if line["split"] == split]
    n = Counter(line["label"] for line in of_split)
    right = Counter(line["label"] for line in of_split if line["right"])
    return {
        **accuracy_figures({line["question_id"]: (line["right"], line["video_sha256"]) for line in of_split}),
        "per_label": {name: {"accuracy": right[name] / n[name], "n": n[name]} for name in sorted(n)},
    }


def _card(config: dict[str, Any], figures: dict[str, Any]) -> str:
    inputs = config["inputs"]
    low, high = figures["ci95"]
    blocks = "UniFormerV2's local and global blocks" if inputs["arm"] else "none: the tower's own pooling"
    return (
        "---\nlibrary_name: videostar\npipeline_tag: video-classification\n---\n# Supervised video classifier\n\n"
        f"- encoder: {inputs['encoder']}, {'trained' if inputs['train_encoder'] else 'frozen'}\n"
        f"- temporal blocks: {blocks}\n"
        f"- classes: {figures['classes']}\n"
        f"- test accuracy: {figures['accuracy']:.1%} ({low:.1%} to {high:.1%}), {figures['n']} videos\n"
        f"- parameters: {figures['parameters']:,}, of which {figures['trained']:,} are trained\n"
        f"- epoch: {figures['epoch']} of {inputs['epochs']}, seed {inputs['seed']}\n\n"
        "`model.safetensors` has the trained parts; `config.json` names the classes in the order of the scores.\n"
    )
