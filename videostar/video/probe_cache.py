"""What was measured of good video files, so that a file that has not changed is not opened again."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeAlias

FORMAT = 1  # raise it whenever the same file would be measured otherwise, or the table is another one
_AT_ONCE = 2048  # files that are written together
_WAIT = 10.0  # seconds for another process that writes

_Key: TypeAlias = tuple[bytes, int, int, int]  # path, size, mtime and ctime in nanoseconds

_TABLE = """CREATE TABLE IF NOT EXISTS measured (
    path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, sha256 BLOB, seconds REAL
) WITHOUT ROWID"""
_GET = "SELECT sha256, seconds FROM measured WHERE path = ? AND size = ? AND mtime_ns = ? AND ctime_ns = ?"
_PUT = "INSERT OR REPLACE INTO measured VALUES (?, ?, ?, ?, ?, ?)"


def probe_cache_path(home: Path) -> Path:
    """Where the index lies in a cache folder: beside the frames."""
    return home / f"measured-{FORMAT}.sqlite"


class ProbeCache:
    """An index of measured files. Any number of processes may share it, each object is one thread's.

    It only saves time: where it cannot be read or written it holds nothing, and a damaged one is made anew. Frames are
    taken only from a file that has the digest given here, so that no wrong entry can reach the data.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._new: dict[_Key, tuple[str, float]] = {}
        self._index: sqlite3.Connection | None = None
        self._open()

    def get(self, path: Path, facts: os.stat_result) -> tuple[str, float] | None:
        """sha256 (hexadecimal) and seconds of the file at the absolute `path`, if it is as it was when measured."""
        key = _key(path, facts)
        if key in self._new or self._index is None:
            return self._new.get(key)
        try:
            found = self._index.execute(_GET, key).fetchone()
            return None if found is None else (found[0].hex(), found[1])
        except sqlite3.Error as error:
            self._fail(error)
            return None

    def put(self, path: Path, facts: os.stat_result, sha256: str, seconds: float) -> None:
        """Keep what was measured of the file at `path`; `facts` were taken before it was opened."""
        self._new[_key(path, facts)] = sha256, seconds
        if len(self._new) >= _AT_ONCE:
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
            self._index = sqlite3.connect(self._file, timeout=_WAIT)
            self._index.execute("PRAGMA synchronous = OFF")  # what a power cut damages is measured again
            self._index.execute(_TABLE)
        except OSError:
            self._index = None
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
        """Go on without the index. One that is damaged is taken away: the next to come makes it anew."""
        if self._index is not None:
            self._index.close()
            self._index = None
        if not isinstance(error, sqlite3.OperationalError):  # which are: locked, a full disk, no right to write
            for file in (self._file, self._file.with_name(f"{self._file.name}-journal")):
                with suppress(OSError):
                    file.unlink(missing_ok=True)


def _key(path: Path, facts: os.stat_result) -> _Key:
    # ctime as well: a copy may be given the old file's mtime, and a wrong entry would stay for ever.
    return os.fsencode(path), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
