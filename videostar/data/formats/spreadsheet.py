"""Reads the first sheet of .xlsx files, by openpyxl, which the extra `xlsx` installs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zipfile import BadZipFile

from videostar.data.cells import plain_value
from videostar.data.columns import column_names, require_columns
from videostar.data.rows import Item, Source
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
        rows = book.worksheets[0].iter_rows(values_only=True) if book.worksheets else iter(())
        header = _trimmed(next(rows, ()))
        names = column_names(["" if name is None else str(name) for name in header], source.columns)
        require_columns(path, source.columns, names)
        for number, cells in enumerate(rows, start=2):
            values = [plain_value(cell) for cell in cells[: len(names)]] + [None] * (len(names) - len(cells))
            if any(cell is not None for cell in values):
                yield f"{path.name}:{number}", dict(zip(names, values, strict=True))
    finally:
        book.close()


def _trimmed(cells: Any) -> list[Any]:
    """The cells of a row without the empty ones at its end."""
    found = list(cells)
    while found and found[-1] is None:
        found.pop()
    return found
