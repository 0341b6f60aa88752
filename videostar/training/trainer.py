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

from videostar.config.training import Training
from videostar.models.chat import IGNORED
from videostar.training.batches import Collator, prefetched
from videostar.training.checkpoints import Checkpoint, Checkpoints
from videostar.training.drop_tokens import TokenDropper
from videostar.training.log import OnStep, TrainingLog
from videostar.training.loss import answer_loss
from videostar.training.optimiser import optimizer
from videostar.training.plan import Step, micro_batches
from videostar.training.preferences import Pair
from videostar.training.router import router_weight
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
        options: Training,
        items: Sequence[Row | Pair],
        steps: Sequence[Step],
        collator: Collator,
        dropper: TokenDropper,
        *,
        checkpoints: Checkpoints,
        begin: Checkpoint | None,
        log: TrainingLog | None,
        on_step: OnStep,
    ) -> None:
        """Go on after the checkpoint `begin`, if there is one, and add to `checkpoints`.

        `log` is None on all ranks but the first, and `on_step` is called there with each step's record.
        """
        self.options, self.items, self.steps, self._collator = options, items, steps, collator
        self._dropper, self.begin = dropper, begin
        self._batches: Iterator[list[int]] = iter(())  # the items of each, by number
        self.waited, self.started = 0.0, 0.0  # of the step that is trained
        self.figures: dict[str, float] = {}  # of its batches on this rank, to be added up
        self._weighted = any(item.weight != 1 for item in items)
        self.weights: torch.Tensor | None = None  # of the rows or pairs of the micro-batch; None: all are 1
        self._router = router_weight(model.config)
        every_step = _EveryStep(self, checkpoints, log, on_step)
        super().__init__(model=model, args=arguments, compute_loss_func=self._loss, callbacks=[every_step])
        self.remove_callback(PrinterCallback)

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """That of the settings."""
        self.optimizer = optimizer(self.model, self.options, self.args) or super().create_optimizer(model)
        return self.optimizer

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Batches of the steps that are left. They are made ahead in other processes."""
        share, ranks, rank = self.args.gradient_accumulation_steps, self.args.world_size, self.args.process_index
        left = self.steps[self.begin.step if self.begin else 0 :]
        batches = [batch for step in left for batch in micro_batches(step, share * ranks)[rank::ranks]]
        self._batches = iter(batches)
        return prefetched(self.items, batches, self._collator, self.args.device)

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> tuple[list[Any], Any]:
        """As in `Trainer`, with the time that it takes and the tokens that it gives."""
        self.started, computed = time.monotonic(), self._computed()
        batches: list[Any] = list(islice(epoch_iterator, num_batches))
        self.waited = time.monotonic() - self.started - (self._computed() - computed)
        # Not of a batch that only keeps a rank busy.
        masks = [batch["attention_mask"] for batch in batches if (batch["labels"] != IGNORED).any()]
        self.figures = {}
        self.add(input_tokens=sum(int(mask.sum()) for mask in masks), places=sum(mask.numel() for mask in masks))
        _, answer_tokens = super().get_batch_samples(iter(batches), num_batches, device)
        return batches, answer_tokens

    def _computed(self) -> float:
        """Seconds that the model has worked while batches were made."""
        return self._collator.kept.seconds if self._collator.kept else 0.0

    def add(self, **figures: float) -> None:
        """Add figures of a batch to those of its step."""
        for name, value in figures.items():
            self.figures[name] = self.figures.get(name, 0) + value

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As in `Trainer`, of the tokens that are not dropped."""
        items = next(self._batches) or [0]  # a rank without items has one without labels
        rows = items * (len(inputs["input_ids"]) // len(items))  # a preference pair is two rows
        if self._weighted:
            self.weights = torch.tensor([self.items[item].weight for item in items], device=inputs["labels"].device)
        with self._dropper.step(self.state.global_step + 1, rows, inputs):
            return self.micro_loss(model, inputs, *args, **kwargs)

    def micro_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The part of a step's loss that comes from one micro-batch."""
        self.add(tokens=int((inputs["labels"][:, 1:] != IGNORED).sum()))
        return super().compute_loss(model, inputs, *args, **kwargs)

    def _loss(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor) -> torch.Tensor:
        return answer_loss(outputs, labels, num_items_in_batch, weights=self.weights, router=self._router)


class _EveryStep(TrainerCallback):
    """Goes on from a checkpoint, logs each step, and writes checkpoints."""

    def __init__(
        self,
        trainer: PlannedTrainer,
        checkpoints: Checkpoints,
        log: TrainingLog | None,
        on_step: OnStep,
    ) -> None:
        self._trainer, self._checkpoints = trainer, checkpoints
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
                f"{_names([self._trainer.items[item].where for item in step.items])}"
            )
        figures = self._figures()
        if self._log is not None:
            places = figures.pop("places")
            record = {
                "step": state.global_step,
                "steps": state.max_steps,
                "epoch": round(step.epoch, 4),
                "loss": loss,
                **figures,
                "padding": round(1 - figures["input_tokens"] / places, 4),
                "grad_norm": norm if math.isfinite(norm) else None,
                "learning_rate": logs["learning_rate"],
                "seconds": round(time.monotonic() - self._trainer.started, 4),
                "waiting": round(self._trainer.waited, 4),
                "source": step.source,
            }
            self._log.add(record)
            self._on_step(record)
            due = time.monotonic() - self._saved >= 60 * self._trainer.options.checkpoint_minutes
            if due and state.global_step < state.max_steps:
                self._log.sync()
                self._checkpoints.save(state.global_step, *self._parts(**kwargs))
                self._saved = time.monotonic()

    def _figures(self) -> dict[str, float]:
        """The figures of the step, added up over the ranks."""
        own = self._trainer.figures
        values = torch.tensor(list(own.values()), device=self._trainer.args.device, dtype=torch.float64)
        shared: Any = self._trainer.accelerator.reduce(values, "sum")
        return {
            name: value if isinstance(own[name], float) else int(value)
            for name, value in zip(own, shared.tolist(), strict=True)
        }

    def _parts(self, model: Any, optimizer: Any, lr_scheduler: Any, **_: Any) -> tuple[Any, Any, Any, Any]:
        return model, optimizer, lr_scheduler, getattr(self._trainer.accelerator, "scaler", None)


def _names(rows: Sequence[str]) -> str:
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    return ", ".join(rows[:_NAMED]) + more
