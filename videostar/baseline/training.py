"""What a classifier is trained on and with: data, tower and clips of a run, opened once; and its training."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import set_seed

from videostar.baseline.classifier import VideoClassifier
from videostar.baseline.clips import Clips, LabelledClip, PixelBatches, Splits, VectorBatches
from videostar.baseline.fit import Options, fit
from videostar.baseline.towers import load_tower
from videostar.config import Pipeline
from videostar.data.rows import Split
from videostar.models.load import device
from videostar.models.lora import base_name
from videostar.runs.data import RunData
from videostar.training.mix import warn_of_skipped
from videostar.util.errors import UserError
from videostar.util.files import make_folder
from videostar.util.locks import Locked, lock_file
from videostar.util.progress import Progress
from videostar.util.resources import model_digest
from videostar.util.terminal import warn


class Trained(NamedTuple):
    """A classifier, the epoch that it is of, and its logits [clips, classes] of the held-out splits."""

    model: VideoClassifier
    epoch: int
    logits: dict[Split, np.ndarray]


class Training:
    """Data, tower and clips; classifiers are trained on any part of the clips."""

    def __init__(self, pipeline: Pipeline, options: Options, source: RunData, progress: Progress) -> None:
        """`source` is read here, after the cheap checks.

        Raises UserError if data or encoder are wrong, or if labels are no classes.
        """
        self._pipeline, self._progress = pipeline, progress
        source.source.check_rows()
        self._device = device(pipeline.spec)
        self._tower = load_tower(options.encoder, self._device)
        # Then the vectors of clips are the same in every epoch.
        self._head_alone = not (options.arm or options.train_encoder or self._tower.attentive)
        rate = 1e-4 if options.train_encoder else 1e-2 if self._head_alone else 1e-3
        self._options = replace(options, learning_rate=options.learning_rate or rate)
        pixels, taken = pipeline.video.max_pixels, (self._tower.side or 0) ** 2
        if taken > pixels:
            warn(
                f"video.max_pixels: frames have {pixels} pixels at most, and {options.encoder} takes {taken}; "
                f"--set video.max_pixels={taken} gives it sharper ones"
            )
        source.read(progress)
        self._source = source
        self.clips = Clips(pipeline, source.questions)

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """Everything that the weights depend on."""
        return {
            "encoder": base_name(self._options.encoder),
            "encoder's weights": model_digest(self._options.encoder),
            "arm": self._options.arm,
            "train_encoder": self._options.train_encoder,
            "epochs": self._options.epochs,
            "batch_size": self._options.batch_size,
            "learning_rate": self._options.learning_rate,
            "seed": self._pipeline.seed,
            "video": self._pipeline.video.model_dump(mode="json"),
            "data": self._source.identity,
        }

    def splits(self, *names: Split) -> Splits:
        """The clips of these splits that can be shown. Raises UserError if none of the training clips can."""
        self._source.report_rows()
        splits = {name: self.clips.split(name, self._tower, self._progress(f"{name}: frames")) for name in names}
        skipped = self.clips.skipped
        warn_of_skipped("frames", sum(map(len, splits.values())) + len(skipped), skipped)
        if not splits["train"]:
            raise UserError("no training video can be shown; `videostar check` lists the reasons")
        return splits

    def scores(self, train: Sequence[LabelledClip], asked: Sequence[LabelledClip], title: str) -> list[list[float]]:
        """The probability of each class [clips, classes] for `asked`, by a new classifier trained on `train`."""
        if not asked:
            return []
        logits = self.train({"train": train, "validation": [], "test": asked}, title).logits["test"]
        return [list(map(float, row)) for row in probabilities(logits)]

    def train(self, splits: Splits, title: str = "training steps") -> Trained:
        """Train a new classifier, from the same seed whatever was trained before."""
        set_seed(self._pipeline.seed)
        tower = copy.deepcopy(self._tower) if self._options.train_encoder else self._tower
        model = VideoClassifier(
            tower, len(self.clips.classes), arm=self._options.arm, frozen=not self._options.train_encoder
        ).to(self._device)
        pixels = PixelBatches(self.clips, tower)
        with TemporaryDirectory() as scratch:
            epoch, logits = fit(
                model.head if self._head_alone else model,
                VectorBatches(self._vectors(pixels, splits)) if self._head_alone else pixels,
                splits,
                self._options,
                seed=self._pipeline.seed,
                device=self._device,
                scratch=Path(scratch),
                tick=self._progress(title),
            )
        return Trained(model, epoch, logits)

    def _vectors(self, batches: PixelBatches, splits: Splits) -> dict[str, torch.Tensor]:
        """The tower's vector of every clip, by its id."""
        clips = [clip for split in splits.values() for clip in split if clip.id not in self._known]
        tick = self._progress("clips encoded") if clips else None
        self._tower.eval()
        for done, clip in enumerate(clips, start=1):
            batch = batches([clip])
            with torch.no_grad():
                self._known[clip.id] = self._tower(batch["pixels"].to(self._device), batch["shapes"], None)[0].cpu()
            if tick is not None:
                tick(done, len(clips))
        return self._known

    @cached_property
    def _known(self) -> dict[str, torch.Tensor]:
        return {}


def probabilities(logits: np.ndarray) -> torch.Tensor:
    """The probability of each class [clips, classes]."""
    return torch.from_numpy(logits).float().softmax(1)


def check_same(folder: Path, before: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Raises UserError if what is in `folder` was made with other inputs."""
    if changed := [
        f"{name}: {before.get(name)} -> {value}" for name, value in inputs.items() if before.get(name) != value
    ]:
        raise UserError(f"{folder}: was made with other inputs: {', '.join(changed)}; give --out another folder")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from making the same folder. Raises UserError if one does."""
    make_folder(folder.parent)
    try:
        lock = lock_file(folder.with_name(f".{folder.name}.lock"))
    except Locked:
        raise UserError(f"{folder}: another process makes it; wait for it, or give --out another folder") from None
    try:
        yield
    finally:
        lock.release()
