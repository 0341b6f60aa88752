"""Atomic, durable writes, and digests: no file or folder is ever half-written under its own name.

A file or folder is written under a temporary name (`.partial-NAME`, in the same folder), fsynced and renamed, and then
its parent folder is fsynced. A crash leaves at most a `.partial-` file or folder, which the next writer of the same
path removes. Two renames are not one step: the run's manifest, written last, decides which files count.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from videostar.util.object_path import ObjectPath, join

# What fsync of a folder raises on a disk that cannot do it: some network and FUSE file systems.
_NO_FSYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EISDIR, errno.EACCES)


def make_folder(path: Path) -> None:
    """Create the folder at `path` and its missing parents, and fsync each parent."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Replace the content of the file at `path` with `text` in one step."""
    make_folder(path.parent)
    partial = path.with_name(f".partial-{path.name}")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    sync_folder(path.parent)


def write_json(path: Path, data: Any) -> None:
    """Replace the content of the file at `path` with `data` as indented JSON in one step."""
    write_text(path, json_text(data))


def json_text(data: Any) -> str:
    """`data` as `write_json` writes it."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def write_link(path: Path, target: str | None) -> None:
    """Make `path` a symbolic link to `target` (relative to its folder) in one step; None removes the link.

    The link is only a convenience: a file or folder at `path` stays, and a file system without links is no error.
    """
    is_link = path.is_symlink()
    if (path.exists() and not is_link) or (str(path.readlink()) if is_link else None) == target:
        return
    if target is None:
        path.unlink()
    else:
        partial = path.with_name(f".partial-{path.name}")
        partial.unlink(missing_ok=True)
        try:
            partial.symlink_to(target)
        except OSError:
            return
        os.replace(partial, path)
    sync_folder(path.parent)


@contextmanager
def new_folder(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A temporary folder to fill. It replaces `path` when the block ends; after an exception it is deleted.

    Unless `durable`, its files are not fsynced: for what can be made again, with hundreds of files.
    """
    partial = path.with_name(f".partial-{path.name}")
    shutil.rmtree(partial, ignore_errors=True)
    make_folder(path.parent)
    partial.mkdir()
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    for file in partial.rglob("*") if durable else ():
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        else:
            sync_folder(file)
    sync_folder(partial)
    if path.exists():
        shutil.rmtree(path)
    os.replace(partial, path)
    sync_folder(path.parent)


def remove(path: Path) -> None:
    """Delete a file, a link, or a folder and its content."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def sync_folder(path: Path) -> None:
    """Fsync a folder, which makes the names in it durable. Does nothing on a disk that cannot fsync folders."""
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise


def digest(path: Path, *, hidden: bool = True) -> str:
    """sha256 of a file, or of the files in a folder and their names.

    With `hidden=False`, files below the folder are ignored if a part of their path starts with a dot.
    """
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
    """sha256 of a JSON value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Below:
    """The paths of names below a root. The links of a folder are resolved once, not for every file in it.

    A name must not lead out of the root, unless `confine` is false. With `links`, links in the root may.
    """

    def __init__(self, root: Path, *, confine: bool = True, links: bool = False) -> None:
        self.root, self.confine, self._links = root, confine, links
        self._real_root = os.path.realpath(root)
        self._contains_folder = lru_cache(maxsize=16384)(self._contains)

    def path(self, name: str) -> Path | None:
        """The path of `name`, or None if it leads out of the root or no file can have it."""
        if "\0" in name:
            return None
        path, parts = join(self.root, name), name.split("/")
        if isinstance(path, ObjectPath) or isinstance(self.root, ObjectPath):  # stores have no links
            confined = self.confine and not path.is_relative_to(self.root)
            return None if confined or ".." in parts else path
        if not self.confine or (self._links and parts[0] and ".." not in parts):
            return path
        return path if (_is_plain(path) and self._contains_folder(path.parent)) or self._contains(path) else None

    def allows(self, folder: Path) -> bool:
        """Whether a folder that was found below the root may be entered, which may be a link."""
        return not self.confine or self._links or self._contains_folder(folder)

    def _contains(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._real_root)


def _is_plain(path: Path) -> bool:
    """Whether the last part of `path` is an ordinary name, not a link or `..`."""
    try:
        return path.name not in ("", "..") and not path.is_symlink()
    except OSError:  # the name is too long
        return True


def is_folder(path: Path) -> bool:
    """Whether `path` is a folder. False if that cannot be checked, as of a name that is too long."""
    with suppress(OSError):
        return path.is_dir()
    return False


def is_there(path: Path) -> bool:
    """Whether something exists at `path`. True if that cannot be checked: opening it will then raise the reason."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
