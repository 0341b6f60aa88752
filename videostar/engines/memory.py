"""How vLLM is set up: from the model's configuration, what a video takes, and the machine's memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import psutil

from videostar.chat import Chat, Turn
from videostar.config import Pipeline
from videostar.errors import UserError
from videostar.models import device, load_config, load_processor
from videostar.resources import model_path
from videostar.video.clip import Clip

_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM has kernels for
_TEXT = 1024  # tokens of the longest question, its label and the template around it
_GIB = 2**30


def video_tokens(settings: Pipeline) -> int:
    """The tokens of a prompt that shows the largest clip which `settings.video` allows, and says nothing."""
    side = int(settings.video.max_pixels**0.5)
    frames = settings.video.frames
    clip = Clip(np.zeros((frames, side, side, 3), np.uint8), tuple(map(float, range(frames))), 1.0, float(frames))
    return int(Chat(load_processor(settings)).prompts([Turn("", clip)])["input_ids"].shape[1])


def context_length(settings: Pipeline) -> int | None:
    """The most tokens that the model was made for, if its configuration says."""
    length = getattr(load_config(settings).get_text_config(), "max_position_embeddings", None)
    return int(length) if length else None


def check_length(settings: Pipeline) -> int:
    """The tokens that a question about a video and its answer may take. Raises UserError when the model has no room."""
    video, context = video_tokens(settings), context_length(settings)
    needed = video + settings.generation.max_new_tokens
    if context is not None and needed + 64 > context:
        raise UserError(
            f"model {settings.model!r}: a video takes {video} tokens and an answer "
            f"{settings.generation.max_new_tokens}, the model has room for {context}: lower video.frames "
            f"(now {settings.video.frames}) or video.max_pixels (now {settings.video.max_pixels})"
        )
    return min(needed + _TEXT, context or needed + _TEXT)


def llm_options(settings: Pipeline, model: str) -> dict[str, Any]:
    """Arguments for vLLM's `LLM`; those of `engine.options` take the place of what is chosen here."""
    length = check_length(settings)
    chosen: dict[str, Any] = {
        "model": model,
        "dtype": settings.engine.dtype,
        "trust_remote_code": settings.engine.trust_remote_code,
        "seed": settings.seed,
        "max_model_len": length,
        # Below the length of one video vLLM waits for ever.
        "max_num_batched_tokens": max(8192, length),
        "limit_mm_per_prompt": {"video": 1, "image": 0},
        "mm_processor_cache_gb": 1,
        "enable_prefix_caching": True,
        "enable_lora": True,
        "max_loras": 1,
        "max_lora_rank": next((rank for rank in _RANKS if rank >= settings.training.rank), _RANKS[-1]),
    }
    if not _normalised_alike(settings):
        # On the device vLLM would normalise videos as images are.
        chosen["mm_device_do_normalize"] = False
    if device(settings).type == "cpu":
        # Compiling takes longer than it saves, and the cache is a share of what is free, not of all.
        chosen |= {
            "enforce_eager": True,
            "kv_cache_memory_bytes": min(4 * _GIB, psutil.virtual_memory().available // 4),
        }
    options = chosen | settings.engine.options
    if options["max_num_batched_tokens"] < length:
        raise UserError(
            f"engine.options: max_num_batched_tokens is {options['max_num_batched_tokens']}, and one video takes up to "
            f"{length}: vLLM would wait for ever; raise it"
        )
    return options


def _normalised_alike(settings: Pipeline) -> bool:
    """Whether the model's processor gives images and videos the same scale."""
    processor = load_processor(settings)
    images, videos = getattr(processor, "image_processor", None), getattr(processor, "video_processor", None)
    names = ("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std")
    return all(getattr(images, name, None) == getattr(videos, name, None) for name in names)


def fits_beside_training(settings: Pipeline) -> bool:
    """Whether the engine may keep its memory while a round is trained: never on an accelerator."""
    if device(settings).type != "cpu":
        return False
    folder = Path(model_path(settings.model))
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors")) if folder.is_dir() else 0
    # Weights in float32, gradients and optimizer states of the adapter, activations.
    available: int = psutil.virtual_memory().available
    return available > 4 * weights + 2 * _GIB
