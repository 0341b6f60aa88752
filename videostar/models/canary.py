"""What an adapter must be heard to say before an engine of its own weights is asked anything with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from peft import PeftModel

from videostar.config import Pipeline
from videostar.models.chat import Chat
from videostar.models.load import device, dtype_name, load_model
from videostar.models.lora import Canary, read_canaries, write_canaries
from videostar.models.sizes import largest_clip
from videostar.util.errors import UserError

_QUESTIONS = ("What happens in this video?", "Describe what you see.")


def canaries_of(adapter: Path, settings: Pipeline, chat: Chat) -> list[Canary]:
    """The canaries beside an adapter; of one that has none, since it was trained elsewhere, made now. At least one.

    Raises UserError when it says nothing by which it could be told.
    """
    found = read_canaries(adapter) or _made(adapter, settings, chat)
    if not found:
        raise UserError(
            f"{adapter}: answers with nothing, so that it cannot be seen which adapter answers; train it further, or "
            "take --engine transformers"
        )
    return found


def alike(settings: Pipeline) -> bool:
    """Whether all engines should reckon alike but for rounding: a GPU may multiply float32 in fewer bits."""
    return dtype_name(settings) == "float32" and device(settings).type == "cpu"


def _made(adapter: Path, settings: Pipeline, chat: Chat) -> list[Canary]:
    """What transformers and PEFT make of it, on pictures of noise."""
    black = largest_clip(settings)
    noise = np.random.default_rng(0).integers(0, 256, black.frames.shape, np.uint8)
    model = PeftModel.from_pretrained(load_model(settings), str(adapter))
    with TemporaryDirectory() as notes:
        write_canaries(Path(notes), model, chat, [(said, replace(black, frames=noise)) for said in _QUESTIONS])
        return read_canaries(Path(notes))
