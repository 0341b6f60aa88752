"""The executor for a Ray cluster gives what the local one gives, and goes on whatever is killed."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from commands import Command, command
from opens import Opens
from ordinary_data import write_clip
from random_lora import CLIP, make_lora
from stale_lora import StaleData

from videostar.config import Cache
from videostar.config.executor import Executor
from videostar.data.measure_videos import MeasuredVideo
from videostar.pipeline_files import load_pipeline
from videostar.runs.check import check
from videostar.runs.data import RunData
from videostar.stages.plan import AnswerPlan
from videostar.util.errors import UserError
from videostar.util.files import digest
from videostar.util.progress import silent

ADAPTER = """
from videostar import LabelAdapter

class Own(LabelAdapter):
    prompts = "action"

    def label(self, row):
        return {"kind": "action", "name": row["label"], "among": ["running", "walking"]}
"""
MADE = ("answers.jsonl", "evaluation.jsonl", "validation.jsonl", "lora/adapter_model.safetensors")
MADE += ("dataset/data-00000.parquet", "dataset/rejected.parquet")


class Nodes:
    """A cluster of nodes with one core each, and a head with none."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("ray_nodes.py")
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen([sys.executable, str(script)], text=True, bufsize=1, **pipes)
        self.address = self._line()
        self.raylets: list[psutil.Process] = []

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def add(self, home: Path | None = None) -> None:
        """Add a node, with that home folder if one is given."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{home or ''}\n")
        self.raylets.append(psutil.Process(int(self._line())))

    def two(self) -> None:
        """Have two nodes, at least."""
        while len(self.raylets) < 2:
            self.add()

    def kill_one_with(self, process: str) -> bool:
        """Kill a node that has a process of that name, if there is one."""
        for raylet in self.raylets:
            with suppress(psutil.NoSuchProcess):  # one of them has ended meanwhile
                if any(process in " ".join(child.cmdline()) for child in raylet.children(recursive=True)):
                    raylet.kill()
                    self.raylets.remove(raylet)
                    return True
        return False

    @contextmanager
    def watched(self, process: str) -> Iterator[set[int]]:
        """The raylets of the nodes that have had a process of that name meanwhile."""
        having: set[int] = set()
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(0.02):
                for raylet in self.raylets:
                    for child in raylet.children(recursive=True):
                        with suppress(psutil.NoSuchProcess):
                            having.update([raylet.pid] if process in " ".join(child.cmdline()) else [])

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield having
        finally:
            ended.set()
            thread.join()

    def stop(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with pytest.MonkeyPatch.context() as patch:
        settings = {"AUTH_MODE": "token", "AUTH_TOKEN": "0123456789abcdef" * 2, "USAGE_STATS_ENABLED": "0"}
        # A node is known to be dead within some seconds, not twenty; but one on a busy machine is not.
        settings |= {"health_check_initial_delay_ms": "1000", "health_check_period_ms": "500"}
        settings |= {"health_check_timeout_ms": "5000", "health_check_failure_threshold": "6"}
        for name, value in settings.items():
            patch.setenv(f"RAY_{name}", value)
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)  # nodes import from here too
        found = Nodes()
        yield found
        found.stop()


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(nodes: Nodes, quick: Path, tmp_path: Path) -> Iterator[Start]:
    """`start("cycle", "run", ...)`: the command, writing to that folder, with up to two engines of the cluster."""
    started: list[subprocess.Popen[str]] = []

    def run(name: str, out: str, *options: object, home: Path | None = None) -> subprocess.Popen[str]:
        sets = ("executor=ray", f"executor.address={nodes.address}", "executor.engines=[1,2]")
        words = command(name, "--pipeline", quick, "--out", out, *options)
        words += [word for one in (*sets, "training.checkpoint_minutes=0") for word in ("--set", one)]
        pipes: dict[str, Any] = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        environment = {**os.environ, **({"HOME": str(home)} if home else {})}
        started.append(subprocess.Popen(words, cwd=tmp_path, env=environment, **pipes))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def wait_for(ready: Callable[[], object], run: subprocess.Popen[str]) -> Any:
    """What `ready` returns, once that is true."""
    end = time.monotonic() + 600
    while not (found := ready()):
        assert run.poll() is None, run.communicate()[1]
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.01)
    return found


def lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def test_a_node_with_other_data_does_not_answer(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from videostar.executors.engine import RemoteJob
    from videostar.executors.ray.actor import EngineActor

    monkeypatch.chdir(tmp_path)
    settings = load_pipeline("demo", data=str(world), mix=None)
    data = RunData(settings)
    data.read(silent)
    opened = data.save(tmp_path / "shared")
    job = RemoteJob(1, None, data.questions.split("train").indices, AnswerPlan.of(settings, ""), None, None)

    def refused(message: str, job: RemoteJob, folder: Path = tmp_path) -> None:
        with pytest.raises(UserError, match=message):
            EngineActor(settings, opened, str(folder)).prepare(job)

    lora = replace(job, lora=tmp_path / "lora", lora_digest="0")
    refused("lora is not the LoRA of this run there", lora)
    refused(f"has no folder {tmp_path}/nowhere: run it in a folder that all nodes share", job, tmp_path / "nowhere")
    for file in sorted((tmp_path / "shared").iterdir()):
        kept = file.read_bytes()
        for there in (kept[:-1], bytes([kept[0] ^ 1]) + kept[1:], None):  # half-written, another one, none
            file.unlink()
            if there is not None:
                file.write_bytes(there)
            refused(f"node .*: {file} is not the file of this run there: put runs in a folder that nodes share", job)
            file.write_bytes(kept)
    # One that has the files reads neither rows nor videos.
    monkeypatch.setattr("videostar.data.source.read_rows", None)
    table, root = opened().questions(None)
    assert [one.words() for one in job.asked(table)] == [one.words() for one in data.questions.split("train")]
    assert root == data.questions.root


def test_a_video_is_another_one_only_if_it_is_not_so_everywhere(clips: Path, tmp_path: Path) -> None:
    from videostar.executors.engine import differing

    there = [MeasuredVideo(name, digest(clips / name), 2.0) for name in ("0000.mp4", "0001.mp4", "0002.mp4")]
    (clips / "0000.mp4").unlink()
    shutil.copy(clips / "0003.mp4", clips / "0001.mp4")
    assert differing([*there, *there], clips, Cache(folder=str(tmp_path / "cache")), None) == there[:2]


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        (
            "executor.address=127.0.0.1:1",
            "executor.address: no Ray cluster at 127.0.0.1:1 ([Errno 111] Connection refused);",
        ),
        ("executor.engines=[3,2]", "`engines` is the least and the most number of engines, such as [1, 8]"),
        ("executor.name=rya", "executor.name: Input should be 'local' or 'ray', not 'rya'"),
    ],
)
def test_a_wrong_setting_is_one_line(videostar: Command, quick: Path, setting: str, line: str) -> None:
    done = videostar("cycle", "--pipeline", quick, "--executor", "ray", "--set", setting, "--out", "run")
    assert done.returncode == 2
    assert line in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"])
def test_something_else_at_the_address_is_one_line(reply: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that says nothing, and a web server."""
    from videostar.executors.ray import cluster

    assert cluster._SECONDS < 20
    monkeypatch.setattr(cluster, "_SECONDS", 4)
    open_connections: list[socket.socket] = []

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                open_connections.append(listener.accept()[0])
                open_connections[-1].sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=[listener], daemon=True).start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(UserError, match=f"executor.address: no Ray cluster at {address} .what listens there does"):
            cluster.connect(Executor(name="ray", address=address))
        assert time.monotonic() - began < 10
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("by", ["settings", "RAY_ADDRESS"])
def test_a_cluster_that_was_named_is_not_replaced(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a new one on this machine, such as if it ends while Ray connects."""
    from videostar.executors.ray import cluster

    address, tried = "10.0.0.5:6379", []

    def init(**options: Any) -> None:
        tried.append(options["address"])
        raise ConnectionError("no cluster")

    monkeypatch.setattr(cluster.ray, "init", init)
    monkeypatch.setattr(cluster, "reach", lambda _: None)
    if by == "RAY_ADDRESS":
        monkeypatch.setenv("RAY_ADDRESS", address)
    options = Executor(name="ray", address=address if by == "settings" else "auto")
    with pytest.raises(UserError, match=f"executor.address: no Ray cluster at {address} .no cluster.;"):
        cluster.connect(options)
    assert tried == [address]


@pytest.mark.slow
def test_a_cluster_with_another_token_is_one_line(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    from videostar.executors.ray.cluster import reach

    reach(nodes.address)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "fedcba9876543210" * 2)
    with pytest.raises(UserError, match=rf"executor.address: no Ray cluster at {nodes.address} .*oken"):
        reach(nodes.address)


@pytest.fixture
def some_bad(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Rows in my.csv of the working folder; the names of their good videos."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "clips"
    clips = sorted((world.parent / "clips_and_labels" / "clips" / "train").glob("*.mp4"))[:20]
    folder.mkdir()
    good = [Path(shutil.copy(clip, folder)).name for clip in clips]
    whole = bytearray(clips[0].read_bytes())
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    end = whole.index(b"moov")
    for place in range((whole.index(b"mdat") + end) // 2, end - 8, 400):  # shows only when it is decoded
        whole[place] ^= 0x10
    (folder / "damaged.mp4").write_bytes(whole)
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("no video")
    names = [*good, "damaged.mp4", "cut.mp4", "empty.mp4", "text.mp4", "gone.mp4", good[1].upper()]
    rows = [f"clips/{name},{'run' if number % 2 else 'walk'}" for number, name in enumerate(names)]
    Path("my.csv").write_text("\n".join(["video,label", *rows]) + "\n")
    return good


def checked(cache: str) -> str:
    """What `check --json` prints of my.csv on this machine."""
    report = check(load_pipeline("demo", data="my.csv", cache={"folder": cache}), silent, pictures=True)
    return json.dumps(asdict(report), indent=2) + "\n"


#: The command line without worker processes of its own, so that it cannot open a video.
OPENS_NOTHING = "from videostar.video import workers; workers._PROGRAM = ''; from videostar.cli.app import main; main()"


@contextmanager
def checking(nodes: Nodes) -> Iterator[subprocess.Popen[str]]:
    """The same command on the cluster, with the cache `there`."""
    words = [sys.executable, "-c", OPENS_NOTHING, "check", "my.csv", "--pipeline", "demo", "--pictures", "--json"]
    words += ["--cache", "there", "--executor", "ray", "--set", f"executor.address={nodes.address}"]
    pipes: dict[str, Any] = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, **pipes) as run:
        yield run
        run.kill()


def test_the_nodes_open_the_videos(nodes: Nodes, some_bad: list[str]) -> None:
    nodes.two()
    here = checked("here")
    assert {row["reason"] for row in json.loads(here)["skipped"]} >= {"damaged", "empty", "missing", "not a video"}
    with nodes.watched("videostar.video.worker_server") as having, checking(nodes) as run:
        printed, errors = run.communicate(timeout=600)
    assert (printed, run.returncode) == (here, 1), errors  # 1: some rows are lost
    assert not [line for line in errors.splitlines() if line.strip() and not line.startswith("videos ")]
    assert having == {raylet.pid for raylet in nodes.raylets}
    with Opens(Path("clips")) as opens:
        assert checked("there") == here
        assert not set(opens.names()) & set(some_bad)  # all are in the index and in the frame cache


@pytest.mark.exhaustive
def test_a_node_is_killed_while_it_opens_videos(nodes: Nodes, some_bad: list[str]) -> None:
    nodes.two()
    rows = Path("my.csv").read_text().splitlines()
    for number in range(200):
        video = Path("clips", f"copy-{number}.mp4")
        video.write_bytes(Path("clips", some_bad[number % 20]).read_bytes() + b"\0\0\0\x0cfree%04d" % number)
        rows.append(f"{video},run")
    Path("my.csv").write_text("\n".join(rows) + "\n")
    here = checked("here")
    with checking(nodes) as run:
        wait_for(lambda: nodes.kill_one_with("MapBatches"), run)
        nodes.add()
        printed, errors = run.communicate(timeout=600)
    assert (printed, run.returncode) == (here, 1), errors


@pytest.mark.slow
@pytest.mark.first
def test_a_node_is_killed_while_it_answers(
    nodes: Nodes, start: Start, finished: tuple[Path, str], tmp_path: Path
) -> None:
    nodes.two()
    run = start("generate", "gen")
    wait_for(lambda: nodes.kill_one_with("EngineActor"), run)
    nodes.add()
    _, errors = run.communicate(timeout=600)
    assert run.returncode == 0, errors
    for name in ("answers.jsonl", "dataset/data-00000.parquet", "dataset/rejected.parquet"):
        assert digest(tmp_path / "gen" / name) == digest(finished[0] / "rounds" / "01" / name), name


@pytest.mark.exhaustive
def test_an_engine_that_serves_the_old_lora_is_replaced(
    nodes: Nodes, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from videostar.executors.ray.executor import RayExecutor
    from videostar.stages.generation import generate

    while len(nodes.raylets) < 2:
        nodes.add()
    monkeypatch.chdir(tmp_path)
    old, new = (
        make_lora(load_pipeline("demo"), tmp_path / name, seed, CLIP) for seed, name in enumerate(("old", "new"))
    )
    executor = {"name": "ray", "address": nodes.address, "engines": [1, 2]}
    settings = load_pipeline("demo", data=str(world), mix=None, limit=8, engine={"batch_size": 2}, executor=executor)
    data = RunData(settings)
    data.read(silent)
    stale: Any = StaleData(data, old, tmp_path / "once")
    out, plan = tmp_path / "answers.jsonl", AnswerPlan.for_evaluation(settings)
    with RayExecutor(settings, stale, tmp_path / "shared") as cluster:
        generate(data.questions, cluster, plan, split="test", lora=new, out=out, tick=silent(""))
    assert (tmp_path / "once").exists()
    errors = capsys.readouterr().err
    assert len(re.findall(r"ended \(.*new: log-probabilities differ by .*\): another takes its place", errors)) == 1
    assert lines(out) >= 8


@pytest.mark.slow
def test_a_node_with_other_videos_or_words_is_named(nodes: Nodes, start: Start, tmp_path: Path) -> None:
    """The home folders of the command and of a node differ in a video, and then in an adapter."""
    homes = tmp_path / "mine", tmp_path / "theirs"
    for number in range(6):
        write_clip(homes[0] / "clips" / f"{number}.mp4", number)
    (homes[0] / "own.py").write_text(ADAPTER)
    shutil.copytree(*homes)
    rows = [f"{number}.mp4,walking,{'test' if number == 5 else 'train'}\n" for number in range(6)]
    (tmp_path / "my.csv").write_text("video,label,split\n" + "".join(rows))
    for raylet in nodes.raylets:
        raylet.kill()
    nodes.raylets.clear()
    nodes.add(homes[1])

    def generate() -> tuple[int, str]:
        data = {"--data": tmp_path / "my.csv", "--root": "~/clips", "--cache": tmp_path / "cache"}
        options = [word for item in data.items() for word in item]
        sets = ("--set", "adapter=~/own.py:Own", "--set", "mix=null", "--set", "engine.batch_size=2")
        run = start("generate", "gen", *options, *sets, home=homes[0])
        _, errors = run.communicate(timeout=600)
        return run.returncode, errors.splitlines()[-1]

    theirs, kept = homes[1] / "clips" / "3.mp4", (homes[1] / "clips" / "3.mp4").read_bytes()
    line = "3.mp4 is missing there, or another file than here: put videos in a folder that nodes share"
    for other in (None, (homes[1] / "clips" / "1.mp4").read_bytes()):
        theirs.unlink(missing_ok=True)
        if other is not None:
            theirs.write_bytes(other)
        status, error = generate()
        assert status == 2, error
        assert error.startswith("videostar: node ")
        assert error.endswith(line)
        assert "3.mp4" not in (tmp_path / "gen" / "answers.jsonl").read_text()
    theirs.write_bytes(kept)
    (homes[1] / "own.py").write_text(ADAPTER.replace("name", "name of").replace("running", "jumping"))
    status, error = generate()
    assert status == 2, error
    assert error.endswith("do not change adapters and prompts in a run, and put them in a folder that nodes share")
    (homes[1] / "own.py").write_text(ADAPTER)
    status, error = generate()
    assert status == 0, error
    asked = [json.loads(line) for line in (tmp_path / "gen" / "answers.jsonl").read_text().splitlines()]
    assert [answer["video"] for answer in asked if answer["kind"] == "direct"] == [f"{k}.mp4" for k in range(5)]
    assert not list((tmp_path / "gen").glob(".partial-*"))


@pytest.mark.exhaustive
def test_whatever_is_killed_the_run_is_that_of_one_machine(
    nodes: Nodes, start: Start, finished: tuple[Path, str], tmp_path: Path
) -> None:
    """A node is killed in generation, one in training, and then the command itself; nodes join."""
    nodes.two()
    first = tmp_path / "run" / "rounds" / "01"
    run = start("cycle", "run", "--rounds", 1)
    wait_for((first / "answers.jsonl").exists, run)
    wait_for(lambda: nodes.kill_one_with("EngineActor"), run)
    nodes.add()
    wait_for(lambda: lines(first / "training.jsonl"), run)
    wait_for(lambda: nodes.kill_one_with("RayTrainWorker"), run)
    nodes.add()
    wait_for((first / "lora").exists, run)
    run.kill()
    run.communicate()
    run = start("cycle", "run", "--rounds", 1)
    _, errors = run.communicate(timeout=600)
    assert run.returncode == 0, errors
    check_same(first, finished[0] / "rounds" / "01")


def check_same(made: Path, kept: Path) -> None:
    """Whether two rounds have the same files."""
    for name in MADE:
        assert digest(made / name) == digest(kept / name), name
    before, after = (json.loads((folder / "evaluation.json").read_text()) for folder in (kept, made))
    assert before["accuracy"] == after["accuracy"]


@pytest.mark.exhaustive
def test_twenty_kills_at_random(nodes: Nodes, start: Start, finished: tuple[Path, str], tmp_path: Path) -> None:
    """Of nodes, of Ray's processes on them, and of the command; a node joins for each that is killed."""
    draw, kills, number = random.Random(0), 0, 0
    nodes.two()
    while kills < 20:
        number += 1
        run = start("cycle", f"run-{number}", "--rounds", 1)
        while run.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                run.wait(draw.uniform(1, 40))
                break
            kills += 1
            victim = draw.choice(["node", "process", "command"])
            if victim == "command":
                run.kill()
                run.communicate()
                run = start("cycle", f"run-{number}", "--rounds", 1)
            elif victim == "node":
                raylet = nodes.raylets.pop(draw.randrange(len(nodes.raylets)))
                raylet.kill()
                nodes.add()
            else:
                busy = [child for raylet in nodes.raylets for child in raylet.children() if "ray::" in child.name()]
                for child in draw.sample(busy, min(1, len(busy))):
                    child.kill()
        assert run.returncode == 0, run.communicate()[1]
        check_same(tmp_path / f"run-{number}" / "rounds" / "01", finished[0] / "rounds" / "01")
