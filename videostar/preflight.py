"""Whether a run can work on this machine at all, told before any video is decoded."""

from __future__ import annotations

import importlib.util
import math
import shutil
import tempfile
from pathlib import Path

import psutil
import torch
from transformers import AutoModelForImageTextToText

from videostar.chat import Chat, Turn
from videostar.config import Pipeline
from videostar.engines.memory import RANKS, check_length, llm_options, weights_bytes
from videostar.errors import UserError
from videostar.models import device, dtype_name, load_config, load_processor
from videostar.resources import model_path
from videostar.terminal import warn
from videostar.training import lora_config

_GIB = 2**30
_MIB = 2**20
_TOY = 64 * 64  # pixels of a frame
_PACKED = 2.6  # bytes of a pixel in the frame cache, of real videos


def preflight(settings: Pipeline, out: Path) -> None:
    """Look at what a run needs whatever its data: packages, context, chat template, adapter, weights, memory and disk.

    Raises UserError for the first thing that is missing.
    """
    _check_engine(settings)
    if settings.model != "embedded" and settings.video.max_pixels <= _TOY:
        warn(
            f"video.max_pixels: {settings.video.max_pixels} of a frame are enough for the embedded model alone; "
            "--pipeline lvlm has settings for others"
        )
    check_length(settings)
    # Raises where the chat template leaves nothing to train on.
    Chat(load_processor(settings)).examples([Turn("What is it?", None, "It is a ball.")])
    adapter = _adapter_bytes(settings)
    _check_memory(settings, adapter)
    _check_disk(out, settings.rounds * adapter, "the adapters", "lower training.rank, or give --out on a larger disk")
    if settings.engine.name == "vllm" and not llm_options(settings, model_path(settings.model))["enable_lora"]:
        _check_disk(
            Path(tempfile.gettempdir()),
            weights_bytes(settings),
            "the model's weights with an adapter merged into them",
            "set TMPDIR to a folder on a larger disk",
        )


def check_cache(settings: Pipeline, videos: int) -> None:
    """Look whether the frames of so many videos find room, and warn if some will have to go. Raises UserError."""
    frames = int(videos * settings.video.frames * settings.video.max_pixels * _PACKED)
    most = int(settings.cache.gb * 1e9)
    if frames > most:
        gigabytes = math.ceil(frames / 1e9)
        warn(
            f"cache.gb: the frames of {videos} videos take some {gigabytes} GB; {settings.cache.gb:g} GB are kept, and "
            f"the others decoded again in every round; --set cache.gb={gigabytes} keeps all"
        )
    new = min(frames, most) - settings.cache.frames().used()  # which may well be of these videos
    mend = "lower cache.gb, video.frames or video.max_pixels, or give --cache on a larger disk"
    _check_disk(settings.cache.home, new, "the frames of the videos", mend)


def _check_engine(settings: Pipeline) -> None:
    if settings.engine.name == "transformers":
        return
    if settings.training.rank > RANKS[-1]:
        raise UserError(
            f"training.rank: {settings.training.rank} is more than the {RANKS[-1]} that vLLM serves; lower it, or "
            "take --engine transformers"
        )
    if importlib.util.find_spec(settings.engine.name) is None:
        if settings.engine.name == "openai":
            raise UserError("engine openai: its client is not installed; pip install 'videostar[openai]'")
        raise UserError(
            "engine vllm: is not installed; pip install 'videostar[vllm]' for a GPU; without one see `make vllm`"
        )


def _adapter_bytes(settings: Pipeline) -> int:
    """The size of a round's adapter. Raises UserError when LoRA cannot be placed in the model."""
    with torch.device("meta"):  # shapes without weights
        model = AutoModelForImageTextToText.from_config(
            load_config(settings), trust_remote_code=settings.engine.trust_remote_code
        )
    targets = set(lora_config(model, settings).target_modules or ())
    sizes: list[int] = [
        module.in_features + module.out_features
        for name, module in model.named_modules()
        if name in targets and isinstance(module, torch.nn.Linear)
    ]
    return 4 * settings.training.rank * sum(sizes)


def _check_memory(settings: Pipeline, adapter: int) -> None:
    """Weights, and the adapter with its gradient and the optimizer's two moments."""
    weights = weights_bytes(settings)
    if not weights:
        raise UserError(f"model {settings.model!r}: has no *.safetensors on this machine; download it whole")
    needed = weights + 4 * adapter
    where = device(settings)
    if where.type == "cpu":
        free = int(psutil.virtual_memory().available)
    elif where.type == "cuda":
        free = int(torch.cuda.mem_get_info(where)[0])
    else:
        return  # no figure that could be trusted
    if needed > free:
        raise UserError(
            f"model {settings.model!r}: weights and adapter take {needed / _GIB:.1f} GiB in {dtype_name(settings)}, "
            f"and {where.type} has {free / _GIB:.1f} GiB free: take a smaller model, bfloat16 or a lower training.rank"
        )


def _check_disk(folder: Path, needed: int, what: str, mend: str) -> None:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise UserError(f"{there}: {what} take {needed / _MIB:,.0f} MiB and {free / _MIB:,.0f} MiB are free: {mend}")
