"""Loading a model and its processor: one way for generation and for training."""

from __future__ import annotations

import copy
import gc
from functools import cache
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    BitsAndBytesConfig,
    GenerationConfig,
    PreTrainedConfig,
)
from transformers.distributed.configuration_utils import DistributedConfig
from transformers.utils import logging

from videostar.config import ModelSpec
from videostar.models.families import complete, family
from videostar.models.parts import layers
from videostar.models.quantised import check_quantised, is_quantised, unusable, weights_at_once
from videostar.util.errors import UserError
from videostar.util.resources import check_model, model_path

logging.set_verbosity_error()  # users see videostar's own messages and progress bars
logging.disable_progress_bar()


def load_config(spec: ModelSpec) -> Any:
    """The model's configuration, read once. Raises UserError when it has none that can be read."""
    try:
        return _config(model_path(spec.name), spec.trust_remote_code)
    except (OSError, ValueError, TypeError, AttributeError) as error:  # the last two: values of the wrong type
        raise _unreadable(spec, error) from None


def load_processor(spec: ModelSpec) -> Any:
    """The model's processor, with a chat template, read once.

    Raises UserError when there is none, or it takes no videos.
    """
    try:
        processor = _processor(model_path(spec.name), spec.trust_remote_code)
    except (OSError, ValueError) as error:
        raise _unreadable(spec, error) from None
    except ImportError as error:  # some processors need a package of their own
        raise UserError(f"model {spec.name!r}: {first_line(error)}") from None
    return complete(processor, load_config(spec), spec.name)


def load_model(spec: ModelSpec, where: torch.device | None = None, *, four_bits: bool = False, shards: int = 1) -> Any:
    """The base model on its own device or on `where`, read from safetensors only.

    `four_bits`: the language model in 4 bits, to be trained. With several `shards`, each process of the group reads its
    own part of the weights (FSDP2). Raises UserError if it cannot be read.
    """
    free_memory()
    where, config = where or device(spec), _without_dropout(copy.deepcopy(load_config(spec)))
    check_quantised(config, spec.name)
    quantised = is_quantised(config) or four_bits
    if is_quantised(config):
        weights_at_once(config)
    try:
        model, report = AutoModelForImageTextToText.from_pretrained(
            model_path(spec.name),
            output_loading_info=True,
            config=config,
            dtype=dtype(spec),
            device_map={"": where} if quantised else None,  # quantised weights cannot be moved
            distributed_config=DistributedConfig(fsdp_size=shards) if shards > 1 else None,
            quantization_config=_four_bits(spec) if four_bits else None,
            use_safetensors=True,
            trust_remote_code=spec.trust_remote_code,
        )
    except Exception as error:
        if quantised:  # the package of each method raises errors of its own
            raise unusable(config, spec.name, error) from None
        if isinstance(error, OSError | ValueError):
            raise _unreadable(spec, error) from None
        raise
    if quantised and report["missing_keys"]:  # they would be random
        missing = sorted(report["missing_keys"])[0]
        raise unusable(config, spec.name, ValueError(f"its weights have no {missing}"))
    fix = family(model.config).fix
    if fix is not None:
        fix(model)
    # Many checkpoints come with repetition penalties. vLLM ignores them, so both engines do.
    known = model.generation_config
    ids = {name: getattr(known, name, None) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    model.generation_config = GenerationConfig(**ids)
    return model if quantised or shards > 1 else model.to(where)


def _four_bits(spec: ModelSpec) -> BitsAndBytesConfig:
    """NF4 with double quantisation (QLoRA, arXiv 2305.14314) for the linear layers of the language model alone."""
    bare = bare_model(spec)
    others = [name for part, names in layers(bare).items() if part != "language" for name in names]
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype(spec),
        llm_int8_skip_modules=[*others, "lm_head"],
    )


def bare_model(spec: ModelSpec) -> Any:
    """The base model without weights, on the meta device: names and shapes of its modules."""
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(load_config(spec), trust_remote_code=spec.trust_remote_code)


def free_memory() -> None:
    """Free the memory of dropped models: some hold reference cycles, and torch caches an accelerator's memory."""
    gc.collect()
    torch.accelerator.empty_cache()


def device(spec: ModelSpec) -> torch.device:
    """The device that `spec.device` names; `auto` is the accelerator if there is one, else the CPU."""
    if spec.device != "auto":
        return torch.device(spec.device)
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return accelerator or torch.device("cpu")


def dtype(spec: ModelSpec) -> torch.dtype:
    """The dtype that `spec.dtype` names; `auto` is float32, but a 16-bit type on a GPU."""
    if spec.dtype != "auto":
        named: torch.dtype = getattr(torch, spec.dtype)
        return named
    if device(spec).type != "cuda":
        return torch.float32
    config = load_config(spec)
    stored = getattr(config, "dtype", None) or getattr(config.get_text_config(), "dtype", None)
    return dtype_on_gpu(stored, has_bfloat16=torch.cuda.is_bf16_supported(including_emulation=False))


def dtype_on_gpu(stored: torch.dtype | None, *, has_bfloat16: bool) -> torch.dtype:
    """The 16-bit type for a GPU: the one that the weights are stored in if the GPU has it, else bfloat16 or float16."""
    return torch.bfloat16 if has_bfloat16 and stored != torch.float16 else torch.float16


def dtype_name(spec: ModelSpec) -> str:
    """As it is written in spec."""
    return str(dtype(spec)).removeprefix("torch.")


@cache
def _config(model: str, trust_remote_code: bool) -> Any:
    return AutoConfig.from_pretrained(model, trust_remote_code=trust_remote_code)


@cache
def _processor(model: str, trust_remote_code: bool) -> Any:
    return AutoProcessor.from_pretrained(model, trust_remote_code=trust_remote_code)


def _without_dropout(config: Any) -> Any:
    """The configuration without dropout, whose random draws would depend on how batches are cut."""
    for name, value in list(vars(config).items()):
        if isinstance(value, PreTrainedConfig):
            _without_dropout(value)
        elif "drop" in name and isinstance(value, float):
            setattr(config, name, 0.0)
    return config


def _unreadable(spec: ModelSpec, error: Exception) -> UserError:
    check_model(spec.name)
    if "custom code" in str(error):
        return UserError(
            f"model {spec.name!r}: contains custom code, which runs only if it is trusted: read it, then --set "
            "engine.trust_remote_code=true"
        )
    return UserError(
        f"model {spec.name!r}: {first_line(error)}; give `embedded`, a folder with config.json and *.safetensors, or "
        "the id of a model that is downloaded"
    )


def first_line(error: Exception) -> str:
    """The first line of an error's message, or the name of its type."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
