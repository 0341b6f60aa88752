"""Limits the size of a folder by removing the least recently used files.

The mtime of a file is the time of its last use, and a small file has the total size. The folder is scanned only if the
total exceeds the limit, and then a tenth of the limit is freed, so the cost of an insert hardly depends on the number
of files. A concurrent reader either has its file open, or finds it missing and makes it again. A file that is locked is
not removed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

_KEPT = 0.9  # of the limit, when files are removed
_BLOCK = 4096  # bytes, the unit of a file's size on disk


class FolderQuota:
    """Keeps the files in the subfolders of `folder` below `limit` bytes. Any number of processes may share it."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit
        self._count = folder / ".bytes"

    def used(self) -> int:
        """The bytes of all files on disk. Raises OSError if the folder cannot be written."""
        with self._locked() as count:
            return self._read(count)

    def reserve(self, file: Path, size: int) -> bool:
        """Create `file` with `size` bytes, removing other files if needed. False if it alone exceeds the limit."""
        taken = _on_disk(size)
        if taken > self._limit:
            return False
        with self._locked() as count:
            total = self._read(count) + taken
            if total > self._limit:
                total = self._free(int(self._limit * _KEPT) - taken) + taken
            os.pwrite(count, b"%20d" % total, 0)
            file.parent.mkdir(exist_ok=True)
            with file.open("ab") as made:
                made.truncate(size)  # its final size, for other processes that scan the folder
        return True

    @contextmanager
    def _locked(self) -> Iterator[int]:
        self._folder.mkdir(parents=True, exist_ok=True)
        count = os.open(self._count, os.O_RDWR | os.O_CREAT)  # each time, since a lock belongs to the open file
        try:
            with suppress(OSError):  # a disk without locks: other processes may make the size inexact
                fcntl.flock(count, fcntl.LOCK_EX)
            yield count
        finally:
            os.close(count)

    def _read(self, count: int) -> int:
        try:
            return int(os.pread(count, 20, 0))
        except ValueError:  # a new or damaged file
            return sum(size for _, size, _ in self._files())

    def _free(self, keep: int) -> int:
        """Remove the least recently used files until at most `keep` bytes remain. Returns the bytes that remain."""
        facts = np.fromiter((number for fact in self._files() for number in fact[1:]), np.int64).reshape(-1, 2)
        sizes, times = facts[np.argsort(-facts[:, 1])].T  # newest first
        left = int(sizes.sum())
        fits = np.cumsum(sizes) <= keep
        if not fits.all():
            oldest = times[np.argmin(fits)]  # the mtime of the newest file to remove
            for path, size, used in self._files():
                if used <= oldest:  # the file has not been used since the first scan
                    left -= size * _removed(Path(path))
        return left

    def _files(self) -> Iterator[tuple[str, int, int]]:
        """Path, bytes on disk and mtime in nanoseconds of every file."""
        with os.scandir(self._folder) as shards:
            for shard in shards:
                if shard.is_dir():
                    with os.scandir(shard) as files:
                        for file in files:
                            with suppress(FileNotFoundError):
                                facts = file.stat()
                                yield file.path, _on_disk(facts.st_size), facts.st_mtime_ns


def _removed(path: Path) -> bool:
    """Remove a file. False if it was removed already, or if a process has a lock on it."""
    try:
        with path.open("rb") as file:
            with suppress(OSError):  # a disk without locks
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
            path.unlink()
    except FileNotFoundError:
        return False
    return True


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
