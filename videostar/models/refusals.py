"""Clips that a model's processor refuses: too narrow, too short, or whatever else it does not take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np
import torch

from videostar.config import ModelSpec, Video
from videostar.models.chat import Chat, Turn
from videostar.models.load import first_line, load_processor
from videostar.models.sizes import largest_prompt
from videostar.video.clip import Clip
from videostar.video.errors import BadVideo, Reason

_REFUSED: Reason = "refused by the model"
Shape: TypeAlias = tuple[int, ...]  # of a clip: frames, height, width, 3


class Refusals:
    """Finds the clips that a model's processor refuses. That depends on their shapes: plain clips of each are tried."""

    def __init__(self, spec: ModelSpec, video: Video) -> None:
        self._spec, self._video = spec, video
        self._chat = Chat(load_processor(spec))
        self._known: dict[tuple[Shape, ...], BadVideo | None] = {}

    def refusal(self, clips: Sequence[Clip]) -> BadVideo | None:
        """Why the processor refuses a question about these clips, in its own words; None if it takes it.

        Raises UserError if it refuses clips of an ordinary shape too.
        """
        return self.of_shapes(*(clip.frames.shape for clip in clips))

    def of_shapes(self, *shapes: Shape) -> BadVideo | None:
        """The same for clips of these shapes."""
        if shapes not in self._known:
            self._known[shapes] = self._try_each(shapes) if len(shapes) > 1 else self._try(shapes)
        return self._known[shapes]

    def _try_each(self, shapes: tuple[Shape, ...]) -> BadVideo | None:
        if self.one_video_only:
            return BadVideo(_REFUSED, self.one_video_only)
        for number, shape in enumerate(shapes, start=1):
            if refusal := self.of_shapes(shape):
                return BadVideo(_REFUSED, f"video {number} of {len(shapes)}: {refusal.detail}")
        return self._try(shapes)

    def _try(self, shapes: tuple[Shape, ...]) -> BadVideo | None:
        try:
            self._prompt(*shapes)
        except Exception as error:  # noqa: BLE001  (processors raise errors of any type)
            largest_prompt(self._spec, self._video)  # raises UserError if the fault is not in the shapes
            return BadVideo(_REFUSED, first_line(error))
        return None

    @cached_property
    def one_video_only(self) -> str:
        """Why the model cannot be shown two videos with a question; empty if it can.

        With two clips a prompt must have twice the placeholders and pixels.
        """
        shape = 4, 64, 64, 3
        try:
            one, two = self._prompt(shape), self._prompt(shape, shape)
        except Exception as error:  # noqa: BLE001  (as above)
            return f"its processor does not take two videos with a question ({first_line(error)})"
        counts = [(self._chat.placeholders(batch), _pixels(batch)) for batch in (one, two)]
        if counts[1] != (2 * counts[0][0], 2 * counts[0][1]):
            return "its processor does not show the second video of a question"
        return ""

    def _prompt(self, *shapes: Shape) -> Mapping[str, torch.Tensor]:
        return self._chat.prompts([Turn("", [plain_clip(shape) for shape in shapes])])


def plain_clip(shape: Shape) -> Clip:
    """Black frames of this shape, one a second."""
    return Clip(np.zeros(shape, np.uint8), tuple(map(float, range(shape[0]))), fps=10.0, seconds=float(shape[0]))


def _pixels(batch: Mapping[str, torch.Tensor]) -> int:
    return sum(values.numel() for values in batch.values() if values.is_floating_point())
