"""transformers' `Trainer` over labelled clips; validation chooses the epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import EvalPrediction, PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState

from videostar.baseline.clips import LabelledClip, Splits
from videostar.data.rows import Split
from videostar.training.trainer import Arguments
from videostar.util.errors import UserError
from videostar.util.progress import Tick


@dataclass(frozen=True)
class Options:
    """How a classifier is built and trained."""

    encoder: str  # the model whose vision tower it has: `embedded`, a folder or a hub id
    arm: bool = True  # with the temporal blocks of UniFormerV2
    train_encoder: bool = False
    epochs: int = 30
    batch_size: int = 16
    learning_rate: float | None = None  # None: less, the more is trained

    @property
    def name(self) -> str:
        """A short name, such as `embedded-armed`."""
        how = "armed" if self.arm else "pooled"
        return f"{Path(self.encoder).name}-{how}{'-trained' if self.train_encoder else ''}"


class _Items(Dataset[LabelledClip]):
    def __init__(self, clips: Sequence[LabelledClip]) -> None:
        self._clips = clips

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> LabelledClip:
        return self._clips[index]


def fit(
    model: nn.Module,
    batches: Any,
    splits: Splits,
    options: Options,
    *,
    seed: int,
    device: torch.device,
    scratch: Path,
    tick: Tick,
) -> tuple[int, dict[Split, np.ndarray]]:
    """Train `model` on the clips that `batches` collates, and score the held-out splits.

    The model ends with the weights of the epoch that is best on validation: by accuracy, then by loss; without
    validation with the last.

    Returns:
        The number of that epoch, and the logits [clips, classes] of the splits test and validation. Raises UserError if
        the loss is not finite.
    """
    train, validation = _Items(splits["train"]), _Items(splits["validation"])
    validated = len(validation) > 0
    best = _BestEpoch(model, tick)
    trainer = Trainer(
        model=model,
        args=Arguments(
            output_dir=str(scratch),
            num_train_epochs=options.epochs,
            per_device_train_batch_size=options.batch_size,
            per_device_eval_batch_size=options.batch_size,
            learning_rate=options.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=0.1,
            weight_decay=0.05,
            max_grad_norm=1.0,
            eval_strategy="epoch" if validated else "no",
            save_strategy="no",  # a checkpoint would have pickle files
            logging_strategy="epoch",
            logging_nan_inf_filter=False,
            bf16=device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False),
            use_cpu=device.type == "cpu",
            seed=seed,
            disable_tqdm=True,
            remove_unused_columns=False,
            label_names=["labels"],
            report_to=[],
        ),
        data_collator=batches,
        train_dataset=train,
        eval_dataset=validation if validated else None,
        compute_metrics=_accuracy,
        callbacks=[best],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    best.restore()
    held_out: tuple[Split, ...] = ("validation", "test")
    logits = {split: trainer.predict(_Items(splits[split])).predictions for split in held_out if splits[split]}
    return best.epoch or options.epochs, logits


def _accuracy(found: EvalPrediction) -> dict[str, float]:
    return {"accuracy": float((np.argmax(found.predictions, axis=1) == found.label_ids).mean())}


class _BestEpoch(TrainerCallback):
    """Keeps the weights of the best epoch in memory, shows progress, and ends a training whose loss is not finite."""

    def __init__(self, model: nn.Module, tick: Tick) -> None:
        self._model, self._tick = model, tick
        self._figures = (-1.0, -math.inf)
        self._weights: dict[str, Tensor] = {}
        self.epoch = 0  # 0: none was evaluated

    def restore(self) -> None:
        """Give the model the weights of the best epoch, if one was evaluated."""
        if self._weights:
            self._model.load_state_dict(self._weights, strict=False)

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Show progress."""
        self._tick(state.global_step, state.max_steps)

    def on_log(
        self, args: Any, state: TrainerState, control: TrainerControl, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        """Raises UserError if the loss is not finite."""
        if logs and not math.isfinite(logs.get("loss", 0.0)):
            raise UserError(f"the loss is {logs['loss']} at step {state.global_step}; give a lower --learning-rate")

    def on_evaluate(
        self, args: Any, state: TrainerState, control: TrainerControl, metrics: dict[str, float], **_: Any
    ) -> None:
        """Keep the weights if they are the best so far."""
        loss = metrics["eval_loss"]
        figures = metrics["eval_accuracy"], -loss if math.isfinite(loss) else -math.inf
        if figures > self._figures:
            self._figures, self.epoch = figures, round(state.epoch or 0)
            trained = {name for name, weights in self._model.named_parameters() if weights.requires_grad}
            self._weights = {
                name: value.detach().clone()
                for name, value in self._model.state_dict().items()
                if name in trained or not name.startswith("tower.")
            }
