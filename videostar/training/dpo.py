"""Direct preference optimisation (Rafailov et al. 2023): the loss of preference pairs, and its `Trainer`."""

from __future__ import annotations

from typing import Any

import torch

from videostar.models.chat import IGNORED
from videostar.training.trainer import PlannedTrainer


def preference_loss(
    model: Any, batch: dict[str, Any], pairs_in_step: int, beta: float, weights: torch.Tensor | None = None
) -> tuple[torch.Tensor, dict[str, float]]:
    """The part of a step's DPO loss (equation 7 of the paper) that comes from one micro-batch.

    `model` is PEFT's, and may be wrapped for several processes: with its LoRA it is the policy, without it the
    reference. `batch` has examples with `labels` [2 x pairs, tokens]: the chosen answers, then the rejected ones in the
    same order. The loss of a step is the mean over the `pairs_in_step` pairs of its global batch, so this is the
    micro-batch's sum divided by that number; `weights` [pairs] are those of the pairs (None: all are 1). So are the
    figures, without weights, which also add up over micro-batches: `accuracy` is the share of pairs whose chosen answer
    has the higher reward, `margin` the difference between the two rewards.
    """
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    # Without gradients and dropout nothing is left to switch off: models are loaded without dropout, LoRA has none.
    reference_model = getattr(model, "module", model)
    with torch.no_grad(), reference_model.disable_adapter():
        reference = answer_log_probabilities(reference_model(**inputs).logits, batch["labels"])
    policy = answer_log_probabilities(model(**inputs).logits, batch["labels"])
    chosen, rejected = (beta * (policy - reference)).chunk(2)  # the rewards, up to a constant of the question
    learned = (batch["labels"] != IGNORED).any(dim=1).chunk(2)[0]  # a rank without pairs has one without labels
    margins = (chosen - rejected)[learned]
    each = -torch.nn.functional.logsigmoid(margins)
    loss = (each if weights is None else each * weights[learned]).sum() / pairs_in_step
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


class PreferenceTrainer(PlannedTrainer):
    """Trains on batches of preference pairs."""

    loss_is_scaled_for_ga = True

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Any]], device: torch.device) -> torch.Tensor:
        """The number of pairs in a global batch."""
        rows = sum(int((batch["labels"] != IGNORED).any(dim=1).sum()) for batch in batch_samples)
        pairs: torch.Tensor = self.accelerator.reduce(torch.tensor(rows // 2, device=device), "sum")
        return pairs

    def micro_loss(self, model: Any, inputs: dict[str, Any], num_items_in_batch: torch.Tensor) -> torch.Tensor:
        """The part of a step's loss that comes from one micro-batch."""
        loss, figures = preference_loss(model, inputs, int(num_items_in_batch), self.options.dpo_beta, self.weights)
        learned = inputs["labels"][:, 1:] != IGNORED
        self.add(tokens=int(learned.sum()), pairs=int(learned.any(dim=1).sum()) // 2, **figures)
        return loss * self.args.world_size  # gradients are averaged over ranks
