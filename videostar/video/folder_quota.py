"""Keeps a folder of files below a size: those that were not used for the longest time go first.

When a file was last used is its mtime, and how much there is in all stands in one small file. Only when that is above
the limit is the folder looked through, and then a tenth of the limit is freed: so an insert costs about the same
however many files there are. A reader meanwhile has its file open, or finds it gone and makes it again.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

_KEPT = 0.9  # of the limit, once files have to go
_BLOCK = 4096  # bytes that a file system gives at once


class FolderQuota:
    """The files in the folders below `folder`: at most `limit` bytes of them. Any number of processes may share it."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit
        self._count = folder / ".bytes"

    def used(self) -> int:
        """Bytes that are taken."""
        with self._locked() as count:
            return self._read(count)

    def reserve(self, file: Path, size: int) -> bool:
        """Make room for the new `file` of `size` bytes, and make it, to be filled. False where it never fits."""
        taken = _on_disk(size)
        if taken > self._limit:
            return False
        with self._locked() as count:
            total = self._read(count) + taken
            if total > self._limit:
                total = self._free(int(self._limit * _KEPT) - taken) + taken
            os.pwrite(count, b"%20d" % total, 0)
            file.parent.mkdir(exist_ok=True)
            with file.open("xb") as made:
                made.truncate(size)  # as large as it will be, for others who look through the folder
        return True

    @contextmanager
    def _locked(self) -> Iterator[int]:
        self._folder.mkdir(parents=True, exist_ok=True)
        count = os.open(self._count, os.O_RDWR | os.O_CREAT)  # anew each time: threads that share one share its lock
        try:
            fcntl.flock(count, fcntl.LOCK_EX)
            yield count
        finally:
            os.close(count)

    def _read(self, count: int) -> int:
        try:
            return int(os.pread(count, 20, 0))
        except ValueError:  # not there yet, or damaged
            return sum(size for _, size, _ in self._files())

    def _free(self, keep: int) -> int:
        """Remove what was not used for the longest time until `keep` bytes or less are left; returns how many are."""
        facts = np.fromiter((number for fact in self._files() for number in fact[1:]), np.int64).reshape(-1, 2)
        sizes, times = facts[np.argsort(-facts[:, 1])].T  # newest first
        left = int(sizes.sum())
        fits = np.cumsum(sizes) <= keep
        if not fits.all():
            oldest = times[np.argmin(fits)]  # of the newest that goes
            for path, size, used in self._files():
                if used <= oldest:  # still, for it may have been used since
                    with suppress(FileNotFoundError):
                        Path(path).unlink()
                        left -= size
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


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
