"""What each process of a training does: load the model, train its share of every step, write the LoRA.

`fit` runs in every rank. torch's environment variables tell a rank its number; without them there is one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from peft import PeftModel, get_peft_model
from safetensors import SafetensorError
from torch.distributed.fsdp import register_fsdp_forward_method
from transformers import set_seed

from videostar.config import Pipeline
from videostar.config.training import ROUNDING_ONLY
from videostar.models.canary import CANARIES, write_canaries
from videostar.models.chat import Chat
from videostar.models.load import bare_model, load_model, load_processor
from videostar.models.lora import base_name, lora_config, relative_norm
from videostar.models.quantised import is_quantised, untrainable
from videostar.training.batches import Collator
from videostar.training.checkpoints import Checkpoint, Checkpoints, trained_weights
from videostar.training.dpo import PreferenceTrainer
from videostar.training.drop_tokens import TokenDropper
from videostar.training.kept_examples import KeptExamples
from videostar.training.log import OnStep, TrainingLog, by_source, loss_change, mean_loss, padding, read_log
from videostar.training.plan import Step
from videostar.training.preferences import Pair, rows_of
from videostar.training.rows import Row, RowClips
from videostar.training.trainer import Arguments, PlannedTrainer
from videostar.util.files import write_text
from videostar.video.errors import BadVideo


@dataclass(frozen=True)
class Work:
    """A training, as each rank is given it."""

    settings: Pipeline
    items: tuple[Row | Pair, ...]  # kept answers and rows mixed in, or preference pairs; all can be shown
    kept: int  # of these, the number of kept answers
    digests: Mapping[Path, str | BadVideo]  # of their videos
    steps: tuple[Step, ...]
    start_from: Path | None  # a LoRA to continue
    key: str  # the digest of all that it learns from
    folder: Path  # where the LoRA is written
    log: Path
    checkpoints: Path  # the folder of checkpoints

    def sharded(self, ranks: int) -> bool:
        """Whether each rank holds a part of the base's weights."""
        return ranks > 1 and self.settings.training.shard


def fit(work: Work, on_step: OnStep) -> dict[str, Any]:
    """Train the LoRA and write it; the first rank returns the number of steps and figures of its loss and size.

    `on_step` is called with every step, also with those before the checkpoint from which the training goes on.

    Raises UserError if a step diverges.
    """
    rank, settings, options = int(os.environ.get("RANK", "0")), work.settings, work.settings.training
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    chat = Chat(load_processor(settings.spec))
    clips = RowClips(settings, work.digests)
    set_seed(settings.seed)
    model = _load(work, ranks)
    checkpoints = Checkpoints(work.checkpoints, work.key)
    begin = _begin(work, checkpoints)
    log = TrainingLog(work.log, begin.step if begin else 0) if rank == 0 else None
    several = options.epochs > 1 and not work.sharded(ranks)
    kept = KeptExamples(chat, clips, model) if several and KeptExamples.serve(model) else None
    trainer = (PreferenceTrainer if options.objective == "dpo" else PlannedTrainer)(
        model,
        _arguments(model.get_base_model(), settings, len(work.steps), ranks, work.folder),
        options,
        work.items,
        work.steps,
        Collator(chat, clips, model, work.items[0], kept),
        TokenDropper(model, options.drop_tokens, options.full_every, settings.seed),
        checkpoints=checkpoints,
        begin=begin,
        log=log,
        on_step=on_step,
    )
    for record in log.records if log else ():
        on_step(record)
    with kept.given() if kept else nullcontext():
        trainer.train()
    norm = relative_norm(model)
    if log is None:
        if work.sharded(ranks):
            with TemporaryDirectory() as folder:  # this rank's part of the weights is needed for the answers
                _write_canaries(work, model, chat, clips, Path(folder))
        return {}
    log.sync()
    loss = round(mean_loss(log.records), 4)
    _save(model, work, loss)
    if options.quantize is not None:
        del trainer, model
        # Engines answer with the full base: so must the canaries.
        model = PeftModel.from_pretrained(load_model(settings.spec), str(work.folder))
        norm = relative_norm(model)
    _write_canaries(work, model, chat, clips, work.folder)
    return {
        "steps": len(work.steps),
        "loss": loss,
        "loss_change": loss_change(log.records),
        "lora_norm": norm,
        "sources": by_source(log.records),
        "padding": padding(log.records),
    }


def _begin(work: Work, checkpoints: Checkpoints) -> Checkpoint | None:
    """The checkpoint to go on from: one whose steps are all in the log, which gives the mean loss."""
    begin = checkpoints.newest()
    try:
        logged = len(read_log(work.log))
    except ValueError:  # damaged
        return None
    return begin if begin is not None and logged >= begin.step else None


def _write_canaries(work: Work, model: Any, chat: Chat, clips: RowClips, folder: Path) -> None:
    # One video each: an engine for rows of one video takes no more.
    shown = ((turn.question, turn.clips[0]) for turn in map(clips.turn, rows_of(work.items)) if turn.clips)
    write_canaries(folder, model, chat, list(islice(shown, CANARIES)))


def _load(work: Work, ranks: int) -> Any:
    """The base model with a trainable LoRA. The base may be shared out to the ranks; each has the whole LoRA."""
    spec, options, start_from = work.settings.spec, work.settings.training, work.start_from
    if ranks > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group()
    base = load_model(spec, four_bits=options.quantize == "4bit", shards=ranks if work.sharded(ranks) else 1)
    if work.sharded(ranks):
        register_fsdp_forward_method(base, "generate")
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
        base.disable_input_require_grads()  # the inputs of frozen parts, such as the vision tower, need no gradients
    return model


def _arguments(base: Any, settings: Pipeline, steps: int, ranks: int, folder: Path) -> Arguments:
    options = settings.training
    return Arguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=options.batch_size,
        gradient_accumulation_steps=-(-options.gradient_accumulation // ranks),
        learning_rate=options.learning_rate,
        **({} if options.optimizer == "adamw" else {"optim": options.optimizer}),
        lr_scheduler_type="cosine",
        warmup_steps=0.05 if steps > 1 else 0,  # warm-up starts at a learning rate of 0
        max_grad_norm=1.0,
        bf16=base.dtype == torch.bfloat16,
        fp16=base.dtype == torch.float16,
        use_cpu=base.device.type == "cpu",
        seed=settings.seed,
        save_strategy="no",
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,  # it would replace a NaN by the average of the other steps
        disable_tqdm=True,
        remove_unused_columns=False,
        report_to=[],
        ddp_find_unused_parameters=options.targets != ("language",),  # such as those of a tower, for rows of text
    )


def _save(model: Any, work: Work, loss: float) -> None:
    """Write the LoRA and its card; no file names a path of this machine."""
    name = base_name(work.settings.model)
    for config in model.peft_config.values():
        # PEFT has a set, whose order in the file would vary.
        config.target_modules = sorted(config.target_modules or ())
        config.base_model_name_or_path = name
    try:
        # Embeddings are not trained; with `auto` PEFT would look up the base model on the hub. Without `state_dict` it
        # would collect the base's weights from all ranks.
        model.save_pretrained(work.folder, state_dict=dict(trained_weights(model)), save_embedding_layers=False)
    except SafetensorError as error:  # such as a full disk
        raise OSError(str(error)) from None
    write_text(work.folder / "README.md", _card(work, name, loss))


def _card(work: Work, base: str, loss: float) -> str:
    options = work.settings.training
    how = ", each preferred to a rejected answer (DPO)" if options.objective == "dpo" else ""
    return (
        "---\nlibrary_name: peft\n---\n# LoRA adapter of a Video-STaR round\n\n"
        f"- base model: {base}\n"
        f"- trained on: {work.kept} kept answers{how}, {len(work.items) - work.kept} rows mixed in\n"
        f"- steps: {len(work.steps)}, mean loss {loss}\n"
        f"- rank {options.rank}, alpha {options.alpha}, on: {', '.join(options.targets)}\n"
        f"- settings: `{json.dumps(options.model_dump(exclude=ROUNDING_ONLY))}`\n"
    )
