"""First phase of pretraining: the vision tower alone learns to see the object and its direction.

A small tower learns this slowly from text (`design/log.md`). Here a linear head on the tower's outputs predicts, for
every pair of frames that Qwen3-VL merges, the object's colour, shape, position in both frames, and direction. The head
is discarded afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from videostar.demo.model import FRAMES
from videostar.demo.world import COLOURS, DIRECTIONS, SHAPES, Scene

_PAIRS = FRAMES // 2
_CLASSES = {"colour": len(COLOURS), "shape": len(SHAPES), "direction": len(DIRECTIONS)}
_POSITION_WEIGHT = 50.0  # an error of one pixel costs about 0.01
_SHAPE_WEIGHT = 2.0  # the shape is the hardest, and learned last
_STILL = 0.01  # share of the picture: a smaller difference between two frames is no motion


class Grounding(nn.Module):
    """The vision tower with a linear head; its forward pass returns the loss, as transformers' `Trainer` wants it."""

    def __init__(self, visual: nn.Module, width: int, taps: int) -> None:
        super().__init__()
        self.visual = visual
        tokens = 4  # per pair of 64x64 frames, after merging
        self.heads = nn.ModuleDict(
            {name: nn.Linear(tokens * width * (1 + taps), size) for name, size in {**_CLASSES, "position": 4}.items()}
        )

    def forward(
        self, pixel_values_videos: torch.Tensor, video_grid_thw: torch.Tensor, **targets: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """The loss, and the logits of each class.

        Targets have one row per pair of frames: class indices [pairs], and `position` [pairs, 4] as shares of the
        picture.
        """
        outputs = self.visual(pixel_values_videos, grid_thw=video_grid_thw)
        features = torch.cat([outputs.pooler_output, *outputs.deepstack_features], dim=-1)
        features = features.reshape(len(targets["position"]), -1)
        loss = _POSITION_WEIGHT * nn.functional.mse_loss(self.heads["position"](features), targets["position"])
        logits = {name: self.heads[name](features) for name in _CLASSES}
        for name, values in logits.items():
            weight = _SHAPE_WEIGHT if name == "shape" else 1.0
            loss = loss + weight * nn.functional.cross_entropy(values, targets[name])
        return {"loss": loss, **logits}


class GroundingCollator:
    """Makes the tower's inputs and the head's targets from indices of scenes."""

    def __init__(self, processor: Any, scenes: list[Scene], views: np.ndarray) -> None:
        self.video_processor, self.scenes, self.views = processor.video_processor, scenes, views

    def __call__(self, indices: list[int]) -> dict[str, torch.Tensor]:
        """One batch."""
        videos = [torch.from_numpy(self.views[index]).permute(0, 3, 1, 2) for index in indices]
        inputs = self.video_processor(videos, return_tensors="pt", do_sample_frames=False)
        targets = [_targets(self.scenes[index]) for index in indices]
        return {
            "pixel_values_videos": inputs["pixel_values_videos"],
            "video_grid_thw": inputs["video_grid_thw"],
            **{name: torch.from_numpy(np.concatenate([target[name] for target in targets])) for name in targets[0]},
        }


def _targets(scene: Scene) -> dict[str, np.ndarray]:
    position = scene.position((np.arange(FRAMES) + 0.5) / FRAMES).astype(np.float32).reshape(_PAIRS, 4)
    moved = position[:, 2:] - position[:, :2]
    steps = np.array(list(DIRECTIONS.values()), dtype=np.float32)
    closest = (moved @ steps.T).argmax(axis=1)
    still = np.abs(moved).max(axis=1) < _STILL
    return {
        "position": position,
        "direction": np.where(still, list(DIRECTIONS).index("still"), closest),
        "colour": np.full(_PAIRS, list(COLOURS).index(scene.colour)),
        "shape": np.full(_PAIRS, SHAPES.index(scene.shape)),
    }
