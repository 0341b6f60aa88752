"""The training loss."""

from __future__ import annotations

from typing import Any

import torch

from videostar.models.chat import IGNORED
from videostar.training.router import router_loss


def answer_loss(
    outputs: Any,
    labels: torch.Tensor,
    num_items_in_batch: torch.Tensor,
    *,
    weights: torch.Tensor | None = None,
    router: float = 0.0,
) -> torch.Tensor:
    """The part of a step's loss that comes from one micro-batch.

    The loss of a step is the mean over all answer tokens of its global batch. Models that ignore `num_items_in_batch`
    would be trained on the mean of the micro-batches' means, which depends on how the batch is split. `outputs.logits`
    is [rows, tokens, vocabulary] and `labels` [rows, tokens]; the logits at a token predict the next one.
    `num_items_in_batch` is the number of answer tokens in the global batch, of any weight, so a row's part does not
    depend on the others. `weights` [rows] are those of the rows (None: all are 1), and `router` is the weight of a
    router's loss.
    """
    learned = labels[:, 1:] != IGNORED
    logits = outputs.logits[:, :-1][learned].float()  # a sum over the vocabulary is too coarse in 16 bits
    if weights is None:
        lost = torch.nn.functional.cross_entropy(logits, labels[:, 1:][learned], reduction="sum")
    else:
        each = torch.nn.functional.cross_entropy(logits, labels[:, 1:][learned], reduction="none")
        lost = (each * weights[:, None].expand_as(learned)[learned]).sum()
    share = learned.sum() / num_items_in_batch
    return lost / num_items_in_batch + router_loss(outputs, router, share)
