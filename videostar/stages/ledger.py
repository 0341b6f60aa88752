"""The ledger: every answer of a stage, one JSON line each, append-only.

An answer's key is (question, kind, try), never its position. Lines are written and fsynced a window at a time, so a
crash costs one window; a torn last line is cut when the ledger is opened again. The ledger of very many questions is a
folder of such files (see `ledger_parts.py`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from videostar.config import ControlName
from videostar.config.settings import Settings
from videostar.util.errors import UserError
from videostar.util.files import digest, make_folder, sync_folder
from videostar.util.yaml_files import validate

#: In the folder of a ledger with parts: how it is divided, and which parts are complete.
LAYOUT = "ledger.json"
#: Question id, kind and number of the try.
Key = tuple[str, str, int]
_State = tuple[tuple[str, int, bool], ...]  # the answers to a question: kind, number of the try, kept


@dataclass(frozen=True)
class Shown:
    """A video of an answer."""

    video: str
    video_sha256: str
    frame_times: tuple[float, ...] = ()  # of the frames that were shown, in seconds from the first picture


@dataclass(frozen=True)
class Answer:
    """One line of the ledger."""

    question_id: str
    kind: str  # direct, rationalised, template; `video` if the video cannot be shown or asked about
    video: str
    task: str
    group: str  # the name that it is counted under: an action's name, else the task
    label: str  # in words
    question: str  # as stored in datasets, without a hint
    prompt: str  # as sent to the model
    answer: str  # as the model wrote it
    text: str  # as stored in datasets, without traces of the hint
    kept: bool
    accepted: bool
    score: float
    reason: str
    parsed: Any = None
    number: int = 0  # of the try
    pass_rate: float = 0.0  # share of the tries of this question and kind that passed
    # Provenance. The defaults stand for ledgers of versions that did not record it.
    video_sha256: str = ""
    frame_times: tuple[float, ...] = ()  # of the frames that were shown, in seconds from the first picture
    span: tuple[float, ...] = ()  # start and end of the part that was sampled, in seconds; empty: all of it
    seed: int | None = None  # of this try; None: greedy. transformers seeds a batch with its first request's
    template: str = ""  # the prompt template, such as "action.yaml questions[2]"
    # A line has these only if they are not empty, or known.
    more: tuple[Shown, ...] = ()  # the videos after the first
    judge: str = ""  # the model that judged: the digest of the base model, or its name on a server
    judge_prompt: str = ""  # digest of that model's prompt, without the answer
    controls: Mapping[ControlName, bool] = field(default_factory=dict)  # asked under these: is the answer right?
    # Geometric mean of the probabilities of the answer's tokens, with the one that ended it. They are those at
    # temperature 1, for sampled answers too.
    confidence: float | None = None
    tokens: int | None = None  # of the answer, with the one that ended it
    evidence: float | None = None  # from 0 to 1: support of `verification.evidence`
    foil_evidence: float | None = None  # the same of the answer made wrong in one fact: of held-out answers
    trust: float | None = None  # from 0 to 1: of its row

    @property
    def key(self) -> Key:
        """Its identity, independent of its position."""
        return self.question_id, self.kind, self.number

    @property
    def videos(self) -> tuple[Shown, ...]:
        """All videos, in the order in which they were shown."""
        return Shown(self.video, self.video_sha256, self.frame_times), *self.more


_LINE = TypeAdapter(Answer)
_IF_ANY = ("more", "judge", "judge_prompt", "confidence", "tokens", "controls", "evidence", "foil_evidence", "trust")


def as_line(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dict factory for `asdict`: without the fields that a line has only if they are not empty, or known."""
    return {name: value for name, value in items if name not in _IF_ANY or value not in ((), "", None, {})}


class SealedPart(Settings):
    """A part that is complete."""

    size: int  # bytes
    sha256: str
    counts: dict[str, int]  # see `Counts` in ledger_parts.py


class Layout(Settings):
    """The content of `ledger.json` in the folder of a ledger."""

    format: Literal[1] = 1
    questions: int = Field(ge=1)  # of a part; the last one may have fewer
    sealed: dict[str, SealedPart] = Field({})  # by the names of the parts


def find_ledger(folder: Path, *, parts: bool = False) -> Path:
    """The ledger of answers to training questions in `folder`; if there is none, where it is to be, in parts or not."""
    whole, parted = folder / "answers.jsonl", folder / "answers"
    there = next((path for path in (whole, parted) if path.exists()), None)
    return there or (parted if parts else whole)


def read_layout(ledger: Path) -> Layout:
    """The layout of the folder `ledger`. Raises UserError if it cannot be read."""
    path = ledger / LAYOUT
    try:
        return validate(json.loads(path.read_bytes()), Layout, str(path))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); restore it") from None


def part_name(number: int) -> str:
    """The name of a part in the folder of its ledger."""
    return f"part-{number:05}.jsonl"


def ledger_files(ledger: Path) -> list[Path]:
    """The files of a ledger, in the order of their questions. Raises UserError if one that was complete is missing."""
    if not ledger.is_dir():
        return [ledger]
    names = {*read_layout(ledger).sealed, *(path.name for path in ledger.glob("part-*.jsonl"))}
    files = [ledger / name for name in sorted(names, key=lambda name: (len(name), name))]
    for file in files:
        if not file.is_file():
            raise UserError(f"{file}: is missing; restore it")
    return files


def changed_part(ledger: Path) -> Path | None:
    """The first part of a ledger that is missing, or differs from what was sealed; None if there is none.

    Raises UserError if its layout cannot be read.
    """
    sealed = read_layout(ledger).sealed if (ledger / LAYOUT).exists() else {}
    files = ((ledger / name, part) for name, part in sealed.items())
    return next((file for file, part in files if not file.is_file() or digest(file) != part.sha256), None)


def read_answers(ledger: Path, about: str | None = None) -> Iterator[Answer]:
    """The answers in the file or folder `ledger`, in the order of its lines, without a torn last line.

    With `about`, only those whose line contains that text. Raises UserError at a line that is not an answer.
    """
    needle = json.dumps(about or "", ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")
    for path in ledger_files(ledger):
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


class LedgerIndex:
    """The keys of a ledger's answers, and whether each was kept. Equal states are shared: there may be millions."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._states: dict[str, _State] = {}
        known: dict[_State, _State] = {}
        for answer in answers:
            state = (*self._states.get(answer.question_id, ()), (answer.kind, answer.number, answer.kept))
            self._states[answer.question_id] = known.setdefault(state, state)

    def answers(self, question: str) -> Iterator[tuple[Key, bool]]:
        """The key of each answer to a question, and whether it was kept."""
        for kind, number, kept in self._states.get(question, ()):
            yield (question, kind, number), kept

    def kept(self, key: Key) -> bool | None:
        """Whether that answer was kept; None if there is none."""
        question, kind, number = key
        states = self._states.get(question, ())
        return next((kept for *about, kept in states if about == [kind, number]), None)


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
        """Write answers and fsync them."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(
                "".join(
                    json.dumps(asdict(answer, dict_factory=as_line), ensure_ascii=False) + "\n" for answer in answers
                )
            )
            file.flush()
            os.fsync(file.fileno())

    def __iter__(self) -> Iterator[Answer]:
        """The answers in the order of the lines. Raises UserError at a line that is not one."""
        return read_answers(self.path)

    def _cut_torn_line(self) -> int:
        """Remove an unfinished last line and return its length in bytes."""
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
