"""Direct preference optimisation (Rafailov et al. 2023): the loss of preference pairs, and its `Trainer`."""

from __future__ import annotations

from typing import Any

import torch
from transformers import Trainer

from videostar.models.chat import IGNORED
from videostar.training.loss import LossCurve


def preference_loss(
    model: Any, batch: dict[str, Any], pairs_in_step: int, beta: float
) -> tuple[torch.Tensor, dict[str, float]]:
    """The part of a step's DPO loss (equation 7 of the paper) that comes from one micro-batch.

    `model` is PEFT's, and may be wrapped for several processes: with its LoRA it is the policy, without it the
    reference. `batch` has examples with `labels` [2 x pairs, tokens]: the chosen answers, then the rejected ones in the
    same order. The loss of a step is the mean over the `pairs_in_step` pairs of its global batch, so this is the
    micro-batch's sum divided by that number. So are the figures, which also add up over micro-batches: `accuracy` is
    the share of pairs whose chosen answer has the higher reward, `margin` the difference between the two rewards.
    """
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    # Without gradients and dropout nothing is left to switch off: models are loaded without dropout, LoRA has none.
    reference_model = getattr(model, "module", model)
    with torch.no_grad(), reference_model.disable_adapter():
        reference = answer_log_probabilities(reference_model(**inputs).logits, batch["labels"])
    policy = answer_log_probabilities(model(**inputs).logits, batch["labels"])
    chosen, rejected = (beta * (policy - reference)).chunk(2)  # the rewards, up to a constant of the question
    margins = chosen - rejected
    loss = -torch.nn.functional.logsigmoid(margins).sum() / pairs_in_step
    won, margin = int((margins > 0).sum()), float(margins.detach().sum())
    return loss, {"accuracy": won / pairs_in_step, "margin": margin / pairs_in_step}


def answer_log_probabilities(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The log-probability of each row's answer [rows]: the sum over its tokens, those that have a label.

    `logits` is [rows, tokens, vocabulary] and `labels` [rows, tokens]; the logits at a token predict the next one.
    """
    learned = labels[:, 1:] != IGNORED
    chosen = logits[:, :-1][learned].float()  # a sum over the vocabulary is too coarse in 16 bits
    each = -torch.nn.functional.cross_entropy(chosen, labels[:, 1:][learned], reduction="none")
    return torch.zeros(learned.shape, device=each.device).masked_scatter(learned, each).sum(dim=1)


class PreferenceTrainer(Trainer):
    """Trains on batches of preference pairs, and records the figures of each step in `curve`."""

    loss_is_scaled_for_ga = True

    def __init__(self, *, curve: LossCurve, beta: float, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._curve, self._beta = curve, beta

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Any]], device: torch.device) -> int:
        """The number of pairs in a global batch."""
        return sum(len(batch["labels"]) for batch in batch_samples) // 2

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: int = 1
    ) -> torch.Tensor:
        """The part of a step's loss that comes from one micro-batch."""
        loss, figures = preference_loss(model, inputs, num_items_in_batch, self._beta)
        labels = inputs["labels"]
        self._curve.add(tokens=int((labels[:, 1:] != IGNORED).sum()), pairs=len(labels) // 2, **figures)
        return loss
