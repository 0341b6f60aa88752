"""Time and memory for many rows: `python benchmarks/rows.py --rows 10000 100000 1000000`.

Makes a data set with that number of rows in a temporary folder (hard links to a few clips of the demo world, already in
the cache of measures), and a run with a finished round. Then each of these works runs in its own process:

- check --rows-only: check every row, and that its video exists;
- plan: from rows to samples, questions and their digest, as at every start of an unfinished run;
- plan, then resume scan: the same, and the scan of a half-written ledger up to the first question;
- plan, then answer: the same, and every training question answered by its template, with one engine;
- plan, then health: the same, and the health figures of the round's answers;
- versions: verify the files of the dataset version;
- resume of a finished round: `videostar cycle` again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:  # each process imports only what its work needs
    from videostar.adapters.task import Question
    from videostar.config import Pipeline
    from videostar.runs.data import RunData

_LINKS = 20_000  # per file; file systems limit the number of hard links
_CLASSES = 700


def make_rows(folder: Path, count: int) -> None:
    """Make `count` clips, their my.csv, and their entries in the cache of measures."""
    from videostar.config import Cache
    from videostar.demo.build import World, build_world
    from videostar.util.progress import silent
    from videostar.video.probe import probe, stat_video
    from videostar.video.probe_cache import ProbeCache, probe_cache_path

    build_world(folder / "world", World(train=8, validation=1, test=1, mix=1), silent(""))
    clips = sorted((folder / "world").rglob("*.mp4"))
    places: list[tuple[Path, int]] = []
    with (folder / "my.csv").open("w") as rows:
        rows.write("video,label\n")
        for number in range(count):
            if number % _LINKS == 0:
                source = folder / f"source-{number // _LINKS}.mp4"
                shutil.copy(clips[number // _LINKS % len(clips)], source)
            if number % 1000 == 0:
                (folder / f"{number // 1000:04}").mkdir()
            name = f"{number // 1000:04}/{number:07}.mp4"
            os.link(source, folder / name)
            places.append((folder / name, number // _LINKS))
            rows.write(f"{name},opening a door {number % _CLASSES}\n")
    known = {number: probe(folder / f"source-{number}.mp4") for number in {number for _, number in places}}
    with ProbeCache(probe_cache_path(Cache().home)) as measured:
        for path, number in places:
            measured.put(path, stat_video(path), known[number].sha256, known[number].seconds)


def make_run(folder: Path) -> None:
    """Make a finished round, with made-up answers: the time of the model is not measured here."""
    from videostar.runs.manifest import remaining
    from videostar.runs.run import Run
    from videostar.stages.versions import build_version

    settings, data = _settings(folder), _read(folder)
    questions = data.questions
    answers = folder / "run" / "rounds" / "01" / "answers.jsonl"
    with Run.open(folder / "run", settings, data.digests) as run:
        origin = run.lineage(None, "transformers")
        works: dict[str, tuple[Callable[[], dict[str, Any]], list[Path]]] = {
            "01/generate": (lambda: _write_answers(questions.split("train"), answers), [answers]),
            "01/version": (
                lambda: build_version(answers, answers.parent / "dataset", lineage=origin, direct_only=True),
                [answers.parent / "dataset"],
            ),
            "01/health": (lambda: {"figures": {}, "fired": []}, []),
        }
        for name in remaining(run.manifest):
            work, writes = works.get(name, (dict, []))
            run.stage(name, work, writes=writes)
    half = folder / "half.jsonl"
    with answers.open("rb") as whole, half.open("wb") as file:
        file.writelines(islice(whole, len(questions.split("train")) // 2))


def _write_answers(questions: Sequence[Question], out: Path) -> dict[str, Any]:
    from videostar.stages.ledger import Answer, Ledger

    ledger = Ledger(out)
    for start in range(0, len(questions), 1000):
        ledger.append(
            Answer(
                question_id=item.id,
                kind="direct",
                video=item.sample.video,
                task=item.task,
                group=item.group,
                label=item.label.words(),
                question=item.text,
                prompt=item.text,
                answer=f"There is a person in a room. First they walk, and then they stop. {item.template_answer}",
                text=f"There is a person in a room. First they walk, and then they stop. {item.template_answer}",
                kept=True,
                accepted=True,
                score=1.0,
                reason="match",
                pass_rate=1.0,
                video_sha256=item.sample.sha256,
                frame_times=(0.2, 0.6, 1.1, 1.6, 2.0, 2.5, 3.0, 3.4),
                template=item.template("direct"),
            )
            for item in questions[start : start + 1000]
        )
    return {"questions": len(questions)}


def _settings(folder: Path) -> Pipeline:
    from videostar.pipeline_files import load_pipeline

    data = {"name": str(folder / "my.csv"), "leaks": "keep"}  # a few clips stand for all of them
    return load_pipeline("demo", mix=None, rounds=1, data=data)


def _read(folder: Path) -> RunData:
    from videostar.runs.data import RunData
    from videostar.util.progress import silent

    data = RunData(_settings(folder))
    data.read(silent)
    return data


def check(folder: Path) -> None:
    """`videostar check --rows-only`."""
    from videostar.runs import check
    from videostar.util.progress import silent

    check.check(_settings(folder), silent, contents=False)


def plan(folder: Path) -> None:
    """From rows to questions and their digest."""
    assert _read(folder).identity


def scan(folder: Path) -> None:
    """From rows to questions, then the scan of a half-written ledger up to the first question."""
    from videostar.stages.generation import generate
    from videostar.stages.plan import AnswerPlan
    from videostar.util.progress import silent

    class Asked(Exception):
        pass

    class Executor:
        def answers(self, _job: object, windows: Iterator[object]) -> None:
            next(windows)
            raise Asked

    questions = _read(folder).questions
    plan = AnswerPlan.for_evaluation(_settings(folder))
    with suppress(Asked):
        generate(
            questions, Executor(), plan, split="train", lora=None, out=folder / "half.jsonl", tick=silent("answers")
        )
        raise SystemExit("nothing was left to ask")


def answer(folder: Path) -> None:
    """From rows to questions, then a ledger of template answers to all training questions."""
    from videostar.executors.local import LocalExecutor
    from videostar.stages.generation import generate
    from videostar.stages.plan import AnswerPlan
    from videostar.util.progress import silent

    class Engine:
        windows = 1

    settings, questions = _settings(folder), _read(folder).questions
    settings = settings.model_copy(
        update={"generation": settings.generation.model_copy(update={"answers": ("template",)})}
    )
    out, executor, plan = folder / "templates.jsonl", LocalExecutor(Engine()), AnswerPlan.of(settings, "0")  # type: ignore[arg-type]
    out.unlink(missing_ok=True)
    generate(questions, executor, plan, split="train", lora=None, out=out, tick=silent("answers"))


def health(folder: Path) -> None:
    """The health stage, whose questions are in memory anyway."""
    from videostar.stages.health import measure_health
    from videostar.stages.plan import AnswerPlan

    answers = folder / "run" / "rounds" / "01" / "answers.jsonl"
    plan = AnswerPlan.for_evaluation(_settings(folder))
    measure_health(answers, [], _read(folder).questions.split("train"), plan)


def versions(folder: Path) -> None:
    """`videostar versions`."""
    from videostar.runs.record import read_run

    if any(version.damaged for version in read_run(folder / "run").versions()):
        raise SystemExit("damaged")


def resume(folder: Path) -> None:
    """`videostar cycle` on a finished round."""
    from videostar.cycle import run_cycle

    run_cycle(_settings(folder), folder / "run")


_WORKS: dict[str, Callable[[Path], None]] = {
    "check --rows-only": check,
    "plan": plan,
    "plan, then resume scan": scan,
    "plan, then answer": answer,
    "plan, then health": health,
    "versions": versions,
    "resume of a finished round": resume,
}


def _measured(work: str, folder: Path) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak GB of a work in its own process, including the start of the process."""
    started = time.monotonic()
    child = subprocess.Popen([sys.executable, __file__, "--work", work, str(folder)], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{work}: failed")
    scale = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    return time.monotonic() - started, used.ru_utime + used.ru_stime, used.ru_maxrss * scale / 1e9


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    arguments.add_argument("--work", nargs=2, help=argparse.SUPPRESS)  # in a child
    given = arguments.parse_args()
    if given.work:
        work, folder = given.work[0], Path(given.work[1])
        if work.startswith("make "):
            make_rows(folder, int(work.split()[1]))
            make_run(folder)
        else:
            _WORKS[work](folder)
        return
    table = Table(box=SIMPLE_HEAD)
    for column in ("work", "rows", "seconds", "CPU seconds", "CPU s a million rows", "peak GB"):
        table.add_column(column, justify="left" if column == "work" else "right")
    for rows in given.rows:
        with tempfile.TemporaryDirectory() as scratch:
            os.environ["XDG_CACHE_HOME"] = str(Path(scratch) / "cache")
            _measured(f"make {rows}", Path(scratch))  # in a child, or its memory would count for the works too
            for work in _WORKS:
                seconds, cpu, peak = _measured(work, Path(scratch))
                cells = f"{rows:,}", f"{seconds:.1f}", f"{cpu:.1f}", f"{cpu * 1e6 / rows:.0f}", f"{peak:.2f}"
                table.add_row(work, *cells)
                print(work, *cells, file=sys.stderr, flush=True)
    Console().print(table)


if __name__ == "__main__":
    main()
