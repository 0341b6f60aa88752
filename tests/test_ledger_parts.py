"""Ledgers and dataset versions of several files: the same answers as in one file, whatever stops the run."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import Command
from datasets import load_dataset
from faults import contents

PARTS = ("part-00000.jsonl", "part-00001.jsonl")


def lines(ledger: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(ledger.glob("part-*.jsonl")))


def rows(dataset: Path, content: str) -> Any:
    """The rows of each file one after the other, which are as many as the parts."""
    return pa.concat_tables(pq.read_table(path) for path in sorted(dataset.glob(f"{content}*.parquet"))).to_pylist()


def refused(videostar: Command, *arguments: object) -> str:
    done = videostar(*arguments)
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("videostar: ") and "warning" not in line]
    return line


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
    (ledger / "ledger.json").write_text(json.dumps(layout))


def go_on(videostar: Command, quick: Path, *more: object) -> tuple[object, ...]:
    given = ("generate", "--pipeline", quick, "--set", "engine.batch_size=4", "--set", "questions_per_file=8")
    return (*given, "--out", "out", *more)


@pytest.mark.parametrize("sealed", [0, 1, 2])
def test_a_stopped_ledger_goes_on_in_its_open_part(
    generated: Path, stopped: Path, quick: Path, videostar: Command, sealed: int
) -> None:
    """Also if parts were complete, but not yet sealed."""
    unseal(stopped / "answers", sealed)
    done = videostar(*go_on(videostar, quick))
    assert done.returncode == 0, done.stderr
    assert "answers/part-00002.jsonl: its last line was unfinished" in done.stderr
    assert contents(stopped / "answers") == contents(generated / "answers")
    assert contents(stopped / "dataset") == contents(generated / "dataset")


def test_a_part_that_was_deleted_is_asked_again(
    generated: Path, stopped: Path, quick: Path, videostar: Command
) -> None:
    (stopped / "answers" / "part-00000.jsonl").unlink()
    done = videostar(*go_on(videostar, quick))
    assert done.returncode == 0, done.stderr
    assert contents(stopped / "answers") == contents(generated / "answers")


def test_a_part_that_was_changed_is_one_line(stopped: Path, quick: Path, videostar: Command) -> None:
    first = stopped / "answers" / "part-00000.jsonl"
    whole = first.read_bytes()
    first.write_bytes(whole[:-20])
    assert "answers/part-00000.jsonl: was changed after it was complete" in refused(videostar, *go_on(videostar, quick))
    first.write_bytes(whole.replace(b"direct", b"dyrect", 1))  # of the same size: found before the stage ends
    assert "answers/part-00000.jsonl: was changed after it was complete" in refused(videostar, *go_on(videostar, quick))
    first.write_bytes(whole)
    (stopped / "answers" / "part-00002.jsonl").write_text("{}\n")
    assert "answers/part-00002.jsonl:1: not an answer" in refused(videostar, *go_on(videostar, quick))
    (stopped / "answers" / "ledger.json").write_text("{")
    assert "answers/ledger.json: cannot be read" in refused(videostar, *go_on(videostar, quick))


@pytest.mark.parametrize("size", [12, 1000])
def test_a_ledger_keeps_its_files(generated: Path, stopped: Path, quick: Path, videostar: Command, size: int) -> None:
    done = videostar(*go_on(videostar, quick, "--set", f"questions_per_file={size}"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("stays in files of 8 questions") == 1
    assert contents(stopped / "answers") == contents(generated / "answers")


def test_a_shard_that_is_missing_is_one_line(generated: Path, world: Path, videostar: Command, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(generated / "dataset", tmp_path / "dataset"))
    (folder / "data-00002-of-00004.parquet").unlink()
    line = refused(videostar, "train", folder, "--data", world, "--out", "lora")
    assert "dataset/data-00002-of-00004.parquet: is missing" in line
