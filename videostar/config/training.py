"""How a LoRA is trained, and on what besides the kept answers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from videostar.config.settings import Settings

#: Parts of a model that LoRA can adapt.
Target = Literal["language", "projector", "vision", "experts"]


class Training(Settings):
    """LoRA on the kept answers."""

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
        1, ge=1, description="Batches per optimizer step: a step has batch_size x gradient_accumulation rows."
    )
    gradient_checkpointing: bool = Field(
        False, description="Recompute activations instead of storing them: less memory, more time."
    )
    epochs: float = Field(3.0, gt=0, description="Passes over the kept answers and mixed rows.")
    final_round: Literal["direct_only", "all"] = Field(
        "direct_only",
        description="direct_only: the last round trains on direct answers alone, for labels of which at least half of "
        "the questions have one; all: on every kept answer.",
    )

    @model_validator(mode="after")
    def _fits_experts(self) -> Self:
        if self.dora and "experts" in self.targets:
            raise ValueError("`dora: true` does not work with experts; remove them from training.targets, or dora")
        return self


class Mix(Settings):
    """An instruction set that is mixed into training, so that the base model's abilities are not lost."""

    data: str = Field(
        description="A .jsonl, .json or .parquet file of chats: `messages`, `conversations`, `query` and "
        "`response`, or `instruction` and `output`."
    )
    ratio: float = Field(1.0, gt=0, description="Rows of the instruction set per kept answer.")

    @property
    def path(self) -> Path:
        """The file of `data`."""
        return Path(self.data).expanduser()
