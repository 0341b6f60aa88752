"""Whether a run can work on this machine at all, told before any video is decoded."""

from __future__ import annotations

import difflib
import importlib.util
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import psutil
import torch
from peft import LoraConfig, PeftConfig, get_peft_model, get_peft_model_state_dict
from safetensors import SafetensorError, safe_open

from videostar.config import Pipeline
from videostar.engines.vllm.options import RANKS, check_length, llm_options
from videostar.models.chat import Chat, Turn
from videostar.models.families import family
from videostar.models.load import bare_model, device, dtype_name, load_config, load_processor
from videostar.models.lora import lora_config, other_base, read_facts
from videostar.models.sizes import weights_bytes
from videostar.util.errors import UserError
from videostar.util.resources import model_path
from videostar.util.terminal import warn

_GIB = 2**30
_MIB = 2**20
_TOY = 64 * 64  # pixels of a frame
_PACKED = 2.6  # bytes of a pixel in the frame cache, of real videos


def preflight(settings: Pipeline, out: Path) -> None:
    """Look at what a run needs whatever its data: packages, context, chat template, adapter, weights, memory and disk.

    Raises UserError for the first thing that is missing.
    """
    _check_engine(settings)
    _warn_of_idle(settings)
    if settings.model != "embedded" and settings.video.max_pixels <= _TOY:
        warn(
            f"video.max_pixels: {settings.video.max_pixels} of a frame are enough for the embedded model alone; "
            "--pipeline lvlm has settings for others"
        )
    check_length(settings)
    check_batches(settings)
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


def check_batches(settings: Pipeline) -> None:
    """Look whether the model takes the clips of a batch together. Raises UserError."""
    facts = family(load_config(settings))
    answered = 1 if facts.vllm and settings.engine.name != "transformers" else settings.engine.batch_size
    if facts.one_length and settings.video.fps is not None and max(answered, settings.training.batch_size) > 1:
        raise UserError(
            f"model {settings.model!r}: takes only clips of as many frames together, and with video.fps they differ: "
            "leave video.fps out, or --set engine.batch_size=1 --set training.batch_size=1"
        )


def check_lora(folder: Path, settings: Pipeline, *, trained_on: bool = False) -> None:
    """Look whether the adapter in `folder` is whole, of the model in `settings`, and served by its engine.

    No weights are loaded. `trained_on`: training is to go on with it, at the rank and alpha of `settings`. Raises
    UserError.
    """
    if not (folder / "adapter_config.json").is_file():
        near = _nearest(folder)
        raise UserError(
            f"{folder}: no LoRA adapter; {f'did you mean {near}?' if near else 'give a folder that training wrote'}"
        )
    rank = read_facts(folder).rank
    if settings.engine.name != "transformers" and rank > RANKS[-1]:
        raise UserError(f"{folder}: has rank {rank}, vLLM serves at most {RANKS[-1]}; take --engine transformers")
    config = _peft_config(folder)
    if trained_on and (config.r, config.lora_alpha) != (settings.training.rank, settings.training.alpha):
        raise UserError(
            f"{folder}: has rank {config.r} and alpha {config.lora_alpha}, settings say {settings.training.rank} and "
            f"{settings.training.alpha}; go on with --set training.rank={config.r} --set "
            f"training.alpha={config.lora_alpha}, or start from the base"
        )
    fault = _misfit(config, _tensors(folder / "adapter_model.safetensors"), settings)
    if fault:
        raise UserError(f"{folder}: is no adapter of model {settings.model!r}: {fault}; give another of the two")


def _nearest(folder: Path) -> Path | None:
    """The adapter near a place where there is none that is called most like it."""
    around = next((place for place in (folder, *folder.parents[:2]) if place.is_dir()), folder)
    found = [
        str(file.parent)
        for pattern in (".", "*", "*/*", "rounds/*/adapter")
        for file in around.glob(f"{pattern}/adapter_config.json")
    ]
    near = difflib.get_close_matches(str(folder), found, n=1, cutoff=0)
    return Path(near[0]) if near else None


def _peft_config(folder: Path) -> Any:
    try:
        config = PeftConfig.from_pretrained(str(folder))
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{folder}: peft cannot read adapter_config.json ({error}); train the adapter again") from None
    if not isinstance(config, LoraConfig):
        raise UserError(f"{folder}: is a PEFT adapter, but no LoRA; give a folder that training wrote")
    return config


def _tensors(file: Path) -> dict[str, list[int]]:
    """Names and shapes in a safetensors file. Raises UserError when it is not whole."""
    try:
        with safe_open(file, "pt") as weights:
            return {name: weights.get_slice(name).get_shape() for name in weights.offset_keys()}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file}: is damaged ({error}); restore it, or train the adapter again") from None


def _misfit(config: Any, found: dict[str, list[int]], settings: Pipeline) -> str:
    """Why an adapter of this configuration with these tensors is not the model's; empty if it is."""
    base, config.base_model_name_or_path = config.base_model_name_or_path, None  # peft warns where it is another path
    try:
        with torch.device("meta"):
            model: Any = get_peft_model(bare_model(settings), config)
    except ValueError:  # peft lists all its targets
        return "this has none of the layers that it adds to"
    fits = {
        name: list(weights.shape)
        for name, weights in get_peft_model_state_dict(model, save_embedding_layers=False).items()
    }
    for name in sorted({*fits, *found}):
        if fits.get(name) != found.get(name):
            return f"{name} is {found.get(name, 'missing')} and should be {fits.get(name, 'missing')}"
    return f"its base was {base}" if other_base(base, settings) else ""


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
    fix = "lower cache.gb, video.frames or video.max_pixels, or give --cache on a larger disk"
    _check_disk(settings.cache.home, new, "the frames of the videos", fix)


def _warn_of_idle(settings: Pipeline) -> None:
    """Settings that change nothing as long as another one is as it is."""
    if settings.engine.options and settings.engine.name != "vllm":
        warn(f"engine.options: are for vllm; {settings.engine.name} takes none")
    if settings.generation.samples == 1 and settings.generation.keep_per_question > 1:
        warn("generation.keep_per_question: is for several tries at a question; raise generation.samples")
    if settings.video.margin and settings.video.within == "video":
        warn("video.margin: is for --set video.within=label")


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
    model = bare_model(settings)
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


def _check_disk(folder: Path, needed: int, what: str, fix: str) -> None:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise UserError(f"{there}: {what} take {needed / _MIB:,.0f} MiB and {free / _MIB:,.0f} MiB are free: {fix}")
