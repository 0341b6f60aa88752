"""Any table that pandas, polars, csv or datasets writes is read back to the same rows, or refused by line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import datasets
import pandas
import polars
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from videostar import config
from videostar.data.cells import is_missing
from videostar.data.rows import Row, Skipped
from videostar.data.source import DataSource
from videostar.util.errors import UserError

Pairs = Sequence[tuple[str, str]]
NAMES = ["video", "label"]


def by_csv(path: Path, rows: Pairs, **form: object) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, **form).writerows([NAMES, *rows])  # type: ignore[arg-type]
    return path


def frame(rows: Pairs) -> pandas.DataFrame:
    return pandas.DataFrame(rows, columns=NAMES)


def by_datasets(path: Path, rows: Pairs) -> Path:
    data = datasets.Dataset.from_dict({name: [row[at] for row in rows] for at, name in enumerate(NAMES)})
    {".csv": data.to_csv, ".jsonl": data.to_json, ".parquet": data.to_parquet}[path.suffix](path)
    return path


def by_polars(path: Path, rows: Pairs) -> Path:
    data = polars.DataFrame(list(rows), schema=NAMES, orient="row")
    {".csv": data.write_csv, ".jsonl": data.write_ndjson, ".parquet": data.write_parquet}[path.suffix](path)
    return path


def by_openpyxl(path: Path, rows: Pairs) -> Path:
    if any(ILLEGAL_CHARACTERS_RE.search(label) or label.startswith("=") for _, label in rows):
        reject()  # no text of a sheet, and a formula
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in [NAMES, *rows]:
        sheet.append(row)
    book.save(path)
    return path


def by_pandas(path: Path, rows: Pairs, **form: object) -> Path:
    data = frame(rows)
    if path.suffix == ".csv":
        data.to_csv(path, index=False, **form)  # type: ignore[call-overload]
    elif path.suffix == ".parquet":
        data.astype("category").to_parquet(path)
    else:
        data.to_json(path, orient="records", lines=path.suffix == ".jsonl", force_ascii=bool(form))
    return path


def by_json(path: Path, rows: Pairs) -> Path:
    path.write_text(json.dumps([{"video": video, "label": label} for video, label in rows], indent=1))
    return path


WRITERS: dict[str, tuple[str, Callable[[Path, Pairs], Path]]] = {
    "csv": ("r.csv", by_csv),
    "csv of Excel": ("r.csv", lambda path, rows: by_csv(path, rows, delimiter=";", quoting=csv.QUOTE_ALL)),
    "csv with tabs": ("r.tsv", lambda path, rows: by_csv(path, rows, delimiter="\t", lineterminator="\n")),
    "pandas to_csv": ("r.csv", by_pandas),
    "pandas to_csv in UTF-16": ("r.csv", lambda path, rows: by_pandas(path, rows, sep="|", encoding="utf-16")),
    "pandas to_json": ("r.json", by_pandas),
    "pandas to_json lines": ("r.jsonl", lambda path, rows: by_pandas(path, rows, ascii=True)),
    "pandas to_parquet": ("r.parquet", by_pandas),
    "polars write_csv": ("r.csv", by_polars),
    "polars write_ndjson": ("r.jsonl", by_polars),
    "polars write_parquet": ("r.parquet", by_polars),
    "datasets to_csv": ("r.csv", by_datasets),
    "datasets to_json": ("r.jsonl", by_datasets),
    "datasets to_parquet": ("r.parquet", by_datasets),
    "json.dumps": ("r.json", by_json),
    "openpyxl": ("r.xlsx", by_openpyxl),
}

#: Text of any script, with all that means something in a table.
_marks = st.text(st.sampled_from(",;\t|\"'\n\r \\/.:[]{}()%#=-0aé打🎬\u2028\u00a0\ufeff"), max_size=12)
_words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
_labels = st.one_of(
    _marks, _words, st.sampled_from(["opening a door, then closing it", "nan", "None", '5" tall', "1,5"])
)
_tables = st.lists(_labels, min_size=1, max_size=8).map(
    lambda labels: [(f"clips/{number}.mp4", label) for number, label in enumerate(labels)]
)


def read(path: Path) -> list[Row | Skipped] | UserError:
    try:
        return list(DataSource.find(config.Data(name=str(path))).rows())
    except UserError as error:
        return error


def compare(folder: Path, writer: str, rows: Pairs) -> None:
    """Each row is read as it was written, or skipped; a file with a doubtful quote is refused by its line."""
    name, write = WRITERS[writer]
    path = write(folder / name, rows)
    found = read(path)
    if isinstance(found, UserError):
        assert f"{path}:" in str(found)
        assert any(mark in label for _, label in rows for mark in '"\n\r'), found
        return
    labels = {row.video[0]: row.label for row in found if isinstance(row, Row)}
    assert len(found) == len(rows)
    assert set(labels) <= {video for video, _ in rows}
    for video, label in rows:
        wanted = "" if is_missing(label) else " ".join(label.split())
        assert labels.get(video, wanted) == wanted


@pytest.mark.parametrize("writer", WRITERS)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_tables)
def test_a_table_is_read_as_it_was_written(tmp_path: Path, writer: str, rows: Pairs) -> None:
    compare(tmp_path, writer, rows)


@pytest.mark.exhaustive
@pytest.mark.parametrize("writer", WRITERS)
@settings(max_examples=1000, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=_tables)
def test_a_thousand_tables_are_read_as_they_were_written(tmp_path: Path, writer: str, rows: Pairs) -> None:
    compare(tmp_path, writer, rows)
