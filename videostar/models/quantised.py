"""Quantised base models: whether transformers can load them on this machine, and whether they can be trained."""

from __future__ import annotations

import copy
from importlib.util import find_spec
from typing import Any

import torch
from transformers.quantizers import AutoHfQuantizer

from videostar.config.training import Training
from videostar.util.errors import UserError


def is_quantised(config: Any) -> bool:
    """Whether a model with this configuration has quantised weights."""
    return _quantisation(config) is not None


def check_quantised(config: Any, name: str, *, trains: bool = False) -> None:
    """Raises UserError if a quantised model cannot be loaded on this machine, or not be trained if `trains`."""
    if not is_quantised(config):
        return
    try:
        quantizer: Any = AutoHfQuantizer.from_config(copy.deepcopy(_quantisation(config)), pre_quantized=True)
        quantizer.validate_environment(device_map=None, weights_only=True)
        trainable = quantizer.is_trainable
    except Exception as error:  # noqa: BLE001  (each method's package raises errors of its own)
        raise unusable(config, name, error) from None
    if trains and not trainable:
        raise untrainable(config, name)


def check_mergeable(config: Any, name: str) -> None:
    """Raises UserError if a LoRA cannot be merged into the model's weights, because they are quantised."""
    if is_quantised(config):
        raise UserError(
            f"model {name!r}: is quantised ({_method(config)}), so no LoRA can be merged into its weights; use "
            "--engine transformers, or give the model that it was made from"
        )


def check_small(config: Any, name: str, training: Training) -> None:
    """Raises UserError if the model cannot be trained in 4 bits, or with an 8-bit optimizer, on this machine."""
    used = [
        f"training.{key}={value}"
        for key, value in (("quantize", training.quantize), ("optimizer", training.optimizer))
        if value not in (None, "adamw")
    ]
    if used and find_spec("bitsandbytes") is None:
        raise UserError(f"{used[0]}: needs bitsandbytes; pip install 'videostar[quantize]'")
    if training.quantize and is_quantised(config):
        raise UserError(
            f"training.quantize: model {name!r} is quantised already ({_method(config)}); set it to null, or give the "
            "model that it was made from"
        )
    if training.optimizer == "paged_adamw_8bit" and not torch.cuda.is_available():
        raise UserError("training.optimizer: paged_adamw_8bit needs a GPU; use adamw")


def weights_at_once(config: Any) -> None:
    """Have weights restored when they are loaded, not in the first pass: a LoRA is put beside them before it."""
    found = _quantisation(config)
    if found.get("quant_method") == "compressed-tensors":
        found["dequantize"] = True


def unusable(config: Any, name: str, error: Exception) -> UserError:
    """The line for a quantised model that cannot be loaded."""
    return UserError(
        f"model {name!r}: is quantised ({_method(config)}), and transformers cannot load it here: {_one_line(error)}"
    )


def untrainable(config: Any, name: str, error: Exception | None = None) -> UserError:
    """The line for a quantised model that no LoRA can be trained on."""
    why = f" ({_one_line(error)})" if error else ""
    return UserError(
        f"model {name!r}: is quantised ({_method(config)}), and no LoRA can be trained on it{why}; give the model that "
        "it was made from"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _quantisation(config: Any) -> Any:
    """The entry of a model's configuration or of its language model's, where transformers looks; None if none."""
    found = getattr(config, "quantization_config", None)
    return found or getattr(config.get_text_config(decoder=True), "quantization_config", None)


def _method(config: Any) -> str:
    found = _quantisation(config)
    return str(found.get("quant_method", "no quant_method"))
