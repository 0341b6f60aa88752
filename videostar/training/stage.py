"""One LoRA round: the kept answers of a dataset version, mixed with an instruction set.

Reads a dataset version, writes a PEFT adapter (safetensors). The loss is on the answers' tokens alone;
the vision tower is frozen and holds no adapter. The loop itself is transformers' `Trainer`. Left out:
checkpoints within a round (a killed round trains again from its start, to the same weights).
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from datasets import disable_progress_bars, load_dataset
from peft import PeftModel, get_peft_model
from safetensors import SafetensorError
from transformers import (
    PrinterCallback,
    Trainer,
    TrainingArguments,
    set_seed,
)

from videostar.config import Pipeline
from videostar.data.opening import sha256_of
from videostar.models.chat import Chat, Turn, without_prompts
from videostar.models.load import load_model, load_processor
from videostar.models.lora import CANARIES, base_name, lora_config, write_canaries
from videostar.training.loss import Curve
from videostar.util.errors import UserError
from videostar.util.files import below, new_folder, write_json, write_text
from videostar.util.progress import Tick
from videostar.util.terminal import warn
from videostar.video.clip import Clip
from videostar.video.errors import BadVideo
from videostar.video.pool import ClipRequest, iter_clips
from videostar.video.sampling import Sampling

disable_progress_bars()  # the one that users see is ours


def train(
    dataset: Path,
    data_root: Path,
    settings: Pipeline,
    out: Path,
    *,
    start_from: Path | None = None,
    tick: Tick,
) -> dict[str, Any]:
    """Train an adapter on the version folder `dataset` and write it to the folder `out`.

    Videos of the dataset lie below `data_root`. `start_from` is an adapter to continue, of the rank and alpha of
    `settings` (None: a new one on the base). Returns steps, rows, mixed rows and the mean loss. Raises UserError when
    there is nothing to train on or a file cannot be read.
    """
    clips = _Clips(settings)
    rows = read_rows(dataset / "data-00000.parquet", data_root)
    mixed = _mixed_rows(settings, len(rows))
    if not rows:
        raise UserError(f"{dataset}: no kept answers to train on; see rejected.parquet for the reasons")
    usable = clips.usable([*rows, *mixed])
    if not set(usable) & set(rows):
        raise UserError(
            f"{dataset}: none of the videos of its {len(rows)} answers can be shown below {data_root}; say with --root "
            "where they are"
        )
    if missing := len(rows) + len(mixed) - len(usable):
        warn(f"{dataset}: {missing} of {len(rows) + len(mixed)} rows are left out, as their videos cannot be shown")
    set_seed(settings.seed)
    chat = Chat(load_processor(settings))
    base = load_model(settings)
    model: Any
    if start_from is not None:
        model = PeftModel.from_pretrained(base, str(start_from), is_trainable=True)
    else:
        model = get_peft_model(base, lora_config(base, settings))
    options = settings.training
    if options.gradient_checkpointing:
        base.gradient_checkpointing_enable()
        base.disable_input_require_grads()  # else gradients go through the frozen vision tower as well
    steps = math.ceil(options.epochs * math.ceil(len(usable) / (options.batch_size * options.gradient_accumulation)))
    with new_folder(out) as folder:
        arguments = TrainingArguments(
            output_dir=str(folder),
            num_train_epochs=options.epochs,
            per_device_train_batch_size=options.batch_size,
            gradient_accumulation_steps=options.gradient_accumulation,
            learning_rate=options.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=0.05 if steps > 1 else 0,  # which begins with a step at a rate of nothing
            max_grad_norm=1.0,
            bf16=base.dtype == torch.bfloat16,
            fp16=base.dtype == torch.float16,
            use_cpu=base.device.type == "cpu",
            seed=settings.seed,
            save_strategy="no",
            logging_strategy="steps",
            logging_steps=1,
            logging_nan_inf_filter=False,  # which shows the average of the other steps instead
            disable_tqdm=True,
            remove_unused_columns=False,
            report_to=[],
        )
        # Given several GPUs, Trainer would cut every tensor of a batch into as many parts; pixels have a row for each
        # patch, not for each question.
        arguments._n_gpu = min(1, arguments.n_gpu)
        curve = Curve(tick)
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=_Rows(usable),
            data_collator=_Collator(chat, clips, trim="logits_to_keep" in signature(base.forward).parameters),
            compute_loss_func=curve.loss,
            callbacks=[curve],
        )
        trainer.remove_callback(PrinterCallback)
        result = trainer.train()
        name = base_name(settings)
        for config in model.peft_config.values():
            config.target_modules = sorted(config.target_modules)  # a set in peft, which writes it in whatever order
            config.base_model_name_or_path = name
        try:
            # Of embeddings nothing is trained; `auto` looks for the base's on the hub.
            model.save_pretrained(folder, save_embedding_layers=False)
        except SafetensorError as error:  # a full disk, for one
            raise OSError(str(error)) from None
        shown = ((row.question, clip) for row in usable if (clip := clips.load(row)) is not None)
        write_canaries(folder, model, chat, list(islice(shown, CANARIES)))
        facts = {
            "steps": result.global_step,
            "rows": len(rows),
            "mixed": len(mixed),
            "set_aside": missing,
            "loss": round(curve.mean(), 4),
        }
        write_json(folder / "steps.json", curve.steps)
        write_text(folder / "README.md", _card(settings, name, facts))
    return facts


@dataclass(frozen=True)
class _Row:
    question: str
    answer: str
    video: Path | None
    span: tuple[float, float] | None = None  # of the video, seconds; None: all of it


def read_rows(path: Path, root: Path) -> list[_Row]:
    """Rows of a `messages` + `videos` file whose videos lie below `root`. Raises UserError naming the row."""
    suffix = {".jsonl": "json", ".parquet": "parquet"}.get(path.suffix)
    if suffix is None or not path.is_file():
        raise UserError(f"{path}: no such .jsonl or .parquet file of messages and videos")
    with TemporaryDirectory() as scratch:
        table = load_dataset(suffix, data_files=str(path), split="train", cache_dir=scratch)
        return [_row(record, root, f"{path}, row {number}") for number, record in enumerate(table, start=1)]


def _row(record: dict[str, Any], root: Path, where: str) -> _Row:
    try:
        user, assistant = record["messages"]
        question, answer = _said(user), _said(assistant)
        videos = record["videos"] or []
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{where}: needs `messages` (user, assistant) and `videos` (at most one path)") from None
    if len(videos) > 1:
        raise UserError(f"{where}: {len(videos)} videos; only one a row can be trained on")
    video = below(root, videos[0]) if videos else None
    if videos and video is None:
        raise UserError(f"{where}: {videos[0]} leads out of {root}; keep videos below it")
    span = record.get("span") or None
    if span is not None and len(span) != 2:
        raise UserError(f"{where}: `span` is {span}, not a start and an end in seconds")
    return _Row(question, answer, video, span and (float(span[0]), float(span[1])))


def _said(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else " ".join(part["text"] for part in content if part.get("text"))


def _mixed_rows(settings: Pipeline, kept: int) -> list[_Row]:
    """A seeded choice of the instruction set, `mix.ratio` rows a kept answer, or all if it has fewer."""
    if settings.mix is None:
        return []
    path = Path(settings.mix.data)
    rows = read_rows(path, path.parent)
    count = min(len(rows), round(settings.mix.ratio * kept))
    return random.Random(settings.seed).sample(rows, count)


class _Rows(torch.utils.data.Dataset[_Row]):
    def __init__(self, rows: Sequence[_Row]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> _Row:
        return self.rows[index]


class _Clips:
    """Clips of rows, through the frame cache. A video that was measured and sampled before is not opened."""

    def __init__(self, settings: Pipeline) -> None:
        self.video = settings.video
        self.cache, self.home = settings.cache.frames(), settings.cache.home
        self.digests: dict[Path, str] = {}

    def load(self, row: _Row) -> Clip | None:
        if row.video is None:
            return None
        return self.cache.clip(row.video, self.digests[row.video], self._sampling(row))

    def usable(self, rows: list[_Row]) -> list[_Row]:
        """The rows whose videos can be shown; all are in the cache afterwards."""
        videos = list(dict.fromkeys(row.video for row in rows if row.video is not None))
        self.digests = sha256_of(videos, self.home)
        files = list(dict.fromkeys(file for row in rows if (file := self._file(row)) is not None))
        shown = {file for file, clip in iter_clips(self.cache, files) if not isinstance(clip, BadVideo)}
        return [row for row in rows if row.video is None or self._file(row) in shown]

    def _file(self, row: _Row) -> ClipRequest | None:
        if row.video is None or row.video not in self.digests:
            return None
        return row.video, self.digests[row.video], self._sampling(row)

    def _sampling(self, row: _Row) -> Sampling:
        return Sampling(self.video.frames, self.video.max_pixels, self.video.fps, row.span)


class _Collator:
    """Rows to a padded batch."""

    def __init__(self, chat: Chat, clips: _Clips, *, trim: bool) -> None:
        """`trim`: the model takes `logits_to_keep`."""
        self.chat, self.clips, self.trim = chat, clips, trim

    def __call__(self, rows: list[_Row]) -> dict[str, Any]:
        batch = self.chat.examples([Turn(row.question, self.clips.load(row), row.answer) for row in rows])
        return without_prompts(batch) if self.trim else batch


def _card(settings: Pipeline, base: str, facts: dict[str, Any]) -> str:
    return (
        "---\nlibrary_name: peft\n---\n# LoRA adapter of a Video-STaR round\n\n"
        f"- base model: {base}\n- trained on: {facts['rows']} kept answers, {facts['mixed']} rows mixed in\n"
        f"- steps: {facts['steps']}, mean loss {facts['loss']}\n"
        f"- rank {settings.training.rank}, alpha {settings.training.alpha}; language model only, vision frozen\n"
        f"- settings: `{json.dumps(settings.training.model_dump())}`\n"
    )
