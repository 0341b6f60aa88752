"""Loading a model and its processor: one way for generation and for training."""

from __future__ import annotations

import copy
import gc
from functools import cache
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from peft import PeftModel
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, GenerationConfig, PreTrainedConfig
from transformers.utils import logging

from videostar.config import Pipeline
from videostar.models.families import complete, family
from videostar.util.errors import UserError
from videostar.util.resources import model_path

logging.set_verbosity_error()  # the progress and the messages that users see are ours
logging.disable_progress_bar()


def load_config(settings: Pipeline) -> Any:
    """The model's configuration, read once. Raises UserError when it has none that can be read."""
    try:
        return _config(model_path(settings.model), settings.engine.trust_remote_code)
    except (OSError, ValueError) as error:
        raise _unreadable(settings, error) from None


def load_processor(settings: Pipeline) -> Any:
    """The model's processor, with a chat template, read once.

    Raises UserError when there is none, or it takes no videos.
    """
    try:
        processor = _processor(model_path(settings.model), settings.engine.trust_remote_code)
    except (OSError, ValueError) as error:
        raise _unreadable(settings, error) from None
    except ImportError as error:  # of a package that this processor alone needs
        raise UserError(f"model {settings.model!r}: {_first_line(error)}") from None
    return complete(processor, load_config(settings), settings.model)


def load_model(settings: Pipeline, where: torch.device | None = None) -> Any:
    """The base model on its device or on `where`, from safetensors only. Raises UserError when it cannot be read."""
    free_memory()
    try:
        model = AutoModelForImageTextToText.from_pretrained(
            model_path(settings.model),
            config=_without_dropout(copy.deepcopy(load_config(settings))),
            dtype=dtype(settings),
            use_safetensors=True,
            trust_remote_code=settings.engine.trust_remote_code,
        )
    except (OSError, ValueError) as error:
        raise _unreadable(settings, error) from None
    fix = family(model.config).fix
    if fix is not None:
        fix(model)
    # Greedy is greedy: many checkpoints come with penalties, which vLLM does not apply unless it is told to.
    known = model.generation_config
    ids = {name: getattr(known, name, None) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    model.generation_config = GenerationConfig(**ids)
    return model.to(where or device(settings))


def bare_model(settings: Pipeline) -> Any:
    """The base model without weights: the names and shapes of its modules, on the meta device."""
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(
            load_config(settings), trust_remote_code=settings.engine.trust_remote_code
        )


def free_memory() -> None:
    """Give back what dropped models took: some refer to themselves, and torch keeps an accelerator's memory."""
    gc.collect()
    torch.accelerator.empty_cache()


def save_merged(settings: Pipeline, adapter: Path, out: Path) -> None:
    """Write the base with the adapter merged into its weights to the folder `out`.

    In the machine's own memory, as an engine may have all of an accelerator's.
    """
    where = torch.device("cpu")
    base = load_model(settings, where)
    model: Any = PeftModel.from_pretrained(base, str(adapter), torch_device=where.type).merge_and_unload()
    try:
        model.save_pretrained(out)
    except SafetensorError as error:  # a full disk, for one
        raise OSError(str(error)) from None
    load_processor(settings).save_pretrained(out)


def device(settings: Pipeline) -> torch.device:
    """The device that `settings.engine.device` names; `auto` is the accelerator if there is one."""
    if settings.engine.device != "auto":
        return torch.device(settings.engine.device)
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return accelerator or torch.device("cpu")


def dtype(settings: Pipeline) -> torch.dtype:
    """What `settings.engine.dtype` names; `auto` is float32, but on a GPU 16 bits."""
    if settings.engine.dtype != "auto":
        named: torch.dtype = getattr(torch, settings.engine.dtype)
        return named
    if device(settings).type != "cuda":
        return torch.float32
    config = load_config(settings)
    stored = getattr(config, "dtype", None) or getattr(config.get_text_config(), "dtype", None)
    return dtype_on_gpu(stored, has_bfloat16=torch.cuda.is_bf16_supported(including_emulation=False))


def dtype_on_gpu(stored: torch.dtype | None, *, has_bfloat16: bool) -> torch.dtype:
    """16 bits: those that the weights are stored in where the GPU has them, else bfloat16, else float16."""
    return torch.bfloat16 if has_bfloat16 and stored != torch.float16 else torch.float16


def dtype_name(settings: Pipeline) -> str:
    """As it is written in settings."""
    return str(dtype(settings)).removeprefix("torch.")


@cache
def _config(model: str, trust_remote_code: bool) -> Any:
    return AutoConfig.from_pretrained(model, trust_remote_code=trust_remote_code)


@cache
def _processor(model: str, trust_remote_code: bool) -> Any:
    return AutoProcessor.from_pretrained(model, trust_remote_code=trust_remote_code)


def _without_dropout(config: Any) -> Any:
    """The configuration with no dropout in it: what is drawn would turn on how batches are cut."""
    for name, value in list(vars(config).items()):
        if isinstance(value, PreTrainedConfig):
            _without_dropout(value)
        elif "drop" in name and isinstance(value, float):
            setattr(config, name, 0.0)
    return config


def _unreadable(settings: Pipeline, error: Exception) -> UserError:
    given = "give `embedded`, a folder with config.json and *.safetensors, or the id of a model that is downloaded"
    if not Path(model_path(settings.model)).exists() and not _downloaded(settings.model):
        return UserError(f"model {settings.model!r}: is not on this machine (hf download {settings.model}); {given}")
    if "custom code" in str(error):
        return UserError(
            f"model {settings.model!r}: contains custom code, which runs only if it is trusted: read it, then --set "
            "engine.trust_remote_code=true"
        )
    return UserError(f"model {settings.model!r}: {_first_line(error)}; {given}")


def _downloaded(model: str) -> bool:
    try:
        return isinstance(try_to_load_from_cache(model, "config.json"), str)
    except ValueError:  # no id at all
        return True


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
