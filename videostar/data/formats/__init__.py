"""Reads rows of labelled videos from plain files and the official annotation files of public data sets.

Each format is a module of this folder: a reader that yields the place and the values of each row, and a function that
lists the official classes, if the data set has such a list. Here each row gets the path of its video and its split.
"""

from __future__ import annotations

import difflib
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from videostar.data.cells import is_missing, read_list, read_seconds
from videostar.data.formats.activitynet import activitynet_classes, read_activitynet
from videostar.data.formats.charades import charades_classes, read_charades
from videostar.data.formats.delimited import read_csv
from videostar.data.formats.diving48 import diving48_classes, read_diving48
from videostar.data.formats.finediving import read_finediving
from videostar.data.formats.folder import read_folder
from videostar.data.formats.hmdb51 import hmdb51_classes, read_hmdb51
from videostar.data.formats.json_files import read_json_rows
from videostar.data.formats.kinetics import read_kinetics
from videostar.data.formats.moments import moments_classes, read_moments
from videostar.data.formats.parquet import read_parquet
from videostar.data.formats.something import read_something, something_classes
from videostar.data.formats.spreadsheet import read_xlsx
from videostar.data.formats.star import read_star
from videostar.data.formats.text_files import numbered_classes, plain_classes
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
    "json": Format(read_json_rows),
    "jsonl": Format(read_json_rows),
    "parquet": Format(read_parquet),
    "xlsx": Format(read_xlsx),
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
_WHOLE = re.compile(r"\d{1,6}(\.0)?", re.ASCII)
_TIMES = ("start", "end", "duration")  # seconds, which a file may have as text


def read_rows(
    manifest: DataManifest, folder: Below, where: str, classes: Path | None = None
) -> Iterator[Row | Skipped]:
    """The rows of the files in `folder`, in their order, read one at a time.

    A malformed row, or one with an unknown class or split, is yielded as Skipped. Raises UserError if a file is
    missing, is not in its format or lacks a column. `where` is the name of the manifest for that message; `classes` is
    a list of classes that replaces the manifest's.
    """
    reader = _format(manifest, where)
    templates = [PathTemplate(text) for text in manifest.video]
    # Only the columns that the manifest names must exist, since an adapter may read others than `label`.
    made_from = [manifest.columns.get(name) or name for template in templates for name in template.names]
    if manifest.columns.get("videos"):  # which stands for `video` in rows without one
        made_from = [name for name in made_from if name != "video"]
    named = [column for column in manifest.columns.values() if column is not None]
    columns = tuple(dict.fromkeys([*made_from, *named]))
    files = _other_files(manifest, folder, where, classes)
    make = _RowMaker(manifest.columns, templates, _Classes.of(reader, files.get("classes")))
    for split, path in _row_files(manifest, folder, where).items():
        if path is None:
            names = manifest.rows[split]
            expected = manifest.annotations or f"add a .{manifest.format} file below the root"
            if split in ("all", "train") or not manifest.annotations:
                raise UserError(f"{where}: rows {folder.root / names[0]}: no such file; {expected}")
            # Of a public data set people may have one split alone.
            yield Skipped(names[0], "", "no row file", f"the {split} split has no rows: {expected}")
            continue
        _check_regular(path, reader)
        try:
            for item in reader.read(Source(path, files, columns, manifest.encoding, folder)):
                yield item if isinstance(item, Skipped) else make.row(*item, split)
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None


def source_files(manifest: DataManifest, folder: Below, where: str, classes: Path | None = None) -> list[Path]:
    """The existing files and folders that rows are read from, in a fixed order. Raises UserError."""
    paths = [*_row_files(manifest, folder, where).values(), *_other_files(manifest, folder, where, classes).values()]
    return [path for path in paths if path is not None]


def official_classes(manifest: DataManifest, folder: Below, where: str, classes: Path | None = None) -> Sequence[str]:
    """The classes in the publisher's list; empty without a list. Raises UserError if the list cannot be read."""
    path = _other_files(manifest, folder, where, classes).get("classes")
    return [_one_line(name) for name in _format(manifest, where).classes(path)] if path else ()


def _format(manifest: DataManifest, where: str) -> Format:
    if manifest.format in FORMATS:
        return FORMATS[manifest.format]
    near = difflib.get_close_matches(manifest.format, FORMATS, n=1)
    raise UserError(f"{where}: format: " + (f"did you mean {near[0]!r}?" if near else f"one of {', '.join(FORMATS)}"))


def _row_files(manifest: DataManifest, folder: Below, where: str) -> dict[Split | Literal["all"], Path | None]:
    return {split: _first_existing(folder, names, f"{where}: rows") for split, names in manifest.rows.items()}


def _check_regular(path: Path, reader: Format) -> None:
    """Raises UserError for a device or a pipe, which would be read for ever, and for a folder that is no data."""
    if path.is_dir() and reader.read not in (read_folder, read_hmdb51):
        raise UserError(f"{path}: is a folder; give a file")
    if not path.is_file() and not path.is_dir():
        raise UserError(f"{path}: is no file, but a device or a pipe; give a file")


def _other_files(manifest: DataManifest, folder: Below, where: str, classes: Path | None) -> dict[str, Path]:
    paths = {name: _first_existing(folder, names, f"{where}: files.{name}") for name, names in manifest.files.items()}
    if classes is not None:
        paths["classes"] = classes
    wrong = next((path for path in paths.values() if path is not None and not (path.is_file() or path.is_dir())), None)
    if wrong is not None:
        raise UserError(f"{wrong}: is no file, but a device or a pipe; give a file")
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


@dataclass(frozen=True)
class _Classes:
    """The classes of a data set."""

    names: frozenset[str]  # empty if there is no list
    numbers: Mapping[int, str]  # of a plain list: the classes by number
    numbered: bool  # whether the list has the numbers; else they count from 0

    @classmethod
    def of(cls, reader: Format, path: Path | None) -> _Classes:
        """The classes in the file `path`. Raises UserError if it cannot be read."""
        if path is None:
            return cls(frozenset(), {}, False)
        numbers, numbered = numbered_classes(path) if reader.classes is plain_classes else ({}, False)
        return cls(frozenset(map(_one_line, reader.classes(path))), numbers, numbered)

    def named(self, label: Any, where: str) -> Any:
        """The name of a class that is given by its number; any other label as it is."""
        if label in self.names or not self.numbers or not isinstance(label, str) or not _WHOLE.fullmatch(label):
            return label
        number = int(float(label))
        if number not in self.numbers and not self.numbered:
            raise UserError(
                f"{where}: the class number {label}, and the list of classes has {len(self.numbers)}, numbered from 0; "
                "write each class's number before its name in the list"
            )
        return self.numbers.get(number, label)


@dataclass(frozen=True)
class _RowMaker:
    """Makes rows of the values that a reader yields."""

    columns: Mapping[str, str | None]
    templates: Sequence[PathTemplate]
    classes: _Classes

    def row(self, where: str, values: Values, split: Split | Literal["all"]) -> Row | Skipped:
        """The row, with the path of its video and its split, or the reason why it is skipped."""
        if self.columns:
            values = _rename_columns(values, self.columns)
        if isinstance(video := values.get("video"), dict) and "path" in video:  # a feature of Hugging Face datasets
            values["video"] = video["path"]
        try:
            several = _several(values, self.templates)
            for name in self.templates[0].names:
                if name in values and is_missing(values[name]):
                    return Skipped(where, "", "no video", f"the column {name!r} is empty; give the path of the video")
            videos = tuple(template.fill(values) for template in self.templates)
            more = tuple(tuple(t.fill({**values, "video": name}) for t in self.templates) for name in several[1:])
            self._normalise(values, where)
        except Malformed as error:
            return malformed(where, error)
        known = self.classes.names
        if known:
            listed = values.get("labels")  # a list in the form of a data set, not a text column of that name
            labels = listed if isinstance(listed, list) else [values.get("label")]
            labels = labels[0] if labels and isinstance(labels[0], list) else labels
            unknown = next((label for label in labels if isinstance(label, str) and label and label not in known), None)
            if unknown is not None:
                return Skipped(where, videos[0], "unknown class", _unknown_class(unknown, known))
        if split != "all":
            return Row(where, videos, split, values, more)
        stated = values.get("split")
        if is_missing(stated):
            return Row(where, videos, None, values, more)
        known_split = split_named(stated) if isinstance(stated, str) else None
        if known_split is None:
            return Skipped(where, videos[0], "unknown split", f"{short(stated)}: write train, validation or test")
        return Row(where, videos, known_split, values, more)

    def _listed(self, label: str, where: str) -> Any:
        """A label that is a list of classes, as one; any other label as it is. Raises Malformed."""
        names = read_list(label) if any(mark in label for mark in ";|[") else label
        return [self.classes.named(name, where) for name in names] if isinstance(names, list) else label

    def _normalise(self, values: Values, where: str) -> None:
        """Convert the label to text in one line, and times to numbers, in place. Raises Malformed."""
        if "label" in values:
            label = values["label"]
            if not isinstance(label, bool | str | int | float | list | dict | None):
                raise Malformed(f"label is {short(label)}, not text")
            if is_missing(label) and label not in self.classes.names:
                values["label"] = ""
            elif not isinstance(label, bool | list | dict):  # yes or no, a box, steps: for an adapter to read
                # Interned, since there are few labels in many rows.
                label = self.classes.named(sys.intern(_one_line(str(label))), where)
                in_list = label in self.classes.names or not self.classes.names
                values["label"] = label if in_list else self._listed(label, where)
        for name in _TIMES:
            if is_missing(values.get(name)):
                values.pop(name, None)
            else:
                values[name] = read_seconds(values[name], name)


def _several(values: Values, templates: Sequence[PathTemplate]) -> list[str]:
    """The paths in the column `videos`, which stands for a `video` that is not there, in place. Raises Malformed."""
    if "videos" not in values or "video" not in templates[0].names or not is_missing(values.get("video")):
        return []
    values["video"] = ""
    paths = [] if is_missing(values["videos"]) else read_list(values["videos"])
    if not isinstance(paths, list):
        raise Malformed(f"videos is {short(paths)}, not a list of paths")
    paths = [path["path"] if isinstance(path, dict) and "path" in path else path for path in paths]
    for path in paths:
        if not isinstance(path, str) or is_missing(path):
            raise Malformed(f"videos has {short(path)}, not a path")
    if paths:
        values["video"] = paths[0]
    if len(paths) > 1:
        values["videos"] = paths
    else:
        del values["videos"]  # a row of one video
    return paths


def _rename_columns(values: Values, columns: Mapping[str, str | None]) -> Values:
    """The values under the names that adapters read, by the manifest's `columns`; a column of null is dropped."""
    renamed = {name: value for name, value in values.items() if name not in columns}
    for name, column in columns.items():
        if column is not None and column in values:
            renamed[name] = values[column]
    return renamed


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if line.isascii() else unicodedata.normalize("NFC", line)


@cache
def _unknown_class(label: str, known: frozenset[str]) -> str:
    near = difflib.get_close_matches(label, known, n=1)
    return f"{label!r} is not in the official list; " + (f"did you mean {near[0]!r}?" if near else "give one of it")
