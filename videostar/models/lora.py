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
from peft.tuners.lora import LoraLayer, ParamWrapper
from safetensors import SafetensorError, safe_open
from torch.distributed.tensor import DTensor

from videostar.config.training import Target, Training
from videostar.models.families import part_of
from videostar.models.parts import targeted
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
    layers: tuple[str, ...]  # paths of the adapted modules
    experts: tuple[str, ...]  # how the paths of those end that hold adapted experts
    dora: bool

    def parts(self, config: Any) -> set[Target]:
        """The parts that it adapts of the model with this configuration."""
        return {
            part
            for path in self.layers
            if (part := "experts" if path.endswith(self.experts) else part_of(config, path))
        }


def read_facts(folder: Path) -> LoraFacts:
    """The facts of the LoRA in `folder`, in PEFT's format. Raises UserError if there is none, or it is damaged."""
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        ranks = [int(config["r"]), *map(int, config.get("rank_pattern", {}).values())]
        experts = tuple(str(name).rpartition(".")[0] for name in config.get("target_parameters") or ())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder}: no LoRA ({error}); give a folder that training wrote") from None
    names = read_tensors(folder / "adapter_model.safetensors")
    paths = {name.partition(".lora_")[0].removeprefix("base_model.model.").replace(".base_layer", "") for name in names}
    return LoraFacts(digest(folder), max(ranks), tuple(sorted(paths)), experts, bool(config.get("use_dora")))


def read_tensors(file: Path) -> dict[str, list[int]]:
    """Names and shapes of the tensors in a safetensors file. Raises UserError if it is absent or damaged."""
    if not file.is_file():
        raise UserError(f"{file.parent}: no {file.name}; give a folder that training wrote")
    try:
        with safe_open(file, "pt") as weights:
            return {name: weights.get_slice(name).get_shape() for name in weights.offset_keys()}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file}: is damaged ({error}); restore it, or train the LoRA again") from None


def lora_config(model: Any, training: Training) -> LoraConfig:
    """LoRA on the parts of the model that `training.targets` names. Raises UserError if one of them has no layers."""
    linear, experts = targeted(model, training.targets)
    return LoraConfig(
        r=training.rank,
        lora_alpha=training.alpha,
        target_modules=linear,
        target_parameters=experts or None,
        use_rslora=training.rslora,
        use_dora=training.dora,
        task_type="CAUSAL_LM",
    )


def relative_norm(model: Any) -> float | None:
    """The Frobenius norm of a LoRA's update (B A times its scale), over that of the weights that it adapts.

    `model` is PEFT's; if its weights are shared out to ranks, each of them must call this. None for quantised weights,
    whose norm is not that of the stored numbers.
    """
    update = weights = 0.0
    for module in model.modules():
        if not isinstance(module, LoraLayer) or not module.lora_A:
            continue
        weight = module.get_param() if isinstance(module, ParamWrapper) else module.get_base_layer().weight
        if weight.dtype not in (torch.float32, torch.bfloat16, torch.float16):
            return None
        norm = torch.linalg.vector_norm(weight.detach(), dtype=torch.float32)
        weights += float(norm.full_tensor() if isinstance(norm, DTensor) else norm) ** 2
        for name in module.lora_A:
            update += _update_norm(module, name) ** 2
    return math.sqrt(update / weights) if weights else None


def _update_norm(module: Any, name: str) -> float:
    """The Frobenius norm of the update of one layer, or of the experts of one layer."""
    if module.use_dora[name]:
        return _dora_update_norm(module, name)
    if isinstance(module, ParamWrapper):
        b, a, scaling = module.get_delta_factors(name)  # [experts, out, rank] and [experts, rank, in], or transposed
    else:
        b, a, scaling = module.lora_B[name].weight, module.lora_A[name].weight, module.scaling[name]
    a, b = a.detach().float(), b.detach().float()
    # ||BA||^2 = tr(B'B AA'): matrices of the rank's size instead of the weight's.
    return float(scaling * ((b.mT @ b) * (a @ a.mT)).sum().sqrt())


def _dora_update_norm(module: Any, name: str) -> float:
    """That of DoRA: the rows of W + BA are scaled to the trained lengths (arXiv 2402.09353, equation 5)."""
    weight = module.get_base_layer().weight.detach().float()
    moved = weight + module.get_delta_weight(name).detach().float()
    lengths = module.lora_magnitude_vector[name].weight.detach().float()
    scaled = moved * (lengths / torch.linalg.vector_norm(moved, dim=1))[:, None]
    return float(torch.linalg.vector_norm(scaled - weight))


def base_name(model: str) -> str:
    """The base model's name in a LoRA's files, the same on every machine: `embedded`, a hub id or a folder's digest."""
    if model == "embedded":
        return model
    on_disk = Path(model_path(model)).is_dir()
    return _DIGEST + model_digest(model) if on_disk else model


def named_base(lora: Path) -> str | None:
    """The base model that the LoRA in `lora` names, if that is `embedded` or a hub id."""
    name = json.loads((lora / "adapter_config.json").read_text(encoding="utf-8")).get("base_model_name_or_path")
    return name if name == "embedded" or (name and _HUB_ID.fullmatch(name)) else None


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
