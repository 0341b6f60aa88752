"""How a LoRA is trained, and on what besides the kept answers."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from videostar.config.settings import Settings

#: Names in a training's log for the rows of the dataset version, and for steps with rows of several sources.
KEPT, SEVERAL = "kept", "several"
#: Settings of `Training` that change weights by rounding at most.
ROUNDING_ONLY = {"checkpoint_minutes", "processes", "shard"}
#: Parts of a model that LoRA can adapt.
Target = Literal["language", "projector", "vision", "experts"]
TrackerName = Literal["trackio", "wandb", "tensorboard", "mlflow", "swanlab"]


class Training(Settings):
    """LoRA on the kept answers."""

    objective: Literal["sft", "dpo"] = Field(
        "sft",
        description="sft: learn the kept answers; dpo: prefer each kept answer to a rejected one to the same question.",
    )
    dpo_beta: float = Field(
        0.1, gt=0, description="dpo: how strongly the model is held to the base model; a lower value holds it less."
    )
    start_from: Literal["base", "previous"] = Field(
        "base", description="base: a new LoRA in each round; previous: continue the last round's LoRA."
    )
    targets: tuple[Target, ...] = Field(
        ("language",),
        min_length=1,
        description="The parts that LoRA adapts. language: the linear layers of the language model; projector: those "
        "between vision tower and language model; vision: those of the vision tower; experts: the experts of a "
        "mixture, which are no linear layers.",
    )
    rank: int = Field(32, ge=1, description="Rank of the LoRA.")
    alpha: int = Field(64, ge=1, description="Scale of the LoRA: its update is multiplied by alpha / rank.")
    rslora: bool = Field(
        False,
        description="Rank-stabilised LoRA: the update is multiplied by alpha / sqrt(rank) instead of alpha / rank.",
    )
    dora: bool = Field(
        False,
        description="DoRA: the length of each row of the weights is trained apart from its direction. vLLM does not "
        "load it, so it is merged into a copy of the weights.",
    )
    lora_plus: float | None = Field(
        None,
        ge=1,
        description="LoRA+: the learning rate of the factor B, as a multiple of `learning_rate`; null: both the same.",
    )
    quantize: Literal["4bit"] | None = Field(
        None,
        description="4bit: hold the language model in 4 bits (NF4) while it is trained; null: in full. Needs "
        "videostar[quantize].",
    )
    optimizer: Literal["adamw", "paged_adamw_8bit"] = Field(
        "adamw",
        description="paged_adamw_8bit: its states take 8 bits, and go to host memory when a GPU has no room. Needs "
        "videostar[quantize].",
    )
    learning_rate: float = Field(2e-3, gt=0, description="Peak learning rate: warm-up, then cosine decay.")
    batch_size: int = Field(24, ge=1, description="Rows in memory at once.")
    gradient_accumulation: int = Field(
        1,
        ge=1,
        description="Batches per optimizer step: a step has batch_size x gradient_accumulation rows, with any number "
        "of processes.",
    )
    tokens_per_step: int | None = Field(
        None,
        ge=1,
        description="A step has as many rows as fit in this number of tokens, those of clips included, "
        "instead of a number of rows. It is split into gradient_accumulation batches.",
    )
    processes: Literal["auto"] | PositiveInt = Field(
        "auto", description="Processes that train, one a GPU. auto: as many as there are GPUs, or one without any."
    )
    shard: bool = Field(
        False, description="Share the weights out to the processes (FSDP2), for a base that one GPU does not hold."
    )
    gradient_checkpointing: bool = Field(
        False, description="Recompute activations instead of storing them: less memory, more time."
    )
    checkpoint_minutes: float = Field(
        10.0, ge=0, description="Minutes between checkpoints, from which a killed training goes on. 0: after each step."
    )
    drop_tokens: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of each row's visual tokens that is dropped at random before the language model: less time "
        "and memory. For Qwen3-VL, Qwen2.5-VL and InternVL.",
    )
    full_every: int = Field(4, ge=2, description="With drop_tokens, every n-th step drops none.")
    epochs: float = Field(3.0, gt=0, description="Passes over the kept answers and mixed rows.")
    row_weights: Literal["uniform", "evidence"] = Field(
        "uniform",
        description="uniform: all kept answers count the same; evidence: each by its score of `verification.evidence`. "
        "Both: times the `trust` of its row, if there is one.",
    )
    final_round: Literal["direct_only", "all"] = Field(
        "direct_only",
        description="direct_only: the last round trains on direct answers alone, for labels of which at least half of "
        "the questions have one; all: on every kept answer.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        unshared = "dora" if self.dora else "quantize" if self.quantize else ""
        if self.shard and (unshared or self.targets != ("language",)):
            raise ValueError(
                f"`shard: true` does not work with {unshared or 'other targets than [language]'}; remove one"
            )
        if self.dora and "experts" in self.targets:
            raise ValueError("`dora: true` does not work with experts; remove them from training.targets, or dora")
        return self


class MixSource(Settings):
    """A file of instruction data."""

    data: str = Field(
        description="A .jsonl, .json or .parquet file of chats: `messages`, `conversations`, `query` and "
        "`response`, or `instruction` and `output`."
    )
    weight: float = Field(1.0, gt=0, description="Rows of this source per kept answer.")
    kind: Literal["video", "image", "text"] | None = Field(
        None, description="Only rows with videos, only those with pictures, or only those without either."
    )
    frames: int | None = Field(None, ge=1, description="Frames per video; default: `video.frames`.")
    max_pixels: int | None = Field(
        None, ge=1024, description="Pixels of a frame or picture, at most; default: `video.max_pixels`."
    )

    @property
    def path(self) -> Path:
        """The file of `data`."""
        return Path(self.data).expanduser()


class Mix(Settings):
    """Instruction sets that are mixed into training, so that the base model's abilities are not lost.

    `mix: {data: my.jsonl, weight: 0.5}` is short for one source, and a list is one of sources.
    """

    sources: tuple[MixSource, ...] = Field(
        min_length=1, description="Each with `data`, `weight`, `kind`, `frames` and `max_pixels`."
    )
    schedule: Literal["interleave", "alternate"] = Field(
        "interleave",
        description="interleave: a step has rows of all sources and of the kept answers. alternate: every step is of "
        "one source and one kind, in turn by weight (alternating gradient descent, as in IMP).",
    )

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        if isinstance(given, list | tuple):
            return {"sources": given}
        if not isinstance(given, dict):
            return given
        own = {name: value for name, value in given.items() if name in cls.model_fields}
        one = {"weight" if name == "ratio" else name: value for name, value in given.items() if name not in own}
        if not one:
            return own
        known = own.get("sources") or [{}]  # of a run, one setting of which is changed
        if len(known) > 1:
            raise ValueError(f"has {len(known)} sources: write {', '.join(one)} in one of them")
        return {**own, "sources": [{**known[0], **one}]}

    @property
    def named(self) -> dict[str, MixSource]:
        """The sources by name: that of the file, with a number if it is taken."""
        named: dict[str, MixSource] = {}
        for source in self.sources:
            names = (source.path.stem + (f"-{number}" if number > 1 else "") for number in count(1))
            named[next(name for name in names if name not in {KEPT, SEVERAL, *named})] = source
        return named
