"""A LoRA adapter of random weights on disk, with its canaries, as training would leave it."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import get_peft_model

from videostar.config import Pipeline
from videostar.models.chat import Chat
from videostar.models.load import load_model, load_processor
from videostar.models.lora import lora_config, write_canaries
from videostar.video.clip import Clip


def make_adapter(
    settings: Pipeline, folder: Path, seed: int, clip: Clip, *, rank: int = 8, scale: float = 0.05
) -> Path:
    """An adapter in the new folder, whose weights are large enough to change what is said."""
    changed = settings.model_copy(
        update={"training": settings.training.model_copy(update={"rank": rank, "alpha": rank})}
    )
    base = load_model(changed)
    torch.manual_seed(seed)
    model = get_peft_model(base, lora_config(base, changed))
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=scale)
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    write_canaries(folder, model, Chat(load_processor(settings)), [("What moves here, and how?", clip)])
    return folder
