"""The training loss, and the record of every step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from videostar.models.chat import IGNORED
from videostar.training.router import router_loss
from videostar.util.errors import UserError
from videostar.util.progress import Tick


class LossCurve(TrainerCallback):
    """The loss function for `Trainer` and the loss of every step.

    The loss of a step is the mean over all answer tokens of its global batch. Models that ignore `num_items_in_batch`
    would be trained on the mean of the micro-batches' means, which depends on how the batch is split.
    """

    def __init__(self, tick: Tick, router: float = 0.0) -> None:
        self.tick, self.router = tick, router  # the weight of the router's loss, see `router_weight`
        #: For each step: `step`, `loss`, `tokens` (of answers), `grad_norm` (before clipping) and `learning_rate`.
        self.steps: list[dict[str, float | None]] = []
        self._tokens = 0

    def loss(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor) -> torch.Tensor:
        """The part of a step's loss that comes from one micro-batch.

        `outputs.logits` is [rows, tokens, vocabulary] and `labels` [rows, tokens]; the logits at a token predict the
        next one. `num_items_in_batch` is the number of answer tokens in the global batch.
        """
        self._tokens = int(num_items_in_batch)
        learned = labels[:, 1:] != IGNORED
        logits = outputs.logits[:, :-1][learned].float()  # a sum over the vocabulary is too coarse in 16 bits
        lost = torch.nn.functional.cross_entropy(logits, labels[:, 1:][learned], reduction="sum")
        share = learned.sum() / num_items_in_batch
        return lost / num_items_in_batch + router_loss(outputs, self.router, share)

    def mean(self) -> float:
        """The mean loss over the answer tokens of all steps."""
        return _mean(self.steps)

    def change(self) -> float | None:
        """The mean loss of the last quarter of the steps, less that of the first step, whose weights are untrained.

        None with fewer than four steps.
        """
        if len(self.steps) < 4:
            return None
        return _mean(self.steps[-(len(self.steps) // 4) :]) - _mean(self.steps[:1])

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Advance the progress bar."""
        self.tick(state.global_step, state.max_steps)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Record a step. Raises UserError if its loss or gradient is not finite."""
        if logs is None or "grad_norm" not in logs:  # the summary at the end
            return
        loss, norm = logs["loss"], logs["grad_norm"]
        # In float16 a gradient may overflow: Trainer then skips the step and lowers the loss scale.
        if not math.isfinite(loss) or not (math.isfinite(norm) or args.fp16):
            raise UserError(
                f"training: step {state.global_step} of {state.max_steps} has a loss of {loss:g} and a gradient of "
                f"{norm:g}; lower training.learning_rate (now {args.learning_rate:g})"
            )
        self.steps.append(
            {
                "step": state.global_step,
                "loss": loss,
                "tokens": self._tokens,
                "grad_norm": norm if math.isfinite(norm) else None,
                "learning_rate": logs["learning_rate"],
            }
        )


def _mean(steps: Sequence[Mapping[str, float | None]]) -> float:
    tokens = [step["tokens"] or 0 for step in steps]
    return sum((step["loss"] or 0) * count for step, count in zip(steps, tokens, strict=True)) / sum(tokens)
