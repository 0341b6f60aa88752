"""`videostar baseline`: train a classifier on the labels of a run, and write it with its held-out accuracy."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import set_seed

from videostar.baseline.classifier import VideoClassifier
from videostar.baseline.clips import Clips, LabelledClip, PixelBatches, Splits, VectorBatches
from videostar.baseline.fit import Options, fit
from videostar.baseline.towers import load_tower
from videostar.config import Pipeline
from videostar.data.rows import Split
from videostar.data.source import with_frame_rate
from videostar.models.load import device
from videostar.models.lora import base_name
from videostar.runs.baselines import CONFIG, FIGURES, read_baseline
from videostar.runs.data import RunData
from videostar.stages.evaluation import accuracy_figures
from videostar.training.mix import warn_of_skipped
from videostar.util.errors import UserError
from videostar.util.files import make_folder, new_folder, write_json, write_text
from videostar.util.locks import Locked, lock_file
from videostar.util.progress import Progress, silent
from videostar.util.resources import model_digest
from videostar.util.terminal import warn

_FORMAT = 1
_SPLITS: tuple[Split, ...] = ("train", "validation", "test")


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
    source = RunData(pipeline, sets=False)
    source.source.check_rows()
    tower = load_tower(options.encoder, device(pipeline.spec))
    if tower.side is not None and tower.side**2 > pipeline.video.max_pixels:
        warn(
            f"video.max_pixels: frames have {pipeline.video.max_pixels} pixels at most, and {options.encoder} takes "
            f"{tower.side**2}; --set video.max_pixels={tower.side**2} gives it sharper ones"
        )
    source.read(progress)
    if data is not None and data != source.identity:
        raise UserError(
            "the data are not those of the run any more, so that accuracies cannot be compared; restore them"
        )
    clips = Clips(pipeline, source.questions)
    inputs = _inputs(pipeline, options, source.identity)
    with _locked(folder):
        if folder.exists():
            _check_same(folder, inputs)
            return read_baseline(folder).figures
        source.report_rows()
        splits: Splits = {split: clips.split(split, tower, progress(f"{split}: frames")) for split in _SPLITS}
        warn_of_skipped("frames", sum(map(len, splits.values())) + len(clips.skipped), clips.skipped)
        _check_splits(splits)
        set_seed(pipeline.seed)
        model = VideoClassifier(tower, len(clips.classes), arm=options.arm, frozen=not options.train_encoder)
        model.to(device(pipeline.spec))
        once = not options.arm and not options.train_encoder  # the same vectors in every epoch
        batches = PixelBatches(clips, tower)
        with TemporaryDirectory() as scratch:
            epoch, logits = fit(
                model.head if once else model,
                VectorBatches(_vectors(model, batches, splits, progress)) if once else batches,
                splits,
                options,
                seed=pipeline.seed,
                device=device(pipeline.spec),
                scratch=Path(scratch),
                tick=progress("training steps"),
            )
        lines = [line for split, scores in logits.items() for line in _predictions(splits[split], scores, clips, split)]
        weights = model.trained_weights()
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
        config = {"format": _FORMAT, "inputs": inputs, "classes": clips.classes}
        with new_folder(folder) as made:
            save_file(weights, made / "model.safetensors")
            write_json(made / CONFIG, config)
            write_json(made / FIGURES, figures)
            write_text(
                made / "predictions.jsonl", "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            )
            write_text(made / "skipped.jsonl", "".join(json.dumps(asdict(row)) + "\n" for row in clips.skipped))
            write_text(made / "README.md", _card(config, figures))
        return figures


def _inputs(pipeline: Pipeline, options: Options, data: str) -> dict[str, Any]:
    """Everything that the weights depend on."""
    return {
        "encoder": base_name(options.encoder),
        "encoder's weights": model_digest(options.encoder),
        "arm": options.arm,
        "train_encoder": options.train_encoder,
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "learning_rate": options.rate,
        "seed": pipeline.seed,
        "video": pipeline.video.model_dump(mode="json"),
        "data": data,
    }


def _check_same(folder: Path, inputs: dict[str, Any]) -> None:
    before = read_baseline(folder).config["inputs"]
    if changed := [
        f"{name}: {before.get(name)} -> {value}" for name, value in inputs.items() if before.get(name) != value
    ]:
        raise UserError(f"{folder}: was made with other inputs: {', '.join(changed)}; give --out another folder")


def _check_splits(splits: Splits) -> None:
    if not splits["train"]:
        raise UserError("no training video can be shown; `videostar check` lists the reasons")
    if not splits["test"]:
        raise UserError("no test video can be shown: there is nothing to measure accuracy on")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    make_folder(folder.parent)
    try:
        lock = lock_file(folder.with_name(f".{folder.name}.lock"))
    except Locked:
        raise UserError(f"{folder}: another process makes it; wait for it, or give --out another folder") from None
    try:
        yield
    finally:
        lock.release()


def _vectors(
    model: VideoClassifier, batches: PixelBatches, splits: Splits, progress: Progress
) -> dict[str, torch.Tensor]:
    """The vector of every clip, by its id."""
    model.eval()
    clips, tick = [clip for split in splits.values() for clip in split], progress("clips encoded")
    found = {}
    for done, clip in enumerate(clips, start=1):
        batch = batches([clip])
        place = next(model.head.parameters()).device
        with torch.no_grad():
            found[clip.id] = model.vectors(batch["pixels"].to(place), batch["shapes"])[0].cpu()
        tick(done, len(clips))
    return found


def _predictions(
    clips: Sequence[LabelledClip], logits: np.ndarray, known: Clips, split: str
) -> Iterator[dict[str, Any]]:
    for clip, scores in zip(clips, torch.from_numpy(logits).float().softmax(1), strict=True):
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
    blocks = "UniFormerV2's local and global blocks" if inputs["arm"] else "none: tokens are pooled over frames"
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
