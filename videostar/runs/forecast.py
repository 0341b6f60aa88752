"""A forecast of what a run takes, from a few of its real videos: hours, tokens, disk and the bottleneck.

The stages themselves are timed, on a few windows of questions and a few steps of training. Cost grows with the number
of videos, so the rest is multiplication.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import Field

from videostar.adapters.questions import Questions
from videostar.config import ModelSpec, Pipeline, Video
from videostar.config.settings import Settings
from videostar.engines.base import EngineProtocol
from videostar.executors.count import engine_count, visible_gpus
from videostar.executors.local import LocalExecutor
from videostar.models.chat import Chat
from videostar.models.load import load_processor
from videostar.models.sizes import video_tokens
from videostar.runs.folder import FORECAST
from videostar.runs.manifest import Manifest
from videostar.runs.settings_diff import without_places
from videostar.runs.stage_names import RoundFiles
from videostar.stages.generation import generate
from videostar.stages.ledger import Answer, find_ledger, read_answers
from videostar.stages.plan import AnswerPlan
from videostar.stages.versions import build_version
from videostar.training.preferences import NoPairs
from videostar.training.stage import train
from videostar.util.files import digest_json
from videostar.util.progress import Progress, Tick
from videostar.util.yaml_files import load_mapping, validate
from videostar.video.cache import FrameCache
from videostar.video.errors import BadVideo
from videostar.video.pool import ClipRequest, iter_clips

_DECODED = 16  # videos whose decoding is timed
_STEPS = 4  # training steps that are timed


class Forecast(Settings):
    """What a whole run takes."""

    settings: str = Field("", description="Digest of the run's settings, without places.")
    seconds: dict[str, float] = Field(description="By stage, over all rounds; decode: beyond the time of answering.")
    tokens: int = Field(description="Of all prompts and answers.")
    disk: int = Field(description="Bytes of frames, answers and LoRAs.")


def forecast(
    questions: Questions,
    settings: Pipeline,
    engine: EngineProtocol,
    progress: Progress,
    sets: Mapping[str, Questions] | None = None,
) -> Forecast:
    """Time a few videos. `sets` are those of `evaluation.sets`. Raises UserError as the stages do."""
    trained = len(questions.split("train"))
    tested = len(questions.split("test")) + len(questions.split("validation"))
    tested += sum(len(held_out.split("test")) for held_out in (sets or {}).values())
    evaluated = tested + len(settings.evaluation.controls) * len(questions.split("test"))  # questions that are asked
    plan = AnswerPlan.of(settings, "forecast")
    some = questions.some("train", slice(plan.batch_size * (engine.windows + 2)))
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ledger = find_ledger(folder)
        decode, frames = _time_decoding(some, plan, folder / "frames")
        start = _seconds(lambda: engine.use(None))
        answer = _time_answering(some, plan, engine, ledger, progress("forecast: answers"))
        if settings.executor.name == "local" and visible_gpus(settings):  # without, engines share the same cores
            answer /= engine_count(settings)
        answers = list(read_answers(ledger))
        line = ledger.stat().st_size / len(answers)
        engine.release()
        load, step, lora, kept, steps_per_kept = _time_training(some, settings, folder, progress)
        restart = _seconds(lambda: engine.use(None))
    asked = len(some.split("train"))
    per_question = len(answers) / asked  # answers; a held-out question has one, a direct one
    tokens = count_tokens(answers, settings.spec, settings.video) / len(answers)
    options, rounds = settings.training, settings.rounds
    steps = math.ceil(kept / asked * trained * steps_per_kept) * options.epochs
    all_answers = rounds * trained * per_question + (rounds + 1) * evaluated
    return Forecast(
        settings=digest_json(without_places(settings)),
        seconds={
            "start": start + rounds * restart,
            "decode": max(0.0, decode - answer) * trained + max(0.0, decode - answer / per_question) * tested,
            "generate": rounds * trained * answer,
            "train": rounds * (load + steps * step),
            "evaluate": (rounds + 1) * evaluated * answer / per_question,
        },
        tokens=round(all_answers * tokens),
        disk=round(frames * (trained + tested) + all_answers * line + rounds * lora),
    )


def describe(found: Forecast) -> dict[str, Any]:
    """A forecast in units for people."""
    return {
        "hours": {stage: round(seconds / 3600, 3) for stage, seconds in found.seconds.items()},
        "hours in all": round(sum(found.seconds.values()) / 3600, 3),
        "bottleneck": max(found.seconds, key=lambda stage: found.seconds[stage]),
        "tokens": found.tokens,
        "disk in GiB": round(found.disk / 2**30, 3),
    }


def compare(run: Path, manifest: Manifest) -> list[tuple[str, str, str]]:
    """The forecast of a finished run and its actual figures: rows of name, forecast, actual.

    Empty if the forecast was made with other settings.
    """
    found = validate(load_mapping(run / FORECAST), Forecast, str(run / FORECAST))
    if found.settings != digest_json(without_places(manifest.settings)):
        return []
    expected = {part: found.seconds[part] for part in ("generate", "train", "evaluate")}
    # Starting the engine and decoding happen inside the stages that need them.
    expected["generate"] += found.seconds["start"] + found.seconds["decode"]
    rows = []
    for part, seconds in expected.items():
        actual = sum(stage.seconds for name, stage in manifest.stages.items() if name.endswith(part))
        rows.append((f"{part}, minutes", f"{seconds / 60:.1f}", f"{actual / 60:.1f}"))
    ledgers = [path for name in ("evaluation*", "validation") for path in (run / "rounds").glob(f"*/{name}.jsonl")]
    ledgers += [
        path for number in range(1, manifest.settings.rounds + 1) if (path := RoundFiles(run, number).answers).exists()
    ]
    settings = manifest.settings
    tokens = sum(count_tokens(read_answers(path), settings.spec, settings.video) for path in ledgers)
    return [*rows, ("tokens", f"{found.tokens:,}", f"{tokens:,}")]


def count_tokens(answers: Iterable[Answer], spec: ModelSpec, video: Video) -> int:
    """The tokens of prompts, their videos and answers."""
    tokenizer = Chat(load_processor(spec)).tokenizer
    per_video = video_tokens(spec, video)
    total = 0
    answered = (answer for answer in answers if answer.kind != "video")
    while batch := list(islice(answered, 1024)):
        tokens = tokenizer([text for answer in batch for text in (answer.prompt, answer.answer)])["input_ids"]
        total += sum(map(len, tokens)) + per_video * sum(len(answer.videos) for answer in batch)
    return total


def _time_decoding(some: Questions, plan: AnswerPlan, folder: Path) -> tuple[float, float]:
    """Seconds per video with all worker processes, and bytes of its frames. Then decodes all into the run's cache."""
    questions = some.split("train")
    files: list[ClipRequest] = list(
        dict.fromkeys(file for question in questions for file in question.files(some.root, plan.video))
    )
    cache = FrameCache(folder, 2**62, plan.frames.objects)
    started = time.monotonic()
    for file in files[:_DECODED]:
        try:
            cache.clip(*file)
        except BadVideo:
            continue  # skipped when it is asked about
    spent = (time.monotonic() - started) / min(_DECODED, len(files))
    size = sum(entry.stat().st_size for entry in folder.rglob("*.safetensors")) / min(_DECODED, len(files))
    for _ in iter_clips(plan.frames, files):
        pass
    return spent / max(1, len(os.sched_getaffinity(0)) - 1), size


def _time_answering(some: Questions, plan: AnswerPlan, engine: EngineProtocol, out: Path, tick: Tick) -> float:
    """Seconds per question; if there are enough, without the first window, which includes work that is done once."""
    first, executor = some.some("train", slice(plan.batch_size)), LocalExecutor(engine)
    each = 0.0
    for questions, answered in ((first, 0), (some, len(first.split("train")))):
        if many := len(questions.split("train")) - answered:
            each = _seconds(partial(generate, questions, executor, plan, split="train", lora=None, out=out, tick=tick))
            each /= many
    return each


def _time_training(
    some: Questions, settings: Pipeline, folder: Path, progress: Progress
) -> tuple[float, float, int, int, float]:
    """Seconds until the first step ends and of a later one, bytes of the LoRA, kept answers, and steps per kept answer.

    The steps are those of one pass over the kept answers and the rows mixed in.
    """
    dataset = folder / "dataset"
    generation = settings.generation
    kept = build_version(find_ledger(folder), dataset, lineage={}, direct_only=False, generation=generation)["rows"]
    options = settings.training
    rows = kept * _rows_per_answer(settings)
    if not rows:
        return 0.0, 0.0, 0, 0, 0.0
    epochs = 1.0 if options.tokens_per_step else _STEPS * options.batch_size * options.gradient_accumulation / rows
    short = settings.model_copy(update={"training": options.model_copy(update={"epochs": epochs})})
    watch = _Watch(progress("forecast: training steps"))
    try:
        facts = train(
            dataset,
            some.root,
            short,
            folder / "lora",
            log=folder / "training.jsonl",
            on_step=lambda record: watch(record["step"], record["steps"]),
        )
    except NoPairs:  # of so few videos
        return 0.0, 0.0, 0, 0, 0.0
    lora = sum(file.stat().st_size for file in (folder / "lora").rglob("*") if file.is_file())
    return watch.first(), watch.each(), lora, kept, facts["steps"] / epochs / kept


def _rows_per_answer(settings: Pipeline) -> float:
    """Rows that are trained per kept answer; with preference pairs, at most."""
    if settings.training.objective == "dpo":
        return 2
    return 1 + (sum(source.weight for source in settings.mix.sources) if settings.mix else 0)


class _Watch:
    """A tick that records its times."""

    def __init__(self, tick: Tick) -> None:
        self._tick, self._times = tick, [(0, time.monotonic())]

    def __call__(self, done: int, total: int) -> None:
        self._tick(done, total)
        self._times.append((done, time.monotonic()))

    def first(self) -> float:
        """Seconds until the first call."""
        return self._times[1][1] - self._times[0][1]

    def each(self) -> float:
        """Seconds per step after the first; of the first if there is no other."""
        (before, since), (done, now) = self._times[0 if len(self._times) == 2 else 1], self._times[-1]
        return (now - since) / max(1, done - before)


def _seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started
