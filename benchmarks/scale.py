"""How far a run scales: `python benchmarks/scale.py engines|driver|resume|version|videos|open`.

- engines: videos per second of two engines, each on a core of its own, against one engine on one core. The embedded
  model answers the demo world, by `generate`: with `engine.count`, or with a Ray cluster that is started for it
  (`--executor ray`).
- driver: windows per second that the driver hands out and takes back, its memory, and the share of the time that
  engines wait for a window. Engines only wait, as long as a real one takes for a window (`--seconds`); with 0 the
  figure is the driver's highest rate. Ray calls are real; each of `--processes` Ray actors stands for many engines,
  since a thousand processes do not fit on one machine. `--processes 0` leaves Ray out: the dispatcher alone.
- resume: seconds and memory until a ledger of `--lines` lines goes on at its last window; it has parts of
  `--part` questions.
- version: seconds and memory of a dataset version of such a ledger.
- videos: videos per second that two nodes of one core each measure, and sample, against one such node. Each node's
  processes are held on a core of their own. The videos are copies of one film of `--film` seconds of 640x360.
- open: seconds and bytes to write `--lines` samples and questions for engines in other processes, and what one of them
  takes, in a process of its own, until it has the questions of a window.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import psutil

from videostar.executors.dispatch import Dispatcher
from videostar.stages.executor import Window
from videostar.stages.ledger import LAYOUT, Answer, Layout, SealedPart, as_line, find_ledger, ledger_files, part_name
from videostar.stages.versions import version_files
from videostar.util.files import digest, write_json


class Waiting:
    """An engine that takes some seconds for a window, one after the other, and has the next one beside it."""

    windows = 1

    def __init__(self, node: str, send: Callable[[Window, Callable[[Any], None]], None]) -> None:
        self.node, self.answer = node, send

    def end(self) -> None:
        """Nothing to end."""


def driver(args: argparse.Namespace) -> None:
    """Print the driver's figures."""
    engines: list[Waiting] = []
    nodes = max(1, args.engines // 8)
    senders, idle = _ray_senders(args) if args.processes else ([lambda window, done: done([])], lambda: 0.0)

    def start(done: Callable[[Any], None]) -> None:
        number = len(engines)
        engines.append(Waiting(f"node {number % nodes}", senders[number % len(senders)]))
        done(engines[-1])

    dispatcher = Dispatcher(
        (Window(64 * place, 64 * place + 64, {}) for place in range(args.windows)),
        start,
        engines=(args.engines, args.engines),
        content=lambda window: str(window.start),
        refused=lambda number: None,  # type: ignore[arg-type, return-value]
    )
    began, process, peaks = time.monotonic(), psutil.Process(), []
    cpu = process.cpu_times()
    written = 0
    for _ in dispatcher.run():
        written += 1
        if written % max(1, args.windows // 10) == 0:
            peaks.append(process.memory_info().rss / 2**20)
    seconds = time.monotonic() - began
    used = process.cpu_times()
    print(
        f"{args.engines} engines, {args.windows} windows of {args.seconds:g} s, {args.processes} processes: "
        f"{written / seconds:.0f} windows/s, of 64 videos each {64 * written / seconds:,.0f} videos/s; driver's CPU "
        f"{1e6 * (used.user + used.system - cpu.user - cpu.system) / written:.0f} us a window; "
        f"memory {peaks[0]:.0f} MiB after a tenth, {peaks[-1]:.0f} at the end"
    )
    if args.seconds:
        print(f"engines without a window, between their first and their last: {idle():.2%} of the time")


def _ray_senders(
    args: argparse.Namespace,
) -> tuple[list[Callable[[Window, Callable[[Any], None]], None]], Callable[[], float]]:
    """What sends a window to each engine, and their share of time without one."""
    import ray

    from videostar.config.executor import Executor
    from videostar.executors.ray.cluster import connect
    from videostar.executors.ray.executor import Reports

    connect(Executor(name="ray"))
    share = -(-args.engines // args.processes)

    class Host:
        """Many engines."""

        def __init__(self) -> None:
            self.locks: dict[int, asyncio.Lock] = {}
            self.began: dict[int, float] = {}
            self.ended: dict[int, float] = {}
            self.idle = 0.0

        async def answer(self, engine: int, start: int, stop: int, known: Any) -> list[Any]:
            async with self.locks.setdefault(engine, asyncio.Lock()):  # one window at a time
                now = time.monotonic()
                self.began.setdefault(engine, now)
                self.idle += now - self.ended.get(engine, now)
                await asyncio.sleep(args.seconds)
                self.ended[engine] = time.monotonic()
            return [f'{{"question_id": "{start}", "answer": "The red circle moves left, then it turns."}}'] * 64

        async def times(self) -> tuple[float, float]:
            return self.idle, sum(self.ended[engine] - self.began[engine] for engine in self.began)

    hosts = [ray.remote(Host).options(max_concurrency=4 * share, num_cpus=0).remote() for _ in range(args.processes)]
    ray.get([host.times.remote() for host in hosts])
    reports = Reports()

    def send(host: Any, engine: int, window: Window, done: Callable[[Any], None]) -> None:
        reports.when_done(host.answer.remote(engine, *window), done)

    def idle() -> float:
        times = ray.get([host.times.remote() for host in hosts])
        return sum(alone for alone, _ in times) / sum(whole for _, whole in times)

    return [partial(send, hosts[number % len(hosts)], number) for number in range(args.engines)], idle


def engines(args: argparse.Namespace) -> None:
    """Print the videos per second of one engine and of two."""
    from videostar.demo.build import World, build_world
    from videostar.executors import open_executor
    from videostar.executors.remote import RemoteExecutor
    from videostar.pipeline_files import load_pipeline
    from videostar.runs.data import RunData
    from videostar.stages.generation import generate
    from videostar.stages.plan import AnswerPlan
    from videostar.util.progress import silent

    os.environ["OMP_NUM_THREADS"] = "1"
    found: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sizes = World(train=args.videos, validation=1, test=32, mix=1, seed=1)
        build_world(folder / "world", sizes, silent(""))
        (folder / "world.yaml").write_text(
            f"root: {folder / 'world'}\nrows: {{train: {folder}/world/train.csv, test: {folder}/world/test.csv}}\n"
        )
        for turn in range(args.repeats):
            for count, rates in found.items():
                settings = load_pipeline(
                    "demo", data=str(folder / "world.yaml"), mix=None, engine={"batch_size": 16, "count": count},
                    executor={"name": args.executor, "engines": [count, count]},
                    cache={"folder": str(folder / "cache")},
                )  # fmt: skip
                if args.executor == "local":  # the one engine is in this process
                    _pin(psutil.Process(), set(range(count)))
                data = RunData(settings)
                data.read(silent)
                plan = AnswerPlan.of(settings, salt="")
                ask = partial(generate, data.questions, plan=plan, lora=None, tick=silent(""))
                with open_executor(settings, data, folder / "shared") as executor:
                    if isinstance(executor, RemoteExecutor):
                        executor.engines = (count, count)  # both are ready before the time begins
                    out = folder / f"{turn}-{count}"
                    ask(executor=executor, split="test", out=out / "warm.jsonl")
                    if args.executor == "ray":
                        _pin_actors()
                    began = time.monotonic()
                    ask(executor=executor, split="train", out=out / "answers.jsonl")
                    rates.append(args.videos / (time.monotonic() - began))
    ratios = [two / one for one, two in zip(found[1], found[2], strict=True)]
    print(
        f"executor {args.executor}, {args.videos} videos, {args.repeats} turns: one engine {median(found[1]):.1f} "
        f"videos/s, two {median(found[2]):.1f}: "
        f"{median(ratios):.2f} times ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def _pin_actors() -> None:
    """Give each engine's process a core of its own."""
    actors = [process for process in psutil.process_iter(["cmdline"]) if "EngineActor" in " ".join(process.cmdline())]
    for core, actor in enumerate(sorted(actors, key=lambda process: process.pid)):
        for process in (actor, *actor.children(recursive=True)):
            _pin(process, {core})


def _pin(process: psutil.Process, cores: set[int]) -> None:
    for thread in process.threads():
        os.sched_setaffinity(thread.id, cores)


class Made:
    """Questions of which there is only the id, made when they are looked at."""

    def __init__(self, numbers: range) -> None:
        self._numbers = numbers

    def split(self, _split: str) -> Made:
        """All of them."""
        return self

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, place: slice) -> list[Any]:
        return [SimpleNamespace(id=f"train/{number}") for number in self._numbers[place]]


def resume(args: argparse.Namespace) -> None:
    """Print the time until the first open window of a ledger is known, all others being answered, and until its end."""
    from videostar.pipeline_files import load_pipeline
    from videostar.stages.generation import generate
    from videostar.stages.plan import AnswerPlan
    from videostar.util.progress import silent

    settings = load_pipeline("demo", questions_per_file=args.part)
    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        out = _make_ledger(Path(scratch), args.lines, settings.part_size)
        files, size = len(ledger_files(out)), sum(path.stat().st_size for path in ledger_files(out)) / 1e9
        began, known = time.monotonic(), 0.0

        class Executor:
            def answers(self, _job: Any, windows: Iterator[Window]) -> Iterator[list[Answer]]:
                nonlocal known
                for window in windows:
                    known = known or time.monotonic() - began
                    yield [_answer(number) for number in range(window.start, window.stop)]

        given: Any = (Made(range(args.lines)), Executor(), AnswerPlan.of(settings, salt=""))
        counts = generate(*given, split="train", lora=None, out=out, part_size=settings.part_size, tick=silent(""))
        ended = time.monotonic() - began
        assert counts["direct_kept"] == args.lines
    print(
        f"{args.lines} lines, {size:.1f} GB in {files} files: first window known after {known:.1f} s, all parts "
        f"verified after {ended:.1f} s, {_most_memory():.2f} GiB at most"
    )


def version(args: argparse.Namespace) -> None:
    """Print the time and memory of a dataset version."""
    from videostar.stages.versions import build_version

    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        out = _make_ledger(Path(scratch), args.lines, args.part)
        before, began = _most_memory(), time.monotonic()
        rows = build_version(out, Path(scratch) / "dataset", lineage={}, direct_only=True)["rows"]
        seconds, files = time.monotonic() - began, len(version_files(Path(scratch) / "dataset"))
    print(f"{rows} rows in {files} files after {seconds:.0f} s, {before:.2f} GiB before, {_most_memory():.2f} at most")


def _answer(number: int) -> Answer:
    video = f"clips/train/{number}.mp4"
    return Answer(
        f"train/{number}", "direct", video, "demo", f"action {number % 100}", f"action {number % 100}",
        "What happens here?", "What happens here?", "The red circle moves left, then it turns and stops. " * 2,
        "The red circle moves left, then it turns and stops. " * 2, kept=True, accepted=True, score=1.0,
        reason="contains", video_sha256=f"{number:064}", frame_times=(0.1, 0.5, 0.9),
    )  # fmt: skip


def _make_ledger(folder: Path, lines: int, part_size: int) -> Path:
    """The ledger of `lines` questions without the answers to the last 64. All parts but the last are sealed."""
    out = find_ledger(folder, parts=lines > part_size)
    out.parent.mkdir(exist_ok=True)
    texts = json.dumps(asdict(_answer(0), dict_factory=as_line)).split("train/0")
    if lines <= part_size:
        _write_lines(out, texts, range(lines - 64))
        return out
    out.mkdir()
    sealed = {}
    for number, start in enumerate(range(0, lines, part_size)):
        path, questions = out / part_name(number), range(start, min(start + part_size, lines - 64))
        _write_lines(path, texts, questions)
        counts = {"direct_asked": len(questions), "direct_kept": len(questions)}
        sealed[path.name] = SealedPart(size=path.stat().st_size, sha256=digest(path), counts=counts)
    del sealed[path.name]
    write_json(out / LAYOUT, Layout(questions=part_size, sealed=sealed).model_dump())
    return out


def _write_lines(path: Path, texts: list[str], questions: range) -> None:
    with path.open("w") as file:
        file.writelines(f"train/{number}".join(texts) + "\n" for number in questions)


def _most_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def videos(args: argparse.Namespace) -> None:
    """Print the videos per second of one node and of two."""
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 32, "RAY_USAGE_STATS_ENABLED": "0"}
    from ray.cluster_utils import Cluster  # reads them

    rates: dict[tuple[str, int], list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        made = _film(folder / "film.mp4", args.film)
        paths = [folder / f"{number}.mp4" for number in range(args.videos)]
        for number, path in enumerate(paths):
            path.write_bytes(made + b"\0\0\0\x0cfree%04d" % number)  # contents differ
        for turn in range(args.repeats):
            for count in (1, 2):
                cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
                for core in range(count):
                    raylet = psutil.Process(cluster.add_node(num_cpus=1).all_processes["raylet"][0].process.pid)
                    for process in (raylet, *raylet.children(recursive=True)):  # and all that it starts later
                        process.cpu_affinity([core])
                for what, seconds in _time_videos(cluster.address, paths, folder / f"{turn}-{count}").items():
                    rates.setdefault((what, count), []).append(args.videos / seconds)
                cluster.shutdown()
    for what in ("measured", "sampled"):
        one, two = rates[what, 1], rates[what, 2]
        ratios = [more / less for less, more in zip(one, two, strict=True)]
        print(
            f"{args.videos} videos of {args.film} s, {len(made) / 1e6:.2f} MB, {what}, {args.repeats} turns: one node "
            f"{median(one):.1f} videos/s, two {median(two):.1f}: {median(ratios):.2f} times ({min(ratios):.2f} to "
            f"{max(ratios):.2f})"
        )


def _time_videos(address: str, paths: list[Path], home: Path) -> dict[str, float]:
    """Seconds until a cluster has measured and sampled all, once its processes run."""
    import ray

    from videostar.config import Cache
    from videostar.config.executor import Executor
    from videostar.executors.ray.videos import RayVideos
    from videostar.video.cluster import Measures
    from videostar.video.sampling import Sampling

    cluster = RayVideos(Executor(name="ray", address=address), Cache(folder=str(home)))
    list(cluster.measure(paths[:64], None))
    began = time.monotonic()
    measured = dict(cluster.measure(paths, None))
    middle = time.monotonic()
    files = [
        (path, found.sha256, Sampling(8, 224 * 224)) for path, found in measured.items() if isinstance(found, Measures)
    ]
    sampled = list(cluster.sample(files))
    ended = time.monotonic()
    ray.shutdown()
    assert len(sampled) == len(paths)
    return {"measured": middle - began, "sampled": ended - middle}


def _film(path: Path, seconds: int) -> bytes:
    """A film of noise that moves, 24 pictures a second, as H.264."""
    import av
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 255, (360, 640, 3), np.uint8)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=24, options={"crf": "30"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number in range(24 * seconds):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(noise, 3 * number, axis=1), format="rgb24")))
        out.mux(stream.encode())
    return path.read_bytes()


def open_rows(args: argparse.Namespace) -> None:
    """Print what it takes to write samples and questions, and to open them."""
    from videostar.adapters.questions import Questions, load_tasks
    from videostar.config import Data as DataSettings
    from videostar.data.manifest import DataManifest
    from videostar.data.sample_file import SampleFile
    from videostar.data.samples import Sample
    from videostar.data.source import Data, DataSource
    from videostar.runs.saved_data import SavedFiles

    def made(number: int) -> Sample:
        row = {"video": f"{number // 1000:06}/{number:09}.mp4", "label": f"opening a door {number % 700}"}
        where = f"my.csv:{number}"
        return Sample(f"{number:016x}", row["video"], row["label"], "train", f"{number:064x}", 10.0, row, where)

    source = DataSource(
        DataManifest(rows={"all": ("my.csv",)}), Path("/"), Path("/"), "my.csv", None, DataSettings(), None
    )
    tasks = load_tasks(source)
    if args.opened:  # in a child
        files = SavedFiles(**json.loads(Path(args.opened).read_text()) | {"folder": Path(args.opened).parent})
        part: Any = type("Part", (), {"source": source, "tasks": tasks})
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        (table,) = files.open([part])
        seconds = time.monotonic() - began
        assert table.changed(table.of_split("train")[-64:]) is None
        whole = time.monotonic() - began
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"opened in {seconds:.2f} s, the last window's questions after {whole:.2f} s; {grown:.0f} MiB of memory")
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        questions = Questions(Data(source, SampleFile.of(map(made, range(args.lines))), []), tasks, 0)
        assert questions.digest
        part = type("Part", (), {"source": source, "tasks": tasks, "questions": questions})
        began = time.monotonic()
        files = SavedFiles.write([part], Path(scratch) / "shared")
        seconds = time.monotonic() - began
        size = sum(file.stat().st_size for file in files.folder.iterdir())
        print(f"{args.lines} rows: written in {seconds:.1f} s, {size / args.lines:.0f} bytes a row", flush=True)
        about = files.folder / "about.json"
        about.write_text(json.dumps({"digests": files.digests, "informed": [[(None, [])]]}))
        subprocess.run([sys.executable, __file__, "open", "--opened", str(about)], check=True)


def main() -> None:
    """Run one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("engines", "driver", "resume", "version", "videos", "open"))
    parser.add_argument("--executor", choices=("local", "ray"), default="local")
    parser.add_argument("--engines", type=int, default=64)
    parser.add_argument("--windows", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=0.0, help="of an engine for a window")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--videos", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--part", type=int, default=1_000_000, help="questions of a part of the ledger")
    parser.add_argument("--film", type=int, default=4)
    parser.add_argument("--folder", help="for the ledger, 0.8 GB a million lines, or the samples")
    parser.add_argument("--opened", help=argparse.SUPPRESS)
    args = parser.parse_args()
    works = {"engines": engines, "driver": driver, "resume": resume, "version": version, "videos": videos}
    {**works, "open": open_rows}[args.what](args)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
