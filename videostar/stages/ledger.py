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

from pydantic import TypeAdapter, ValidationError

from videostar.util.errors import UserError
from videostar.util.files import make_folder, sync_folder

#: Question, kind and number of the try.
Key = tuple[str, str, int]
_State = tuple[tuple[str, int, bool], ...]  # of a question: kind, number and whether it was kept


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
    # Where it comes from; the defaults are those of ledgers written before this was told.
    video_sha256: str = ""
    frame_times: tuple[float, ...] = ()  # of the frames that were shown, seconds from the first picture
    span: tuple[float, ...] = ()  # from where to where it was looked at, seconds likewise; empty: all of it
    seed: int | None = None  # of this try; None: greedy. transformers seeds a batch with that of its first request
    template: str = ""  # what it was asked with, such as "action.yaml questions[2]"

    @property
    def key(self) -> Key:
        """What identifies it, wherever it stands."""
        return self.question_id, self.kind, self.number


_LINE = TypeAdapter(Answer)


def read_answers(path: Path, about: str | None = None) -> Iterator[Answer]:
    """The answers in the file at `path`, in the order they were made; a torn last line is left out.

    With `about`, only those in whose line that text stands. Raises UserError at a line that is no answer.
    """
    needle = json.dumps(about or "", ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if needle not in line or not line.endswith(b"\n"):
                continue
            try:
                yield _LINE.validate_json(line, strict=True)
            except ValidationError:
                raise UserError(
                    f"{path}:{number}: not an answer; restore the file or delete it to answer again"
                ) from None


class Written:
    """Which answers a ledger holds, and whether each was kept. There may be millions: questions share their states."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._states: dict[str, _State] = {}
        known: dict[_State, _State] = {}
        for answer in answers:
            state = (*self._states.get(answer.question_id, ()), (answer.kind, answer.number, answer.kept))
            self._states[answer.question_id] = known.setdefault(state, state)

    def kept(self, key: Key) -> bool | None:
        """Whether that answer was kept; None if there is none."""
        question, *about = key
        found = (kept for *asked, kept in self._states.get(question, ()) if asked == about)
        return next(found, None)


class Ledger:
    """The file at `path`, created when missing, its torn last line cut."""

    def __init__(self, path: Path) -> None:
        self.path = path
        make_folder(path.parent)
        if not path.exists():
            path.touch()
            sync_folder(path.parent)
        self.cut = self._cut_torn_line()

    def append(self, answers: Iterable[Answer]) -> None:
        """Add lines and make them durable."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(asdict(answer), ensure_ascii=False) + "\n" for answer in answers))
            file.flush()
            os.fsync(file.fileno())

    def __iter__(self) -> Iterator[Answer]:
        """The answers in the order they were made. Raises UserError at a line that is not one."""
        return read_answers(self.path)

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
