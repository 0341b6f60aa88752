"""Reads plain files: .csv, .jsonl and .parquet with one row per video, and helpers for JSON and text files."""

from __future__ import annotations

import csv
import difflib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from videostar.data.rows import Item, Malformed, Source, Values, malformed, short
from videostar.util.errors import UserError

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_csv(source: Source) -> Iterator[Item]:
    """The rows of a .csv file whose first line names its columns."""
    path = source.path
    records = csv_records(path)
    _, header = next(records, (1, []))
    require_columns(path, source.columns, header)
    for line, record in records:
        where = f"{path.name}:{line}"
        if isinstance(record, str):
            yield malformed(where, record)
        elif record:
            record += [""] * (len(header) - len(record))
            yield where, dict(zip(header, record, strict=False))


def csv_records(path: Path) -> Iterator[tuple[int, Any]]:
    """The line number and the cells of each record of a .csv; for a bad record, a message in place of the cells.

    The first record is the header and always has cells. Raises UserError if it cannot be read.
    """
    # Bytes that are not UTF-8 become lone surrogates, so that one bad line does not end the file.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file)
        while True:
            try:
                record = next(reader)
                if not "".join(record).isascii():
                    "".join(record).encode()
            except StopIteration:
                return
            except (csv.Error, UnicodeEncodeError) as error:
                why = "not UTF-8" if isinstance(error, UnicodeEncodeError) else str(error)
                if reader.line_num <= 1:
                    raise UserError(f"{path}:1: cannot be read as CSV in UTF-8: {why}; save it as such") from None
                yield reader.line_num, f"{why}: save the line as CSV in UTF-8"
            else:
                yield reader.line_num, record


def require_columns(path: Path, wanted: Iterable[str], columns: Iterable[str]) -> None:
    """Raises UserError if a wanted column is missing, or a column is there twice."""
    columns = list(columns)
    for column in wanted:
        if column not in columns and not (column == "video" and "videos" in columns):
            shown = ", ".join(columns) or "none"
            near = difflib.get_close_matches(column, columns, n=1)
            fix = f"did you mean {near[0]!r}?" if near else f"name it in line 1, or use --set columns.{column}=NAME"
            raise UserError(f"{path}: no column {column!r}, only {shown[:200]}; {fix}")
    twice = next((name for name, count in Counter(columns).items() if count > 1 and name), None)
    if twice is not None:
        raise UserError(f"{path}: two columns are named {twice!r}; rename one")


def read_jsonl(source: Source) -> Iterator[Item]:
    """The rows of a file with one JSON object per line."""
    with source.path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            where = f"{source.path.name}:{number}"
            if not line.strip():
                continue
            try:
                yield where, _object(line)
            except Malformed as error:
                yield malformed(where, error)


def _object(line: bytes) -> Values:
    try:
        value = _json(line)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON in UTF-8: {short(str(error))}") from None
    if not isinstance(value, dict):
        raise Malformed(f"{short(value)} is not a JSON object")
    return value


def load_json(path: Path) -> Any:
    """The content of a JSON file. Raises UserError if it cannot be read."""
    try:
        return _json(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as JSON: {error}; copy the official file again") from None


def json_list(path: Path) -> list[object]:
    """The list in a JSON file. Raises UserError if there is none."""
    content = load_json(path)
    if not isinstance(content, list):
        raise UserError(f"{path}: not a JSON list; copy the official file again")
    return content


def _json(content: bytes) -> Any:
    value = json.loads(content)
    if _SURROGATE.search(content):
        json.dumps(value, ensure_ascii=False).encode()  # raises for a lone surrogate, which could not be written later
    return value


def read_parquet(source: Source) -> Iterator[Item]:
    """The rows of a .parquet file, with its columns of text, numbers, and lists and structs of them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, number = source.path, 0
    try:
        with pq.ParquetFile(path) as file:
            columns = [field.name for field in file.schema_arrow if _is_plain(field.type)]
            require_columns(path, source.columns, columns)
            for batch in file.iter_batches(batch_size=4096, columns=columns):
                for values in batch.to_pylist():
                    number += 1
                    yield f"{path.name}:{number}", values
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as Parquet after row {number}: {error}; write it again") from None


def _is_plain(kind: Any) -> bool:
    import pyarrow.types as types

    if types.is_list(kind) or types.is_large_list(kind):
        return _is_plain(kind.value_type)
    if types.is_struct(kind):
        return all(_is_plain(field.type) for field in kind)
    checks = (types.is_string, types.is_large_string, types.is_integer, types.is_floating, types.is_boolean)
    return any(check(kind) for check in checks)


def read_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a small text file that are not empty, with their numbers. Raises UserError if it cannot be read."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text in UTF-8: {error}") from None
    return [(number, line.strip()) for number, line in enumerate(content.split("\n"), start=1) if line.strip()]


def plain_classes(path: Path) -> list[str]:
    """The classes in a text file with one per line."""
    return [line for _, line in read_lines(path)]
