"""Controls: a question is asked again with something taken away, to show what its answer owes to that.

- blind: grey frames in place of the video's. Their number, shape and times stay.
- shuffled: each video's frames in a random order, at the times of the frames that they replace.
- single: the middle frame in place of every frame, so the shape and the number of tokens stay.
- options: the options of a choice in a random order. The right option gets another letter.

Times of frames stay, so a model can still know how long a video is. What is random is drawn from the control, the seed
of the run and the question's id.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from videostar.adapters.task import Question
from videostar.config import ControlName
from videostar.labels import Action, Label
from videostar.labels.boolean import Boolean
from videostar.labels.choice import Choice
from videostar.video.clip import Clip

_GREY = 128


@dataclass(frozen=True)
class Control:
    """A change of a question and its clips."""

    name: ControlName
    seed: int

    @classmethod
    def each(cls, names: Sequence[ControlName], seed: int) -> tuple[Self, ...]:
        """The controls of these names."""
        return tuple(cls(name, seed) for name in names)

    def question(self, question: Question) -> Question | None:
        """The question as it is asked; None if it is not: under `options` it must show the options of a choice."""
        if self.name != "options":
            return question
        label = question.label
        if not isinstance(label, Choice):
            return None
        right = list(label.options).index(label.answer)
        order = list(range(len(label.options)))
        draw = self._draw(question)
        while order[right] == right:
            draw.shuffle(order)
        changed = replace(question, order=tuple(order))
        return changed if changed.text != question.text else None  # an adapter may show them in its own way

    def clips(self, question: Question, clips: Sequence[Clip]) -> Sequence[Clip]:
        """The clips that are shown with it."""
        match self.name:
            case "blind":
                return [replace(clip, frames=np.full_like(clip.frames, _GREY), key="") for clip in clips]
            case "shuffled":
                draw = self._draw(question)
                return [_shuffled(clip, draw) for clip in clips]
            case "single":
                return [_with_frames(clip, [len(clip.frames) // 2] * len(clip.frames)) for clip in clips]
            case "options":
                return clips

    def _draw(self, question: Question) -> random.Random:
        return random.Random(f"{self.name}/{self.seed}/{question.id}")


def _shuffled(clip: Clip, draw: random.Random) -> Clip:
    """The frames in another order. Frames that are all equal have no other."""
    order = list(range(len(clip.frames)))
    if (clip.frames == clip.frames[0]).all():
        return clip
    while True:
        draw.shuffle(order)
        changed = _with_frames(clip, order)
        if not np.array_equal(changed.frames, clip.frames):
            return changed


def _with_frames(clip: Clip, order: Sequence[int]) -> Clip:
    return replace(clip, frames=clip.frames[list(order)], key="")  # engines cache frames by key


def chance(labels: Iterable[Label]) -> float | None:
    """The expected share of right guesses, each among the possible answers; None unless all labels have a known few."""
    shares = [_chance(label) for label in labels]
    known = [share for share in shares if share is not None]
    return sum(known) / len(known) if known and len(known) == len(shares) else None


def _chance(label: Label) -> float | None:
    match label:
        case Choice():
            return 1 / len(label.options)
        case Boolean():
            return 1 / 2
        case Action(among=among) if among:
            return 1 / len({label.name, *among})
    return None
