"""What a run will take, from a few of its real videos: hours, tokens, disk, and what it waits for most.

The stages themselves are timed, on a few windows of questions and a few steps of training. Cost grows with the number
of videos, so the rest is multiplication.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import Field

from videostar.adapters.questions import Question, Questions
from videostar.config import Pipeline, Settings, Video
from videostar.engines.base import EngineProtocol
from videostar.models.chat import Chat
from videostar.models.load import load_processor
from videostar.models.sizes import video_tokens
from videostar.runs.changes import what
from videostar.runs.manifest import Manifest
from videostar.runs.run import FORECAST
from videostar.stages.generation import Asking, generate
from videostar.stages.ledger import Answer, Ledger
from videostar.stages.versions import build_version
from videostar.training.stage import train
from videostar.util.files import digest_json
from videostar.util.progress import Progress, Tick
from videostar.util.yaml_files import load_mapping, validate
from videostar.video.cache import FrameCache
from videostar.video.errors import BadVideo
from videostar.video.pool import ClipRequest, iter_clips

_DECODED = 16  # videos whose decoding is timed
_STEPS = 4  # of training that are timed


class Forecast(Settings):
    """What a whole run takes."""

    settings: str = Field("", description="Digest of those of the run, but for where things lie.")
    seconds: dict[str, float] = Field(description="By stage, over all rounds; decode: what answering does not hide.")
    tokens: int = Field(description="Of all prompts and answers.")
    disk: int = Field(description="Bytes of frames, answers and adapters.")


def forecast(questions: Questions, settings: Pipeline, engine: EngineProtocol, progress: Progress) -> Forecast:
    """Time a few videos. Raises UserError as the stages do."""
    trained = len(questions.split("train"))
    tested = len(questions.split("test")) + len(questions.split("validation"))
    size = settings.engine.batch_size
    some = questions.some("train", slice(size * (engine.windows + 2)))
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        decode, frames = _decoding(some, settings, folder / "frames")
        start = _seconds(lambda: engine.use(None))
        answer = _answering(some, settings, engine, folder / "answers.jsonl", progress("forecast: answers"))
        ledger = list(Ledger(folder / "answers.jsonl"))
        line = (folder / "answers.jsonl").stat().st_size / len(ledger)
        engine.rest()
        load, step, adapter, kept = _training(some, settings, folder, progress)
        restart = _seconds(lambda: engine.use(None))
    asked = len(some.split("train"))
    lines = len(ledger) / asked  # answers a question; a held-out one is asked directly, and once
    tokens = count_tokens(ledger, settings) / len(ledger)
    options, rounds = settings.training, settings.rounds
    rows = kept / asked * trained * (1 + (settings.mix.ratio if settings.mix else 0))
    steps = math.ceil(rows / (options.batch_size * options.gradient_accumulation)) * options.epochs
    all_lines = rounds * trained * lines + (rounds + 1) * tested
    return Forecast(
        settings=digest_json(what(settings)),
        seconds={
            "start": start + rounds * restart,
            "decode": max(0.0, decode - answer) * trained + max(0.0, decode - answer / lines) * tested,
            "generate": rounds * trained * answer,
            "train": rounds * (load + steps * step),
            "evaluate": (rounds + 1) * tested * answer / lines,
        },
        tokens=round(all_lines * tokens),
        disk=round(frames * (trained + tested) + all_lines * line + rounds * adapter),
    )


def described(found: Forecast) -> dict[str, Any]:
    """A forecast for people, in their units."""
    return {
        "hours": {stage: round(seconds / 3600, 3) for stage, seconds in found.seconds.items()},
        "hours in all": round(sum(found.seconds.values()) / 3600, 3),
        "bottleneck": max(found.seconds, key=lambda stage: found.seconds[stage]),
        "tokens": found.tokens,
        "disk in GiB": round(found.disk / 2**30, 3),
    }


def compare(run: Path, manifest: Manifest) -> list[tuple[str, str, str]]:
    """What was forecast for a finished run and what came of it: rows of name, forecast and actual.

    None where it was forecast with other settings.
    """
    found = validate(load_mapping(run / FORECAST), Forecast, str(run / FORECAST))
    if found.settings != digest_json(what(manifest.settings)):
        return []
    said = {part: found.seconds[part] for part in ("generate", "train", "evaluate")}
    # Starting the engine and decoding are part of the stages that do them.
    said["generate"] += found.seconds["start"] + found.seconds["decode"]
    rows = []
    for part, seconds in said.items():
        took = sum(stage.seconds for name, stage in manifest.stages.items() if name.endswith(part))
        rows.append((f"{part}, minutes", f"{seconds / 60:.1f}", f"{took / 60:.1f}"))
    answers = [
        path for name in ("answers", "evaluation", "validation") for path in (run / "rounds").glob(f"*/{name}.jsonl")
    ]
    tokens = sum(count_tokens(Ledger(path), manifest.settings) for path in answers)
    return [*rows, ("tokens", f"{found.tokens:,}", f"{tokens:,}")]


def count_tokens(answers: Iterable[Answer], settings: Pipeline) -> int:
    """The tokens of prompts, their videos and answers."""
    tokenizer = Chat(load_processor(settings)).tokenizer
    video = video_tokens(settings)
    total = 0
    said = (answer for answer in answers if answer.kind != "video")
    while some := list(islice(said, 1024)):
        tokens = tokenizer([text for answer in some for text in (answer.prompt, answer.answer)])["input_ids"]
        total += sum(map(len, tokens)) + video * len(some)
    return total


def _decoding(some: Questions, settings: Pipeline, folder: Path) -> tuple[float, float]:
    """Seconds a video of all worker processes together, and bytes that its frames take. All others are read ahead."""
    files = list(dict.fromkeys(_file(some, question, settings.video) for question in some.split("train")))
    cache = FrameCache(folder, 2**62)
    started = time.monotonic()
    for file in files[:_DECODED]:
        try:
            cache.clip(*file)
        except BadVideo:
            continue  # set aside when it is asked about
    spent = (time.monotonic() - started) / min(_DECODED, len(files))
    size = sum(entry.stat().st_size for entry in folder.rglob("*.safetensors")) / min(_DECODED, len(files))
    for _ in iter_clips(settings.cache.frames(), files):
        pass
    return spent / max(1, (os.cpu_count() or 2) - 1), size


def _file(some: Questions, question: Question, video: Video) -> ClipRequest:
    return some.root / question.sample.video, question.sample.sha256, question.sampling(video)


def _answering(some: Questions, settings: Pipeline, engine: EngineProtocol, out: Path, tick: Tick) -> float:
    """Seconds a question; where there are enough, after a first window, which waits for much that happens once."""
    asking = Asking(settings, settings.generation.answers, settings.generation.samples, "forecast")
    first = some.some("train", slice(settings.engine.batch_size))
    each = 0.0
    for asked, answered in ((first, 0), (some, len(first.split("train")))):
        if many := len(asked.split("train")) - answered:
            each = _seconds(partial(generate, asked, engine, asking, split="train", adapter=None, out=out, tick=tick))
            each /= many
    return each


def _training(some: Questions, settings: Pipeline, folder: Path, progress: Progress) -> tuple[float, float, int, int]:
    """Seconds until the first step ends, seconds of another, bytes of the adapter, and answers that were kept."""
    dataset = folder / "dataset"
    kept = build_version(folder / "answers.jsonl", dataset, lineage={}, direct_only=False)["rows"]
    options = settings.training
    rows = kept * (1 + (settings.mix.ratio if settings.mix else 0))
    if not rows:
        return 0.0, 0.0, 0, 0
    epochs = _STEPS * options.batch_size * options.gradient_accumulation / rows
    few = settings.model_copy(update={"training": options.model_copy(update={"epochs": epochs})})
    watch = _Watch(progress("forecast: training steps"))
    train(dataset, some.root, few, folder / "adapter", tick=watch)
    adapter = sum(file.stat().st_size for file in (folder / "adapter").rglob("*") if file.is_file())
    return watch.first(), watch.each(), adapter, kept


class _Watch:
    """A tick that notes when it was called."""

    def __init__(self, tick: Tick) -> None:
        self._tick, self._times = tick, [(0, time.monotonic())]

    def __call__(self, done: int, total: int) -> None:
        self._tick(done, total)
        self._times.append((done, time.monotonic()))

    def first(self) -> float:
        """Seconds until the first call."""
        return self._times[1][1] - self._times[0][1]

    def each(self) -> float:
        """Seconds for one more, once the first is done; with the first if there was no other."""
        (before, since), (done, now) = self._times[0 if len(self._times) == 2 else 1], self._times[-1]
        return (now - since) / max(1, done - before)


def _seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started
