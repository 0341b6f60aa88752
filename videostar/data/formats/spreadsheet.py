"""Reads the first sheet of .xlsx files, by openpyxl, which the extra `xlsx` installs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import time
from typing import Any
from zipfile import BadZipFile

from videostar.data.cells import plain_value
from videostar.data.columns import column_names, require_columns
from videostar.data.rows import Item, Source, malformed
from videostar.util.errors import UserError


def read_xlsx(source: Source) -> Iterator[Item]:
    """The rows of the first sheet, below a row that names the columns. Raises UserError if it cannot be read."""
    path = source.path
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError:
        raise UserError(f"{path}: needs openpyxl: pip install 'videostar[xlsx]', or save it as .csv") from None
    try:
        book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except (BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as .xlsx: {error}; save it again, or as .csv") from None
    try:
        sheets = (sheet.iter_rows() for sheet in book.worksheets if sheet.sheet_state == "visible")
        rows, header, first = next(((rows, *found) for rows in sheets if (found := _header(rows))), (iter(()), [], 1))
        names = column_names(["" if name is None else str(name) for name in header], source.columns)
        require_columns(path, source.columns, names)
        for number, row in enumerate(rows, start=first + 1):
            values = _trimmed(map(_value, row))
            where = f"{path.name}:{number}"
            if len(values) > len(names):
                yield malformed(where, f"{len(values)} cells, but the first row names {len(names)} columns")
            elif values:
                values += [None] * (len(names) - len(values))
                yield where, dict(zip(names, values, strict=True))
    finally:
        book.close()


def _header(rows: Iterator[Any]) -> tuple[list[Any], int] | None:
    """The first row of a sheet that is not empty, and its number; None if all are."""
    return next(
        ((cells, number) for number, row in enumerate(rows, start=1) if (cells := _trimmed(map(_value, row)))), None
    )


def _value(cell: Any) -> Any:
    """The value of a cell as it is shown: percent with its sign."""
    value = cell.value
    if isinstance(value, time) and not value.second:  # typed as 1:23, of which Excel makes hours and minutes
        return f"{value:%H:%M} of Excel, which may be hours and minutes or minutes and seconds"
    if isinstance(value, int | float) and not isinstance(value, bool) and "%" in (cell.number_format or ""):
        return f"{value * 100:.10g}%"
    return plain_value(value)


def _trimmed(cells: Iterable[Any]) -> list[Any]:
    """The cells of a row without the empty ones at its end."""
    found = list(cells)
    while found and found[-1] is None:
        found.pop()
    return found
