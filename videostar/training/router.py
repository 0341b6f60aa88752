"""The router's loss of a mixture of experts, which keeps experts in use (arXiv 2101.03961, equations 4 to 6)."""

from __future__ import annotations

from typing import Any

import torch


def router_weight(config: Any) -> float:
    """The weight of the router's loss in training; 0 unless the model's configuration asks for `output_router_logits`.

    It is off in transformers' default for Qwen3-VL-MoE. LoRA never adapts the router itself.
    """
    text = config.get_text_config()
    return float(getattr(text, "router_aux_loss_coef", 0.0)) if getattr(text, "output_router_logits", False) else 0.0


def router_loss(outputs: Any, weight: float, share: torch.Tensor) -> torch.Tensor | float:
    """The part of a step's router loss that comes from one micro-batch with this share of the step's answer tokens.

    transformers puts the loss of the micro-batch's router in `outputs.aux_loss`. It is a product of two means, so that
    it depends on how a batch is split, unlike the loss of the answers.
    """
    return weight * share * outputs.aux_loss if weight else 0.0
