"""Checks that a run can work on this machine, before any video is decoded."""

from __future__ import annotations

import importlib.util
import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import psutil
import torch
from peft import get_peft_model

from videostar.config import Engine, ModelSpec, Pipeline, Video
from videostar.config.cache import Cache
from videostar.config.training import Training
from videostar.engines.openai import ONE_VIDEO
from videostar.engines.vllm.options import MERGED, RANKS, VllmSetup
from videostar.evidence.load import check_evidence
from videostar.executors import check_executor
from videostar.executors.count import engine_count
from videostar.models.chat import Chat, Turn
from videostar.models.families import FAMILIES, family
from videostar.models.load import bare_model, device, dtype_name, load_config, load_processor
from videostar.models.lora import lora_config
from videostar.models.quantised import check_mergeable, check_quantised, check_small
from videostar.models.refusals import Refusals
from videostar.models.sizes import sequence_length, weights_bytes
from videostar.runs.lora_checks import UNSERVED
from videostar.training.launch import check_processes
from videostar.training.mix import read_mix, warn_of_skipped
from videostar.training.preferences import check_objective
from videostar.training.weights import check_weights
from videostar.util.errors import UserError
from videostar.util.resources import model_path
from videostar.util.terminal import warn

_GIB = 2**30
_MIB = 2**20
_TOY = 64 * 64  # pixels of a frame
_PACKED = 2.6  # bytes per pixel in the frame cache, for real videos


def preflight(settings: Pipeline, out: Path, videos: int = 1, *, trains: bool) -> None:
    """Check everything that a run needs before its data are read: packages, context, chat template, LoRA, memory, disk.

    A row of the data has at most so many `videos`. `trains`: whether the model is trained too. Raises UserError for the
    first thing that is missing.
    """
    spec = settings.spec
    check_engine(settings.engine, settings.training)
    check_judge(settings)
    if settings.verification.evidence:
        check_evidence(settings.verification.evidence.model)
    _check_tracking(settings)
    if trains:
        check_objective(settings)
        check_weights(settings)
    if trains or not _served(spec, settings.engine):  # vLLM has its own code for quantised models
        check_quantised(load_config(spec), spec.name, trains=trains)
    check_executor(settings)
    if trains:
        check_small(load_config(spec), spec.name, settings.training)
    _warn_of_unused(settings)
    if settings.model != "embedded" and settings.video.max_pixels <= _TOY:
        warn(
            f"video.max_pixels: frames of {settings.video.max_pixels} pixels suit the embedded model only; --pipeline "
            "lvlm has settings for others"
        )
    if videos > 1:
        _check_several(spec, settings.engine, settings.video, videos)
    sequence_length(spec, settings.video, settings.generation.max_new_tokens, videos)
    check_batches(spec, settings.engine, settings.video, settings.training, videos)
    if trains:
        check_dropped(spec, settings.training)
        check_processes(settings)
    chat = Chat(load_processor(spec))
    chat.examples([Turn("What is it?", answer="It is a ball.")])  # raises UserError if the template changes answers
    if settings.mix is not None and settings.training.objective == "sft":
        for name, source in settings.mix.named.items():
            rows, skipped = read_mix(name, source, spec, chat)
            warn_of_skipped(f"mix.data: {source.path}", len(rows) + len(skipped), skipped)
    lora = _lora_bytes(spec, settings.training)
    here = engine_count(settings) if settings.executor.name == "local" else 1
    _check_memory(spec, lora, here)
    _check_disk(out, settings.rounds * lora, "the LoRAs", "lower training.rank, or give --out on a larger disk")
    vllm = VllmSetup.of(settings, videos)
    if settings.engine.name == "vllm" and not vllm.llm_options(model_path(spec.name))["enable_lora"]:
        if trains and settings.base_judges:
            raise UserError(f"verification: {MERGED}")
        if trains:
            check_mergeable(load_config(spec), spec.name)
        _check_disk(
            Path(tempfile.gettempdir()),
            here * weights_bytes(spec),
            "the model's weights with a LoRA merged into them",
            "set TMPDIR to a folder on a larger disk",
        )


def _check_several(spec: ModelSpec, engine: Engine, video: Video, videos: int) -> None:
    """Raises UserError if the model or the engine cannot be shown several videos with a question."""
    why = Refusals(spec, video).one_video_only
    if why:
        raise UserError(
            f"model {spec.name!r}: {why}, and a row has up to {videos} videos; give another model, or rows of one video"
        )
    if engine.name == "openai":
        raise UserError(
            f"engine openai: {ONE_VIDEO}, and a row has up to {videos} videos; use --engine vllm or transformers"
        )


def check_batches(spec: ModelSpec, engine: Engine, video: Video, training: Training, videos: int = 1) -> None:
    """Raises UserError if the model cannot take the clips of a batch, or of one question, together."""
    facts = family(load_config(spec))
    answered = 1 if _served(spec, engine) else engine.batch_size
    if facts.one_length and video.fps is not None and max(answered, training.batch_size, videos) > 1:
        smaller = ", or --set engine.batch_size=1 --set training.batch_size=1" if videos == 1 else ""
        raise UserError(
            f"model {spec.name!r}: needs clips with the same number of frames in a batch, and with video.fps they "
            f"differ: remove video.fps{smaller}"
        )


def check_dropped(spec: ModelSpec, training: Training) -> None:
    """Raises UserError if the model's visual tokens are to be dropped in training, and cannot be."""
    config = load_config(spec)
    if training.drop_tokens and not family(config).drops:
        known = ", ".join(name for name, facts in FAMILIES.items() if facts.drops)
        raise UserError(
            f"training.drop_tokens: is known for {known}, and model {spec.name!r} is {config.model_type}; remove it, "
            "or give another model"
        )


def _served(spec: ModelSpec, engine: Engine) -> bool:
    """Whether vLLM answers."""
    return engine.name != "transformers" and family(load_config(spec)).vllm


def check_cache(cache: Cache, video: Video, videos: int) -> None:
    """Raises UserError if the disk has no room for the frames of so many videos; warns if the cache is too small."""
    frames = int(videos * video.frames * video.max_pixels * _PACKED)
    most = int(cache.gb * 1e9)
    if frames > most:
        gigabytes = math.ceil(frames / 1e9)
        warn(
            f"cache.gb: the frames of {videos} videos take about {gigabytes} GB; {cache.gb:g} GB are kept, and the "
            f"others are decoded again in every round; --set cache.gb={gigabytes} keeps all"
        )
    new = min(frames, most) - cache.frames().used()  # some may be of these videos
    fix = "lower cache.gb, video.frames or video.max_pixels, or give --cache on a larger disk"
    _check_disk(cache.home, new, "the frames of the videos", fix)


def _warn_of_unused(settings: Pipeline) -> None:
    """Warn of settings that have no effect with the others."""
    if settings.engine.options and settings.engine.name != "vllm":
        warn(f"engine.options: have an effect with vllm only; {settings.engine.name} takes none")
    if settings.generation.samples == 1 and settings.generation.keep_per_question > 1:
        warn("generation.keep_per_question: has an effect with several tries only; raise generation.samples")
    if settings.generation.controls and "direct" not in settings.generation.answers:
        warn("generation.controls: have an effect on direct answers only; add direct to generation.answers")
    if (
        settings.training.full_every != Training.model_fields["full_every"].default
        and not settings.training.drop_tokens
    ):
        warn("training.full_every: has an effect with training.drop_tokens only")
    if settings.video.margin and settings.video.within == "video":
        warn("video.margin: has an effect with --set video.within=label only")


def check_engine(engine: Engine, training: Training) -> None:
    """Raises UserError if the engine is not installed or does not serve such LoRAs."""
    if engine.name == "transformers":
        return
    if training.rank > RANKS[-1]:
        raise UserError(
            f"training.rank: {training.rank} is more than the {RANKS[-1]} that vLLM serves; lower it, or use --engine "
            "transformers"
        )
    if engine.name == "openai":
        _check_client("engine openai")
        if training.dora or set(training.targets) != {"language"}:
            raise UserError(f"training: {UNSERVED}; change training.targets or dora, or use --engine vllm")
    elif importlib.util.find_spec(engine.name) is None:
        raise UserError(
            "engine vllm: is not installed; pip install 'videostar[vllm]' for a GPU; without one see `make vllm`"
        )


def check_judge(settings: Pipeline) -> None:
    """Raises UserError if the client of the judge's server is not installed; warns of a server that is not used."""
    if settings.judge is not None and not settings.verification.by_model:
        warn("judge: has an effect with a kind of label that it judges only, such as --set verification.text=engine")
    elif settings.judge is not None:
        _check_client("judge")


def _check_tracking(settings: Pipeline) -> None:
    """Raises UserError if the library of a tracker is not installed."""
    for tracker in settings.tracking:
        if importlib.util.find_spec(tracker) is None:
            raise UserError(f"tracking: {tracker} is not installed; pip install {tracker}")


def _check_client(what: str) -> None:
    if importlib.util.find_spec("openai") is None:
        raise UserError(f"{what}: its client is not installed; pip install 'videostar[openai]'")


def _lora_bytes(spec: ModelSpec, training: Training) -> int:
    """The size of a round's LoRA. Raises UserError if the model has no layers for it."""
    model = bare_model(spec)
    config = lora_config(model, training)
    with torch.device("meta"):
        adapted: Any = get_peft_model(model, config)
    return sum(4 * weights.numel() for weights in adapted.parameters() if weights.requires_grad)


def _check_memory(spec: ModelSpec, lora: int, engines: int) -> None:
    """Room for the weights, and for the LoRA with its gradient and the optimizer's two moments.

    Without accelerators, also for the weights of each of the engines.
    """
    weights = weights_bytes(spec)
    if not weights:
        raise UserError(f"model {spec.name!r}: has no *.safetensors on this machine; download all of it")
    needed = weights + 4 * lora
    where = device(spec)
    if where.type == "cpu":
        free = int(psutil.virtual_memory().available)
        if engines * weights > free:
            raise UserError(
                f"engine.count: the weights of {engines} engines take {engines * weights / _GIB:.1f} GiB, and "
                f"{free / _GIB:.1f} GiB are free: lower it"
            )
    elif where.type == "cuda":
        free = int(torch.cuda.mem_get_info(where)[0])
    else:
        return  # such devices report no reliable figure
    if needed > free:
        raise UserError(
            f"model {spec.name!r}: weights and LoRA take {needed / _GIB:.1f} GiB in {dtype_name(spec)}, "
            f"and {where.type} has {free / _GIB:.1f} GiB free: use a smaller model, bfloat16 or a lower training.rank"
        )


def check_room(spec: ModelSpec, out: Path) -> None:
    """Raises UserError if the disk of `out` has no room for a copy of the model's weights."""
    _check_disk(out, weights_bytes(spec), "the model's weights", "give --out on a larger disk")


def _check_disk(folder: Path, needed: int, what: str, fix: str) -> None:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise UserError(f"{there}: {what} take {needed / _MIB:,.0f} MiB and {free / _MIB:,.0f} MiB are free: {fix}")
