"""`videostar check` accounts for every row: rows are usable rows and skipped rows, each with its cause."""

from __future__ import annotations

import csv
from pathlib import Path

from commands import Command
from ordinary_data import LABELS, checked, told, write_rows


def four_good(*more: str) -> list[str]:
    return ["split,video,label", *(f"train,{number:04}.mp4,{label}" for number, label in enumerate(LABELS)), *more]


def test_every_skipped_row_is_listed(videostar: Command, clips: Path) -> None:
    rows = write_rows(clips / "rows.csv", *four_good(*(f"train,gone{number}.mp4,walking" for number in range(12))))
    report = checked(videostar, rows)
    assert (report["rows"], report["usable"]) == (16, 4)
    assert report["labels"] == dict.fromkeys(LABELS, 1)
    assert [row["where"] for row in report["skipped"]] == [f"rows.csv:{line}" for line in range(6, 18)]
    assert [row["video"] for row in report["skipped"]] == [f"gone{number}.mp4" for number in range(12)]
    assert {row["reason"] for row in report["skipped"]} == {"missing"}
    assert all(row["detail"] for row in report["skipped"])


def test_the_skipped_rows_as_a_table(videostar: Command, clips: Path, tmp_path: Path) -> None:
    rows = write_rows(clips / "rows.csv", *four_good('train,"a, b.mp4",walking', "train,0004.mp4,a,b"))
    report = checked(videostar, rows, "--out", "new/report.csv")
    with (tmp_path / "new" / "report.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == report["skipped"]
    assert len(report["skipped"]) == 2
    assert ".csv" in told(videostar, "check", rows, "--out", "report.txt")
    assert "row file" in told(videostar, "check", rows, "--out", rows)


def test_three_rows_without_splits_make_a_run(videostar: Command, clips: Path) -> None:
    rows = write_rows(clips / "few3.csv", "video,label", *(f"{n:04}.mp4,{label}" for n, label in enumerate(LABELS[:3])))
    done = videostar(
        "cycle", "--data", rows, "--rounds", 1, "--set", "mix=null", "--set", "training.epochs=1", "--out", "run"
    )
    assert done.returncode == 0, done.stderr
    assert "no usable test video" not in done.stdout + done.stderr


def test_a_column_that_is_not_there(videostar: Command, clips: Path) -> None:
    rows = write_rows(clips / "rows.csv", "file,label", "0000.mp4,walking")
    line = told(videostar, "check", rows)
    assert "rows.csv" in line
    assert "'video'" in line
