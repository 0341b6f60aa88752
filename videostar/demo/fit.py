"""Train one phase of an embedded model, by transformers' `Trainer`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import Trainer, TrainingArguments


def fit(
    model: Any, data: Any, collate: Any, *, batch: int, rate: float, seed: int, scratch: Path, in_order: bool = False
) -> list[list[float]]:
    """Train `model`, whose forward pass returns the loss, once on `data` and return [step, mean loss] every 50 steps.

    `rate` is the learning rate at its peak. `in_order`: batches of `batch` items as they stand in `data`, which are
    shuffled otherwise.
    """
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(scratch),
            max_steps=len(data) // batch,
            per_device_train_batch_size=batch,
            train_sampling_strategy="sequential" if in_order else "random",
            learning_rate=rate,
            lr_scheduler_type="cosine",
            warmup_steps=100,
            weight_decay=0.05,
            adam_beta2=0.98,
            max_grad_norm=1.0,
            logging_steps=50,
            save_strategy="no",
            dataloader_num_workers=1,
            remove_unused_columns=False,
            report_to=[],
            seed=seed,
            use_cpu=True,
        ),
        train_dataset=data,
        data_collator=collate,
    )
    trainer.train()
    return [[row["step"], round(row["loss"], 4)] for row in trainer.state.log_history if "loss" in row]
