"""Rows, as readers yield them, and checked access to values of files that may hold anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from videostar.util.files import Below

Split = Literal["train", "validation", "test"]
Values: TypeAlias = dict[str, Any]  # plain: str, int, float, bool, and lists and dicts of them


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a data set: a video (or several) and its columns."""

    where: str  # file:line
    video: tuple[str, ...]  # possible paths of the video below the root, tried in order
    split: Split | None  # None: not given, and decided when all rows are known
    values: Values
    more: tuple[tuple[str, ...], ...] = ()  # the same of each video after the first

    @property
    def label(self) -> str:
        """The label if it is text, else empty."""
        label = self.values.get("label", "")
        return label if isinstance(label, str) else ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that is not used, with the reason."""

    where: str  # file:line
    video: str
    reason: str  # one of a few fixed phrases to count by
    detail: str  # what is wrong, or how to fix it


class Malformed(ValueError):
    """One row is not in its format. The row is skipped, and the next one is read."""


#: A row's place and values as in its file, or the reason why it is skipped.
Item: TypeAlias = tuple[str, Values] | Skipped


@dataclass(frozen=True)
class Source:
    """The files that a reader reads."""

    path: Path  # the file (or folder) of rows
    files: Mapping[str, Path]  # the other official files, by the name that the format gives them
    columns: tuple[str, ...]  # the columns that must be there
    encoding: str | None = None  # of its text; None: UTF-8, or what the mark at its beginning says
    inside: Below | None = None  # how far links in a folder may lead; None: anywhere

    def file(self, name: str) -> Path:
        """The other file of that name. Raises UserError if it does not exist."""
        from videostar.util.errors import UserError

        if name not in self.files:
            raise UserError(f"{self.path}: its {name} file is not there; put it where the data manifest's `files` says")
        return self.files[name]


Reader: TypeAlias = Callable[[Source], Iterator[Item]]


def malformed(where: str, error: object, video: str = "") -> Skipped:
    """The skipped row for a line or entry that is not in its format."""
    return Skipped(where, video, "malformed row", str(error))


def text(item: Any, key: str) -> str:
    """The text under `key`. Raises Malformed."""
    value = _value(item, key)
    if not isinstance(value, str):
        raise Malformed(f"{key} is {short(value)}, not text")
    return value


def number(item: Any, key: str) -> float:
    """The finite number under `key`, which may be written as text. Raises Malformed."""
    return as_number(_value(item, key), key)


def whole(item: Any, key: str) -> int:
    """The whole number under `key`, which may be written as text. Raises Malformed."""
    value = number(item, key)
    if value != int(value):
        raise Malformed(f"{key} is {value}, not a whole number")
    return int(value)


def as_number(value: Any, name: str) -> float:
    """`value` as a finite number, in Python's form if it is text. Raises Malformed."""
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise Malformed(f"{name} is {short(value)}, not a number")
    return found


def items(item: Any, key: str) -> list[Any]:
    """The list under `key`. Raises Malformed."""
    value = _value(item, key)
    if not isinstance(value, list):
        raise Malformed(f"{key} is {short(value)}, not a list")
    return value


def _value(item: Any, key: str) -> Any:
    if not isinstance(item, dict):
        raise Malformed(f"{short(item)} is not an object with {key}")
    if key not in item:
        raise Malformed(f"no {key}, only {', '.join(map(str, list(item)[:8])) or 'nothing'}")
    return item[key]


def short(value: Any) -> str:
    """`value` in text of at most 60 characters."""
    if isinstance(value, int) and value.bit_length() > 200:  # Python refuses to convert the longest ones
        return "a very long number"
    shown = f"a {type(value).__name__}" if isinstance(value, list | dict) else repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."
