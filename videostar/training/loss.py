"""The loss of training, and what is noted of every step."""

from __future__ import annotations

import math
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from videostar.models.chat import IGNORED
from videostar.util.errors import UserError
from videostar.util.progress import Tick


class Curve(TrainerCallback):
    """The loss as `Trainer` asks for it, and its way down.

    The loss of a step is the mean over all answer tokens of its global batch. Models that take no `num_items_in_batch`
    would be trained on the mean of the micro-batches' means, which is another one for every way to cut that batch.
    """

    def __init__(self, tick: Tick) -> None:
        self.tick = tick
        #: Of each step: `step`, `loss`, `tokens` (of answers), `grad_norm` (before clipping) and `learning_rate`.
        self.steps: list[dict[str, float | None]] = []
        self._tokens = 0

    def loss(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor) -> torch.Tensor:
        """What a micro-batch adds to the loss of its step.

        `labels` [rows, tokens] go with `outputs.logits` [rows, tokens, vocabulary]; a token is predicted by the one
        before it. `num_items_in_batch` counts the answer tokens of the global batch.
        """
        self._tokens = int(num_items_in_batch)
        learned = labels[:, 1:] != IGNORED
        logits = outputs.logits[:, :-1][learned].float()  # in 16 bits a sum over the vocabulary would be too coarse
        lost = torch.nn.functional.cross_entropy(logits, labels[:, 1:][learned], reduction="sum")
        return lost / num_items_in_batch

    def mean(self) -> float:
        """The loss over the answer tokens of all steps."""
        tokens = [step["tokens"] or 0 for step in self.steps]
        return sum((step["loss"] or 0) * count for step, count in zip(self.steps, tokens, strict=True)) / sum(tokens)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Move the bar on."""
        self.tick(state.global_step, state.max_steps)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note a step. Raises UserError when it spoils the weights."""
        if logs is None or "grad_norm" not in logs:  # the summary at the end
            return
        loss, norm = logs["loss"], logs["grad_norm"]
        # In float16 a gradient may overflow: Trainer then leaves the step out, and scales the next ones down.
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
