"""The ways of generating that `benchmarks/generation.py` compares."""

from __future__ import annotations

import argparse
import os
import statistics
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from decode_peers import pyav
from rich.console import Console
from rich.table import Table

from videostar.adapters.questions import Questions
from videostar.adapters.task import Question
from videostar.config import Cache, Pipeline
from videostar.demo.build import World, build_world
from videostar.engines.base import Reply, Request
from videostar.engines.transformers import TransformersEngine
from videostar.engines.vllm.engine import VllmEngine
from videostar.executors.local import LocalExecutor
from videostar.labels import Label
from videostar.models.chat import Turn, metadata
from videostar.pipeline_files import load_pipeline
from videostar.runs.data import RunData
from videostar.stages.generation import generate
from videostar.stages.plan import AnswerPlan
from videostar.util.progress import silent
from videostar.video.clip import Clip


def measure(folder: Path, args: argparse.Namespace) -> None:
    """Measure all ways on a world in `folder`, and print the table."""
    questions, settings = _world(folder, args.videos, args.dtype)
    train = questions.split("train")
    cache = Cache(folder=str(folder / "decoded")).frames()
    clips = [cache.clip(questions.root / q.sample.video, q.sample.sha256, q.sampling(settings.video)) for q in train]
    rates: dict[str, list[float]] = {"ours": [], "bare": [], "one after the other": []}
    with VllmEngine(settings) as engine:
        engine.use(None)
        llm = engine.llm
        # Warm up kernels, caches and processes, so that the order does not matter.
        bare_round(llm, engine, train, clips)
        ours(questions, settings, engine, folder / "warm")
        for number in range(args.repeats):
            rates["ours"].append(ours(questions, settings, engine, folder / f"ours-{number}"))
            rates["bare"].append(bare_round(llm, engine, train, clips))
            rates["one after the other"].append(
                ours(questions, settings, engine, folder / f"after-{number}", ahead=True)
            )
    rates["serial"], rates["serial, frames at hand"] = _serial(settings, questions, train[: args.serial], clips)
    _print(rates, args)
    print(f"encodings a video, by vLLM's own count: {_encodings(questions, settings, folder / 'counted'):.2f}")
    if args.memory:
        _memory(folder / "many", args)


def _encodings(questions: Questions, settings: Pipeline, folder: Path) -> float:
    """How often vLLM encodes each video, by its own statistics of each step, which slow it down: a separate engine."""
    counting = {"disable_log_stats": False, "enable_logging_iteration_details": True}
    settings = settings.model_copy(update={"engine": settings.engine.model_copy(update={"options": counting})})
    encoded: list[int] = []
    with VllmEngine(settings) as engine:
        engine.use(None)
        manager = engine.llm.llm_engine.logger_manager
        record = manager.record

        def counted(*args: Any, scheduler_stats: Any = None, **kwargs: Any) -> None:
            details = scheduler_stats and scheduler_stats.iteration_details
            if details:
                encoded.append(details.num_encoder_inputs)
            record(*args, scheduler_stats=scheduler_stats, **kwargs)

        manager.record = counted
        ours(questions, settings, engine, folder)
    return sum(encoded) / len(questions.split("train"))


def _world(folder: Path, videos: int, dtype: str) -> tuple[Questions, Pipeline]:
    manifest = folder / "world.yaml"
    world = World(train=videos, validation=1, test=1, mix=1, seed=1)
    folder.mkdir(parents=True, exist_ok=True)
    manifest.write_text(
        "root: clips\nrows: {train: train.csv, validation: validation.csv, test: test.csv}\n", encoding="utf-8"
    )
    build_world(folder / "clips", world, silent(""))
    engine = {"name": "vllm", "dtype": dtype}
    settings = load_pipeline("demo", data=str(manifest), mix=None, engine=engine)
    data = RunData(settings)
    data.read(silent)
    return data.questions, settings


def ours(questions: Questions, settings: Pipeline, engine: VllmEngine, folder: Path, *, ahead: bool = False) -> float:
    """Videos per second of `generate`, with an empty frame cache.

    With `ahead`, the cache is filled before the first question; this time counts too.
    """
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    _clear_caches(engine.llm)
    plan = AnswerPlan.of(settings, salt="")
    out = folder / "answers.jsonl"
    train = questions.split("train")
    started = time.monotonic()
    if ahead:
        from videostar.video.pool import iter_clips

        files = [(questions.root / q.sample.video, q.sample.sha256, q.sampling(settings.video)) for q in train]
        for _ in iter_clips(settings.cache.frames(), files):
            pass
    generate(questions, LocalExecutor(engine), plan, split="train", lora=None, out=out, tick=silent(""))
    return len(train) / (time.monotonic() - started)


def _clear_caches(llm: Any) -> None:
    """Clear vLLM's caches, so that no way profits from the one before it."""
    llm.reset_prefix_cache()
    llm.reset_mm_cache()
    llm.llm_engine.reset_encoder_cache()


def bare_round(llm: Any, engine: VllmEngine, train: list[Any], clips: list[Clip]) -> float:
    """Videos per second of `LLM.generate`: all direct prompts, then the hinted prompts of those that are rejected."""
    _clear_caches(llm)
    started = time.monotonic()
    answers = _bare(llm, engine, [q.text for q in train], clips)
    failed = [i for i, answer in enumerate(answers) if not _accepts(train[i].label, answer, train[i].text)]
    _bare(llm, engine, [train[i].hinted for i in failed], [clips[i] for i in failed])
    return len(train) / (time.monotonic() - started)


def _accepts(label: Label, answer: str, prompt: str) -> bool:
    return label.judge(answer, prompt).accepted


def _bare(llm: Any, engine: VllmEngine, texts: list[str], clips: list[Clip]) -> list[str]:
    from vllm import SamplingParams

    prompts = [
        {
            "prompt": engine.chat.text(Turn(text, [clip])),
            "multi_modal_data": {
                "video": [(clip.frames, {**metadata(clip), "do_sample_frames": False, "video_backend": "pyav"})]
            },
            "multi_modal_uuids": {"video": [clip.key]},
        }
        for text, clip in zip(texts, clips, strict=True)
    ]
    params = SamplingParams(temperature=0, max_tokens=engine.generation.max_new_tokens)
    return [output.outputs[0].text for output in llm.generate(prompts, params, use_tqdm=False)]


def _serial(
    settings: Pipeline, questions: Questions, train: list[Question], clips: list[Clip]
) -> tuple[list[float], list[float]]:
    """Videos per second of one transformers `generate` per question: with the time to decode its video, and without."""
    spent = {"decoding": 0.0, "generating": 0.0}
    with TransformersEngine(settings) as engine:
        engine.use(None)
        engine.answer([Request(train[0].text, [clips[0]])])

        def ask(text: str, path: Path, clip: Clip) -> Reply:
            started = time.monotonic()
            numbers = [round(moment * clip.fps) for moment in clip.times]
            frames = pyav(path, numbers, (clip.frames.shape[2], clip.frames.shape[1]), threads=0)
            decoded = time.monotonic()
            (reply,) = engine.answer([Request(text, [replace(clip, frames=frames)])])
            spent["decoding"] += decoded - started
            spent["generating"] += time.monotonic() - decoded
            return reply

        for q, clip in zip(train, clips, strict=False):
            path = questions.root / q.sample.video
            reply = ask(q.text, path, clip)
            if not isinstance(reply, list) or not _accepts(q.label, reply[0].text, q.text):
                ask(q.hinted, path, clip)
    return [len(train) / sum(spent.values())], [len(train) / spent["generating"]]


def _memory(folder: Path, args: argparse.Namespace) -> None:
    """Print the peak host memory of `generate` in each tenth of its time, on many videos."""
    questions, settings = _world(folder, args.memory, args.dtype)
    peaks: list[float] = []
    process = psutil.Process()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            everyone = [process, *process.children(recursive=True)]
            total = 0
            for one in everyone:
                try:
                    total += one.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            peaks.append(total / 2**30)

    with VllmEngine(settings) as engine:
        engine.use(None)
        watcher = threading.Thread(target=watch)
        watcher.start()
        rate = ours(questions, settings, engine, folder / "ours")
        done.set()
        watcher.join()
    tenth = max(1, len(peaks) // 10)
    shown = " ".join(f"{max(peaks[i : i + tenth]):.2f}" for i in range(0, len(peaks), tenth))
    print(f"host memory over {args.memory} videos ({rate:.1f} videos/s), GiB by tenths of the time: {shown}")


def _print(rates: dict[str, list[float]], args: argparse.Namespace) -> None:
    table = Table(title=f"generation, {args.videos} videos, {args.dtype}, median of {args.repeats}")
    for column in ("way", "videos/s", "ours is"):
        table.add_column(column, justify="left" if column == "way" else "right")
    ours = statistics.median(rates["ours"])
    for way, measured in rates.items():
        rate = statistics.median(measured)
        table.add_row(way, f"{rate:.1f}", f"{ours / rate:.2f} times")
    Console().print(table)
