"""Several engines on this machine give what one gives, and end with their command, whatever is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from commands import Command, command, spawned
from random_lora import CLIP, make_lora
from stale_lora import StaleData, StaleEngine

from videostar.executors.engine import EngineHost, RemoteJob
from videostar.executors.local import LocalExecutor
from videostar.executors.processes import ProcessExecutor
from videostar.executors.remote import RemoteExecutor, RemoteHost
from videostar.pipeline_files import load_pipeline
from videostar.runs.data import RunData
from videostar.stages.executor import ExecutorProtocol
from videostar.stages.generation import generate
from videostar.stages.plan import AnswerPlan
from videostar.util.errors import UserError
from videostar.util.files import digest
from videostar.util.progress import silent

DEADLY = """
import multiprocessing, os, signal, sys
from videostar.adapters import LabelAdapter

class Deadly(LabelAdapter):
    prompts = "action"

    def label(self, row):
        return {"kind": "action", "name": row["label"]}

    def values(self, row):
        # Where an engine answers, not where the data are read.
        if row["video"].endswith("3.mp4") and multiprocessing.parent_process() and "torch" in sys.modules:
            os.kill(os.getpid(), signal.SIGKILL)
        return {}
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(quick: Path, tmp_path: Path) -> Iterator[Start]:
    """`start("generate", "out", ...)`: the command, with two engines and windows of four questions."""
    started: list[subprocess.Popen[str]] = []

    def run(name: str, out: str, *options: object) -> subprocess.Popen[str]:
        sets = ("--set", "engine.count=2", "--set", "engine.batch_size=4")
        words = command(name, "--pipeline", quick, "--out", out, *sets, *options)
        pipes: dict[str, Any] = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True}
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells ignore in the background
        started.append(subprocess.Popen(words, cwd=tmp_path, start_new_session=True, **pipes))
        signal.signal(signal.SIGINT, before)
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def engines(run: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes of its engines."""
    return spawned(psutil.Process(run.pid))


def wait_for(ready: Callable[[], object], run: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 600
    while not ready():
        assert run.poll() is None, run.communicate()[1]
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.01)


def lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


@pytest.mark.slow
def test_whatever_is_killed_the_answers_are_those_of_one_engine(
    start: Start, videostar: Command, quick: Path, tmp_path: Path
) -> None:
    """The command is killed, ended and interrupted, and then an engine is killed; no process is left behind."""
    done = videostar("generate", "--pipeline", quick, "--out", "one", "--set", "engine.batch_size=4")
    assert done.returncode == 0, done.stderr
    answers = tmp_path / "two" / "answers.jsonl"
    for sent in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        before, run = lines(answers), start("generate", "two")
        wait_for(lambda before=before: lines(answers) > before, run)
        family = psutil.Process(run.pid).children(recursive=True)
        assert len(engines(run)) == 2
        if sent == signal.SIGINT:  # as a terminal does
            os.killpg(run.pid, sent)
        else:
            run.send_signal(sent)
        _, errors = run.communicate(timeout=60)
        assert run.returncode == (130 if sent == signal.SIGINT else -sent), errors
        _, alive = psutil.wait_procs(family, timeout=10)
        assert not alive
        assert (tmp_path / "two" / "dataset").exists() is False
    run = start("generate", "two")
    wait_for(lambda: len(engines(run)) == 2, run)
    victim = engines(run)[0]
    wait_for(lambda: victim.cpu_times().user > 3 or lines(answers) == lines(tmp_path / "one" / "answers.jsonl"), run)
    victim.kill()
    _, errors = run.communicate(timeout=600)
    assert run.returncode == 0, errors
    assert "an engine ended (its process ended with SIGKILL): another takes its place" in errors
    for name in ("answers.jsonl", "dataset/data-00000.parquet", "dataset/rejected.parquet"):
        assert digest(tmp_path / "two" / name) == digest(tmp_path / "one" / name), name


@pytest.mark.exhaustive
def test_a_round_of_two_engines_is_that_of_one(start: Start, finished: tuple[Path, str], tmp_path: Path) -> None:
    """Engines end before training and start again with the LoRA."""
    run = start("cycle", "two", "--rounds", 1, "--set", "engine.batch_size=16")
    _, errors = run.communicate(timeout=900)
    assert run.returncode == 0, errors
    for name in ("answers.jsonl", "evaluation.jsonl", "validation.jsonl", "lora/adapter_model.safetensors"):
        made, kept = (folder / "rounds" / "01" / name for folder in (tmp_path / "two", finished[0]))
        assert digest(made) == digest(kept), name


@pytest.mark.slow
def test_a_question_that_ends_engines_gets_its_line(
    start: Start, videostar: Command, quick: Path, tmp_path: Path
) -> None:
    (tmp_path / "deadly.py").write_text(DEADLY)
    about = ("--limit", 5, "--set", "engine.batch_size=1", "--set", "adapter=deadly.py:Deadly")
    done = videostar("generate", "--pipeline", quick, "--out", "one", *about)
    assert done.returncode == 0, done.stderr
    run = start("generate", "two", *about)
    _, errors = run.communicate(timeout=600)
    assert run.returncode == 0, errors
    one, two = ((tmp_path / name / "answers.jsonl").read_text().splitlines() for name in ("one", "two"))
    (refused,) = [line for line in two if "the engine ends with it" in line]
    assert "3.mp4" in refused
    assert [line for line in two if line != refused] == [line for line in one if "3.mp4" not in line]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (["engine.count=0"], "engine.count.constrained-int: Input should be greater than 0, not 0"),
        (["engine.count=some"], "engine.count.literal['auto']: Input should be 'auto', not 'some'"),
        (
            ["engine.count=2", "engine.name=openai", "engine.base_url=http://127.0.0.1:1/v1"],
            "engine.count: 2, but with engine openai one server answers",
        ),
    ],
)
def test_a_wrong_count_is_one_line(videostar: Command, quick: Path, settings: list[str], line: str) -> None:
    words = [word for one in settings for word in ("--set", one)]
    done = videostar("cycle", "--pipeline", quick, "--out", "run", *words)
    assert done.returncode == 2
    assert line in done.stderr.splitlines()[-1]


def test_more_engines_than_gpus_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """And auto is as many as there are GPUs for."""
    import torch

    from videostar.executors.count import check_count, engine_count
    from videostar.executors.processes import _shares

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)  # there may be none here
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3,5,7")
    settings = load_pipeline("demo", engine={"device": "cuda", "count": 5})
    with pytest.raises(UserError, match="5 engines take 5 GPUs, and this machine has 4; lower it, or write auto"):
        check_count(settings)
    auto = load_pipeline("demo", engine={"device": "cuda"})
    assert engine_count(auto) == 4
    assert [share.gpus for share in _shares(auto, 4, "")] == [["1"], ["3"], ["5"], ["7"]]
    halves = load_pipeline("demo", engine={"device": "cuda", "name": "vllm", "options": {"tensor_parallel_size": 2}})
    assert engine_count(halves) == 2
    assert [share.gpus for share in _shares(halves, 2, "")] == [["1", "3"], ["5", "7"]]
    assert engine_count(load_pipeline("demo", engine={"device": "cpu"})) == 1


def test_on_ray_the_count_is_said_to_be_unused(capsys: pytest.CaptureFixture[str]) -> None:
    from videostar.executors.count import check_count

    check_count(load_pipeline("demo", engine={"count": 2}, executor="ray"))
    assert "engine.count: has an effect with executor local only; with ray executor.engines" in capsys.readouterr().err


class ThreadHost(RemoteHost):
    """A host in threads of this process."""

    def __init__(self, settings: Any, open_data: Any) -> None:
        super().__init__()
        self._host, self._threads = EngineHost(settings, open_data), ThreadPoolExecutor(4)

    def call(self, method: str, args: Sequence[Any], done: Callable[[Any], None]) -> None:
        future = self._threads.submit(getattr(self._host, method), *args)
        future.add_done_callback(lambda ended: done(ended.exception() or ended.result()))

    def end(self) -> None:
        self.ended = True


class ThreadExecutor(RemoteExecutor):
    """With hosts in threads."""

    started = 0

    def start_host(self) -> RemoteHost:
        self.started += 1
        return ThreadHost(self.settings, self.open_data)

    def shared(self, job: RemoteJob) -> RemoteJob:
        return job

    launch: Any = None


@pytest.fixture(scope="module")
def loras(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("loras")
    return [make_lora(load_pipeline("demo"), folder / name, seed, CLIP) for seed, name in enumerate(("old", "new"))]


@pytest.fixture
def asked(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any, Callable[..., Any]]:
    """Settings, data, and `ask(executor, lora, out)`."""
    monkeypatch.chdir(tmp_path)
    settings = load_pipeline("demo", data=str(world), mix=None, limit=8, engine={"batch_size": 2})
    data = RunData(settings)
    data.read(silent)
    plan = AnswerPlan.for_evaluation(settings)

    def ask(executor: ExecutorProtocol, lora: Path, out: str) -> bytes:
        with executor:
            generate(data.questions, executor, plan, split="test", lora=lora, out=tmp_path / out, tick=silent(""))
        return (tmp_path / out).read_bytes()

    return settings, data, ask


@pytest.mark.slow
def test_an_engine_that_serves_the_old_lora_is_replaced(
    asked: tuple[Any, Any, Callable[..., Any]], loras: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from videostar.engines import open_engine

    settings, data, ask = asked
    old, new = loras
    expected = ask(LocalExecutor(open_engine(settings)), new, "expected.jsonl")
    stale: Any = StaleData(data, old, tmp_path / "once")
    assert ask(ProcessExecutor(settings, stale, tmp_path / "shared", 2), new, "answers.jsonl") == expected
    assert (tmp_path / "once").exists()
    errors = capsys.readouterr().err
    assert len(re.findall(r"ended \(.*new: log-probabilities differ by .*\): another takes its place", errors)) == 1
    assert errors.count("a stale engine answers") == 1  # said by three processes
    assert ask(LocalExecutor(open_engine(settings)), old, "old.jsonl") != expected  # it would show


def test_engines_that_always_serve_the_old_lora_end_the_run(
    asked: tuple[Any, Any, Callable[..., Any]], loras: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings, data, ask = asked
    monkeypatch.setattr("videostar.executors.engine.open_engine", lambda *_: StaleEngine(settings, loras[0], None))
    executor = ThreadExecutor(settings, data, tmp_path / "shared", (1, 1))
    with pytest.raises(
        UserError, match=r"engines in a row ended without an answer, the last: .*new: log-probabilities differ by"
    ):
        ask(executor, loras[1], "answers.jsonl")
    assert 5 < executor.started < 12


def test_an_engine_is_kept_for_the_next_job(asked: tuple[Any, Any, Callable[..., Any]], tmp_path: Path) -> None:
    """Starting one takes longer than most jobs."""
    settings, data, _ = asked
    plan = AnswerPlan.for_evaluation(settings)
    with ThreadExecutor(settings, data, tmp_path / "shared", (1, 1)) as executor:
        for split in ("test", "validation"):
            out = tmp_path / f"{split}.jsonl"
            generate(data.questions, executor, plan, split=split, lora=None, out=out, tick=silent(""))
        assert len(executor.hosts) == 1
    assert executor.started == 1


def test_an_engine_has_its_share_of_the_cores() -> None:
    from videostar.executors.processes import _shares

    cores = sorted(os.sched_getaffinity(0))
    shares = [share.cores for share in _shares(load_pipeline("demo"), 2, "")]
    assert sorted({core for share in shares for core in share}) == cores
    if len(cores) > 1:
        assert not set(shares[0]) & set(shares[1])
