"""The optimizer of LoRA+, which trains the two factors of a LoRA at different rates (arXiv 2402.12354)."""

from __future__ import annotations

from typing import Any

from peft.optimizers import create_loraplus_optimizer
from transformers import Trainer, TrainingArguments

from videostar.config.training import Training


def optimizer(model: Any, training: Training, arguments: TrainingArguments) -> Any:
    """The optimizer that `Trainer` would make, with the rates of LoRA+; None if the factors have the same rate.

    `model` is PEFT's.
    """
    if training.lora_plus is None:
        return None
    kind, options = Trainer.get_optimizer_cls_and_kwargs(arguments, model)
    rate = options.pop("lr")
    return create_loraplus_optimizer(
        model,
        kind,
        lr=rate,
        loraplus_lr_ratio=training.lora_plus,
        loraplus_weight_decay=arguments.weight_decay,
        **options,
    )
