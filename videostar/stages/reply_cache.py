"""A cache of a model's replies to prompts, so that nothing is asked twice."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Self

from videostar.util.terminal import warn_once

FORMAT = 1  # increase it if the table or its keys change
_TIMEOUT = 10.0  # seconds to wait for another process that writes
_TABLE = "CREATE TABLE IF NOT EXISTS replies (prompt BLOB PRIMARY KEY, reply TEXT) WITHOUT ROWID"
_GET = "SELECT reply FROM replies WHERE prompt = ?"
_PUT = "INSERT OR IGNORE INTO replies VALUES (?, ?)"


class ReplyCache:
    """An SQLite table of the replies of one model, in the cache folder `home`.

    Any number of processes may share the table; of the threads that share an object one at a time may call it. If the
    table cannot be read or written, this process keeps the replies, and a damaged table is deleted.
    """

    def __init__(self, home: Path, *model: str) -> None:
        """`model`: what identifies the model, and how it replies."""
        self._file = home / f"replies-{FORMAT}.sqlite"
        self._model = model
        self._here: dict[bytes, str] = {}  # the replies without a table
        self._table: sqlite3.Connection | None = None
        try:
            home.mkdir(parents=True, exist_ok=True)
            self._table = sqlite3.connect(self._file, timeout=_TIMEOUT, check_same_thread=False)
            self._table.execute("PRAGMA synchronous = OFF")  # replies that a power cut damages are asked for again
            self._table.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            self._fail(error)

    def get(self, prompts: Iterable[str]) -> dict[str, str]:
        """The known replies by prompt."""
        return {prompt: reply for prompt in prompts if (reply := self._get(self._key(prompt))) is not None}

    def put(self, replies: Mapping[str, str]) -> None:
        """Add replies by prompt."""
        rows = [(self._key(prompt), reply) for prompt, reply in replies.items()]
        self._here.update(rows)
        if self._table is None or not rows:
            return
        try:
            with self._table:
                self._table.executemany(_PUT, rows)
        except sqlite3.Error as error:
            self._fail(error)
        else:
            self._here.clear()

    def close(self) -> None:
        """Close the table."""
        if self._table is not None:
            self._table.close()
            self._table = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _get(self, key: bytes) -> str | None:
        if self._table is None or key in self._here:
            return self._here.get(key)
        try:
            row = self._table.execute(_GET, (key,)).fetchone()
        except sqlite3.Error as error:
            self._fail(error)
            return None
        return None if row is None else str(row[0])

    def _key(self, prompt: str) -> bytes:
        return sha256(json.dumps([*self._model, prompt]).encode()).digest()

    def _fail(self, error: Exception) -> None:
        """Continue without the table, and delete it if it is damaged."""
        self.close()
        if isinstance(error, OSError | sqlite3.OperationalError):  # such as a full disk or missing permissions
            warn_once(
                f"{self._file}: cannot be used ({error}), so verdicts of this run are asked for again in the next"
            )
            return
        for file in (self._file, self._file.with_name(f"{self._file.name}-journal")):
            with suppress(OSError):
                file.unlink(missing_ok=True)
