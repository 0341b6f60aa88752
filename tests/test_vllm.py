"""The vLLM engine, for real, on the embedded model: the answers of transformers, the right adapter, and its death."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from answers import confidences, questions_about, said
from commands import Command, command
from data_sets import load, questions_of
from random_lora import make_lora

from videostar.config import Data, Pipeline
from videostar.engines.base import EngineDied, Refused, Reply, Request
from videostar.engines.transformers import TransformersEngine
from videostar.engines.vllm.engine import VllmEngine
from videostar.executors.local import LocalExecutor
from videostar.pipeline_files import load_pipeline
from videostar.runs.preflight import preflight
from videostar.util.errors import UserError

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.first]
GIB = 2**30
OPTIONS = {"kv_cache_memory_bytes": GIB // 2}
SMALL = {"name": "vllm", "options": OPTIONS}


@pytest.fixture(scope="module")
def settings() -> Pipeline:
    return load_pipeline("demo", engine=SMALL, mix=None)


@pytest.fixture(scope="module")
def engine(settings: Pipeline) -> Iterator[VllmEngine]:
    with VllmEngine(settings) as engine:
        yield engine


@pytest.fixture(scope="module")
def lora_engine(settings: Pipeline) -> Iterator[VllmEngine]:
    """With adapters as vLLM loads them, which is the way on a GPU."""
    options = {**OPTIONS, "enable_lora": True}
    with VllmEngine(
        settings.model_copy(update={"engine": settings.engine.model_copy(update={"options": options})})
    ) as engine:
        yield engine


@pytest.fixture(
    params=[pytest.param("engine", id="merged", marks=pytest.mark.exhaustive), pytest.param("lora_engine", id="loaded")]
)
def either(request: pytest.FixtureRequest) -> VllmEngine:
    """Whichever way adapters are served."""
    engine: VllmEngine = request.getfixturevalue(request.param)
    return engine


@pytest.fixture(scope="module")
def reference(settings: Pipeline) -> TransformersEngine:
    return TransformersEngine(settings)


@pytest.fixture(scope="module")
def requests(world: Path) -> list[Request]:
    return questions_about(world)


@pytest.fixture(scope="module")
def adapters(settings: Pipeline, requests: list[Request], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return [make_lora(settings, folder / str(seed), seed, requests[0].clips[0]) for seed in (1, 2)]


def test_answers_are_those_of_transformers(
    either: VllmEngine, reference: TransformersEngine, requests: list[Request], adapters: list[Path]
) -> None:
    asked = requests[:8]
    spoken = [said(either, adapter, asked) for adapter in (None, *adapters)]
    known = [said(reference, adapter, asked) for adapter in (None, *adapters)]
    assert spoken == known
    for mine, theirs in zip(spoken, known, strict=True):
        assert confidences(mine) == pytest.approx(confidences(theirs), abs=1e-3)
    assert spoken[0] != spoken[1] != spoken[2] != spoken[0]


def test_the_base_model_judges_beside_an_adapter(
    either: VllmEngine, reference: TransformersEngine, requests: list[Request], adapters: list[Path]
) -> None:
    prompts = ["What moves here, and how?", "Is it a ball? Reply with yes or no."]
    reference.use(None)
    either.use(None)
    base = either.ask_base(prompts, 8)
    assert base == reference.ask_base(prompts, 8)
    first = said(either, adapters[0], requests[:2])
    if either._lora is None:
        with pytest.raises(UserError, match="merged into the weights"):
            either.ask_base(prompts, 8)
    else:
        assert either.ask_base(prompts, 8) == base
    assert either.answer(requests[:2]) == first


def test_adapters_are_taken_by_the_engine_that_runs(
    either: VllmEngine, requests: list[Request], adapters: list[Path]
) -> None:
    either.use(None)
    running = engine_processes()
    for adapter in adapters:
        said(either, adapter, requests[:1])
    assert engine_processes() == running


def test_an_adapter_that_answers_already_is_neither_loaded_nor_heard_again(
    either: VllmEngine, requests: list[Request], adapters: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it lies; once another has answered in between, it is."""
    heard: list[object] = []
    validate = either._validate
    monkeypatch.setattr(either, "_validate", lambda canaries: heard.append(canaries) or validate(canaries))
    either.use(None)
    first = said(either, adapters[0], requests[:4])
    assert len(heard) == 1
    running = engine_processes()
    assert said(either, shutil.copytree(adapters[0], tmp_path / "moved"), requests[:4]) == first
    assert (len(heard), engine_processes()) == (1, running)
    said(either, adapters[1], requests[:4])
    assert said(either, adapters[0], requests[:4]) == first
    assert len(heard) == 3


def test_an_adapter_that_is_overwritten_in_place_is_not_served_stale(
    either: VllmEngine, reference: TransformersEngine, requests: list[Request], adapters: list[Path], tmp_path: Path
) -> None:
    place = shutil.copytree(adapters[0], tmp_path / "lora")
    first = said(either, place, requests[:8])
    shutil.rmtree(place)
    shutil.copytree(adapters[1], place)
    second = said(either, place, requests[:8])
    assert first == said(reference, adapters[0], requests[:8])
    assert second == said(reference, adapters[1], requests[:8])


class Merged(Exception):
    """A merged copy of the weights is about to be made."""


def test_weights_in_the_folder_of_another_adapter_are_not_served(
    lora_engine: VllmEngine,
    reference: TransformersEngine,
    requests: list[Request],
    adapters: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`test_swapped_adapters_are_told_apart`, up to where the engine would start again with merged weights."""

    def merged(*_: object) -> str:
        raise Merged

    mixed = shutil.copytree(adapters[0], tmp_path / "mixed")
    shutil.copy(adapters[1] / "adapter_model.safetensors", mixed)
    monkeypatch.setattr(lora_engine, "_merge", merged)
    with pytest.raises(Merged):
        lora_engine.use(mixed)
    assert said(lora_engine, adapters[1], requests[:4]) == said(reference, adapters[1], requests[:4])


@pytest.mark.exhaustive
def test_swapped_adapters_are_told_apart(
    either: VllmEngine, reference: TransformersEngine, requests: list[Request], adapters: list[Path], tmp_path: Path
) -> None:
    """Weights of one in the folder of the other: its canaries say otherwise, and nothing is answered."""
    mixed = shutil.copytree(adapters[0], tmp_path / "mixed")
    shutil.copy(adapters[1] / "adapter_model.safetensors", mixed)
    with pytest.raises(UserError, match="answers differ from those of transformers"):
        either.use(mixed)
    assert said(either, adapters[1], requests[:4]) == said(reference, adapters[1], requests[:4])


@pytest.mark.exhaustive
def test_an_adapter_of_too_high_a_rank_is_merged(
    settings: Pipeline,
    lora_engine: VllmEngine,
    reference: TransformersEngine,
    requests: list[Request],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    adapter = make_lora(settings, tmp_path / "high", 3, requests[0].clips[0], rank=48)
    spoken = said(lora_engine, adapter, requests[:8])
    assert "rank 48 is more than the 32" in capfd.readouterr().err
    assert spoken == said(reference, adapter, requests[:8])
    assert said(lora_engine, None, requests[:4]) == said(reference, None, requests[:4])


def test_tries_differ_by_seed_and_come_again_with_it(lora_engine: VllmEngine, requests: list[Request]) -> None:
    lora_engine.use(None)
    asked = [Request(request.question, request.clips, (1, 2, 3)) for request in requests[:4]]
    once, again = lora_engine.answer(asked), lora_engine.answer(asked)
    assert once == again
    for reply in once:
        assert not isinstance(reply, Refused)
        assert len(reply) == 3
    assert any(len(set(reply)) > 1 for reply in once if not isinstance(reply, Refused))


def test_a_question_that_is_too_long_is_refused_alone(lora_engine: VllmEngine, requests: list[Request]) -> None:
    lora_engine.use(None)
    replies = lora_engine.answer([requests[0], Request("why " * 5000, requests[1].clips), requests[2]])
    assert isinstance(replies[1], Refused)
    assert not isinstance(replies[0], Refused)
    assert not isinstance(replies[2], Refused)


def test_a_clip_that_the_processor_refuses_is_refused_alone(lora_engine: VllmEngine, requests: list[Request]) -> None:
    lora_engine.use(None)
    wide = replace(requests[1].clips[0], frames=requests[1].clips[0].frames[:, :1, :].repeat(8, 2), key="")
    replies = lora_engine.answer([requests[0], Request("Who?", [wide]), requests[2]])
    assert [isinstance(reply, Refused) for reply in replies] == [False, True, False]
    assert "'refused by the model: absolute aspect ratio must be smaller than 200" in str(replies[1])


def test_frames_that_take_more_than_the_context_are_refused_before_anything_starts() -> None:
    long = load_pipeline("demo", engine=SMALL, settings=["video.frames=512"])
    with pytest.raises(UserError, match=r"a video takes \d+ tokens .* lower video.frames"), VllmEngine(long) as engine:
        engine.use(None)


def test_no_room_for_merged_weights_is_found_before_anything_starts(
    settings: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage
    full = Path(tempfile.gettempdir())
    monkeypatch.setattr(
        shutil, "disk_usage", lambda place: usage(place)._replace(free=0) if place == full else usage(place)
    )
    with pytest.raises(UserError, match=r"with a LoRA merged into them take .* set TMPDIR"):
        preflight(settings, tmp_path / "run", trains=True)


def engine_processes() -> set[psutil.Process]:
    """What vLLM runs in."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # another one, which has just ended
            if "EngineCore" in process.name() or "VLLM" in process.name():
                found.add(process)
    return found


def kill() -> None:
    for process in engine_processes():
        process.kill()


@pytest.mark.skipif(not find_spec("cmeel"), reason="mimalloc is not installed here (make vllm)")
def test_the_engine_allocates_by_mimalloc_and_nothing_else_does(lora_engine: VllmEngine) -> None:
    lora_engine.use(None)
    running = engine_processes()
    assert running
    assert all("libmimalloc" in Path(f"/proc/{process.pid}/maps").read_text() for process in running)
    assert "libmimalloc" not in Path("/proc/self/maps").read_text()
    assert "LD_PRELOAD" not in os.environ


@pytest.mark.parametrize(
    "seconds",
    [pytest.param(0, id="at once"), pytest.param(3, id="once vLLM has noticed", marks=pytest.mark.exhaustive)],
)
def test_a_killed_engine_is_started_again(lora_engine: VllmEngine, requests: list[Request], seconds: int) -> None:
    lora_engine.use(None)
    before = lora_engine.answer(requests[:4])
    kill()
    time.sleep(seconds)
    with pytest.raises(EngineDied):
        lora_engine.answer(requests[:4])
    lora_engine.restart()
    assert lora_engine.answer(requests[:4]) == before


@pytest.mark.exhaustive
def test_an_engine_that_dies_while_it_takes_weights_is_started_with_them(
    engine: VllmEngine, reference: TransformersEngine, requests: list[Request], adapters: list[Path]
) -> None:
    engine.use(None)
    for process in engine_processes():
        process.suspend()
    death = threading.Timer(6, kill)
    death.start()
    assert said(engine, adapters[0], requests[:4]) == said(reference, adapters[0], requests[:4])
    assert death.finished.is_set()


class Fragile(VllmEngine):
    """vLLM, whose process is killed whenever it is shown a certain clip, and once besides."""

    cursed = ""
    deaths = 0

    def answer(self, requests: Iterable[Request]) -> list[Reply]:
        requests = list(requests)
        if self.deaths == 0 or any(request.clips[0].key.startswith(self.cursed) for request in requests):
            self.deaths += 1
            kill()
        return super().answer(requests)


@pytest.mark.exhaustive
def test_a_video_that_kills_the_engine_costs_only_itself(world: Path, settings: Pipeline, tmp_path: Path) -> None:
    from videostar.stages.generation import generate
    from videostar.stages.plan import AnswerPlan
    from videostar.util.progress import silent

    small = settings.model_copy(
        update={"data": Data(name=str(world)), "engine": settings.engine.model_copy(update={"batch_size": 8})}
    )
    questions = questions_of(load(small.data, 24))
    asked = questions.split("train")
    with Fragile(small) as engine:
        engine.cursed = asked[11].sample.sha256
        generate(
            questions,
            LocalExecutor(engine),
            AnswerPlan.of(small, salt=""),
            split="train",
            lora=None,
            out=tmp_path / "answers.jsonl",
            tick=silent(""),
        )
    rows = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    keys = [(row["question_id"], row["kind"], row["number"]) for row in rows]
    assert len(set(keys)) == len(keys)
    assert {row["question_id"] for row in rows} == {item.id for item in asked}
    (lost,) = [row for row in rows if row["kind"] == "video"]
    assert (lost["question_id"], lost["reason"]) == (asked[11].id, "the engine dies of it")
    assert engine.deaths >= 4  # once by itself, twice with its window, and alone


def test_a_run_with_vllm_is_that_of_transformers(
    finished: tuple[Path, str], quick: Path, videostar: Command, tmp_path: Path
) -> None:
    options = f"engine.options={{kv_cache_memory_bytes: {GIB // 2}}}"
    given = ("--engine", "vllm", "--set", options, "--rounds", 1)  # its evaluation is by the LoRA that it trained
    done = videostar("cycle", "--pipeline", quick, *given, "--out", "run")
    assert done.returncode == 0, done.stderr
    for number, names in (("00", ("evaluation.jsonl",)), ("01", ("answers.jsonl", "evaluation.jsonl"))):
        for name in (*names, "validation.jsonl"):
            made, kept = (
                [
                    (row["question_id"], row["kind"], row["answer"], row["kept"])
                    for row in map(json.loads, (run / "rounds" / number / name).read_text().splitlines())
                ]
                for run in (tmp_path / "run", finished[0])
            )
            assert sorted(made) == sorted(kept)


@pytest.mark.exhaustive
def test_the_demo_with_vllm_reaches_what_it_reaches_with_transformers(videostar: Command, tmp_path: Path) -> None:
    done = videostar("cycle", "--engine", "vllm", "--out", "run")
    assert done.returncode == 0, done.stderr
    reached = [
        json.loads((tmp_path / "run" / "rounds" / f"{number:02}" / "evaluation.json").read_text())["accuracy"]
        for number in range(4)
    ]
    assert reached[0] <= 0.05
    assert reached[3] >= 0.9
    assert reached[1] < reached[3] - 0.1


def test_a_forecast_counts_windows_that_are_answered_at_once(quick: Path, lora_engine: VllmEngine) -> None:
    """They end nearly together: from the first end to the last hardly any time passes."""
    from videostar.runs.forecast import forecast
    from videostar.stages.generation import generate
    from videostar.stages.plan import AnswerPlan
    from videostar.util.progress import silent

    settings = load_pipeline(str(quick), engine={**SMALL, "batch_size": 4}, rounds=1)
    questions = questions_of(load(settings.data, 16))
    said = forecast(questions, settings, lora_engine, silent).seconds["generate"]
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        generate(
            questions,
            LocalExecutor(lora_engine),
            AnswerPlan.of(settings, salt=""),
            split="train",
            lora=None,
            out=Path(folder) / "answers.jsonl",
            tick=silent(""),
        )
    took = time.monotonic() - started
    assert took / 10 < said < took * 10  # it was a hundredth, and then twenty times as much


@pytest.mark.exhaustive
def test_a_script_without_a_guard_is_run_once(tmp_path: Path) -> None:
    """vLLM's processes do not import it."""
    (tmp_path / "script.py").write_text(
        "print('once', flush=True)\n"
        "from videostar.pipeline_files import load_pipeline\n"
        "from videostar.engines import open_engine\n"
        f"with open_engine(load_pipeline('demo', engine={SMALL})) as engine:\n"
        "    engine.use(None)\n"
        "print('done')\n"
    )
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "once\ndone\n"), done.stderr


@pytest.mark.exhaustive
def test_a_killed_run_asks_every_question_once_and_leaves_no_process(quick: Path, tmp_path: Path) -> None:
    """The set-exact tier: the same questions and tries, none lost and none doubled."""
    words = command("generate", "--pipeline", quick, "--engine", "vllm", "--set", "engine.batch_size=4", "--out", "out")
    first = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    ledger = tmp_path / "out" / "answers.jsonl"
    deadline = time.monotonic() + 300
    while not ledger.exists() or not ledger.stat().st_size:
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    children = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    first.wait()
    written = len(ledger.read_text().splitlines())
    _, alive = psutil.wait_procs(children, timeout=60)
    assert children
    assert not alive

    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert written < len(answers), "it was killed too late to tell"
    keys = [(answer["question_id"], answer["kind"], answer["number"]) for answer in answers]
    direct = {answer["question_id"]: answer["kept"] for answer in answers if answer["kind"] == "direct"}
    assert len(set(keys)) == len(keys)
    assert len(direct) == 32
    left = {question for question, kept in direct.items() if not kept}
    assert {answer["question_id"] for answer in answers if answer["kind"] == "rationalised"} == left
