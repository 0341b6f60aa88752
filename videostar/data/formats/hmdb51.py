"""HMDB51: files `<class>_test_split1.txt`, with a video and 1 (train), 2 (test) or 0 (unused) per line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from videostar.data.formats.text_files import read_lines
from videostar.data.rows import Item, Source, malformed
from videostar.util.errors import UserError

_ENDING = "_test_split1.txt"
_SPLITS = {"1": "train", "2": "test"}


def read_hmdb51(source: Source) -> Iterator[Item]:
    """One row per video of the first of the three official splits."""
    for path in _files(source.path):
        label = path.name.removesuffix(_ENDING)
        for number, line in read_lines(path):
            where = f"{path.name}:{number}"
            name, _, use = line.rpartition(" ")
            if name and use in _SPLITS:
                yield where, {"video": f"{label}/{name.strip()}", "label": label, "split": _SPLITS[use]}
            elif not name or use != "0":
                yield malformed(where, f"{line[:60]!r} is not a video and 0, 1 or 2")


def hmdb51_classes(path: Path) -> list[str]:
    """The classes, from the names of the files."""
    return [file.name.removesuffix(_ENDING) for file in _files(path)]


def _files(folder: Path) -> list[Path]:
    files = sorted(folder.glob(f"*{_ENDING}"))
    if not files:
        raise UserError(f"{folder}: no *{_ENDING} there; unpack the official splits there")
    return files
