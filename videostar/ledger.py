"""Every answer ever made, one JSON line each, append-only.

An answer's key is (question, kind, try), never its position. Lines are written a window at a time and
fsynced, so a crash costs the window at hand; a torn last line is cut when the ledger is opened again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from videostar.errors import UserError

#: Question, kind and number of the try.
Key = tuple[str, str, int]


@dataclass(frozen=True)
class Answer:
    """One line of the ledger."""

    question_id: str
    kind: str  # direct, rationalised, template; `video` when the video could not be shown or asked about
    video: str
    task: str
    group: str  # what it is counted under: an action's name, else the task
    label: str  # in words
    question: str  # as stored, without a hint
    prompt: str  # as asked
    answer: str  # as given
    text: str  # as stored: the answer without what gives the hint away
    kept: bool
    accepted: bool
    score: float
    reason: str
    parsed: Any = None
    number: int = 0  # of the try
    pass_rate: float = 0.0  # share of this question's tries of this kind that passed

    @property
    def key(self) -> Key:
        """What identifies it, wherever it stands."""
        return self.question_id, self.kind, self.number


class Ledger:
    """The file at `path`, created when missing, its torn last line cut."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self.cut = self._cut_torn_line()

    def append(self, answers: Iterable[Answer]) -> None:
        """Add lines and make them durable."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(asdict(answer), ensure_ascii=False) + "\n" for answer in answers))
            file.flush()
            os.fsync(file.fileno())

    def __iter__(self) -> Iterator[Answer]:
        """The answers in the order they were made. Raises UserError at a line that is not one."""
        with self.path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield Answer(**json.loads(line))
                except (ValueError, TypeError):
                    raise UserError(
                        f"{self.path}:{number}: not an answer; restore the file or delete it to answer again"
                    ) from None

    def _cut_torn_line(self) -> int:
        """Bytes of an unfinished last line, which are removed."""
        with self.path.open("rb+") as file:
            size = file.seek(0, os.SEEK_END)
            end = size
            while end > 0:
                start = max(0, end - 65536)
                file.seek(start)
                newline = file.read(end - start).rfind(b"\n")
                if newline >= 0:
                    end = start + newline + 1
                    break
                end = start
            if end < size:
                file.truncate(end)
                os.fsync(file.fileno())
            return size - end
