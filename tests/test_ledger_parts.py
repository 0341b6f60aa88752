"""Ledgers and dataset versions of several files: the same answers as in one file, whatever stops the run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import Command
from datasets import load_dataset
from faults import contents
from hypothesis import given, settings
from hypothesis import strategies as st

from videostar.pipeline_files import load_pipeline
from videostar.stages.executor import Window
from videostar.stages.generation import generate
from videostar.stages.ledger import Answer
from videostar.stages.plan import AnswerPlan
from videostar.util.errors import UserError
from videostar.util.progress import silent

PARTS = ("part-00000.jsonl", "part-00001.jsonl")


DEMO = load_pipeline("demo")


class Asked:
    """Questions of which there is only the id."""

    def __init__(self, count: int) -> None:
        self.all = [SimpleNamespace(id=f"q{number}") for number in range(count)]

    def split(self, _split: str) -> list[Any]:
        return self.all


class Answers:
    """An executor that answers as a model would, until it is stopped; one window is under way beyond those written."""

    def __init__(self, windows: int = 1000) -> None:
        self.left = windows
        self.asked: list[int] = []

    def answers(self, _job: Any, windows: Iterator[Window]) -> Iterator[list[Answer]]:
        waiting: list[Window] = []
        for window in windows:
            waiting.append(window)
            if len(waiting) > 1:
                yield self.window(waiting.pop(0))
        yield from map(self.window, waiting)

    def window(self, window: Window) -> list[Answer]:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        self.asked += range(window.start, window.stop)
        return [line for number in self.asked[window.start - window.stop :] for line in lines_of(number)]


def lines_of(number: int) -> list[Answer]:
    """Every third video cannot be shown, or else every second question is rationalised."""
    kinds = ["video"] if number % 3 == 2 else ["direct", "rationalised"] if number % 2 else ["direct"]
    return [
        Answer(
            *(
                f"q{number}",
                kind,
                f"{number}.mp4",
                "action",
                "run",
                "run",
                "What is it?",
                "What is it?",
                "It runs.",
                "",
            ),
            kept=kind != "video" and kind == kinds[-1],
            accepted=True,
            score=1.0,
            reason="matched",
        )
        for kind in kinds
    ]


def generated_by(executor: Answers, out: Path, count: int, window: int, part_size: int) -> dict[str, int]:
    given: Any = (Asked(count), executor, replace(AnswerPlan.of(DEMO, ""), batch_size=window))
    return generate(*given, split="train", lora=None, out=out, part_size=part_size, tick=silent(""))


@settings(max_examples=40)
@given(
    count=st.integers(1, 40),
    window=st.integers(1, 5),
    windows_of_part=st.integers(1, 3),
    stops=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 500), st.integers(0, 3)), max_size=3),
)
def test_a_ledger_in_parts_that_is_stopped_anywhere_ends_like_one_in_one_file(
    tmp_path_factory: pytest.TempPathFactory,
    count: int,
    window: int,
    windows_of_part: int,
    stops: list[tuple[int, int, int]],
) -> None:
    """Stopped after some windows, with bytes of the last one missing, and seals that were not written yet."""
    folder = tmp_path_factory.mktemp("parts")
    part_size = window * windows_of_part
    expected = generated_by(Answers(), folder / "one.jsonl", count, window, count)
    for windows, torn, unsealed in stops:
        with suppress(KeyboardInterrupt):
            generated_by(Answers(windows), folder / "parts", count, window, part_size)
        files = sorted((folder / "parts").glob("part-*.jsonl"))
        written = [path for path in files if path.stat().st_size]
        if written:
            layout = json.loads((folder / "parts" / "ledger.json").read_text())
            unseal(folder / "parts", max(0, len(layout["sealed"]) - unsealed))
            last = written[-1]
            if last.name not in json.loads((folder / "parts" / "ledger.json").read_text())["sealed"]:
                os.truncate(last, max(0, last.stat().st_size - torn))
    executor = Answers()
    assert list(generated_by(executor, folder / "parts", count, window, part_size).items()) == list(expected.items())
    assert lines(folder / "parts") == (folder / "one.jsonl").read_bytes()
    generated_by(Answers(), folder / "undisturbed", count, window, part_size)
    assert contents(folder / "parts") == contents(folder / "undisturbed")
    if not stops:
        assert executor.asked == list(range(count))


def test_windows_are_made_as_they_are_taken_and_sealed_parts_are_not_read(tmp_path: Path) -> None:
    """A line that is no answer ends a run only in a part that is open."""
    with suppress(KeyboardInterrupt):
        generated_by(Answers(5), tmp_path / "parts", 40, 2, 4)
    assert sorted(json.loads((tmp_path / "parts" / "ledger.json").read_text())["sealed"]) == list(PARTS)
    assert len(list((tmp_path / "parts").glob("part-*.jsonl"))) == 4  # one beyond the one that is written
    first = tmp_path / "parts" / PARTS[0]
    whole = first.read_bytes()
    first.write_bytes(b"x" * len(whole))
    executor = Answers(1)
    with suppress(KeyboardInterrupt):
        generated_by(executor, tmp_path / "parts", 40, 2, 4)
    assert executor.asked == [10, 11]
    with pytest.raises(UserError, match=r"part-00000\.jsonl: was changed after it was complete"):
        generated_by(Answers(), tmp_path / "parts", 40, 2, 4)
    first.write_bytes(whole)
    assert generated_by(Answers(0), tmp_path / "parts", 40, 2, 4)["questions"] == 40


def lines(ledger: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(ledger.glob("part-*.jsonl")))


def rows(dataset: Path, content: str) -> Any:
    """The rows of each file one after the other, which are as many as the parts."""
    return pa.concat_tables(pq.read_table(path) for path in sorted(dataset.glob(f"{content}*.parquet"))).to_pylist()


def refused(videostar: Command, *arguments: object) -> str:
    done = videostar(*arguments)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def parted(finished: tuple[Path, str], quick: Path, tmp_path_factory: pytest.TempPathFactory, warm: Any) -> Path:
    """The run `finished` again, in files of 16 questions."""
    folder = tmp_path_factory.mktemp("parted")
    given = ("cycle", "--pipeline", quick, "--set", "questions_per_file=9")  # in whole windows of 16
    done = warm.run(*given, "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.mark.slow
def test_a_run_in_several_files_has_the_answers_rows_and_weights_of_one_in_one(
    finished: tuple[Path, str], parted: Path
) -> None:
    one, several = (json.loads((run / "manifest.json").read_text())["stages"] for run in (finished[0], parted))
    for number in ("01", "02"):
        whole, files = finished[0] / "rounds" / number, parted / "rounds" / number
        assert sorted(path.name for path in (files / "answers").iterdir()) == ["ledger.json", *PARTS]
        assert lines(files / "answers") == (whole / "answers.jsonl").read_bytes()
        assert f"rounds/{number}/answers" in several[f"{number}/generate"]["wrote"]
        assert list(several[f"{number}/generate"]["facts"].items()) == list(one[f"{number}/generate"]["facts"].items())
        for content in ("data", "rejected"):
            names = [path.name for path in sorted((files / "dataset").glob(f"{content}*.parquet"))]
            assert names == [f"{content}-00000-of-00002.parquet", f"{content}-00001-of-00002.parquet"]
            assert rows(files / "dataset", content) == rows(whole / "dataset", content)
        for name in ("lora/adapter_model.safetensors", "evaluation.json", "evaluation.jsonl", "validation.jsonl"):
            assert (files / name).read_bytes() == (whole / name).read_bytes(), name
        for name in ("rows", "counts", "by_label", "rejected", "last_round"):
            assert several[f"{number}/version"]["facts"][name] == one[f"{number}/version"]["facts"][name]
        assert several[f"{number}/health"]["facts"] == one[f"{number}/health"]["facts"]


@pytest.mark.slow
def test_datasets_and_polars_read_several_files_as_one(parted: Path, tmp_path: Path) -> None:
    folder = parted / "rounds" / "01" / "dataset"
    version = json.loads((folder / "version.json").read_text())
    expected = [row["question_id"] for row in rows(folder, "data")]
    assert len(expected) == version["rows"] > 0
    assert list(load_dataset(str(folder), split="train", cache_dir=str(tmp_path))["question_id"]) == expected
    kept = polars.scan_parquet(folder / "data-*.parquet").collect()
    assert kept["question_id"].to_list() == expected
    rejected = polars.scan_parquet(folder / "rejected-*.parquet").collect()
    assert len(rejected) == sum(version["rejected"].values())
    answers = polars.scan_ndjson(parted / "rounds" / "01" / "answers" / "part-*.jsonl").collect()
    assert answers["kept"].sum() == version["rows"]


@pytest.mark.slow
def test_the_commands_that_read_a_run_read_several_files(
    finished: tuple[Path, str], parted: Path, videostar: Command, tmp_path: Path
) -> None:
    def said(*arguments: object) -> str:
        done = videostar(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    ledger = parted / "rounds" / "01" / "answers"
    last = json.loads((ledger / PARTS[1]).read_text().splitlines()[-1])
    for run in (finished[0], parted):
        text = said("explain", last["video"], "--run", run)
        assert text.count("in dataset version") == said("explain", last["question_id"], "--run", run).count(
            "in dataset"
        )
    assert "rounds/01/answers" in said("explain", last["video"], "--run", parted)
    both = [json.loads(said("diff", f"{run}:1", f"{run}:2", "--json")) for run in (finished[0], parted)]
    for name in ("counts", "by_label", "reasons", "examples"):
        assert both[0][name] == both[1][name]
    assert "damaged" not in said("versions", parted)
    said("report", parted, "--out", tmp_path / "report")
    said("report", finished[0], "--out", tmp_path / "other")
    pages = [sorted(path.read_text() for path in (tmp_path / name / "data").iterdir()) for name in ("report", "other")]
    assert pages[0] == pages[1]


@pytest.mark.slow
def test_a_changed_part_of_a_finished_run_is_named(parted: Path, quick: Path, videostar: Command) -> None:
    part = parted / "rounds" / "01" / "answers" / PARTS[1]
    whole = part.read_bytes()
    for change in (lambda: part.write_bytes(whole.replace(b"direct", b"dyrect", 1)), part.unlink):
        change()
        line = refused(videostar, "cycle", "--pipeline", quick, "--out", parted)
        assert "answers/part-00001.jsonl: differs from what stage 01/generate wrote; restore it, or" in line
    assert "answers/part-00001.jsonl: is missing" in refused(videostar, "explain", "q", "--run", parted)
    part.write_bytes(whole)


@pytest.fixture(scope="module")
def generated(quick: Path, tmp_path_factory: pytest.TempPathFactory, warm: Any) -> Path:
    """The folder of `generate` in four parts, and its command in `command`."""
    folder = tmp_path_factory.mktemp("generated")
    given = ("generate", "--pipeline", quick, "--set", "engine.batch_size=4", "--set", "questions_per_file=8")
    done = warm.run(*given, "--out", "out", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "out"


@pytest.fixture
def stopped(generated: Path, tmp_path: Path) -> Path:
    """The same, killed while it wrote the third part, whose second window is torn."""
    folder = Path(shutil.copytree(generated, tmp_path / "out"))
    shutil.rmtree(folder / "dataset")
    ledger = folder / "answers"
    third = (ledger / "part-00002.jsonl").read_bytes()
    (ledger / "part-00002.jsonl").write_bytes(third[: 2 * len(third) // 3])
    (ledger / "part-00003.jsonl").unlink()
    unseal(ledger, 2)
    return folder


def unseal(ledger: Path, left: int) -> None:
    layout = json.loads((ledger / "ledger.json").read_text())
    layout["sealed"] = dict(islice(layout["sealed"].items(), left))
    (ledger / "ledger.json").write_text(json.dumps(layout, indent=2) + "\n")


def go_on(quick: Path, *more: object) -> tuple[object, ...]:
    given = ("generate", "--pipeline", quick, "--set", "engine.batch_size=4", "--set", "questions_per_file=8")
    return (*given, "--out", "out", *more)


@pytest.mark.parametrize("sealed", [0, 1, 2])
def test_a_stopped_ledger_goes_on_in_its_open_part(
    generated: Path, stopped: Path, quick: Path, videostar: Command, sealed: int
) -> None:
    """Also if parts were complete, but not yet sealed."""
    unseal(stopped / "answers", sealed)
    done = videostar(*go_on(quick))
    assert done.returncode == 0, done.stderr
    assert "answers/part-00002.jsonl: its last line was unfinished" in done.stderr
    assert contents(stopped / "answers") == contents(generated / "answers")
    assert contents(stopped / "dataset") == contents(generated / "dataset")


def test_a_part_that_was_deleted_is_asked_again(
    generated: Path, stopped: Path, quick: Path, videostar: Command
) -> None:
    (stopped / "answers" / "part-00000.jsonl").unlink()
    done = videostar(*go_on(quick))
    assert done.returncode == 0, done.stderr
    assert contents(stopped / "answers") == contents(generated / "answers")


def test_a_part_that_was_changed_is_one_line(stopped: Path, quick: Path, videostar: Command) -> None:
    first = stopped / "answers" / "part-00000.jsonl"
    whole = first.read_bytes()
    first.write_bytes(whole[:-20])
    assert "answers/part-00000.jsonl: was changed after it was complete" in refused(videostar, *go_on(quick))
    first.write_bytes(whole)
    third = stopped / "answers" / "part-00002.jsonl"
    torn = third.read_bytes()
    third.write_text("{}\n")
    assert "answers/part-00002.jsonl:1: not an answer" in refused(videostar, *go_on(quick))
    third.write_bytes(torn)
    first.write_bytes(whole.replace(b"direct", b"dyrect", 1))  # of the same size: found before the stage ends
    assert "answers/part-00000.jsonl: was changed after it was complete" in refused(videostar, *go_on(quick))
    (stopped / "answers" / "ledger.json").write_text("{")
    assert "answers/ledger.json: cannot be read" in refused(videostar, *go_on(quick))


@pytest.mark.parametrize("size", [12, 1000])
def test_a_ledger_keeps_its_files(generated: Path, stopped: Path, quick: Path, videostar: Command, size: int) -> None:
    done = videostar(*go_on(quick, "--set", f"questions_per_file={size}"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("stays in files of 8 questions") == 1
    assert contents(stopped / "answers") == contents(generated / "answers")


def test_a_shard_that_is_missing_is_one_line(generated: Path, world: Path, videostar: Command, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(generated / "dataset", tmp_path / "dataset"))
    (folder / "data-00002-of-00004.parquet").unlink()
    line = refused(videostar, "train", folder, "--data", world, "--out", "lora")
    assert "dataset/data-00002-of-00004.parquet: is missing" in line
