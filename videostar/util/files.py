"""Whole or absent: nothing half-written is ever found under its own name.

Everything is written aside (same folder, a name that starts with `.partial-`), fsynced, renamed, and
the folder that holds it is fsynced. A crash leaves at most a `.partial-` thing, which the next writer
of the same path removes. Accepted: a crash between two renames leaves the first done; the run's
manifest is written last and decides what counts.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any


def make_folder(path: Path) -> None:
    """The folder at `path` and those above it, as durable as what will be in them."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Replace the file at `path` by `text` in one step."""
    make_folder(path.parent)
    aside = path.with_name(f".partial-{path.name}")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
    sync_folder(path.parent)


def write_json(path: Path, data: Any) -> None:
    """Replace the file at `path` by `data` as indented JSON."""
    write_text(path, json_text(data))


def json_text(data: Any) -> str:
    """What `write_json` writes."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def write_link(path: Path, target: str | None) -> None:
    """Make `path` a link to `target`, which is relative to its folder, in one step; or with None make it go away.

    Nothing depends on it: what is there and is no link is left as it is, as is a file system that has none.
    """
    there = path.is_symlink()
    if (path.exists() and not there) or (str(path.readlink()) if there else None) == target:
        return
    if target is None:
        path.unlink()
    else:
        aside = path.with_name(f".partial-{path.name}")
        aside.unlink(missing_ok=True)
        try:
            aside.symlink_to(target)
        except OSError:
            return
        os.replace(aside, path)
    sync_folder(path.parent)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill; it takes the place of `path` when the block ends well, and goes away when not."""
    aside = path.with_name(f".partial-{path.name}")
    shutil.rmtree(aside, ignore_errors=True)
    make_folder(path.parent)
    aside.mkdir()
    try:
        yield aside
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    for file in aside.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        else:
            sync_folder(file)
    sync_folder(aside)
    if path.exists():
        shutil.rmtree(path)
    os.replace(aside, path)
    sync_folder(path.parent)


def remove(path: Path) -> None:
    """Delete a file, a link, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def digest(path: Path, *, hidden: bool = True) -> str:
    """sha256 of a file, or of a folder's files and their names; without `hidden`, none whose path has a leading dot."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = (file.relative_to(path) for file in path.rglob("*") if file.is_file())
    names = sorted(file.as_posix() for file in files if hidden or not any(part[0] == "." for part in file.parts))
    return digest_json({name: digest(path / name) for name in names})


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file() or file.is_symlink())


def digest_json(data: Any) -> str:
    """sha256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def below(root: Path, name: str) -> Path | None:
    """`name` under `root`, or None if it leads out of it, links included, or is no path at all."""
    return Below(root).path(name)


class Below:
    """What lies below `root`, for many names: the links of a folder are followed once, not for every file in it."""

    def __init__(self, root: Path) -> None:
        self._root, self._real_root = root, os.path.realpath(root)
        self._holds_folder = lru_cache(maxsize=16384)(self._holds)

    def path(self, name: str) -> Path | None:
        """`name` under the root, or None if it leads out of it, links included, or is no path at all."""
        if "\0" in name:
            return None
        path = self._root / name
        return path if (_is_plain(path) and self._holds_folder(path.parent)) or self._holds(path) else None

    def _holds(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._real_root)


def _is_plain(path: Path) -> bool:
    """Whether the last part of `path` leads nowhere else than below its folder."""
    try:
        return path.name not in ("", "..") and not path.is_symlink()
    except OSError:  # too long a name
        return True


def is_there(path: Path) -> bool:
    """Whether there is something at `path`; what cannot be looked at is, for whoever opens it to say why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
