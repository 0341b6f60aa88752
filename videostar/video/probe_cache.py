"""A cache of digests and durations of good video files, so that unchanged files are not opened again."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeAlias

from videostar.util.terminal import warn_once
from videostar.video.container import FileStatus

FORMAT = 2  # increase it if the same file would give other values, or if the table changes
_BATCH = 2048  # files that are written together
_TIMEOUT = 10.0  # seconds to wait for another process that writes

_Key: TypeAlias = tuple[bytes, int, int, int]  # path, size, mtime and ctime in nanoseconds

_UNWRITABLE = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)

_TABLE = """CREATE TABLE IF NOT EXISTS measured (
    path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, sha256 BLOB, seconds REAL
) WITHOUT ROWID"""
_GET = "SELECT sha256, seconds FROM measured WHERE path = ? AND size = ? AND mtime_ns = ? AND ctime_ns = ?"
_PUT = "INSERT OR REPLACE INTO measured VALUES (?, ?, ?, ?, ?, ?)"


def probe_cache_path(home: Path) -> Path:
    """The file of the cache in the cache folder `home`."""
    return home / f"measured-{FORMAT}.sqlite"


def warn_of_unwritable(home: Path) -> None:
    """Warn once that the cache folder `home` cannot be written."""
    warn_once(
        f"{home}: the cache cannot be written there, so videos are opened at every use; give --cache a folder that can "
        "be written"
    )


class ProbeCache:
    """An SQLite table of files with their digests and durations.

    Any number of processes may share it; an object belongs to one thread. If the table cannot be read or written, the
    cache is empty, and a damaged table is replaced. A wrong entry cannot reach the data, since `decode` checks digests.
    """

    def __init__(self, file: Path, rate: float | None = None) -> None:
        """`rate`: the stated pictures per second, with which videos without times are measured."""
        self._file = file
        self._suffix = b"" if rate is None else f"\0{rate!r}".encode()
        self._new: dict[_Key, tuple[str, float]] = {}
        self._index: sqlite3.Connection | None = None
        self._open()

    def get(self, path: Path, facts: FileStatus) -> tuple[str, float] | None:
        """The SHA-256 (hexadecimal) and seconds of the file at the absolute `path`; None if unknown or changed."""
        key = self._key(path, facts)
        if key in self._new or self._index is None:
            return self._new.get(key)
        try:
            row = self._index.execute(_GET, key).fetchone()
            return None if row is None else (row[0].hex(), row[1])
        except sqlite3.Error as error:
            self._fail(error)
            return None

    def put(self, path: Path, facts: FileStatus, sha256: str, seconds: float) -> None:
        """Add the values of the file at `path`. `facts`: its status before it was opened."""
        self._new[self._key(path, facts)] = sha256, seconds
        if len(self._new) >= _BATCH:
            self._write()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._write()
        if self._index is not None:
            self._index.close()

    def _open(self) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._index = sqlite3.connect(self._file, timeout=_TIMEOUT)
            self._index.execute("PRAGMA synchronous = OFF")  # entries that a power cut damages are made again
            self._index.execute(_TABLE)
        except OSError:
            self._index = None
            warn_of_unwritable(self._file.parent)
        except sqlite3.Error as error:
            self._fail(error)

    def _write(self) -> None:
        new = [(*key, bytes.fromhex(sha256), seconds) for key, (sha256, seconds) in self._new.items()]
        self._new = {}
        if self._index is None or not new:
            return
        try:
            with self._index:
                self._index.executemany(_PUT, new)
        except sqlite3.Error as error:
            self._fail(error)

    def _fail(self, error: sqlite3.Error) -> None:
        """Continue without the table, and remove it if it is damaged, so that the next process makes a new one."""
        if self._index is not None:
            self._index.close()
            self._index = None
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _UNWRITABLE:
            warn_of_unwritable(self._file.parent)
        if not isinstance(error, sqlite3.OperationalError):  # such as a lock, a full disk or missing permissions
            for file in (self._file, self._file.with_name(f"{self._file.name}-journal")):
                with suppress(OSError):
                    file.unlink(missing_ok=True)

    def _key(self, path: Path, facts: FileStatus) -> _Key:
        return os.fsencode(path) + self._suffix, *facts
