"""What a model and its videos take: tokens of a prompt, bytes of weights."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from huggingface_hub import snapshot_download
from safetensors import safe_open

from videostar.config import Pipeline
from videostar.models.chat import Chat, Turn
from videostar.models.load import dtype, load_config, load_processor
from videostar.util.resources import model_path
from videostar.video.clip import Clip


def video_tokens(settings: Pipeline) -> int:
    """The tokens of a prompt that shows the largest clip which `settings.video` allows, and says nothing."""
    return int(largest_prompt(settings)["input_ids"].shape[1])


def largest_prompt(settings: Pipeline) -> dict[str, torch.Tensor]:
    """The inputs of a prompt that shows the largest clip, and says nothing."""
    return Chat(load_processor(settings)).prompts([Turn("", largest_clip(settings))])


def largest_clip(settings: Pipeline) -> Clip:
    """Black frames, as many and as large as `settings.video` allows, one every three seconds."""
    side = int(settings.video.max_pixels**0.5)
    frames = settings.video.frames
    times = tuple(3.0 * number for number in range(frames))
    return Clip(np.zeros((frames, side, side, 3), np.uint8), times, fps=10.0, seconds=3.0 * frames)


def context_length(settings: Pipeline) -> int | None:
    """The most tokens that the model was made for, if its configuration says."""
    length = getattr(load_config(settings).get_text_config(), "max_position_embeddings", None)
    return int(length) if length else None


def weights_bytes(settings: Pipeline) -> int:
    """The size of the model's weights (*.safetensors) in the engine's dtype; 0 if they are not on this machine."""
    folder = Path(model_path(settings.model))
    if not folder.is_dir():
        try:
            folder = Path(snapshot_download(settings.model, local_files_only=True))
        except (OSError, ValueError):
            return 0
    total = 0
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as weights:
            total += sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.offset_keys())
    return total * int(dtype(settings).itemsize)
