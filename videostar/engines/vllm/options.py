"""Arguments for vLLM: from the model's configuration, the size of a video's prompt, and the machine's memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import psutil
import torch

from videostar.config import ModelSpec, Pipeline, Video
from videostar.models.families import family
from videostar.models.load import device, dtype, dtype_name, load_config, load_processor
from videostar.models.lora import LoraFacts
from videostar.models.sizes import LONGEST_TEXT, largest_prompt, sequence_length, weights_bytes
from videostar.util.errors import UserError

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # the LoRA ranks that vLLM has kernels for
#: Why such an engine cannot judge.
MERGED = (
    "vLLM has the LoRA merged into the weights here, and so no base model that judges; use --engine transformers, or "
    "name a server: --set judge.base_url=http://127.0.0.1:8000/v1 --set judge.model=NAME"
)
_USUAL_TEXT = 128  # tokens of most questions
_IN_FLIGHT = 512  # questions at once: more than vLLM runs together
_GIB = 2**30


@dataclass(frozen=True)
class VllmSetup:
    """The settings that vLLM's arguments follow from."""

    spec: ModelSpec
    video: Video
    max_new_tokens: int
    rank: int  # of the LoRA that a run trains
    loads: bool  # whether vLLM can load it; otherwise it is merged into a copy of the weights
    seed: int
    overrides: Mapping[str, Any]  # `engine.options`
    videos: int  # of a question, at most

    @classmethod
    def of(cls, settings: Pipeline, videos: int = 1) -> VllmSetup:
        """The setup for a run whose questions have at most so many videos."""
        return cls(
            settings.spec,
            settings.video,
            settings.generation.max_new_tokens,
            settings.training.rank,
            set(settings.training.targets) == {"language"} and not settings.training.dora,
            settings.seed,
            settings.engine.options,
            videos,
        )

    def llm_options(self, weights: str) -> dict[str, Any]:
        """Arguments for vLLM's `LLM` with the weights in that folder; `engine.options` replace those chosen here.

        Raises UserError if the model's context is too short, or if `engine.options` cannot work.
        """
        length = sequence_length(self.spec, self.video, self.max_new_tokens, self.videos)
        facts = family(load_config(self.spec))
        chosen: dict[str, Any] = {
            "model": weights,
            "dtype": dtype_name(self.spec),
            "trust_remote_code": self.spec.trust_remote_code,
            "seed": self.seed,
            "max_model_len": length,
            # Below the length of one prompt vLLM waits for ever.
            "max_num_batched_tokens": max(8192, length),
            "limit_mm_per_prompt": {"video": self.videos, "image": 0},
            "enable_prefix_caching": True,
            # On a GPU vLLM has LoRA kernels for 16-bit types only.
            "enable_lora": facts.lora and dtype(self.spec) != torch.float32 and self.loads,
            "max_loras": 1,
            "max_lora_rank": max_lora_rank(self.rank),
        }
        if not same_normalisation(self.spec):
            # On its device vLLM would normalise videos like images.
            chosen["mm_device_do_normalize"] = False
        if device(self.spec).type == "cpu":
            chosen |= self._cpu_options(length)
        options = chosen | dict(self.overrides)
        if options["max_num_batched_tokens"] < length:
            raise UserError(
                f"engine.options: max_num_batched_tokens is {options['max_num_batched_tokens']}, and one prompt takes "
                f"up to {length}: vLLM would wait for ever; raise it"
            )
        if options["enable_lora"] and not facts.lora:
            raise UserError("engine.options: enable_lora: vLLM does not support LoRA for this model; remove it")
        return options

    def _cpu_options(self, length: int) -> dict[str, Any]:
        """Without a GPU: compiling costs more than it saves, and the default cache takes nearly all memory."""
        return {
            "enforce_eager": True,
            # A cached prefix is reused in whole blocks. vLLM's default of 128 tokens is more than a small video takes;
            # its kernels need multiples of 32.
            "block_size": 32,
            "mm_processor_cache_gb": min(1.0, _IN_FLIGHT * self._clip_bytes() / _GIB),
            # Without a GPU vLLM looks up LoRA weights for every token: five to seven times slower than merged ones.
            "enable_lora": False,
            # In the engine's own process: vLLM's other executor busy-waits on a core of its one worker.
            "distributed_executor_backend": "vllm.v1.executor.uniproc_executor.UniProcExecutor",
            "kv_cache_memory_bytes": min(self._cache_bytes(length), psutil.virtual_memory().available // 4),
        }

    def _cache_bytes(self, length: int) -> int:
        """Bytes of keys and values: for all questions in flight at their usual length, and one of the longest."""
        text: Any = load_config(self.spec).get_text_config()
        heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
        size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        token: int = 2 * text.num_hidden_layers * heads * size * int(dtype(self.spec).itemsize)
        return token * (length + _IN_FLIGHT * (max(0, length - LONGEST_TEXT) + _USUAL_TEXT))

    def _clip_bytes(self) -> int:
        """Bytes of the largest clip as vLLM stores it: as bytes or in floating point."""
        pixels = [value for value in largest_prompt(self.spec, self.video).values() if value.is_floating_point()]
        as_bytes = family(load_config(self.spec)).on_device and same_normalisation(self.spec)
        return sum(values.numel() * (1 if as_bytes else values.itemsize) for values in pixels)

    def lora_misfit(self, lora: LoraFacts, options: Mapping[str, Any]) -> str:
        """Why an engine with these options cannot serve this LoRA; empty if it can."""
        config = load_config(self.spec)
        if not family(config).lora:
            return "it does not support LoRA for this model"
        if lora.dora:
            return "it is a DoRA"
        # vLLM drops the weights of other parts without a word: a small share of an update, which canaries may not show.
        others = lora.parts(config) - {"language"}
        if "experts" in others or (others and not options.get("enable_tower_connector_lora")):
            return f"it adapts {' and '.join(sorted(others))}"
        most = options["max_lora_rank"]
        if options["enable_lora"] and lora.rank > most:
            return f"rank {lora.rank} is more than the {most} that the engine was started with"
        return ""


def max_lora_rank(rank: int) -> int:
    """The least rank that vLLM can be started with to serve a LoRA of `rank`."""
    return next((known for known in RANKS if known >= rank), RANKS[-1])


def same_normalisation(spec: ModelSpec) -> bool:
    """Whether the model's processor scales and normalises images and videos in the same way."""
    processor = load_processor(spec)
    images, videos = getattr(processor, "image_processor", None), getattr(processor, "video_processor", None)
    names = ("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std")
    return all(getattr(images, name, None) == getattr(videos, name, None) for name in names)


def fits_beside_training(spec: ModelSpec) -> bool:
    """Whether the engine may keep its memory while a round is trained: never on an accelerator."""
    if device(spec).type != "cpu":
        return False
    # Training takes weights, the LoRA's gradients and optimizer states, and activations.
    available: int = psutil.virtual_memory().available
    return available > 2 * weights_bytes(spec) + 2 * _GIB


def allocator() -> Path | None:
    """The library of mimalloc, if it is installed: with glibc's `malloc` the memory of vLLM's process grows."""
    try:
        found = files("cmeel-mimalloc") or []
    except PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in found if file.name == "libmimalloc.so"), None)
