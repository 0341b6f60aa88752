"""A ledger while it is written: one file, or a folder of parts that are sealed one by one.

answers/
  ledger.json        questions of a part; of each sealed part its size, digest and counts
  part-00000.jsonl   the answers to the first questions
  ...

A part is sealed when all its questions are answered. A stage that goes on reads the parts that are not sealed, so
neither its memory nor the time until it asks again grows with the number of answers. A sealed part is deleted by users
alone; its questions are then asked again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from videostar.stages.ledger import LAYOUT, Answer, Layout, Ledger, LedgerIndex, SealedPart, part_name, read_layout
from videostar.util.errors import UserError
from videostar.util.files import digest, new_folder, write_json
from videostar.util.terminal import warn


class Counts:
    """By kind of answer, the number of questions that were asked for it and of those that got a kept one.

    By control, the number of questions that were asked under it and of right answers.
    """

    def __init__(self) -> None:
        self.by_name: Counter[str] = Counter()
        self._kept: set[int] = set()  # hashes, since there may be millions

    def add(self, answer: Answer) -> None:
        """Count an answer."""
        self.by_name[f"{answer.kind}_asked"] += answer.number == 0
        if answer.kept and (key := hash((answer.question_id, answer.kind))) not in self._kept:
            self._kept.add(key)
            self.by_name[f"{answer.kind}_kept"] += 1
            for control, right in answer.controls.items():
                self.by_name[f"{control}_asked"] += 1
                self.by_name[f"{control}_right"] += right


class _OpenPart:
    """A file that gets more answers, those to the questions before number `stop` that no earlier part has."""

    def __init__(self, path: Path, stop: int) -> None:
        self.ledger, self.stop, self.counts = Ledger(path), stop, Counts()
        if self.ledger.cut:
            warn(
                f"{path}: its last line was unfinished ({self.ledger.cut} bytes) and was removed; that question is "
                "asked again"
            )

    def index(self) -> LedgerIndex:
        """Read and count the answers that are there."""
        return LedgerIndex(self._counted(self.ledger))

    def append(self, answers: Iterable[Answer]) -> None:
        """Write answers and fsync them."""
        self.ledger.append(self._counted(answers))

    def _counted(self, answers: Iterable[Answer]) -> Iterator[Answer]:
        for answer in answers:
            self.counts.add(answer)
            yield answer


class GrowingLedger:
    """The ledger at `path` of that many questions, created when missing: a folder of parts unless it is a .jsonl file.

    `part_size` is the number of questions of a part. A ledger that has begun keeps its own, with a warning. Raises
    UserError if a sealed part was changed.
    """

    def __init__(self, path: Path, questions: int, part_size: int | None) -> None:
        self._path, self._questions = path, questions
        self._open: dict[int, _OpenPart] = {}
        self._layout = None if path.suffix == ".jsonl" else _open_layout(path, part_size or questions)
        self._size = self._layout.questions if self._layout else max(1, questions)
        if part_size is not None and (self._size > part_size if self._layout is None else self._size != part_size):
            stays = f"stays in files of {self._size} questions" if self._layout else "stays one file"
            warn(f"{path}: was begun with another questions_per_file and {stays}; ledgers of later rounds have the new")
        sealed = self._layout.sealed if self._layout else {}
        self._trusted = dict(sealed)  # sealed by earlier processes
        self._counts = {int(name[len("part-") : -len(".jsonl")]): part.counts for name, part in sealed.items()}

    def open_parts(self) -> Iterator[tuple[range, LedgerIndex]]:
        """The numbers of the questions of each part that is not sealed, and its answers. Opens a part when it is due.

        Raises UserError at a line that is not an answer.
        """
        for number, start in enumerate(range(0, max(1, self._questions), self._size)):
            if number not in self._counts:
                stop = min(start + self._size, self._questions)
                part = self._open[number] = _OpenPart(self._file(number), stop)
                yield range(start, stop), part.index()

    def append(self, question: int, answers: Iterable[Answer]) -> None:
        """Write answers to the part of the question of that number, and fsync them."""
        self._open[question // self._size].append(answers)

    def seal(self, answered: int) -> None:
        """Seal the open parts of the first `answered` questions, which have all their answers."""
        for number in [number for number, part in self._open.items() if part.stop <= answered]:
            part, file = self._open.pop(number), self._file(number)
            self._counts[number] = dict(part.counts.by_name)
            if self._layout is not None:
                seal = SealedPart(size=file.stat().st_size, sha256=digest(file), counts=self._counts[number])
                self._layout = _write_layout(self._path, self._layout, {**self._layout.sealed, file.name: seal})

    def finish(self) -> dict[str, int]:
        """Seal all parts and return the counts (see `Counts`).

        Raises UserError if a part differs from what an earlier process sealed.
        """
        self.seal(self._questions)
        for name, part in self._trusted.items():
            if digest(self._path / name) != part.sha256:
                raise _changed(self._path / name)
        total: Counter[str] = Counter()
        for number in sorted(self._counts):
            total.update(self._counts[number])
        return dict(total)

    def _file(self, number: int) -> Path:
        return self._path if self._layout is None else self._path / part_name(number)


def _open_layout(path: Path, part_size: int) -> Layout:
    """The layout of a ledger, which is created when missing, without the parts that were deleted."""
    if not path.exists():
        with new_folder(path) as folder:
            _write_layout(folder, Layout(questions=part_size), {})
    layout = read_layout(path)
    there = {name: part for name, part in layout.sealed.items() if (path / name).exists()}
    for name, part in there.items():
        if (path / name).stat().st_size != part.size:
            raise _changed(path / name)
    # Recorded before such a part is begun again: half of it must not be taken for a changed one.
    return layout if there == layout.sealed else _write_layout(path, layout, there)


def _write_layout(path: Path, layout: Layout, sealed: dict[str, SealedPart]) -> Layout:
    in_order = dict(sorted(sealed.items(), key=lambda item: (len(item[0]), item[0])))
    layout = layout.model_copy(update={"sealed": in_order})
    write_json(path / LAYOUT, layout.model_dump())
    return layout


def _changed(file: Path) -> UserError:
    return UserError(
        f"{file}: was changed after it was complete ({LAYOUT} beside it has its digest); restore it, or delete it to "
        "have its questions asked again"
    )
