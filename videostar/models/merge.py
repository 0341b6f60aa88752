"""A copy of the base model with a LoRA merged into its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError
from transformers.core_model_loading import Transpose

from videostar.config import ModelSpec
from videostar.models.load import load_config, load_model, load_processor
from videostar.models.quantised import check_mergeable
from videostar.models.sizes import weight_shapes


def save_merged(spec: ModelSpec, lora: Path, out: Path) -> None:
    """Write the base model with the LoRA merged into its weights to the folder `out`.

    This is done in host memory, because an engine may hold all of the accelerator's. Raises UserError for a quantised
    model.
    """
    check_mergeable(load_config(spec), spec.name)
    where = torch.device("cpu")
    base = load_model(spec, where)
    model: Any = PeftModel.from_pretrained(base, str(lora), torch_device=where.type).merge_and_unload()
    _keep_layout(model, spec)
    try:
        model.save_pretrained(out)
    except SafetensorError as error:  # a full disk, for one
        raise OSError(str(error)) from None
    load_processor(spec).save_pretrained(out)


def _keep_layout(model: Any, spec: ModelSpec) -> None:
    """Have transformers write experts as the base's files have them, as vLLM reads them.

    Published files have [experts, in, out]. transformers 5.19 transposes them when it loads them, and not when it saves
    them.
    """
    shapes = weight_shapes(spec)
    turned = any(
        weight.ndim == 3 and shapes.get(name, list(weight.shape)) != list(weight.shape)
        for name, weight in model.named_parameters()
    )
    for conversion in getattr(model, "_weight_conversions", None) or ():
        for step in getattr(conversion, "operations", ()):
            if turned and isinstance(step, Transpose):
                step.check_dims = False  # that of a save would compare with the loaded shape
