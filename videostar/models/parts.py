"""The parts of a model that LoRA can adapt: the layers of each, and their share of all weights.

The experts of a mixture are parameters of three dimensions, [experts, out, in] or [experts, in, out]. They are no
linear layers, so LoRA on the language model's layers passes over them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, get_args

import torch

from videostar.config.training import Target, Training
from videostar.models.families import part_of
from videostar.util.errors import UserError

PARTS: tuple[Target, ...] = get_args(Target)
_NAMES = {"language": "language model", "projector": "projector", "vision": "vision tower", "experts": "experts"}


def layers(model: Any) -> dict[Target, list[str]]:
    """Paths of the linear layers of each part, and of the experts' parameters, in a model that may have no weights."""
    found: dict[Target, list[str]] = defaultdict(list)
    for name, module in model.named_modules():
        part = part_of(model.config, name)
        if isinstance(module, torch.nn.Linear) and part is not None:
            found[part].append(name)
    for name, weight in model.named_parameters():
        if weight.ndim == 3 and part_of(model.config, name) == "language":
            found["experts"].append(name)
    return {part: sorted(names) for part, names in found.items()}


def targeted(model: Any, targets: tuple[Target, ...]) -> tuple[list[str], list[str]]:
    """Paths of the linear layers and of the experts' parameters that `targets` name.

    Raises UserError if a target has none in this model.
    """
    found = layers(model)
    for target in targets:
        if target not in found:
            has = ", ".join(part for part in PARTS if part in found)
            raise UserError(
                f"training.targets: the model ({model.config.model_type}) has no layers of part {target!r} for LoRA; "
                f"{f'it has {has}' if has else 'give another model'}"
            )
    linear = sorted(name for part in dict.fromkeys(targets) if part != "experts" for name in found[part])
    return linear, found["experts"] if "experts" in targets else []


def adapted_share(model: Any, training: Training) -> list[str]:
    """Lines for the user: the share of a model's weights that LoRA adapts, and the parts that it does not.

    `model` may have no weights. Raises UserError if a target has no layers.
    """
    targeted(model, training.targets)
    weights: dict[str, int] = {name: weight.numel() for name, weight in model.named_parameters()}
    total = sum(weights.values())
    sizes = {
        part: sum(weights.get(name, weights.get(f"{name}.weight", 0)) for name in names)
        for part, names in layers(model).items()
    }
    own = sum(sizes[part] for part in sizes if part in training.targets)
    names = ", ".join(_NAMES[part] for part in PARTS if part in training.targets)
    line = f"LoRA of rank {training.rank} adapts {_percent(own, total)} of {_billions(total)} weights ({names})"
    others = [
        f"{_NAMES[part]} ({_percent(sizes[part], total)})" for part in PARTS if part in sizes.keys() - training.targets
    ]
    lines = [f"{line}; not adapted: {', '.join(others)}" if others else line]
    if "experts" in sizes and "experts" not in training.targets:
        more = ",".join((*training.targets, "experts"))
        lines.append(
            f"training.targets: {_percent(sizes['experts'], total)} of the weights are experts, which no LoRA adapts "
            f"here; --set 'training.targets=[{more}]' adapts them"
        )
    return lines


def _percent(count: int, total: int) -> str:
    share = 100 * count / total
    return f"{share:.0f} %" if share >= 1 else f"{share:.1g} %"


def _billions(count: int) -> str:
    return f"{count / 1e9:.1f} billion" if count >= 1e8 else f"{count / 1e6:.1f} million"
