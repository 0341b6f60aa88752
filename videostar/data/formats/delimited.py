"""Reads .csv and .tsv files: a row for each video, below a line that names the columns.

Python's `csv` reads them, since it knows the line of each row: pyarrow and polars name none once a cell may have a line
break, and either stop at the first bad row or drop it without a word.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from videostar.data.columns import column_names, require_columns
from videostar.data.formats.text_files import file_encoding
from videostar.data.rows import Item, Source, malformed
from videostar.util.errors import UserError
from videostar.video.endings import VIDEO_ENDINGS

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "|"}
_FILE_NAME = re.compile(rf"\S({'|'.join(map(re.escape, sorted(VIDEO_ENDINGS)))})\s*$", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
#: What a file is that is no table, by its first bytes.
_OTHER_FILES = {
    b"PK\3\4": "a spreadsheet or an archive; if it is a spreadsheet, call it .xlsx",
    b"PAR1": "a Parquet file; call it .parquet",
    b"{": "JSON; call it .jsonl",
    b"[{": "JSON; call it .json",
}
_QUOTE = 'it has a quote that is not closed, or not doubled inside a cell: write "He said ""hi"""'

_BREAK = "it has a line break inside a cell without quotes; put quotes around the cell"
_NOT_UTF8 = "not UTF-8; save the file in UTF-8, or name its encoding, such as --set data.encoding=cp1252"


def read_csv(source: Source) -> Iterator[Item]:
    """The rows of a file whose first line names its columns, separated by commas, semicolons, tabs or `|`.

    A row with too many or too few cells is skipped. Raises UserError for a quote that reaches into other rows.
    """
    path = source.path
    _check_kind(path)
    records = csv_records(path, source.columns, source.encoding)
    _, header = next(records, (1, []))
    names = column_names(header, source.columns)
    _check_header(path, names, source.columns)
    require_columns(path, source.columns, names)
    for line, record in records:
        where = f"{path.name}:{line}"
        if isinstance(record, str):
            yield malformed(where, record)
        elif len(record) == len(names):
            yield where, dict(zip(names, record, strict=True))
        else:
            why = f"{len(record)} cells, but line 1 names {len(names)} columns"
            more = "put quotes around a cell that has the separator in it, or name the column in line 1"
            yield malformed(where, f"{why}; {more if len(record) > len(names) else 'write a cell for each column'}")


def _check_header(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    """Raises UserError for a file that begins with a row."""
    if not names:
        raise UserError(
            f"{path}: is empty; write a line that names the columns, such as video,label, and rows below it"
        )
    if not set(wanted) & set(names) and any(map(_FILE_NAME.search, names)):
        raise UserError(f"{path}:1: this line names no columns; write them above it, such as video,label")


def csv_records(path: Path, wanted: Collection[str] = (), encoding: str | None = None) -> Iterator[tuple[int, Any]]:
    """The line number and the cells of each record of a .csv; for a bad record, a message in place of the cells.

    The first record is the header and always has cells. Records without any text are passed over. `wanted` are columns
    by which the separator is recognised. Raises UserError if the file cannot be read, or if a quote that is not closed
    reaches into the next row.
    """
    # Bytes that are not UTF-8 become lone surrogates, so that one bad line does not end the file.
    errors = "strict" if encoding else "surrogateescape"
    encoding_used = file_encoding(path, encoding)
    try:
        with path.open(encoding=encoding_used, errors=errors, newline="") as file:
            line = file.readline()
        # Lines end as the first one does: a lone carriage return inside a cell is none that ends a row.
        with path.open(encoding=encoding_used, errors=errors, newline="\r" if line.endswith("\r") else "\n") as file:
            skipped = 1 if line.startswith("sep=") else 0  # Excel's own way to name the separator
            delimiter = line.rstrip("\r\n")[4:] if skipped else _delimiter(line, wanted)
            for _ in range(skipped):
                file.readline()
            if len(delimiter) != 1:
                raise UserError(f"{path}:1: {line.strip()!r} names no separator of one character; remove the line")
            for number, record in _records(path, _reader(file, delimiter), delimiter):
                yield number + skipped, record
    except (UnicodeDecodeError, LookupError) as error:
        raise UserError(f"{path}: cannot be read as {encoding_used}: {error}; save it in UTF-8") from None


def _check_kind(path: Path) -> None:
    """Raises UserError for a file that is no table, whatever it is called."""
    with path.open("rb") as file:
        head = file.read(64).lstrip()
    what = next((what for start, what in _OTHER_FILES.items() if head.startswith(start)), None)
    if what is not None:
        raise UserError(f"{path}: is {what}")


def _reader(lines: Iterable[str], delimiter: str) -> Any:
    return csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)


def _delimiter(line: str, wanted: Collection[str]) -> str:
    """The separator of a header: the one by which it has all wanted columns, else the one that gives most cells."""
    cells = {delimiter: next(csv.reader([line], delimiter=delimiter), []) for delimiter in _DELIMITERS}
    for delimiter, header in cells.items():
        if wanted and set(wanted) <= set(column_names(header, wanted)):
            return delimiter
    return max(cells, key=lambda delimiter: len(cells[delimiter]))


def _records(path: Path, reader: Any, delimiter: str) -> Iterator[tuple[int, Any]]:
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
            joined = "".join(record)
            if not joined.isascii():
                joined.encode()
        except StopIteration:
            return
        except (csv.Error, UnicodeEncodeError) as error:
            quote = isinstance(error, csv.Error)
            why = _NOT_UTF8
            if quote:
                why = _BREAK if "new-line" in str(error) else _QUOTE
            if line == 1 or (quote and reader.line_num > line):
                raise UserError(f"{path}:{line}: {why}") from None
            yield line, why
        else:
            if reader.line_num > line and _has_a_row_inside(record, delimiter):
                raise UserError(f"{path}:{line}: {_QUOTE}; the next line looks like a row and became part of this one")
            if joined and not joined.isspace():
                yield line, record


def _has_a_row_inside(record: Sequence[str], delimiter: str) -> bool:
    """Whether a later line of a cell looks like a row: a file name in it, or its first cell differs only by numbers."""
    first = _DIGITS.sub("0", record[0].strip())
    for cell in record:
        for line in cell.splitlines()[1:]:
            parts = line.split(delimiter)
            alike = _DIGITS.sub("0", parts[0].strip().strip('"')) == first != ""
            if len(parts) > 1 and (alike or any(map(_FILE_NAME.search, parts))):
                return True
    return False
