"""The training stage: LoRA on the kept answers of a dataset version, mixed with an instruction set.

Reads a dataset version and writes a LoRA in PEFT's format (safetensors), on the parts of the model that
`training.targets` names. Only answer tokens have a loss. The loop is transformers' `Trainer`. There are no checkpoints
within a round: a killed round is trained again from its start, to the same weights.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from inspect import signature
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model
from safetensors import SafetensorError
from transformers import PrinterCallback, Trainer, TrainingArguments, set_seed

from videostar.config import ModelSpec, Pipeline
from videostar.config.training import Training
from videostar.data.rows import Skipped
from videostar.models.canary import CANARIES, write_canaries
from videostar.models.chat import Chat, without_prompts
from videostar.models.load import bare_model, load_model, load_processor
from videostar.models.lora import base_name, lora_config, relative_norm
from videostar.models.quantised import is_quantised, untrainable
from videostar.models.refusals import Refusals
from videostar.training.loss import LossCurve
from videostar.training.mix import mixed_rows, warn_of_skipped
from videostar.training.optimiser import optimizer
from videostar.training.router import router_weight
from videostar.training.rows import Row, RowClips, read_rows
from videostar.util.errors import UserError
from videostar.util.files import new_folder, write_json, write_text
from videostar.util.progress import Tick


def train(
    dataset: Path, root: Path, settings: Pipeline, out: Path, *, start_from: Path | None = None, tick: Tick
) -> dict[str, Any]:
    """Train a LoRA on the version folder `dataset`, whose videos lie below `root`, and write it to the folder `out`.

    `start_from` is a LoRA to continue, of the rank and alpha of `settings` (None: a new one). Returns the numbers of
    steps, of kept answers and mixed rows that it was trained on and of rows that are skipped, the mean loss per answer
    token and its change (see `LossCurve.change`), and the size of the LoRA (see `relative_norm`). Raises UserError if
    there is nothing to train on, a file cannot be read, or a step diverges.
    """
    clips = RowClips(settings.video, settings.cache, Refusals(settings.spec, settings.video))
    chat = Chat(load_processor(settings.spec))
    kept = read_rows(dataset / "data-00000.parquet", root)
    rows, skipped = _usable_rows(kept, clips, dataset, root)
    mixed, unmixed = mixed_rows(settings, len(kept), clips, chat)
    usable = [*rows, *mixed]
    set_seed(settings.seed)
    model = _load(settings.spec, settings.training, start_from)
    curve = LossCurve(tick, router_weight(model.config))
    with new_folder(out) as folder:
        steps = _fit(
            model, settings.training, settings.seed, _Rows(usable), _Collator(chat, clips, model), curve, folder
        )
        facts = {
            "steps": steps,
            "rows": len(rows),
            "mixed": len(mixed),
            "skipped": len(skipped) + len(unmixed),
            "loss": round(curve.mean(), 4),
            "loss_change": curve.change(),
            "lora_norm": relative_norm(model),
        }
        _save(model, settings, facts, folder)
        write_json(folder / "steps.json", curve.steps)
        if settings.training.quantize is not None:
            del model
            # Engines answer with the full base: so must the canaries.
            model = PeftModel.from_pretrained(load_model(settings.spec), str(folder))
            facts["lora_norm"] = relative_norm(model)
        # One video each: an engine for rows of one video takes no more.
        shown = ((turn.question, turn.clips[0]) for turn in map(clips.turn, usable) if turn.clips)
        write_canaries(folder, model, chat, list(islice(shown, CANARIES)))
    return facts


def _usable_rows(rows: Sequence[Row], clips: RowClips, dataset: Path, root: Path) -> tuple[list[Row], list[Skipped]]:
    """The kept answers whose videos can be shown, and the others. Raises UserError if there are none."""
    if not rows:
        raise UserError(f"{dataset}: no kept answers to train on; see rejected.parquet for the reasons")
    problems = clips.problems(rows)
    if len(problems) == len(rows):
        first = next(iter(problems.values()))
        fix = "give their folder with --root"
        if first.reason == "refused by the model":
            fix = f"{first.video} is {first.reason} ({first.detail}): give another --model"
        raise UserError(f"{dataset}: none of the videos of its {len(rows)} answers can be shown below {root}; {fix}")
    skipped = list(problems.values())
    warn_of_skipped(str(dataset), len(rows), skipped)
    return [row for row in rows if row not in problems], skipped


def _load(spec: ModelSpec, options: Training, start_from: Path | None) -> Any:
    """The base model with a trainable LoRA."""
    base = load_model(spec, four_bits=options.quantize == "4bit")
    model: Any
    try:
        if start_from is not None:
            model = PeftModel.from_pretrained(base, str(start_from), is_trainable=True)
        else:
            # The linear layers of a quantised model may be of another class, which PEFT knows.
            model = get_peft_model(base, lora_config(bare_model(spec), options))
    except Exception as error:
        if is_quantised(base.config):
            raise untrainable(base.config, spec.name, error) from None
        raise
    if options.gradient_checkpointing:
        base.gradient_checkpointing_enable()
        # The inputs of frozen parts, such as the vision tower, need no gradients.
        base.disable_input_require_grads()
    return model


class _SingleGpuArguments(TrainingArguments):
    """Arguments for one GPU.

    With several, `Trainer` would use DataParallel, which splits every tensor of a batch by rows; but pixels have one
    row per patch, not per question.
    """

    @property
    def n_gpu(self) -> int:
        """At most one."""
        return min(1, int(super().n_gpu))


def _fit(
    model: Any, options: Training, seed: int, rows: _Rows, collator: _Collator, curve: LossCurve, folder: Path
) -> int:
    """Run `Trainer` and return its number of optimizer steps."""
    base = model.get_base_model()
    batch = options.batch_size * options.gradient_accumulation
    steps = math.ceil(options.epochs * math.ceil(len(rows) / batch))
    arguments = _SingleGpuArguments(
        output_dir=str(folder),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        gradient_accumulation_steps=options.gradient_accumulation,
        learning_rate=options.learning_rate,
        **({} if options.optimizer == "adamw" else {"optim": options.optimizer}),
        lr_scheduler_type="cosine",
        warmup_steps=0.05 if steps > 1 else 0,  # warm-up starts at a learning rate of 0
        max_grad_norm=1.0,
        bf16=base.dtype == torch.bfloat16,
        fp16=base.dtype == torch.float16,
        use_cpu=base.device.type == "cpu",
        seed=seed,
        save_strategy="no",
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,  # it would replace a NaN by the average of the other steps
        disable_tqdm=True,
        remove_unused_columns=False,
        report_to=[],
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        data_collator=collator,
        compute_loss_func=curve.loss,
        callbacks=[curve],
        optimizers=(optimizer(model, options, arguments), None),
    )
    trainer.remove_callback(PrinterCallback)
    result: Any = trainer.train()
    return int(result.global_step)


def _save(model: Any, settings: Pipeline, facts: dict[str, Any], folder: Path) -> None:
    """Write the LoRA and its card; no file names a path of this machine."""
    name = base_name(settings.model)
    for config in model.peft_config.values():
        config.target_modules = sorted(
            config.target_modules or ()
        )  # PEFT has a set, whose order in the file would vary
        config.base_model_name_or_path = name
    try:
        # Embeddings are not trained; with `auto` PEFT would look up the base model on the hub.
        model.save_pretrained(folder, save_embedding_layers=False)
    except SafetensorError as error:  # such as a full disk
        raise OSError(str(error)) from None
    write_text(folder / "README.md", _card(settings.training, name, facts))


class _Rows(torch.utils.data.Dataset[Row]):
    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]


class _Collator:
    """From rows to a padded batch."""

    def __init__(self, chat: Chat, clips: RowClips, model: Any) -> None:
        self.chat, self.clips = chat, clips
        self.trim = "logits_to_keep" in signature(model.get_base_model().forward).parameters

    def __call__(self, rows: list[Row]) -> dict[str, Any]:
        batch = self.chat.examples([self.clips.turn(row) for row in rows])
        return without_prompts(batch) if self.trim else batch


def _card(options: Training, base: str, facts: dict[str, Any]) -> str:
    return (
        "---\nlibrary_name: peft\n---\n# LoRA adapter of a Video-STaR round\n\n"
        f"- base model: {base}\n- trained on: {facts['rows']} kept answers, {facts['mixed']} rows mixed in\n"
        f"- steps: {facts['steps']}, mean loss {facts['loss']}\n"
        f"- rank {options.rank}, alpha {options.alpha}, on: {', '.join(options.targets)}\n"
        f"- settings: `{json.dumps(options.model_dump())}`\n"
    )
