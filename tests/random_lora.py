"""A LoRA of random weights on disk, with its canaries, as training would leave it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from peft import get_peft_model

from videostar.config import Pipeline
from videostar.models.canary import write_canaries
from videostar.models.chat import Chat
from videostar.models.load import load_model, load_processor
from videostar.models.lora import lora_config
from videostar.video.clip import Clip

CLIP = Clip(np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8), (0.1, 0.3, 0.5, 0.7), 10.0, 0.8)


def make_lora(settings: Pipeline, folder: Path, seed: int, clip: Clip, *, rank: int = 8, scale: float = 0.05) -> Path:
    """A LoRA in the new folder, whose weights are large enough to change answers."""
    base = load_model(settings.spec)
    torch.manual_seed(seed)
    model = get_peft_model(base, lora_config(base, settings.training.model_copy(update={"rank": rank, "alpha": rank})))
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=scale)
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    write_canaries(folder, model, Chat(load_processor(settings.spec)), [("What moves here, and how?", clip)])
    return folder
