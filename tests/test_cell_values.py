"""What people write into cells: times, numbers, lists, options and splits, through `videostar check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from ordinary_data import checked, rows_of, write_rows

CELLS = "split,video,label"


def labelled(
    videostar: Command, clips: Path, adapter: str, *labels: str, header: str = "video,label", **settings: Any
) -> tuple[list[str], list[dict[str, Any]]]:
    """The labels of usable rows in words, and the skipped rows."""
    rows = write_rows(clips / "rows.csv", header, *(f"{n:04}.mp4,{label}" for n, label in enumerate(labels)))
    extra = [word for name, value in settings.items() for word in ("--set", f"{name.replace('__', '.')}={value}")]
    report = rows_of(videostar, rows, "--set", f"adapter={adapter}", *extra)
    return sorted(report["labels"]), report["skipped"]


def asked(
    videostar: Command, clips: Path, adapter: str, *rows: dict[str, Any]
) -> tuple[list[str], list[dict[str, Any]]]:
    """The same, of a row file with these objects."""
    lines = [json.dumps({"video": f"{n:04}.mp4", **row}) for n, row in enumerate(rows)]
    report = rows_of(videostar, write_rows(clips / "rows.jsonl", *lines), "--set", f"adapter={adapter}")
    return sorted(report["labels"]), report["skipped"]


def test_a_score_that_is_not_understood_is_skipped(videostar: Command, clips: Path) -> None:
    used, skipped = labelled(videostar, clips, "score", "7.5", "lots", "8")
    assert used == ["7.5", "8"]
    assert "'lots'" in skipped[0]["detail"]


def test_decimal_commas_and_percent(videostar: Command, clips: Path) -> None:
    cells = ['"7,5"', "75%", '"66,5 %"', '"1.234,5"', '"0,125"']
    used, skipped = labelled(videostar, clips, "score", *cells)
    assert used == sorted(["7.5", "75", "66.5", "1234.5", "0.125"])
    assert not skipped
    used, skipped = labelled(videostar, clips, "score", '"1,234"')
    assert not used
    assert "thousands" in skipped[0]["detail"]
    lines = [{"label": "75%", "range": [0, 1]}, {"label": "50 %", "range": [0, 10]}]
    rows = write_rows(
        clips / "r.jsonl", *(json.dumps({"video": f"{n:04}.mp4", **line}) for n, line in enumerate(lines))
    )
    report = rows_of(videostar, rows, "--set", "adapter=score", "--set", "columns.range=range")
    assert sorted(report["labels"]) == ["0.75", "5"]


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("00:00:00.50", "00:00:01.20", (0.5, 1.2)),
        ("0:00", "0:01", (0, 1)),
        ("0.5 s", "1.5s", (0.5, 1.5)),
        ('"0,5"', '"1,5"', (0.5, 1.5)),
        ('"00:00:00,500"', '"00:00:01,250"', (0.5, 1.25)),
    ],
)
def test_clock_times(videostar: Command, clips: Path, start: str, end: str, words: tuple[float, float]) -> None:
    rows = write_rows(clips / "rows.csv", "video,label,start,end", f"0000.mp4,walking,{start},{end}")
    assert rows_of(videostar, rows)["usable"] == 1
    (label,) = rows_of(videostar, rows, "--set", "adapter=interval")["labels"]
    assert all(f"{time:g}" in label for time in words)


def test_times_that_are_none(videostar: Command, clips: Path) -> None:
    header = "video,label,start,end"
    lines = ["0000.mp4,walking,0:75,1", "0001.mp4,walking,00:00:00:12,1", "0002.mp4,walking,soon,1", "0003.mp4,a,NaN,"]
    report = rows_of(videostar, write_rows(clips / "rows.csv", header, *lines))
    assert report["labels"] == {"a": 1}
    assert all("start is" in row["detail"] for row in report["skipped"])


def test_a_timestamp_as_a_clock_time(videostar: Command, clips: Path) -> None:
    used, skipped = labelled(videostar, clips, "timestamp", "1:23", "00:00:42", "12.5", "50 seconds")
    assert used == sorted(["83 seconds", "42 seconds", "12.5 seconds", "50 seconds"])
    assert not skipped


@pytest.mark.parametrize(
    "cell", ["\"['walking', 'running']\"", '"[""walking"", ""running""]"', "walking; running", "walking|running"]
)
@pytest.mark.parametrize("adapter", ["labels", "sequence"])
def test_lists(videostar: Command, clips: Path, cell: str, adapter: str) -> None:
    (used,), _ = labelled(videostar, clips, adapter, cell)
    assert "walking" in used
    assert "running" in used
    assert not set("[]'\";|") & set(used)


@pytest.mark.parametrize("cell", ["\"['walking' 'running']\"", "\"['walking', \"", "a; b|c"])
def test_lists_that_may_be_two_things(videostar: Command, clips: Path, cell: str) -> None:
    used, skipped = labelled(videostar, clips, "labels", cell)
    assert not used
    assert "list" in skipped[0]["detail"]


WORDS = ["walking", "running"]
BOTH = ["A. walking", "B. running"]


@pytest.mark.parametrize(
    "options",
    [
        WORDS,
        ["A. walking", "B. running"],
        ["(A) walking", "(B) running"],
        ["A) walking", "B) running"],
        {"A": "walking", "B": "running"},
        "['walking', 'running']",
        "A. walking; B. running",
        "A. walking\nB. running",
        "A. walking B. running",
        "walking|running",
        ["A - walking", "B - running"],
    ],
)
@pytest.mark.parametrize(
    "labels", [("A", "B"), ("b", "(A)"), ("walking", "Running"), ("A. walking", "B. running"), (0, 1), ("1", "2")]
)
def test_choices(videostar: Command, clips: Path, options: Any, labels: tuple[Any, ...]) -> None:
    used, skipped = asked(videostar, clips, "choice", *({"options": options, "label": label} for label in labels))
    assert not skipped
    assert used == BOTH


def test_options_by_number(videostar: Command, clips: Path) -> None:
    rows = [{"options": {"0": "walking", "1": "running"}, "label": label} for label in ("1", "0")]
    assert asked(videostar, clips, "choice", *rows) == (BOTH, [])
    rows = [{"options": ["1. walking", "2. running"], "label": label} for label in ("1", 2)]
    assert asked(videostar, clips, "choice", *rows) == (BOTH, [])
    rows = [{"options": ["3", "4"], "label": label} for label in ("3", "4")]
    assert asked(videostar, clips, "choice", *rows) == (["A. 3", "B. 4"], [])


@pytest.mark.parametrize(
    ("options", "label"),
    [
        (["a", "b", "c"], 1),  # from 0 or from 1?
        (["B", "A"], "A"),  # the letter or the text?
        (["walking", "walking"], "walking"),
        (WORDS, "swimming"),
        (BOTH, "A. running"),
        (WORDS, 7),
        (["walking", ""], "A"),
        (["walking"], "A"),
        ("walking, running", "A"),
        ("walking, running", 1),
        ("['walking' 'running']", 0),
    ],
)
def test_choices_that_are_refused(videostar: Command, clips: Path, options: Any, label: Any) -> None:
    used, skipped = asked(videostar, clips, "choice", {"options": options, "label": label})
    assert not used
    assert skipped[0]["detail"]


def test_options_that_look_marked(videostar: Command, clips: Path) -> None:
    rows = [{"options": ["1:23", "2:10"], "label": "2:10"}, {"options": ["1.5 m", "2.5 m"], "label": "1.5 m"}]
    assert asked(videostar, clips, "choice", *rows) == (["A. 1.5 m", "B. 2:10"], [])
    rows = [{"options": ["B. walking", "A. running"], "label": "A"}]
    assert asked(videostar, clips, "choice", *rows) == (["A. running"], [])
    rows = [{"options": "A. walking; then sitting B. running", "label": "B"}]
    assert asked(videostar, clips, "choice", *rows) == (["B. running"], [])
    rows = [{"options": WORDS, "label": label} for label in (0.0, "1.0")]
    assert asked(videostar, clips, "choice", *rows) == (BOTH, [])


def test_an_index_that_may_be_a_text(videostar: Command, clips: Path) -> None:
    rows = [{"options": ["walking", "running", "jumping"], "label": "0"}, {"options": ["1", "2", "3"], "label": "1"}]
    used, skipped = asked(videostar, clips, "choice", *rows)
    assert used == ["A. walking"]
    assert "may be" in skipped[0]["detail"]


def test_times_after_the_end_of_the_video(videostar: Command, clips: Path) -> None:
    rows = write_rows(clips / "rows.csv", "video,label", "0000.mp4,1:23", "0001.mp4,1.5", "0002.mp4,1m23s")
    report = checked(videostar, rows, "--set", "adapter=timestamp")
    assert report["labels"] == {"1.5 seconds": 1}
    assert {row["reason"] for row in report["skipped"]} == {"interval outside the video"}
    assert all("83 s" in row["detail"] for row in report["skipped"])


def test_a_column_that_seems_to_name_the_splits(videostar: Command, clips: Path) -> None:
    rows = write_rows(clips / "rows.csv", "video,label,subset", "0000.mp4,walking,train", "0001.mp4,walking,test")
    problems = {problem["what"]: problem for problem in rows_of(videostar, rows)["problems"]}
    assert "columns.split=subset" in problems["split column not read"]["examples"][0]


def test_one_row_without_a_name_costs_that_row(videostar: Command, clips: Path) -> None:
    used, skipped = asked(videostar, clips, "action", {"label": {"name": ""}}, {"label": "walking"})
    assert used == ["walking"]
    assert len(skipped) == 1


def test_splits(videostar: Command, clips: Path) -> None:
    names = ["train", "trainval", "Val", "test", "unused", "unused", "ignore"]
    rows = write_rows(clips / "rows.csv", CELLS, *(f"{name},{n:04}.mp4,walking" for n, name in enumerate(names)))
    report = rows_of(videostar, rows)
    counts = {split: counted["rows"] for split, counted in report["splits"].items()}
    assert counts == {"train": 2, "validation": 1, "test": 1}
    assert [name for row in report["skipped"] for name in ("unused", "ignore") if name in row["detail"]] == [
        "unused",
        "unused",
        "ignore",
    ]
