"""Row files as people have them, through `videostar check`: every row is read as it is, or named by its line."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas
import pytest
from commands import Command
from datasets import ClassLabel, Dataset, Features, Value
from openpyxl import Workbook
from ordinary_data import LABELS, rows_of, told, write_rows

FOUR = [("train", f"{number:04}.mp4", label) for number, label in enumerate(LABELS)]
NAMES = ("split", "video", "label")
ALL = dict.fromkeys(LABELS, 1)


def delimited(delimiter: str, rows: Sequence[Sequence[str]] = FOUR, header: Sequence[str] = NAMES) -> list[str]:
    return [delimiter.join(cells) for cells in (header, *rows)]


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "ROWS.CSV", "rows.Tsv"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_usual_separator(videostar: Command, clips: Path, name: str, delimiter: str) -> None:
    assert rows_of(videostar, write_rows(clips / name, *delimited(delimiter)))["labels"] == ALL


def test_a_separator_that_a_line_names(videostar: Command, clips: Path) -> None:
    report = rows_of(videostar, write_rows(clips / "rows.csv", "sep=;", *delimited(";"), "train;gone.mp4;walking"))
    assert report["labels"] == ALL
    assert report["skipped"][0]["where"] == "rows.csv:7"


@pytest.mark.parametrize("header", [(" Split", "VIDEO ", "Label"), ("SPLIT", "Video", "LABEL")])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_header_in_any_case_and_with_spaces(
    videostar: Command, clips: Path, header: Sequence[str], delimiter: str
) -> None:
    rows = write_rows(clips / "rows.csv", *delimited(delimiter, header=header))
    report = rows_of(videostar, rows)
    assert report["labels"] == ALL
    assert report["splits"]["train"]["rows"] == 4


def test_blanks_after_the_separator(videostar: Command, clips: Path) -> None:
    lines = ["split, video, label", 'train, 0000.mp4, "opening a door, then closing it"', "train, 0001.mp4, walking"]
    report = rows_of(videostar, write_rows(clips / "rows.csv", *lines))
    assert report["labels"] == {"opening a door, then closing it": 1, "walking": 1}


def test_a_mapped_column_in_another_case(videostar: Command, clips: Path) -> None:
    rows = write_rows(clips / "rows.csv", *delimited(",", header=("split", "File", "Class")))
    mapped = ("--set", "columns.video=file", "--set", "columns.label=class")
    assert rows_of(videostar, rows, *mapped)["labels"] == ALL


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_encodings_with_a_mark_and_line_ends(videostar: Command, clips: Path, encoding: str, ending: str) -> None:
    text = ending.join(delimited("\t", [*FOUR, ("train", "0004.mp4", "ouvre la fenêtre 打篮球")]))
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    (clips / "rows.csv").write_bytes((mark + text).encode(encoding))
    assert rows_of(videostar, clips / "rows.csv")["labels"] == {**ALL, "ouvre la fenêtre 打篮球": 1}


def test_an_encoding_without_a_mark_is_named_not_guessed(videostar: Command, clips: Path) -> None:
    rows = clips / "rows.csv"
    rows.write_bytes("\n".join(delimited(",", [*FOUR, ("train", "0004.mp4", "fenêtre")])).encode("cp1252"))
    report = rows_of(videostar, rows)
    assert report["labels"] == ALL
    assert report["skipped"][0]["where"] == "rows.csv:6"
    assert "UTF-8" in report["skipped"][0]["detail"]
    assert rows_of(videostar, rows, "--set", "data.encoding=cp1252")["labels"] == {**ALL, "fenêtre": 1}
    assert "cp1259" in told(videostar, "check", rows, "--set", "data.encoding=cp1259")


def test_a_row_with_other_cells_than_the_header_is_named_by_its_line(videostar: Command, clips: Path) -> None:
    rows = write_rows(
        clips / "rows.csv",
        "split,video,label",
        "train,0000.mp4,opening a door, then closing it",
        "train,0001.mp4,walking",
        "train,0002.mp4",
        "",
        "train,0003.mp4,walking,",
        ",,",
        "train,0004.mp4,walking",
    )
    report = rows_of(videostar, rows)
    assert report["labels"] == {"walking": 2}
    assert {row["where"] for row in report["skipped"]} == {"rows.csv:2", "rows.csv:4", "rows.csv:6"}
    assert all("cells" in row["detail"] for row in report["skipped"])


GOOD = [f"train,{number:04}.mp4,walking" for number in range(1, 5)]


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (['train,0000.mp4,"opening a door', *GOOD], 2),
        ([GOOD[0], 'train,0000.mp4,"opening a door', *GOOD[1:]], 3),
        # A later quote seems to close it: the rows between would be part of one label.
        (['train,0000.mp4,"opening a door', GOOD[0], 'train,0002.mp4,"closing, a door"'], 2),
        (['train,0000.mp4,"opening a door', 'train,0001.mp4,walking"', *GOOD[1:]], 2),
        (['train,0000.mp4,"opening a door', 'train,0001.mp4,5"" tall"', *GOOD[1:]], 2),
        (['train,0000,"opening a door', 'train,0001,walking"', "train,0002,walking"], 2),
    ],
)
def test_a_quote_that_is_not_closed(videostar: Command, clips: Path, lines: list[str], named: int) -> None:
    rows = write_rows(clips / "rows.csv", "split,video,label", *lines)
    line = told(videostar, "check", rows)
    assert f"rows.csv:{named}:" in line
    assert "quote" in line


def test_a_quote_inside_one_line_costs_that_line(videostar: Command, clips: Path) -> None:
    rows = write_rows(clips / "rows.csv", "split,video,label", 'train,0000.mp4,"say "hi" to him"', *GOOD)
    report = rows_of(videostar, rows)
    assert report["labels"] == {"walking": 4}
    assert [row["where"] for row in report["skipped"]] == ["rows.csv:2"]
    assert "quote" in report["skipped"][0]["detail"]


def test_a_label_of_several_lines_is_one_label(videostar: Command, clips: Path) -> None:
    with (clips / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([NAMES, ("train", "0000.mp4", "opening,\na door"), ("train", "0001.mp4", "x\r\ny")])
    assert rows_of(videostar, clips / "rows.csv")["labels"] == {"opening, a door": 1, "x y": 1}


def test_a_file_without_a_header(videostar: Command, clips: Path) -> None:
    rows = write_rows(clips / "rows.csv", "0000.mp4,walking", "0001.mp4,running")
    assert "rows.csv:1" in (line := told(videostar, "check", rows))
    assert "video,label" in line


def objects(extra: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
    return [*(dict(zip(NAMES, row, strict=True)) for row in FOUR), *extra]


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl", "rows.JSON", "rows.ndjson"])
@pytest.mark.parametrize("form", ["array", "indented", "lines"])
def test_json_in_any_form(videostar: Command, clips: Path, name: str, form: str) -> None:
    items = objects()
    text = (
        "\n".join(map(json.dumps, items))
        if form == "lines"
        else json.dumps(items, indent=2 if form != "array" else None)
    )
    (clips / name).write_text(text)
    assert rows_of(videostar, clips / name)["labels"] == ALL


def test_keys_in_any_case(videostar: Command, clips: Path) -> None:
    (clips / "rows.json").write_text(json.dumps([{"Video": "0000.mp4", "LABEL ": "walking", "Split": "train"}]))
    assert rows_of(videostar, clips / "rows.json")["labels"] == {"walking": 1}


def test_bad_items_of_an_array(videostar: Command, clips: Path) -> None:
    twice = '{"split": "train", "video": "0004.mp4", "label": "a", "label": "b"}'
    report = rows_of(videostar, write_rows(clips / "rows.jsonl", *map(json.dumps, objects()), "3", twice))
    assert report["labels"] == ALL
    assert "there twice" in report["skipped"][1]["detail"]
    (clips / "rows.json").write_text(json.dumps([*objects(), 3, None, "0001.mp4"]))
    report = rows_of(videostar, clips / "rows.json")
    assert [row["where"] for row in report["skipped"]] == ["rows.json[4]", "rows.json[5]", "rows.json[6]"]


@pytest.mark.parametrize(
    "text",
    [
        '{"data": [{"video": "0000.mp4", "label": "walking"}]}',
        '{"video": {"0": "0000.mp4"}, "label": {"0": "walking"}}',
        '{\n "data": []\n}',
    ],
)
def test_a_json_object_is_no_row_file(videostar: Command, clips: Path, text: str) -> None:
    (clips / "rows.json").write_text(text)
    assert "rows.json" in told(videostar, "check", clips / "rows.json")


def test_a_broken_array_is_named(videostar: Command, clips: Path) -> None:
    (clips / "rows.json").write_text(json.dumps(objects(), indent=1)[:-20])
    assert "rows.json" in (line := told(videostar, "check", clips / "rows.json"))
    assert "line" in line


def test_categories_of_pandas(videostar: Command, clips: Path) -> None:
    frame = pandas.DataFrame(FOUR, columns=list(NAMES)).astype("category")
    frame.to_parquet(clips / "rows.parquet")
    assert rows_of(videostar, clips / "rows.parquet")["labels"] == ALL


def test_class_labels_of_datasets(videostar: Command, clips: Path) -> None:
    features = Features({"video": Value("string"), "label": ClassLabel(names=list(LABELS)), "split": Value("string")})
    columns: dict[str, Any] = {"video": [f"{n:04}.mp4" for n in range(5)], "label": [0, 1, 2, 3, -1]}
    data = Dataset.from_dict({**columns, "split": ["train"] * 5}, features=features)
    data.to_parquet(clips / "rows.PARQUET")
    report = rows_of(videostar, clips / "rows.PARQUET")
    assert report["labels"] == ALL
    assert [row["reason"] for row in report["skipped"]] == ["empty label"]


def test_a_video_feature_of_datasets(videostar: Command, clips: Path) -> None:
    rows = [{"video": {"bytes": b"0" * n, "path": f"{n:04}.mp4"}, "label": label} for n, label in enumerate(LABELS)]
    pandas.DataFrame(rows).to_parquet(clips / "rows.parquet")
    assert rows_of(videostar, clips / "rows.parquet")["labels"] == ALL


def test_a_label_column_of_bytes(videostar: Command, clips: Path) -> None:
    pandas.DataFrame({"video": ["0000.mp4"], "label": [b"walking"]}).to_parquet(clips / "rows.parquet")
    line = told(videostar, "check", clips / "rows.parquet", "--set", "columns.label=label")
    assert "label" in line
    assert "binary" in line


def test_a_spreadsheet(videostar: Command, clips: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in [(" Split", "Video", "Label"), *FOUR, (None, None, None), ("train", "0004.mp4", None)]:
        sheet.append(row)
    book.save(clips / "rows.xlsx")
    report = rows_of(videostar, clips / "rows.xlsx")
    assert report["labels"] == ALL
    assert [(row["where"], row["reason"]) for row in report["skipped"]] == [("rows.xlsx:7", "empty label")]
    (clips / "bad.xlsx").write_bytes(b"PK\3\4 nothing")
    assert "bad.xlsx" in told(videostar, "check", clips / "bad.xlsx")


def test_a_spreadsheet_as_people_type_it(videostar: Command, clips: Path) -> None:
    book = Workbook()
    book.create_sheet("notes", 0)
    sheet = book["Sheet"]
    rows = [(None,), ("video", "label"), ("0000.mp4", 0.75), ("0001.mp4", 7.5), ("0002.mp4", 3, "and more")]
    for row in rows:
        sheet.append(row)
    sheet["B3"].number_format = "0%"
    book.save(clips / "rows.xlsx")
    report = rows_of(videostar, clips / "rows.xlsx", "--set", "adapter=score")
    assert report["labels"] == {"75": 1, "7.5": 1}
    assert [(row["where"], "cells" in row["detail"]) for row in report["skipped"]] == [("rows.xlsx:5", True)]


def test_a_decimal_column(videostar: Command, clips: Path) -> None:
    frame = pandas.DataFrame({"video": ["0000.mp4"], "label": [Decimal("7.50")], "start": [Decimal("0.5")]})
    frame.to_parquet(clips / "rows.parquet")
    assert rows_of(videostar, clips / "rows.parquet", "--set", "adapter=score")["labels"] == {"7.5": 1}


@pytest.mark.parametrize(
    "lines",
    [
        ["id,name", "0,walking", "1,running"],
        ["# ours", "walking", "running"],
        ["walking,0", "running,1"],
        ["0. walking", "1. running"],
        ["0=walking", "1=running"],
        ["1|running", "0|walking"],
        ["0 - walking", "1 - running"],
    ],
)
def test_lists_of_classes(videostar: Command, clips: Path, lines: list[str]) -> None:
    rows = write_rows(clips / "rows.csv", "video,label", "0000.mp4,0", "0001.mp4,1")
    names = write_rows(clips / "names.txt", *lines)
    assert rows_of(videostar, rows, "--set", f"data.classes={names}")["labels"] == {"walking": 1, "running": 1}


def test_a_class_number_given_twice(videostar: Command, clips: Path) -> None:
    rows = write_rows(clips / "rows.csv", "video,label", "0000.mp4,0", f"0001.mp4,{'9' * 400}")
    names = write_rows(clips / "names.txt", "0 walking", "0 running")
    assert "number 0" in told(videostar, "check", rows, "--set", f"data.classes={names}")
    names = write_rows(clips / "names.txt", "walking", "running")
    report = rows_of(videostar, rows, "--set", f"data.classes={names}")
    assert [row["reason"] for row in report["skipped"]] == ["unknown class"]


def test_ones_own_list_of_classes_for_a_public_data_set(videostar: Command, clips: Path) -> None:
    write_rows(clips / "trainlist01.txt", "walking/0000.mp4 1", "running/0001.mp4 2")
    write_rows(clips / "testlist01.txt", "walking/0002.mp4")
    names = write_rows(clips / "names.txt", "walking")
    for name in ("walking", "running"):
        (clips / name).mkdir()
    (clips / "0000.mp4").rename(clips / "walking" / "0000.mp4")
    (clips / "0002.mp4").rename(clips / "walking" / "0002.mp4")
    report = rows_of(videostar, "ucf101", "--root", clips, "--set", f"data.classes={names}")
    assert report["labels"] == {"walking": 2}
    assert [row["reason"] for row in report["skipped"]] == ["unknown class"]


def test_lists_of_listed_classes(videostar: Command, clips: Path) -> None:
    rows = write_rows(clips / "rows.csv", "video,label", "0000.mp4,0;1", "0001.mp4,walking; flying", "0002.mp4,walking")
    names = write_rows(clips / "names.txt", "walking", "running")
    report = rows_of(videostar, rows, "--set", f"data.classes={names}", "--set", "adapter=labels")
    assert sorted(report["labels"]) == ["walking", "walking and running"]
    assert "'flying'" in report["skipped"][0]["detail"]


def test_a_json_array_in_another_encoding(videostar: Command, clips: Path) -> None:
    for encoding in ("cp1252", "utf-16"):
        (clips / "rows.json").write_bytes(json.dumps(objects(), ensure_ascii=False, indent=1).encode(encoding))
        how = ("--set", f"data.encoding={encoding}") if encoding == "cp1252" else ()
        assert rows_of(videostar, clips / "rows.json", *how)["labels"] == ALL


@pytest.mark.parametrize("content", [b"", b"PK\3\4...", b"PAR1....", b'{"video": "a.mp4"}', b"v\0i\0d\0e\0o\0"])
def test_what_is_no_table_says_what_it_is(videostar: Command, clips: Path, content: bytes) -> None:
    (clips / "rows.csv").write_bytes(content)
    assert any(word in told(videostar, "check", clips / "rows.csv") for word in ("empty", "call it", "utf-16-le"))


def test_a_pipe_is_not_waited_for(videostar: Command, clips: Path) -> None:
    os.mkfifo(clips / "rows.csv")
    assert "pipe" in told(videostar, "check", clips / "rows.csv")


def test_other_files_are_named(videostar: Command, clips: Path) -> None:
    (clips / "rows.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    assert ".xlsx" in told(videostar, "check", clips / "rows.xls")


MISSING = ["\\N", "(null)", "-", "#REF!", "nan", "NaN", "None", "NULL", "null", "N/A", "n/a", "NA", "<NA>", "#N/A", ""]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_missing_labels_in_all_their_spellings(videostar: Command, clips: Path, name: str) -> None:
    labels = [*MISSING, "walking", "none of these"]
    cells = [("train", f"{number % 8:04}.mp4", label) for number, label in enumerate(labels)]
    lines = delimited(",", cells)
    if name == "rows.jsonl":
        lines = [json.dumps(dict(zip(NAMES, cell, strict=True))) for cell in cells]
        lines += [json.dumps({"video": "0000.mp4", "label": label, "split": "train"}) for label in (math.nan, None)]
    report = rows_of(videostar, write_rows(clips / name, *lines))
    assert report["labels"] == {"walking": 1, "none of these": 1}
    assert {row["reason"] for row in report["skipped"]} == {"empty label"}


def test_a_listed_class_is_never_missing(videostar: Command, clips: Path) -> None:
    rows = write_rows(clips / "rows.csv", "video,label", "0000.mp4,none", "0001.mp4,null", "0002.mp4,Waving")
    names = write_rows(clips / "names.txt", "none", "waving")
    report = rows_of(videostar, rows, "--set", f"data.classes={names}")
    assert report["labels"] == {"none": 1}
    assert {row["reason"] for row in report["skipped"]} == {"empty label", "unknown class"}


def test_no_video(videostar: Command, clips: Path) -> None:
    rows = write_rows(clips / "rows.csv", "video,label", ",walking", "nan,walking", "0000.mp4,walking")
    report = rows_of(videostar, rows)
    assert report["usable"] == 1
    assert {row["reason"] for row in report["skipped"]} == {"no video"}


def test_class_numbers_are_warned_of_and_named(videostar: Command, clips: Path) -> None:
    rows = write_rows(clips / "rows.csv", "video,label", *(f"{n:04}.mp4,{n % 3}" for n in range(6)))
    problems = {problem["what"]: problem for problem in rows_of(videostar, rows)["problems"]}
    assert "labels are numbers" in problems
    assert "data.classes" in problems["labels are numbers"]["examples"][0]
    names = write_rows(clips / "names.txt", "walking", "running", "no one")
    report = rows_of(videostar, rows, "--set", f"data.classes={names}")
    assert report["labels"] == {"walking": 2, "running": 2, "no one": 2}
    assert not any(problem["what"] == "labels are numbers" for problem in report["problems"])
    # The list may have the numbers, in any order.
    names = write_rows(clips / "names.txt", "2 no one", "0 walking", "1 running")
    assert rows_of(videostar, rows, "--set", f"data.classes={names}")["labels"] == report["labels"]
    # A number beyond the list shows that they count from 1: nothing is guessed.
    names = write_rows(clips / "names.txt", "walking", "running")
    assert "numbered from 0" in told(videostar, "check", rows, "--set", f"data.classes={names}")
    assert "names.tx" in told(videostar, "check", rows, "--set", f"data.classes={clips}/names.tx")


def test_scores_that_are_numbers_are_not_warned_of(videostar: Command, clips: Path) -> None:
    rows = write_rows(clips / "rows.csv", "video,label", *(f"{n:04}.mp4,{n}" for n in range(6)))
    report = rows_of(videostar, rows, "--set", "adapter=count")
    assert not any(problem["what"] == "labels are numbers" for problem in report["problems"])


def test_classes_in_a_data_manifest(videostar: Command, clips: Path) -> None:
    write_rows(clips / "rows.csv", "video,label", "0000.mp4,1", "0001.mp4,0")
    write_rows(clips / "names.txt", "walking", "running")
    mine = write_rows(clips / "mine.yaml", "rows: {all: rows.csv}", "classes: names.txt")
    assert rows_of(videostar, mine)["labels"] == {"walking": 1, "running": 1}
