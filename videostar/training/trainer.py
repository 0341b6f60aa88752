"""transformers' `Trainer` over a plan of steps, with a log of every step and checkpoints of our own."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from videostar.training.batches import Collator, prefetched
from videostar.training.checkpoints import Checkpoint, Checkpoints
from videostar.training.drop_tokens import TokenDropper
from videostar.training.log import OnStep, TrainingLog
from videostar.training.loss import answer_loss
from videostar.training.plan import Step, micro_batches
from videostar.training.rows import Row
from videostar.util.errors import UserError

_NAMED = 5  # rows in the message about a step


class Arguments(TrainingArguments):
    """Arguments for one device a process.

    With several GPUs in one process `Trainer` would use DataParallel, which splits every tensor of a batch by rows; but
    pixels have one row per patch, not per question.
    """

    @property
    def n_gpu(self) -> int:
        """At most one."""
        return min(1, int(super().n_gpu))


class PlannedTrainer(Trainer):
    """A `Trainer` whose batches are the micro-batches of planned steps, this rank's share of each.

    For `Trainer` the steps that are left are one pass over its data.
    """

    def __init__(
        self,
        model: Any,
        arguments: Arguments,
        rows: Sequence[Row],
        steps: Sequence[Step],
        collator: Collator,
        dropper: TokenDropper,
        *,
        checkpoints: Checkpoints,
        minutes: float,
        log: TrainingLog | None,
        on_step: OnStep,
    ) -> None:
        """Go on after the newest of `checkpoints`, and write one every so many `minutes`.

        `log` is None on all ranks but the first, and `on_step` is called there with each step's record.
        """
        self.rows, self.steps, self.collator, self._dropper = rows, steps, collator, dropper
        self._rows_of_batches: Iterator[list[int]] = iter(())  # their numbers
        self.waited, self.started, self.counts = 0.0, 0.0, (0, 0, 0)  # of the step that is trained
        self.begin: Checkpoint | None = checkpoints.newest()
        every_step = _EveryStep(self, checkpoints, minutes, log, on_step)
        super().__init__(model=model, args=arguments, compute_loss_func=answer_loss, callbacks=[every_step])
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Batches of the steps that are left. They are made ahead in other processes."""
        share, ranks, rank = self.args.gradient_accumulation_steps, self.args.world_size, self.args.process_index
        left = self.steps[self.begin.step if self.begin else 0 :]
        batches = [batch for step in left for batch in micro_batches(step, share * ranks)[rank::ranks]]
        self._rows_of_batches = iter(batches)
        return prefetched(self.rows, batches, self.collator, self.args.device)

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> tuple[list[Any], Any]:
        """As in `Trainer`, with the time that it takes and the tokens that it gives."""
        self.started = time.monotonic()
        batches = list(islice(epoch_iterator, num_batches))
        self.waited = time.monotonic() - self.started
        batches, answer_tokens = super().get_batch_samples(iter(batches), num_batches, device)
        masks = [batch["attention_mask"] for batch in batches]
        counts = [sum(int(mask.sum()) for mask in masks), sum(mask.numel() for mask in masks)]
        tokens, places = self.accelerator.reduce(torch.tensor(counts, device=device), "sum").tolist()
        self.counts = int(answer_tokens), tokens, places
        return batches, answer_tokens

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As in `Trainer`, of the tokens that are not dropped."""
        rows = next(self._rows_of_batches) or [0]  # a rank without rows has one without labels
        with self._dropper.step(self.state.global_step + 1, rows, inputs):
            return super().compute_loss(model, inputs, *args, **kwargs)


class _EveryStep(TrainerCallback):
    """Goes on from a checkpoint, logs each step, and writes checkpoints."""

    def __init__(
        self,
        trainer: PlannedTrainer,
        checkpoints: Checkpoints,
        minutes: float,
        log: TrainingLog | None,
        on_step: OnStep,
    ) -> None:
        self._trainer, self._checkpoints, self._minutes = trainer, checkpoints, minutes
        self._log, self._on_step = log, on_step
        self._saved = time.monotonic()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Restore the checkpoint."""
        if begin := self._trainer.begin:
            begin.restore(*self._parts(**kwargs))
            state.global_step = self._trainer._globalstep_last_logged = begin.step

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Log a step. Raises UserError if its loss or gradient is not finite."""
        if logs is None or "grad_norm" not in logs:  # the summary at the end
            return
        step = self._trainer.steps[state.global_step - 1]
        loss, norm = logs["loss"], logs["grad_norm"]
        # In float16 a gradient may overflow: Trainer then skips the step and lowers the loss scale.
        if not math.isfinite(loss) or not (math.isfinite(norm) or args.fp16):
            raise UserError(
                f"training: step {state.global_step} of {state.max_steps} has a loss of {loss:g} and a gradient of "
                f"{norm:g}; lower training.learning_rate (now {args.learning_rate:g}), or look at its rows: "
                f"{_names([self._trainer.rows[row].where for row in step.rows])}"
            )
        if self._log is not None:
            answer_tokens, tokens, places = self._trainer.counts
            record = {
                "step": state.global_step,
                "steps": state.max_steps,
                "epoch": round(step.epoch, 4),
                "loss": loss,
                "tokens": answer_tokens,
                "input_tokens": tokens,
                "padding": round(1 - tokens / places, 4),
                "grad_norm": norm if math.isfinite(norm) else None,
                "learning_rate": logs["learning_rate"],
                "seconds": round(time.monotonic() - self._trainer.started, 4),
                "waiting": round(self._trainer.waited, 4),
                "source": step.source,
            }
            self._log.add(record)
            self._on_step(record)
            if state.global_step < state.max_steps and time.monotonic() - self._saved >= 60 * self._minutes:
                self._log.sync()
                self._checkpoints.save(state.global_step, *self._parts(**kwargs))
                self._saved = time.monotonic()

    def _parts(self, model: Any, optimizer: Any, lr_scheduler: Any, **_: Any) -> tuple[Any, Any, Any, Any]:
        return model, optimizer, lr_scheduler, getattr(self._trainer.accelerator, "scaler", None)


def _names(rows: Sequence[str]) -> str:
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    return ", ".join(rows[:_NAMED]) + more
