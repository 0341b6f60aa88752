"""How vLLM is set up: from the model's configuration, what a video takes, and the machine's memory."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import psutil
import torch

from videostar.config import Pipeline
from videostar.models.families import family
from videostar.models.load import device, dtype, dtype_name, load_config, load_processor
from videostar.models.sizes import context_length, largest_prompt, video_tokens, weights_bytes
from videostar.util.errors import UserError

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM has kernels for
_TEXT = 1024  # tokens of the longest question, its label and the template around it
_USUAL_TEXT = 128  # tokens of most
_IN_FLIGHT = 512  # questions at once: more than vLLM runs together
_GIB = 2**30


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
        "dtype": dtype_name(settings),
        "trust_remote_code": settings.engine.trust_remote_code,
        "seed": settings.seed,
        "max_model_len": length,
        # Below the length of one video vLLM waits for ever.
        "max_num_batched_tokens": max(8192, length),
        "limit_mm_per_prompt": {"video": 1, "image": 0},
        "enable_prefix_caching": True,
        # On a GPU vLLM has adapters of 16 bits alone.
        "enable_lora": family(load_config(settings)).lora and dtype(settings) != torch.float32,
        "max_loras": 1,
        "max_lora_rank": max_lora_rank(settings.training.rank),
    }
    if not normalised_alike(settings):
        # On the device vLLM would normalise videos as images are.
        chosen["mm_device_do_normalize"] = False
    if device(settings).type == "cpu":
        # Compiling takes longer than it saves, and without being told vLLM would take nearly all memory for its cache.
        chosen |= {
            "enforce_eager": True,
            # What two questions about a video share is found again by whole blocks, and vLLM's default here is 128
            # tokens, which is more than a small video takes. Its kernels want multiples of 32.
            "block_size": 32,
            "mm_processor_cache_gb": min(1.0, _IN_FLIGHT * _clip_bytes(settings) / _GIB),
            # Without a GPU vLLM looks an adapter's weights up for every single token: five to seven times slower than
            # when they are merged into the model's.
            "enable_lora": False,
            # In the engine's own process: vLLM's other way waits for its one worker by spinning on a core of ours.
            "distributed_executor_backend": "vllm.v1.executor.uniproc_executor.UniProcExecutor",
            "kv_cache_memory_bytes": min(_cache_bytes(settings, length), psutil.virtual_memory().available // 4),
        }
    options = chosen | settings.engine.options
    if options["max_num_batched_tokens"] < length:
        raise UserError(
            f"engine.options: max_num_batched_tokens is {options['max_num_batched_tokens']}, and one video takes up to "
            f"{length}: vLLM would wait for ever; raise it"
        )
    if options["enable_lora"] and not family(load_config(settings)).lora:
        raise UserError("engine.options: enable_lora: vLLM has no adapters for models like this; leave it out")
    return options


def _cache_bytes(settings: Pipeline, length: int) -> int:
    """Room for keys and values: of as many questions of usual length as are ever in flight, and one of the longest."""
    text: Any = load_config(settings).get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    token: int = 2 * text.num_hidden_layers * heads * size * int(dtype(settings).itemsize)
    return token * (length + _IN_FLIGHT * (max(0, length - _TEXT) + _USUAL_TEXT))


def _clip_bytes(settings: Pipeline) -> int:
    """Of the largest clip that `settings.video` allows, as vLLM keeps it: bytes, or floating point."""
    pixels = [values for values in largest_prompt(settings).values() if values.is_floating_point()]
    as_bytes = family(load_config(settings)).on_device and normalised_alike(settings)
    return sum(values.numel() * (1 if as_bytes else values.itemsize) for values in pixels)


def unfit(settings: Pipeline, rank: int, options: dict[str, Any]) -> str:
    """Why an engine with these options cannot take an adapter of `rank`; empty if it can, or need not."""
    if not family(load_config(settings)).lora:
        return "it has none for models like this"
    most = options["max_lora_rank"]
    if options["enable_lora"] and rank > most:
        return f"rank {rank} is more than the {most} that the engine was started for"
    return ""


def max_lora_rank(rank: int) -> int:
    """The least rank that vLLM can be started for and that has room for adapters of `rank`."""
    return next((known for known in RANKS if known >= rank), RANKS[-1])


def normalised_alike(settings: Pipeline) -> bool:
    """Whether the model's processor gives images and videos the same scale."""
    processor = load_processor(settings)
    images, videos = getattr(processor, "image_processor", None), getattr(processor, "video_processor", None)
    names = ("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std")
    return all(getattr(images, name, None) == getattr(videos, name, None) for name in names)


def fits_beside_training(settings: Pipeline) -> bool:
    """Whether the engine may keep its memory while a round is trained: never on an accelerator."""
    if device(settings).type != "cpu":
        return False
    # Weights, gradients and optimizer states of the adapter, activations.
    available: int = psutil.virtual_memory().available
    return available > 2 * weights_bytes(settings) + 2 * _GIB


def allocator() -> Path | None:
    """The library of mimalloc, if it is installed: with glibc's own `malloc` the memory of vLLM's process grows."""
    try:
        found = files("cmeel-mimalloc") or []
    except PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in found if file.name == "libmimalloc.so"), None)
