"""What `benchmarks/training.py` starts in processes of their own: `prepare`, and each way of training."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from peft import get_peft_model
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments, get_cosine_schedule_with_warmup, set_seed

from videostar.config import Pipeline
from videostar.demo.build import World, build_world
from videostar.models.chat import Chat, Turn
from videostar.models.load import bare_model, load_model, load_processor
from videostar.models.lora import lora_config
from videostar.models.refusals import Refusals
from videostar.pipeline_files import load_pipeline
from videostar.training.batches import Collator
from videostar.training.log import padding, read_log, waiting
from videostar.training.loss import answer_loss
from videostar.training.plan import Size, Step, micro_batches, plan_steps
from videostar.training.rows import Row, RowClips, read_rows
from videostar.training.stage import train
from videostar.util.progress import silent
from videostar.video.decode import decode

PARTS = (1, 2, 3, 6)  # batches of a step


class Given:
    """The options, and what follows from them."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.folder = Path(options["folder"])
        self.steps, self.skip, self.rows, self.batch = (options[name] for name in ("steps", "skip", "rows", "batch"))
        self.frames, self.model = options["frames"], options["model"]
        self.world, self.version = self.folder / "world", self.folder / "version"

    def settings(self, processes: int = 1) -> Pipeline:
        """Those of the demo, without mixed rows, for as many steps."""
        epochs = self.steps * self.batch / self.rows
        training = {
            "batch_size": self.batch, "gradient_accumulation": 1, "epochs": epochs, "processes": processes
        }  # fmt: skip
        return load_pipeline(
            "demo", model=self.model, mix=None, training=training, video={"frames": self.frames},
            cache={"folder": str(self.folder / "cache")},
        )  # fmt: skip

    def plan(self, settings: Pipeline) -> tuple[list[Row], RowClips, list[Size], list[Step]]:
        """The rows with their clips and sizes, and the steps that ours trains."""
        rows, clips = read_rows(self.version, self.world), RowClips(settings)
        if problems := clips.problems(rows, Refusals(settings.spec, settings.video)):
            raise SystemExit(f"rows that cannot be shown: {problems}")
        chat = Chat(load_processor(settings.spec))
        sizes = [clips.size(row, chat) for row in rows]
        return rows, clips, sizes, plan_steps(sizes, settings.training, settings.seed)


def prepare(given: Given) -> dict[str, float]:
    """Write the clips and a dataset version of the world's descriptions and explanations."""
    build_world(given.world, World(train=1, validation=1, test=1, mix=given.rows, seed=1), silent(""))
    lines = (given.world / "mix.jsonl").read_text(encoding="utf-8").splitlines()
    given.version.mkdir()
    pq.write_table(pa.Table.from_pylist([json.loads(line) for line in lines]), given.version / "data-00000.parquet")
    *_, sizes, steps = given.plan(given.settings())  # samples every clip, so that the first turn is like the others
    return {f"padding_{parts}": _padding(steps, sizes, parts) for parts in PARTS}


def _padding(steps: Sequence[Step], sizes: Sequence[Size], parts: int) -> float:
    """The share of padding if each step is cut into so many batches; its rows are drawn at random."""
    batches = [[sizes[row].tokens for row in batch] for step in steps for batch in micro_batches(step, parts)]
    return 1 - sum(map(sum, batches)) / sum(len(batch) * max(batch) for batch in batches)


def ours(given: Given, processes: int = 1) -> dict[str, float]:
    """The training stage."""
    log, out = given.folder / "training.jsonl", given.folder / f"lora-{os.getpid()}"
    train(given.version, given.world, given.settings(processes), out, log=log)
    records = read_log(log)
    counted = records[given.skip :]
    return {
        "rate": len(counted) / sum(record["seconds"] for record in counted),
        "loss": _mean([record["loss"] for record in records]),
        "first_loss": records[0]["loss"],
        "last_loss": records[-1]["loss"],
        "padding": padding(records),
        "waiting": waiting(records[given.skip - 1 :]),
    }


def bare(given: Given) -> dict[str, float]:
    """A loop over batches that are ready."""
    settings = given.settings()
    rows, clips, _, steps = given.plan(settings)
    model = _model(settings)
    collator = Collator(Chat(load_processor(settings.spec)), clips, model, rows[0])
    batches = [collator([rows[row] for row in step.items]) for step in steps]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    # As transformers' TrainingArguments choose them.
    optimizer = torch.optim.AdamW(trained, lr=settings.training.learning_rate, weight_decay=0.0, fused=True)
    scheduler = get_cosine_schedule_with_warmup(optimizer, -(-len(steps) // 20), len(steps))
    model.train()
    losses, started = [], 0.0
    for number, batch in enumerate(batches):
        if number == given.skip:
            started = time.monotonic()
        batch = {name: value.to(model.device) if torch.is_tensor(value) else value for name, value in batch.items()}
        labels = batch.pop("labels")
        loss = answer_loss(model(**batch), labels, (labels[:, 1:] != -100).sum())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return {"rate": (len(steps) - given.skip) / (time.monotonic() - started), "loss": _mean(losses)}


def plain(given: Given) -> dict[str, float]:
    """`Trainer`, with the rows in the order of our steps."""
    settings = given.settings()
    rows, _, _, steps = given.plan(settings)
    chat, sampling, clock = Chat(load_processor(settings.spec)), settings.video.sampling(), _Clock(given.skip)

    def collate(batch: list[Row]) -> dict[str, torch.Tensor]:
        turns = [Turn(row.question, [decode(video, sampling) for video in row.videos], row.answer) for row in batch]
        return chat.examples(turns)

    arguments = TrainingArguments(
        output_dir=str(given.folder / "plain"),
        max_steps=len(steps),
        per_device_train_batch_size=given.batch,
        learning_rate=settings.training.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.05,
        logging_steps=1,
        save_strategy="no",
        disable_tqdm=True,
        remove_unused_columns=False,
        report_to=[],
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    dataset: Any = [rows[row] for step in steps for row in step.items]
    _InOrder(
        model=_model(settings), args=arguments, data_collator=collate, train_dataset=dataset, callbacks=[clock]
    ).train()
    return {"rate": clock.rate(), "loss": _mean(clock.losses)}


class _InOrder(Trainer):
    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)


class _Clock(TrainerCallback):
    """Times the ends of steps, and keeps their losses."""

    def __init__(self, skip: int) -> None:
        self.skip, self.ends, self.losses = skip, [], []  # type: ignore[var-annotated]

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.ends.append(time.monotonic())

    def on_log(self, *_: Any, logs: dict[str, float], **__: Any) -> None:
        if "loss" in logs:
            self.losses.append(logs["loss"])

    def rate(self) -> float:
        """Steps per second after the first ones."""
        return (len(self.ends) - self.skip) / (self.ends[-1] - self.ends[self.skip - 1])


def _model(settings: Pipeline) -> Any:
    """The model with the LoRA that our training starts from."""
    set_seed(settings.seed)
    return get_peft_model(load_model(settings.spec), lora_config(bare_model(settings.spec), settings.training))


def _mean(losses: Sequence[float]) -> float:
    return sum(losses) / len(losses)


def for_peers(given: Given) -> dict[str, float]:
    """For `benchmarks/training_peers.py`: the embedded model in float32, and the rows of our steps in one file."""
    settings = load_pipeline("demo")
    load_model(settings.spec).save_pretrained(given.folder / "model")
    load_processor(settings.spec).save_pretrained(given.folder / "model")
    rows, _, _, steps = given.plan(given.settings())
    lines = []
    for row in (rows[number] for step in steps for number in step.items):
        said = [("user", f"<video>{row.question}"), ("assistant", row.answer)]
        messages = [{"role": role, "content": text} for role, text in said]
        lines.append({"messages": messages, "videos": list(map(str, row.videos))})
    (given.folder / "rows.json").write_text(json.dumps(lines), encoding="utf-8")
    (given.folder / "rows.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return {}


CHILDREN: dict[str, Callable[[Given], dict[str, float]]] = {
    "prepare": prepare,
    "for peers": for_peers,
    "ours": ours,
    "bare": bare,
    "plain": plain,
    "ours, two processes": lambda given: ours(given, 2),
}


def main() -> None:
    """Print the figures of one child."""
    figures = CHILDREN[sys.argv[1]](Given(json.loads(sys.argv[2])))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    helper = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({**figures, "memory": memory, "helper": helper}))


if __name__ == "__main__":
    main()
