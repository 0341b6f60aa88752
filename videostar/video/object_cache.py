"""Videos of object stores as files of this machine: fetched when they are opened, and kept below a limit of bytes.

A file is whole or absent: it is fetched under another name and renamed. A process that fetches or uses a file holds a
lock on it, which ends with the process. A file with a lock is not removed, even if the limit is exceeded.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple

from videostar.util.errors import UserError
from videostar.util.object_path import ObjectPath
from videostar.video.container import FileStatus, stat_file
from videostar.video.errors import BadVideo
from videostar.video.folder_quota import FolderQuota

_CHANGES = 3  # times that an object may change while it is fetched
_SUFFIX = 16  # characters of the ending of a file, at most


class _Held(NamedTuple):
    """A file that is open and has a lock."""

    path: Path
    file: BufferedIOBase


class ObjectCache:
    """The files of fetched objects, of at most `limit` bytes in all; the least recently used are removed first.

    Any number of processes may share it.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._quota = folder, FolderQuota(folder, limit)

    @contextmanager
    def local(self, path: Path) -> Iterator[Path]:
        """A file of this machine with the video at `path`, which stays until the block ends.

        Raises BadVideo if it cannot be fetched, and UserError if the store cannot be reached or the cache not written.
        """
        if not isinstance(path, ObjectPath):
            yield path
            return
        held = self._hold(path)
        with held.file:
            try:
                yield held.path
            finally:
                if _is_partial(held.path):  # it is larger than the limit
                    held.path.unlink(missing_ok=True)

    def _hold(self, path: ObjectPath) -> _Held:
        changes = 0
        while True:
            facts = stat_file(path)
            name = hashlib.sha256(
                f"{path}\0{facts.size}\0{facts.ctime_ns}".encode("utf-8", "surrogatepass")
            ).hexdigest()
            entry = self._folder / name[:2] / f"{name}{path.suffix if len(path.suffix) <= _SUFFIX else ''}"
            try:
                if held := _open(entry) or self._fetched(path, facts, entry):
                    return held
            except OSError as error:
                why = error.strerror or error
                fix = "lower cache.videos_gb, or give --cache on a larger disk"
                raise UserError(f"{self._folder}: videos cannot be fetched there: {why}; {fix}") from None
            changes += stat_file(path) != facts
            if changes == _CHANGES:
                raise BadVideo("unreadable", "it changes while it is fetched")

    def _fetched(self, path: ObjectPath, facts: FileStatus, entry: Path) -> _Held | None:
        """The file, fetched now; None if it must be looked for again. Raises BadVideo, and OSErrors of the cache."""
        entry.parent.mkdir(parents=True, exist_ok=True)
        partial = entry.with_name(f".making-{entry.name}")
        file = partial.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX)  # waits while another process fetches it
            if _is_at(file, partial):
                if not entry.exists() and (made := self._fetch(path, facts, partial, entry)):
                    return _Held(made, file)
                partial.unlink(missing_ok=True)
        except BaseException:
            partial.unlink(missing_ok=True)
            file.close()
            raise
        file.close()
        return None

    def _fetch(self, path: ObjectPath, facts: FileStatus, partial: Path, entry: Path) -> Path | None:
        """Fetch an object to `partial`, and rename that. None if the object has changed meanwhile."""
        fits = self._quota.reserve(partial, facts.size)
        try:
            path.fetch(partial)
            path.refresh()
        except OSError as error:
            if error.errno is not None and not isinstance(error, FileNotFoundError):  # of the disk
                raise
            raise BadVideo("missing" if isinstance(error, FileNotFoundError) else "unreadable", str(error)) from None
        if partial.stat().st_size != facts.size or stat_file(path) != facts:
            return None
        if not fits:
            return partial
        os.replace(partial, entry)
        return entry


def _open(entry: Path) -> _Held | None:
    """An entry, once no process fetches it. None if there is none."""
    with suppress(FileNotFoundError):
        file = entry.open("rb")
        fcntl.flock(file, fcntl.LOCK_SH)
        if _is_at(file, entry):
            with suppress(OSError):  # it has another owner
                os.utime(entry)  # marks it as used now
            return _Held(entry, file)
        file.close()  # it was removed meanwhile
    return None


def _is_at(file: BufferedIOBase, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _is_partial(path: Path) -> bool:
    return path.name.startswith(".")
