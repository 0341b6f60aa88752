"""`videostar check` accounts for every row: rows are usable rows and skipped rows, each with its cause."""

from __future__ import annotations

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


def test_a_column_that_is_not_there(videostar: Command, clips: Path) -> None:
    rows = write_rows(clips / "rows.csv", "file,label", "0000.mp4,walking")
    line = told(videostar, "check", rows)
    assert "rows.csv" in line
    assert "'video'" in line
