"""Sizes of a model and of its prompts: tokens and bytes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from huggingface_hub import snapshot_download
from safetensors import safe_open

from videostar.config import ModelSpec, Video
from videostar.models.chat import Chat, Turn
from videostar.models.load import dtype, first_line, load_config, load_processor
from videostar.models.quantised import is_quantised
from videostar.util.errors import UserError
from videostar.util.resources import model_path
from videostar.video.clip import Clip

LONGEST_TEXT = 1024  # tokens of the longest question, its label and the template around it
_LEAST_TEXT = 64  # tokens of a short question


def video_tokens(spec: ModelSpec, video: Video, videos: int = 1) -> int:
    """Tokens of a prompt that shows the largest clips which `video` allows, without a question."""
    return int(largest_prompt(spec, video, videos)["input_ids"].shape[1])


def largest_prompt(spec: ModelSpec, video: Video, videos: int = 1) -> dict[str, torch.Tensor]:
    """Model inputs of a prompt that shows so many of the largest clips, without a question.

    Raises UserError if the model's processor refuses a plain clip of that size.
    """
    chat, clip = Chat(load_processor(spec)), largest_clip(video)
    try:
        return chat.prompts([Turn("", [clip] * videos)])
    except Exception as error:  # noqa: BLE001  (processors raise errors of any type)
        frames, height, width, _ = clip.frames.shape
        count = f"{frames} frame{'s' * (frames > 1)}"
        raise UserError(
            f"model {spec.name!r}: its processor refuses a plain clip with {count} of {width}x{height} pixels "
            f"({first_line(error)}); change video.frames (now {frames}) or video.max_pixels (now {video.max_pixels})"
        ) from None


def largest_clip(video: Video) -> Clip:
    """Black frames [frames, side, side, 3], as many and as large as `video` allows, one every three seconds."""
    side = int(video.max_pixels**0.5)
    times = tuple(3.0 * number for number in range(video.frames))
    frames = np.zeros((video.frames, side, side, 3), np.uint8)
    return Clip(frames, times, fps=10.0, seconds=3.0 * video.frames)


def context_length(spec: ModelSpec) -> int | None:
    """Tokens of the longest context that the model was made for, if its configuration gives it."""
    length = getattr(load_config(spec).get_text_config(), "max_position_embeddings", None)
    return int(length) if length else None


def sequence_length(spec: ModelSpec, video: Video, max_new_tokens: int, videos: int = 1) -> int:
    """Tokens to allow for the videos of a question, the question and its answer of `max_new_tokens`.

    Raises UserError if the model's context is too short for them.
    """
    shown, context = video_tokens(spec, video, videos), context_length(spec)
    needed = shown + max_new_tokens
    if context is not None and needed + _LEAST_TEXT > context:
        one, several = f"model {spec.name!r}: a video takes", f"model {spec.name!r}: {videos} videos take"
        raise UserError(
            f"{one if videos == 1 else several} {shown} tokens and an answer {max_new_tokens}, but its context "
            f"has {context}: lower video.frames (now {video.frames}) or video.max_pixels (now {video.max_pixels})"
        )
    return min(needed + LONGEST_TEXT, context or needed + LONGEST_TEXT)


def weights_bytes(spec: ModelSpec) -> int:
    """Size of the model's weights (*.safetensors) in the dtype of `spec`; 0 if they are not on this machine.

    Quantised weights are loaded as they are.
    """
    if is_quantised(load_config(spec)):
        return sum(file.stat().st_size for file in _weight_files(spec))
    return sum(map(math.prod, weight_shapes(spec).values())) * int(dtype(spec).itemsize)


def weight_shapes(spec: ModelSpec) -> dict[str, list[int]]:
    """Names and shapes of the model's weights, as its files have them; empty if they are not on this machine."""
    shapes: dict[str, list[int]] = {}
    for file in _weight_files(spec):
        with safe_open(file, "pt") as weights:
            shapes |= {name: weights.get_slice(name).get_shape() for name in weights.offset_keys()}
    return shapes


def _weight_files(spec: ModelSpec) -> list[Path]:
    folder = Path(model_path(spec.name))
    if not folder.is_dir():
        try:
            folder = Path(snapshot_download(spec.name, local_files_only=True))
        except (OSError, ValueError):
            return []
    return list(folder.glob("*.safetensors"))
