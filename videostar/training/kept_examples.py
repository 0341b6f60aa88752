"""Rows as model inputs that are made in the first pass and kept for those that follow.

A vision tower that is not trained gives a clip the same features in every pass. On a CPU tower and processor take a
third of a step, so the features are kept in place of the clip's pixels. A row's features are computed alone, and so do
not depend on the batches that it is in: a training that goes on at a checkpoint has the same ones.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures

from videostar.models.chat import IGNORED, Chat
from videostar.models.families import family
from videostar.training.rows import Row, RowClips

_ROOM = 2**30  # bytes of examples that are kept; the others are made again in every pass
_PIXELS = {"pixel_values": "image_grid_thw", "pixel_values_videos": "video_grid_thw"}


class KeptExamples:
    """Examples of rows for a model whose vision tower is frozen: of what it shows, with features in place of pixels."""

    def __init__(self, chat: Chat, clips: RowClips, model: Any) -> None:
        self._chat, self._clips = chat, clips
        self._tower = model.get_base_model().model.visual
        self._compute = self._tower.forward
        self._kept: dict[Row, dict[str, torch.Tensor]] = {}
        self._room = _ROOM
        self._fill = {"input_ids": chat.tokenizer.pad_token_id, "labels": IGNORED}
        self.seconds = 0.0  # that the tower has computed for

    @staticmethod
    def serve(model: Any) -> bool:
        """Whether they are worth their memory for a model, and right: on a CPU, with a tower that stays as it is."""
        base = model.get_base_model()
        if not family(base.config).features or base.device.type != "cpu":
            return False
        return not any(weights.requires_grad for weights in base.model.visual.parameters())

    def batch(self, rows: Sequence[Row]) -> dict[str, torch.Tensor]:
        """Model inputs with `labels` for these rows, padded right."""
        examples = [self._example(row) for row in rows]
        longest = max(example["input_ids"].shape[1] for example in examples)
        batch = {}
        for name in dict.fromkeys(name for example in examples for name in example):
            values = [
                torch.nn.functional.pad(value, (0, longest - value.shape[1]), value=self._fill.get(name, 0))
                if value.shape == example["input_ids"].shape
                else value
                for example in examples
                if (value := example.get(name)) is not None
            ]
            batch[name] = torch.cat(values)
        return batch

    @contextmanager
    def given(self) -> Iterator[None]:
        """Meanwhile the model's tower takes features, and gives them as they are."""
        self._tower.forward = _as_given
        try:
            yield
        finally:
            del self._tower.forward

    def _example(self, row: Row) -> dict[str, torch.Tensor]:
        if (known := self._kept.get(row)) is not None:
            return known
        example = self._chat.examples([self._clips.turn(row)])
        started = time.monotonic()
        for pixels, grid in _PIXELS.items():
            if pixels in example:
                example[pixels] = self._features(example[pixels], example[grid])
        self.seconds += time.monotonic() - started
        size = sum(value.nbytes for value in example.values())
        if size <= self._room:
            self._kept[row] = example
            self._room -= size
        return example

    def _features(self, pixels: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
        """[tokens, layers, width]: the tower's output for the language model's first layer and others (DeepStack)."""
        with torch.no_grad():
            given = self._compute(pixels.to(self._tower.dtype), grid_thw=grid, return_dict=True)
        return torch.stack([given.pooler_output, *(getattr(given, "deepstack_features", None) or ())], dim=1)


def _as_given(features: torch.Tensor, grid_thw: torch.Tensor, **_: Any) -> BaseModelOutputWithDeepstackFeatures:
    first, *deepstack = features.unbind(1)
    return BaseModelOutputWithDeepstackFeatures(pooler_output=first, deepstack_features=deepstack)
