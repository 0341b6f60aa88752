"""Rows of labelled videos, out of plain files and the official annotation files of public data sets.

A format is a file of this folder: a reader that yields where each row stands and its values, and a list
of the official classes where there is one. Here rows get their video's path, split and label.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from videostar.data.formats.activitynet import read_activitynet, taxonomy_leaves
from videostar.data.formats.charades import coded_classes, read_charades
from videostar.data.formats.diving48 import read_diving48, vocabulary
from videostar.data.formats.finediving import read_finediving
from videostar.data.formats.folder import read_folder
from videostar.data.formats.hmdb51 import read_hmdb51, split_classes
from videostar.data.formats.kinetics import read_kinetics
from videostar.data.formats.moments import categories, read_moments
from videostar.data.formats.plain import class_lines, read_csv, read_jsonl, read_parquet
from videostar.data.formats.something import label_keys, read_something
from videostar.data.formats.star import read_star
from videostar.data.formats.ucf101 import numbered_classes, read_ucf101
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
from videostar.util.files import below, is_there


@dataclass(frozen=True)
class Format:
    """How the files of a data set are read."""

    read: Reader
    classes: Callable[[Path], Sequence[str]] = class_lines  # of the file called `classes`


FORMATS: Mapping[str, Format] = {
    "csv": Format(read_csv),
    "jsonl": Format(read_jsonl),
    "parquet": Format(read_parquet),
    "folder": Format(read_folder),
    "kinetics": Format(read_kinetics),
    "ucf101": Format(read_ucf101, numbered_classes),
    "hmdb51": Format(read_hmdb51, split_classes),
    "something_something_v2": Format(read_something, label_keys),
    "moments_in_time": Format(read_moments, categories),
    "activitynet": Format(read_activitynet, taxonomy_leaves),
    "charades": Format(read_charades, coded_classes),
    "star": Format(read_star),
    "finediving": Format(read_finediving),
    "diving48": Format(read_diving48, vocabulary),
}
_TIMES = ("start", "end", "duration")  # seconds, also where a file has them as text


def read_rows(manifest: DataManifest, root: Path, where: str) -> Iterator[Row | Skipped]:
    """Every row below `root`, in the order of the files, one at a time.

    A row that is not in its format, or whose split has no known name, is yielded as set aside. Raises UserError when a
    file is missing, is no file of its format or lacks a column; `where` is what to call the manifest there.
    """
    _format(manifest, where)
    templates = [PathTemplate(text) for text in manifest.video]
    # A column that is named must be there; without a name, an adapter may read other columns than `label`.
    made_from = [manifest.columns.get(name) or name for template in templates for name in template.names]
    named = [column for column in manifest.columns.values() if column is not None]
    columns = tuple(dict.fromkeys([*made_from, *named]))
    files = _found_files(manifest, root, where)
    known = frozenset(official_classes(manifest, root, where))
    for split, path in _row_files(manifest, root, where).items():
        if path is None:
            names = manifest.rows[split]
            expected = manifest.annotations or f"give a .{manifest.format} below the root"
            raise UserError(f"{where}: rows {root / names[0]}: no such file; {expected}")
        try:
            for item in _format(manifest, where).read(Source(path, files, columns)):
                yield item if isinstance(item, Skipped) else _row(item, manifest.columns, templates, split, known)
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None


def source_files(manifest: DataManifest, root: Path, where: str) -> list[Path]:
    """The files and folders that rows are read from, as far as they are there, in a fixed order. Raises UserError."""
    found = [*_row_files(manifest, root, where).values(), *_found_files(manifest, root, where).values()]
    return [path for path in found if path is not None]


def official_classes(manifest: DataManifest, root: Path, where: str) -> Sequence[str]:
    """The classes that the publisher lists, or none where no list is there. Raises UserError for a broken one."""
    path = _found_files(manifest, root, where).get("classes")
    return [_words(name) for name in _format(manifest, where).classes(path)] if path else ()


def _format(manifest: DataManifest, where: str) -> Format:
    if manifest.format in FORMATS:
        return FORMATS[manifest.format]
    near = difflib.get_close_matches(manifest.format, FORMATS, n=1)
    raise UserError(f"{where}: format: " + (f"did you mean {near[0]!r}?" if near else f"one of {', '.join(FORMATS)}"))


def _row_files(manifest: DataManifest, root: Path, where: str) -> dict[Split | Literal["all"], Path | None]:
    return {split: _first(root, names, f"{where}: rows") for split, names in manifest.rows.items()}


def _found_files(manifest: DataManifest, root: Path, where: str) -> dict[str, Path]:
    found = {name: _first(root, names, f"{where}: files.{name}") for name, names in manifest.files.items()}
    return {name: path for name, path in found.items() if path is not None}


def _first(root: Path, names: Sequence[str], what: str) -> Path | None:
    for name in names:
        path = below(root, name)
        if path is None:
            raise UserError(f"{what} {name}: leads out of the root {root}; move the file below it")
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
        values = _named(values, columns)
    try:
        videos = tuple(template.fill(values) for template in templates)
        _settle(values)
    except Malformed as error:
        return malformed(where, error)
    if known:
        several = values.get("labels")  # of a data set's own form; a column of text is something else
        labels = several if isinstance(several, list) else [values.get("label")]
        wrong = next((label for label in labels if isinstance(label, str) and label and label not in known), None)
        if wrong is not None:
            return Skipped(where, videos[0], "unknown class", _nearest(wrong, known))
    if split != "all":
        return Row(where, videos, split, values)
    name = values.get("split")
    if name is None or name == "":
        return Row(where, videos, None, values)
    found = split_named(name) if isinstance(name, str) else None
    if found is None:
        return Skipped(where, videos[0], "unknown split", f"{short(name)}: write train, validation or test")
    return Row(where, videos, found, values)


def _named(values: Values, columns: Mapping[str, str | None]) -> Values:
    """The values, with those that the user named under the names that adapters read; of null, nothing is read."""
    found = {name: value for name, value in values.items() if name not in columns}
    for name, column in columns.items():
        if column is not None and column in values:
            found[name] = values[column]
    return found


def _settle(values: Values) -> None:
    """The label as text in one line, and times as numbers."""
    if "label" in values:
        label = values["label"]
        if isinstance(label, bool | list | dict):  # yes or no, a box, steps: for an adapter to read
            values["label"] = label
        elif isinstance(label, str | int | float | None):
            values["label"] = "" if label is None else sys.intern(_words(str(label)))  # few, and in a million rows
        else:
            raise Malformed(f"label is {short(label)}, not text")
    for name in _TIMES:
        if values.get(name) in (None, ""):
            values.pop(name, None)
        else:
            values[name] = as_number(values[name], name)


def _words(text: str) -> str:
    return " ".join(text.split())


@cache
def _nearest(label: str, known: frozenset[str]) -> str:
    near = difflib.get_close_matches(label, known, n=1)
    return f"{label!r} is not in the official list; " + (f"did you mean {near[0]!r}?" if near else "give one of it")
