"""LoRA weights on disk, and which layers LoRA adapts."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from torch.distributed.tensor import DTensor

from videostar.config.training import Training
from videostar.models.families import language_layer
from videostar.util.errors import UserError
from videostar.util.files import digest
from videostar.util.resources import model_digest, model_path

_DIGEST = "sha256:"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class LoraFacts:
    """What an engine must know of a LoRA before it loads it."""

    digest: str  # sha256 of the folder
    rank: int  # the largest, where layers have ranks of their own


def read_facts(folder: Path) -> LoraFacts:
    """The facts of the LoRA in `folder`, in PEFT's format. Raises UserError if there is none."""
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        ranks = [int(config["r"]), *map(int, config.get("rank_pattern", {}).values())]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder}: no LoRA ({error}); give a folder that training wrote") from None
    if not (folder / "adapter_model.safetensors").is_file():
        raise UserError(f"{folder}: no adapter_model.safetensors; give a folder that training wrote")
    return LoraFacts(digest(folder), max(ranks))


def lora_config(model: Any, training: Training) -> LoraConfig:
    """LoRA on every linear layer of the language model. Raises UserError if there is none."""
    targets = sorted(
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and language_layer(model.config, name)
    )
    if not targets:
        raise UserError(
            f"model {model.config.name_or_path or model.config.model_type!r}: LoRA finds no linear layers in its "
            "language model; give another model"
        )
    return LoraConfig(r=training.rank, lora_alpha=training.alpha, target_modules=targets, task_type="CAUSAL_LM")


def relative_norm(model: Any) -> float | None:
    """The Frobenius norm of a LoRA's update (B A alpha / rank), over that of the weights that it adapts.

    `model` is PEFT's; if its weights are shared out to ranks, each of them must call this. None for quantised weights,
    whose norm is not that of the stored numbers.
    """
    update = weights = 0.0
    for module in model.modules():
        if not isinstance(module, LoraLayer) or not module.lora_A:
            continue
        weight = module.get_base_layer().weight
        if weight.dtype not in (torch.float32, torch.bfloat16, torch.float16):
            return None
        norm = torch.linalg.vector_norm(weight.detach(), dtype=torch.float32)
        weights += float(norm.full_tensor() if isinstance(norm, DTensor) else norm) ** 2
        for name, down in module.lora_A.items():
            a, b = down.weight.detach().float(), module.lora_B[name].weight.detach().float()
            # ||BA||^2 = tr(B'B AA'): matrices of the rank's size instead of the weight's.
            update += module.scaling[name] ** 2 * float(((b.T @ b) * (a @ a.T)).sum())
    return math.sqrt(update / weights) if weights else None


def base_name(model: str) -> str:
    """The base model's name in a LoRA's files, the same on every machine: `embedded`, a hub id or a folder's digest."""
    if model == "embedded":
        return model
    on_disk = Path(model_path(model)).is_dir()
    return _DIGEST + model_digest(model) if on_disk else model


def other_base(recorded: str | None, model: str) -> bool:
    """Whether a LoRA's recorded base name shows that its base is not `model`.

    Names do not show it for a hub model in a local folder, nor for a path that another program wrote.
    """
    own = base_name(model)
    if recorded is None or recorded == own:
        return False
    digests = _digest_of(recorded), _digest_of(own)
    return (all(digests) and digests[0] != digests[1]) or (not any(digests) and _HUB_ID.fullmatch(recorded) is not None)


def _digest_of(base: str) -> str:
    """Digest of a base's folder; empty for a hub id or a path."""
    return model_digest(base) if base == "embedded" else base[len(_DIGEST) :] if base.startswith(_DIGEST) else ""
