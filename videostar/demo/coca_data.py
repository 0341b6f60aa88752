"""What the embedded CoCa learns from: scenes with true descriptions, each nearly true of others in its batch.

No text here has the name of an action: every one is written by `describe` (`tests/test_pretraining_data.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from videostar.demo.coca import CONTEXT, FRAMES, SIDE
from videostar.demo.language import describe
from videostar.demo.pretrain import draw_uneven, jpeg
from videostar.demo.render import render
from videostar.demo.world import COLOURS, DIRECTIONS, PATHS, SHAPES, Motion, Scene, draw_scene

MEAN = DEVIATION = 0.5  # of pixels from 0 to 1, for the model
_GROUP = 8  # scenes of a batch: the first, and others that differ from it in one respect
_TIMED = 8  # in one batch of so many, descriptions state times
_TIMES = (np.arange(FRAMES) + 0.5) / FRAMES  # of the frames, in shares of the clip

#: What makes a description true or false.
Content = tuple[str, str, Motion]


def draw_scenes(count: int, seed: int) -> list[Scene]:
    """Scenes of any path, a third of them with turns at random times."""
    rng = np.random.default_rng(seed)
    even = [draw_scene(rng, PATHS[rng.integers(len(PATHS))]) for _ in range(count - count // 3)]
    return even + draw_uneven(count // 3, seed + 1)


def view(scene: Scene) -> np.ndarray:
    """Frames of a scene, close to those that the model gets from a file: uint8 [FRAMES, SIDE, SIDE, 3]."""
    frames = render(scene, _TIMES)
    size = (SIDE, SIDE)
    return np.stack([np.asarray(jpeg(frame, scene).resize(size, Image.Resampling.BICUBIC)) for frame in frames])


def seconds(scene: Scene) -> list[float]:
    """The times of those frames."""
    return [int((i + 0.5) / FRAMES * scene.frame_count) / scene.fps for i in range(FRAMES)]


def draw_batches(scenes: Sequence[Scene], steps: int, batch: int, seed: int) -> Iterator[list[int]]:
    """Indices of scenes, `batch` a step: groups that differ in one respect, and nothing twice in a batch."""
    rng = np.random.default_rng(seed)
    having: dict[Content, list[int]] = defaultdict(list)
    for index, scene in enumerate(scenes):
        having[_content(scene)].append(index)
    for _ in range(steps):
        drawn: dict[Content, int] = {}
        while len(drawn) < batch:
            first = _content(scenes[int(rng.integers(len(scenes)))])
            group = [first, *_neighbours(first, rng)]
            for content in [one for one in group if one in having and one not in drawn][:_GROUP]:
                drawn[content] = having[content][rng.integers(len(having[content]))]
        yield list(drawn.values())[:batch]


def _content(scene: Scene) -> Content:
    return scene.colour, scene.shape, scene.path


def _neighbours(content: Content, rng: np.random.Generator) -> list[Content]:
    """Contents that differ in one respect: every other shape, one other colour, and other directions of one leg."""
    colour, shape, path = content
    others = [name for name in COLOURS if name != colour]
    turned: list[Motion] = []
    for _ in range(4):
        leg = int(rng.integers(3))
        directions = [name for name in DIRECTIONS if name != path[leg]]
        legs = [*path[:leg], directions[rng.integers(len(directions))], *path[leg + 1 :]]
        turned.append((legs[0], legs[1], legs[2]))
    return [
        *((colour, name, path) for name in SHAPES if name != shape),
        (others[rng.integers(len(others))], shape, path),
        *((colour, shape, other) for other in turned),
    ]


def describe_batch(scenes: Sequence[Scene], items: Sequence[tuple[int, int]], seed: int) -> list[str]:
    """True descriptions of the scenes of a batch; each item is a number of its own, and a scene's index."""
    timed = items[0][0] // len(items) % _TIMED == 0
    return [describe(scenes[index], np.random.default_rng((seed, number)), timed=timed) for number, index in items]


def pixels_of(frames: np.ndarray) -> Tensor:
    """Frames uint8 [..., side, side, 3] as the model takes them: float32 [..., 3, side, side]."""
    return (torch.from_numpy(frames).movedim(-1, -3).float() / 255 - MEAN) / DEVIATION


def frame_batch(scenes: Sequence[Scene], views: np.ndarray, places: list[int]) -> dict[str, Tensor]:
    """Inputs of `Seeing`: frames, by the number of their scene times `FRAMES` plus their own."""
    about = [(scenes[place // FRAMES], place % FRAMES) for place in places]
    at = [scene.position(_TIMES)[frame] for scene, frame in about]
    return {
        "pixels": pixels_of(np.stack([views[place // FRAMES, place % FRAMES] for place in places])),
        "position": torch.tensor(np.array(at), dtype=torch.float32),
        **_classes([scene for scene, _ in about]),
    }


def track_batch(scenes: Sequence[Scene], encoded: Tensor, items: list[int]) -> dict[str, Tensor]:
    """Inputs of `Looking`: scenes by number, and `encoded` [scenes, frames, tokens, width]."""
    about = [scenes[index] for index in items]
    return {
        **_clips(scenes, encoded, items),
        "positions": torch.tensor(np.stack([one.position(_TIMES).reshape(-1) for one in about]), dtype=torch.float32),
        **_classes(about),
    }


def _clips(scenes: Sequence[Scene], encoded: Tensor, items: Sequence[int]) -> dict[str, Tensor]:
    return {"frames": encoded[list(items)].float(), "seconds": torch.tensor([seconds(scenes[item]) for item in items])}


def _classes(scenes: Sequence[Scene]) -> dict[str, Tensor]:
    return {
        "colour": torch.tensor([list(COLOURS).index(scene.colour) for scene in scenes]),
        "shape": torch.tensor([SHAPES.index(scene.shape) for scene in scenes]),
    }


def pair_batch(
    scenes: Sequence[Scene], encoded: Tensor, tokenizer: Any, seed: int, items: list[tuple[int, int]]
) -> dict[str, Tensor]:
    """Inputs of `Describing`: items as for `describe_batch`, and `encoded` as above."""
    texts = describe_batch(scenes, items, seed)
    made = tokenizer(texts, return_tensors="pt", padding="max_length", max_length=CONTEXT, truncation=True)
    return {
        **_clips(scenes, encoded, [index for _, index in items]),
        "texts": made.input_ids,
    }
