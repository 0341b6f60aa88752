"""Reads rows of labelled videos from plain files and the official annotation files of public data sets.

Each format is a module of this folder: a reader that yields the place and the values of each row, and a function that
lists the official classes, if the data set has such a list. `row_maker.py` makes rows of these values.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from videostar.data.formats.activitynet import activitynet_classes, read_activitynet
from videostar.data.formats.charades import charades_classes, read_charades
from videostar.data.formats.delimited import read_csv
from videostar.data.formats.diving48 import diving48_classes, read_diving48
from videostar.data.formats.finediving import read_finediving
from videostar.data.formats.folder import read_folder, read_videos
from videostar.data.formats.hmdb51 import hmdb51_classes, read_hmdb51
from videostar.data.formats.json_files import read_json_rows
from videostar.data.formats.kinetics import read_kinetics
from videostar.data.formats.moments import moments_classes, read_moments
from videostar.data.formats.parquet import read_parquet
from videostar.data.formats.row_maker import Classes, RowMaker, one_line
from videostar.data.formats.something import read_something, something_classes
from videostar.data.formats.spreadsheet import read_xlsx
from videostar.data.formats.star import read_star
from videostar.data.formats.tempcompass import read_tempcompass
from videostar.data.formats.text_files import plain_classes
from videostar.data.formats.ucf101 import read_ucf101, ucf101_classes
from videostar.data.manifest import DataManifest, check_local
from videostar.data.rows import Reader, Row, Skipped, Source, Split
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
    "videos": Format(read_videos),
    "kinetics": Format(read_kinetics),
    "ucf101": Format(read_ucf101, ucf101_classes),
    "hmdb51": Format(read_hmdb51, hmdb51_classes),
    "something_something_v2": Format(read_something, something_classes),
    "moments_in_time": Format(read_moments, moments_classes),
    "activitynet": Format(read_activitynet, activitynet_classes),
    "charades": Format(read_charades, charades_classes),
    "star": Format(read_star),
    "finediving": Format(read_finediving),
    "tempcompass": Format(read_tempcompass),
    "diving48": Format(read_diving48, diving48_classes),
}


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
    read_classes = reader.classes if classes is None else plain_classes
    make = RowMaker(manifest.columns, templates, Classes.read(files.get("classes"), read_classes))
    for split, path in _row_files(manifest, folder, where).items():
        if path is None:
            names = manifest.rows[split]
            expected = manifest.annotations or f"add a .{manifest.format} file below the root"
            if split in ("all", "train") or len(manifest.rows) == 1 or not manifest.annotations:
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
    read = _format(manifest, where).classes if classes is None else plain_classes
    return [one_line(name) for name in read(path)] if path else ()


def _format(manifest: DataManifest, where: str) -> Format:
    if manifest.format in FORMATS:
        return FORMATS[manifest.format]
    near = difflib.get_close_matches(manifest.format, FORMATS, n=1)
    raise UserError(f"{where}: format: " + (f"did you mean {near[0]!r}?" if near else f"one of {', '.join(FORMATS)}"))


def _row_files(manifest: DataManifest, folder: Below, where: str) -> dict[Split | Literal["all"], Path | None]:
    return {split: _first_existing(folder, names, f"{where}: rows") for split, names in manifest.rows.items()}


def _check_regular(path: Path, reader: Format) -> None:
    """Raises UserError for a device or a pipe, which would be read for ever, and for a folder that is no data."""
    if path.is_dir() and reader.read not in (read_folder, read_videos, read_hmdb51):
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
        check_local(what, name)
        path = folder.path(name)
        if path is None:
            raise UserError(
                f"{what} {name}: leads out of the root {folder.root}; move the file below it, or write "
                "`confine: false` in the data manifest if you trust it"
            )
        if is_there(path):
            return path
    return None
