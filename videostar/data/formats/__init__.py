"""Reads rows of labelled videos from plain files and the official annotation files of public data sets.

Each format is a module of this folder: a reader that yields the place and the values of each row, and a function that
lists the official classes, if the data set has such a list. Here each row gets the path of its video and its split.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from videostar.data.formats.activitynet import activitynet_classes, read_activitynet
from videostar.data.formats.charades import charades_classes, read_charades
from videostar.data.formats.diving48 import diving48_classes, read_diving48
from videostar.data.formats.finediving import read_finediving
from videostar.data.formats.folder import read_folder
from videostar.data.formats.hmdb51 import hmdb51_classes, read_hmdb51
from videostar.data.formats.kinetics import read_kinetics
from videostar.data.formats.moments import moments_classes, read_moments
from videostar.data.formats.plain import plain_classes, read_csv, read_jsonl, read_parquet
from videostar.data.formats.something import read_something, something_classes
from videostar.data.formats.star import read_star
from videostar.data.formats.ucf101 import read_ucf101, ucf101_classes
from videostar.data.manifest import DataManifest
from videostar.data.rows import (
    Malformed,
    Reader,
    Row,
    Skipped,
    Source,
    Split,
    Values,
    as_number,
    malformed,
    short,
)
from videostar.data.splits import split_named
from videostar.data.templates import PathTemplate
from videostar.util.errors import UserError
from videostar.util.files import Below, is_there


@dataclass(frozen=True)
class Format:
    """How the files of a data set are read."""

    read: Reader
    classes: Callable[[Path], Sequence[str]] = plain_classes  # reads the file called `classes`


FORMATS: Mapping[str, Format] = {
    "csv": Format(read_csv),
    "jsonl": Format(read_jsonl),
    "parquet": Format(read_parquet),
    "folder": Format(read_folder),
    "kinetics": Format(read_kinetics),
    "ucf101": Format(read_ucf101, ucf101_classes),
    "hmdb51": Format(read_hmdb51, hmdb51_classes),
    "something_something_v2": Format(read_something, something_classes),
    "moments_in_time": Format(read_moments, moments_classes),
    "activitynet": Format(read_activitynet, activitynet_classes),
    "charades": Format(read_charades, charades_classes),
    "star": Format(read_star),
    "finediving": Format(read_finediving),
    "diving48": Format(read_diving48, diving48_classes),
}
_TIMES = ("start", "end", "duration")  # seconds, which a file may have as text


def read_rows(manifest: DataManifest, folder: Below, where: str) -> Iterator[Row | Skipped]:
    """The rows of the files in `folder`, in their order, read one at a time.

    A malformed row, or one with an unknown class or split, is yielded as Skipped. Raises UserError if a file is
    missing, is not in its format or lacks a column; `where` is the name of the manifest for that message.
    """
    _format(manifest, where)
    templates = [PathTemplate(text) for text in manifest.video]
    # Only the columns that the manifest names must exist, since an adapter may read others than `label`.
    made_from = [manifest.columns.get(name) or name for template in templates for name in template.names]
    named = [column for column in manifest.columns.values() if column is not None]
    columns = tuple(dict.fromkeys([*made_from, *named]))
    files = _other_files(manifest, folder, where)
    known = frozenset(official_classes(manifest, folder, where))
    for split, path in _row_files(manifest, folder, where).items():
        if path is None:
            names = manifest.rows[split]
            expected = manifest.annotations or f"add a .{manifest.format} file below the root"
            raise UserError(f"{where}: rows {folder.root / names[0]}: no such file; {expected}")
        try:
            for item in _format(manifest, where).read(Source(path, files, columns, folder)):
                yield item if isinstance(item, Skipped) else _row(item, manifest.columns, templates, split, known)
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None


def source_files(manifest: DataManifest, folder: Below, where: str) -> list[Path]:
    """The existing files and folders that rows are read from, in a fixed order. Raises UserError."""
    paths = [*_row_files(manifest, folder, where).values(), *_other_files(manifest, folder, where).values()]
    return [path for path in paths if path is not None]


def official_classes(manifest: DataManifest, folder: Below, where: str) -> Sequence[str]:
    """The classes in the publisher's list; empty without a list. Raises UserError if the list cannot be read."""
    path = _other_files(manifest, folder, where).get("classes")
    return [_one_line(name) for name in _format(manifest, where).classes(path)] if path else ()


def _format(manifest: DataManifest, where: str) -> Format:
    if manifest.format in FORMATS:
        return FORMATS[manifest.format]
    near = difflib.get_close_matches(manifest.format, FORMATS, n=1)
    raise UserError(f"{where}: format: " + (f"did you mean {near[0]!r}?" if near else f"one of {', '.join(FORMATS)}"))


def _row_files(manifest: DataManifest, folder: Below, where: str) -> dict[Split | Literal["all"], Path | None]:
    return {split: _first_existing(folder, names, f"{where}: rows") for split, names in manifest.rows.items()}


def _other_files(manifest: DataManifest, folder: Below, where: str) -> dict[str, Path]:
    paths = {name: _first_existing(folder, names, f"{where}: files.{name}") for name, names in manifest.files.items()}
    return {name: path for name, path in paths.items() if path is not None}


def _first_existing(folder: Below, names: Sequence[str], what: str) -> Path | None:
    for name in names:
        path = folder.path(name)
        if path is None:
            raise UserError(
                f"{what} {name}: leads out of the root {folder.root}; move the file below it, or write "
                "`confine: false` in the data manifest if you trust it"
            )
        if is_there(path):
            return path
    return None


def _row(
    item: tuple[str, Values],
    columns: Mapping[str, str | None],
    templates: Sequence[PathTemplate],
    split: Split | Literal["all"],
    known: frozenset[str],
) -> Row | Skipped:
    where, values = item
    if columns:
        values = _rename_columns(values, columns)
    try:
        videos = tuple(template.fill(values) for template in templates)
        _normalise(values)
    except Malformed as error:
        return malformed(where, error)
    if known:
        several = values.get("labels")  # a list in the form of a data set, not a text column of that name
        labels = several if isinstance(several, list) else [values.get("label")]
        unknown = next((label for label in labels if isinstance(label, str) and label and label not in known), None)
        if unknown is not None:
            return Skipped(where, videos[0], "unknown class", _unknown_class(unknown, known))
    if split != "all":
        return Row(where, videos, split, values)
    name = values.get("split")
    if name is None or name == "":
        return Row(where, videos, None, values)
    known_split = split_named(name) if isinstance(name, str) else None
    if known_split is None:
        return Skipped(where, videos[0], "unknown split", f"{short(name)}: write train, validation or test")
    return Row(where, videos, known_split, values)


def _rename_columns(values: Values, columns: Mapping[str, str | None]) -> Values:
    """The values under the names that adapters read, by the manifest's `columns`; a column of null is dropped."""
    renamed = {name: value for name, value in values.items() if name not in columns}
    for name, column in columns.items():
        if column is not None and column in values:
            renamed[name] = values[column]
    return renamed


def _normalise(values: Values) -> None:
    """Convert the label to text in one line, and times to numbers, in place. Raises Malformed."""
    if "label" in values:
        label = values["label"]
        if not isinstance(label, bool | str | int | float | list | dict | None):
            raise Malformed(f"label is {short(label)}, not text")
        if not isinstance(label, bool | list | dict):  # yes or no, a box, steps: for an adapter to read
            values["label"] = "" if label is None else sys.intern(_one_line(str(label)))  # few labels in many rows
    for name in _TIMES:
        if values.get(name) in (None, ""):
            values.pop(name, None)
        else:
            values[name] = as_number(values[name], name)


def _one_line(text: str) -> str:
    return " ".join(text.split())


@cache
def _unknown_class(label: str, known: frozenset[str]) -> str:
    near = difflib.get_close_matches(label, known, n=1)
    return f"{label!r} is not in the official list; " + (f"did you mean {near[0]!r}?" if near else "give one of it")
