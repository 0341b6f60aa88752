"""The names of columns: those that videostar reads, and how the header of a file is matched with them."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from videostar.labels import KINDS
from videostar.util.errors import UserError

#: All columns that the readers and adapters of videostar read.
COLUMNS = frozenset(
    {key for kind in KINDS.values() for key in kind.model_fields if key != "kind"}
    | set("video videos label labels split event object previous next score difficulty sub_actions trust".split())
)


def column_names(header: Sequence[str], wanted: Collection[str]) -> list[str]:
    """The names of a header's columns: those of `wanted` and COLUMNS are found in any case and with spaces around them.

    >>> column_names([" Video", "LABEL", "Camera No "], ["video"])
    ['video', 'label', 'Camera No']
    """
    return list(_column_names(tuple(header), tuple(wanted)))


@lru_cache(maxsize=1024)  # for files that name the columns in each row
def _column_names(header: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    known = {name.casefold(): name for name in (*COLUMNS, *wanted)}
    names = []
    for cell in header:
        name = known.get(cell.strip().casefold())
        # A column that has exactly the name goes before one that has it in another case.
        names.append(cell if cell in wanted else cell.strip() if name is None or name in header else name)
    return tuple(names)


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
