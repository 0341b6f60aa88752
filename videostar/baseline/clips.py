"""Labelled clips of each split: the questions of a run whose labels are classes, and the frames that the run uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from videostar.adapters.questions import Questions
from videostar.adapters.task import Question
from videostar.baseline.classifier import UNKNOWN
from videostar.baseline.towers import Tower
from videostar.config import Pipeline
from videostar.data.rows import Skipped, Split
from videostar.labels import KINDS, Action
from videostar.models.load import first_line
from videostar.models.refusals import Shape, plain_clip
from videostar.util.errors import UserError
from videostar.util.terminal import warn
from videostar.video.clip import Clip
from videostar.video.errors import BadVideo
from videostar.video.pool import ClipRequest, iter_clips


@dataclass(frozen=True)
class LabelledClip:
    """A question whose label is a class, and the frames to show."""

    id: str  # of the question
    video: str
    sha256: str  # of the video
    label: str
    number: int  # of the class; UNKNOWN if no training clip has it
    file: ClipRequest


#: The clips of each split that can be shown.
Splits: TypeAlias = Mapping[Split, Sequence[LabelledClip]]


class Clips:
    """The labelled clips of a data set. Frames come through the frame cache, as in a run."""

    def __init__(self, settings: Pipeline, questions: Questions) -> None:
        """Raises UserError if no label is a class, or all training clips have the same."""
        self._frames, self._settings, self._root = settings.cache.frames(), settings, questions.root
        asked = [question for question in questions.all() if isinstance(question.label, Action)]
        if not asked:
            labels = {type(question.label) for question in questions.all()}
            kinds = ", ".join(name for name, kind in KINDS.items() if kind in labels)
            raise UserError(
                f"no label is a class: a classifier learns labels of kind action, and these are of kind {kinds}; "
                "--set adapter=action reads the column `label` as the name of a class"
            )
        if others := len(questions.all()) - len(asked):
            warn(f"{others} questions have labels of other kinds than action, and are not classified")
        self.skipped: list[Skipped] = []
        single = [question for question in asked if not question.sample.more]
        self.skipped += [_skipped(question, "several videos", "") for question in asked if question.sample.more]
        self.classes = sorted({question.group for question in single if question.sample.split == "train"})
        if len(self.classes) < 2:
            raise UserError(f"a classifier needs two classes to tell apart; training has {self.classes or 'none'}")
        self._questions = single

    def split(self, split: Split, tower: Tower, tick: Callable[[int, int], None]) -> list[LabelledClip]:
        """The clips of a split that can be shown; all are in the cache then. Others are added to `skipped`."""
        asked = [question for question in self._questions if question.sample.split == split]
        numbers = {name: number for number, name in enumerate(self.classes)}
        files = [question.files(self._root, self._settings.video)[0] for question in asked]
        refused: dict[Shape, str] = {}
        found = []
        shown = iter_clips(self._frames, files)
        for done, (question, (file, clip)) in enumerate(zip(asked, shown, strict=True), start=1):
            tick(done, len(asked))
            if isinstance(clip, BadVideo):
                self.skipped.append(_skipped(question, clip.reason, clip.detail))
                continue
            shape = clip.frames.shape
            if shape not in refused:
                refused[shape] = _refusal(tower, shape)
            if refused[shape]:
                self.skipped.append(_skipped(question, "refused by the model", refused[shape]))
                continue
            number = numbers.get(question.group, UNKNOWN)
            found.append(LabelledClip(question.id, question.sample.video, file[1], question.group, number, file))
        return found

    def clip(self, clip: LabelledClip) -> Clip:
        """Its frames."""
        return self._frames.clip(*clip.file)


class PixelBatches:
    """Makes batches of pixels, as `VideoClassifier` takes them."""

    def __init__(self, clips: Clips, tower: Tower) -> None:
        self._clips, self._tower = clips, tower

    def __call__(self, items: Sequence[LabelledClip]) -> dict[str, Any]:
        """The `labels` first: by their length `Trainer` counts the clips of a batch."""
        inputs = [self._tower.inputs(self._clips.clip(item)) for item in items]
        pixels = torch.cat([pixels for pixels, _ in inputs])
        return {"labels": _labels(items), "pixels": pixels, "shapes": [shape for _, shape in inputs]}


class VectorBatches:
    """Makes batches of vectors that are computed already, as `Head` takes them."""

    def __init__(self, vectors: dict[str, Tensor]) -> None:
        self._vectors = vectors

    def __call__(self, items: Sequence[LabelledClip]) -> dict[str, Any]:
        """As `PixelBatches`."""
        return {"labels": _labels(items), "vectors": torch.stack([self._vectors[item.id] for item in items])}


def _labels(items: Sequence[LabelledClip]) -> Tensor:
    return torch.tensor([item.number for item in items])


def _skipped(question: Question, reason: str, detail: str) -> Skipped:
    return Skipped(question.sample.row, question.sample.video, reason, detail)


def _refusal(tower: Tower, shape: Shape) -> str:
    """Why the tower's processor takes no clips of this shape; empty if it does."""
    try:
        tower.inputs(plain_clip(shape))
    except Exception as error:  # noqa: BLE001  (processors raise errors of any type)
        return first_line(error)
    return ""
