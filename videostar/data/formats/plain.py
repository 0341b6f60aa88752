"""The plain forms: a .csv, a .jsonl or a .parquet file with a row a video."""

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
    """Rows of a .csv whose first line names its columns."""
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
    """The line number and cells of every record, or instead of the cells what is wrong with them.

    The first record is always a list: the header.
    """
    # Bytes that are no UTF-8 arrive as lone surrogates, so that one bad line does not end the file.
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


def require_columns(path: Path, wanted: Iterable[str], found: Iterable[str]) -> None:
    """Raises UserError for the first wanted column that is not there."""
    found = list(found)
    for column in wanted:
        if column not in found:
            shown = ", ".join(found) or "none"
            near = difflib.get_close_matches(column, found, n=1)
            fix = f"did you mean {near[0]!r}?" if near else f"name it in line 1, or say --set columns.{column}=NAME"
            raise UserError(f"{path}: no column {column!r}, only {shown[:200]}; {fix}")
    twice = next((name for name, count in Counter(found).items() if count > 1 and name), None)
    if twice is not None:
        raise UserError(f"{path}: has two columns {twice!r}: which of them counts? Rename one")


def read_jsonl(source: Source) -> Iterator[Item]:
    """Rows of a file with a JSON object a line."""
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
    """All of a JSON file. Raises UserError."""
    try:
        return _json(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as JSON: {error}; copy the official file again") from None


def json_list(path: Path) -> list[object]:
    """The list that a JSON file holds. Raises UserError."""
    found = load_json(path)
    if not isinstance(found, list):
        raise UserError(f"{path}: holds no list; copy the official file again")
    return found


def _json(content: bytes) -> Any:
    value = json.loads(content)
    if _SURROGATE.search(content):
        json.dumps(value, ensure_ascii=False).encode()  # a lone one is no text, and could not be written later
    return value


def read_parquet(source: Source) -> Iterator[Item]:
    """Rows of a .parquet file: its columns of text, numbers and lists of them; what else it holds stays unread."""
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


def lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a small text file with their numbers, without the empty ones. Raises UserError."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text in UTF-8: {error}") from None
    return [(number, line.strip()) for number, line in enumerate(content.split("\n"), start=1) if line.strip()]


def class_lines(path: Path) -> list[str]:
    """The classes of a text file with one a line."""
    return [line for _, line in lines(path)]
