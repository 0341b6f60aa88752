"""Questions as numbers: as objects, a million of them would take hundreds of megabytes of memory."""

from __future__ import annotations

import hashlib
import zlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeAlias, get_args, overload

import numpy as np
from numpy.typing import NDArray

from videostar.adapters.task import Question, Task
from videostar.data.rows import Split
from videostar.data.sample_file import Indices, SampleFile
from videostar.data.samples import Sample
from videostar.util.errors import UserError

#: Of each question: its sample, task and phrasing, the sample's split, and a checksum of its texts and terms.
_NUMBERS = np.dtype([("sample", "u4"), ("task", "u2"), ("phrasing", "u4"), ("split", "u1"), ("check", "u4")])
_SPLITS: tuple[Split, ...] = get_args(Split)
_TOGETHER = 512  # questions that are made at once

#: What is asked in index of a question; None: nothing.
Change: TypeAlias = Callable[[Question], Question | None]


class QuestionTable:
    """All questions of a data set, each of which is made anew whenever it is looked at."""

    def __init__(self, samples: SampleFile, tasks: Sequence[Task], numbers: NDArray[np.void]) -> None:
        """`tasks`: with what they must know of all samples."""
        self.samples, self.tasks, self._numbers = samples, tasks, numbers

    @classmethod
    def open(cls, folder: Path, name: str, tasks: Sequence[Task]) -> Self:
        """The questions that `save` wrote, about the same tasks."""
        numbers = np.load(folder / f"{name}.questions.npy", mmap_mode="r", allow_pickle=False)
        return cls(SampleFile.open(folder / f"{name}.samples"), tasks, numbers)

    def save(self, folder: Path, name: str) -> list[Path]:
        """Write them to files in `folder` whose names begin with `name`, and return these."""
        path = folder / f"{name}.questions.npy"
        _ = self.digest  # fills in the checksums
        np.save(path, self._numbers)
        return [path, *self.samples.save(folder / f"{name}.samples")]

    def __len__(self) -> int:
        return len(self._numbers)

    def of_split(self, split: Split) -> Indices:
        """The indices of the questions about one split's samples."""
        return np.flatnonzero(self._numbers["split"] == _SPLITS.index(split)).astype(np.uint32)

    def asks(self, task: int, split: Split) -> bool:
        """Whether the task with that number has a question about a sample of the split."""
        return bool(((self._numbers["task"] == task) & (self._numbers["split"] == _SPLITS.index(split))).any())

    def samples_of(self, indices: Indices) -> Indices:
        """The index of each question's sample."""
        found: Indices = self._numbers["sample"][indices]
        return found

    def question(self, index: int) -> Question:
        """The question at that index."""
        sample, task, phrasing, *_ = self._numbers[index].tolist()
        return Question(self.samples[sample], self.tasks[task], self.tasks[task].phrasings[phrasing])

    def questions(self, indices: Indices) -> Iterator[Question]:
        """The questions at these indices."""
        for start in range(0, len(indices), _TOGETHER):
            numbers = self._numbers[indices[start : start + _TOGETHER]]
            samples = self.samples.select(numbers["sample"])
            for sample, (_, task, phrasing, *_) in zip(samples, numbers.tolist(), strict=True):
                yield Question(sample, self.tasks[task], self.tasks[task].phrasings[phrasing])

    @cached_property
    def digest(self) -> str:
        """The identity of the questions: their texts and the terms that answers are judged by.

        It changes with an adapter or a prompt.
        """
        found = hashlib.sha256()
        checks = array("I")
        for question in self.questions(np.arange(len(self), dtype=np.uint32)):
            identity = _identity(question)
            found.update(identity)
            checks.append(zlib.crc32(identity))
        self._numbers["check"] = checks
        return found.hexdigest()

    def changed(self, indices: Indices) -> Sample | None:
        """The sample of the first of these questions that is in other words where the table was saved."""
        for index in indices.tolist():
            try:
                same = zlib.crc32(_identity(self.question(index))) == self._numbers[index]["check"]
            except (UserError, IndexError):  # fewer tasks or phrasings
                same = False
            if not same:
                return self.samples[int(self._numbers[index]["sample"])]
        return None


class QuestionList(Sequence[Question]):
    """Some questions of a table, in its order."""

    def __init__(self, table: QuestionTable, indices: Indices, change: Change | None = None) -> None:
        """`change`: what is asked in their place."""
        self.table, self.indices, self._change = table, indices, change

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, index: int) -> Question: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Question | Self:
        if isinstance(index, slice):
            return type(self)(self.table, self.indices[index], self._change)
        return self._changed(self.table.question(int(self.indices[index])))

    def __iter__(self) -> Iterator[Question]:
        found = self.table.questions(self.indices)
        return found if self._change is None else map(self._changed, found)

    def _changed(self, question: Question) -> Question:
        changed = question if self._change is None else self._change(question)
        if changed is None:
            raise ValueError(f"question {question.id} is not asked")
        return changed


class QuestionIndex:
    """Finds questions by their ids."""

    def __init__(self, questions: QuestionList) -> None:
        self._questions = questions
        ids = np.fromiter((int(question.id, 16) for question in questions), np.uint64, len(questions))
        self._order = np.argsort(ids)
        self._ids = ids[self._order]

    def __getitem__(self, identity: str) -> Question:
        """The question with that id. Raises KeyError if it is not among them."""
        number = np.uint64(int(identity, 16))
        at = int(np.searchsorted(self._ids, number))
        if at == len(self._ids) or self._ids[at] != number:
            raise KeyError(identity)
        return self._questions[int(self._order[at])]


@dataclass
class Numbers:
    """Collects the numbers of questions."""

    _samples: array[int] = field(default_factory=lambda: array("I"))
    _tasks: array[int] = field(default_factory=lambda: array("H"))
    _phrasings: array[int] = field(default_factory=lambda: array("I"))
    _splits: array[int] = field(default_factory=lambda: array("B"))
    _videos: array[int] = field(default_factory=lambda: array("q"))  # hashes of paths

    def add(self, index: int, sample: Sample, task: int, phrasing: int) -> None:
        """Add a question about the sample at that index."""
        self._samples.append(index)
        self._tasks.append(task)
        self._phrasings.append(phrasing)
        self._splits.append(_SPLITS.index(sample.split))
        self._videos.append(hash(sample.video))

    def by_video(self) -> NDArray[np.void]:
        """All of them, those about the same video adjacent, so that an engine encodes it once."""
        columns: dict[str, Any] = {"sample": self._samples, "task": self._tasks, "phrasing": self._phrasings}
        found = np.zeros(len(self._samples), _NUMBERS)
        for name, column in {**columns, "split": self._splits}.items():
            found[name] = np.frombuffer(column, found[name].dtype)
        order = _adjacent(np.frombuffer(self._videos, np.int64))
        return found if order is None else found[order]


def _adjacent(videos: NDArray[np.int64]) -> NDArray[np.intp] | None:
    """The order in which equal ones are adjacent, at the place of the first of them; None if all differ."""
    ordered = np.sort(videos)
    if (ordered[1:] != ordered[:-1]).all():
        return None
    _, first, of = np.unique(videos, return_index=True, return_inverse=True)
    return np.argsort(first[of], kind="stable")


def _identity(question: Question) -> bytes:
    """What an answer depends on, beside the video."""
    label, row = question.label, question.sample.values
    *texts, request = question.source.words(row, label, *question.numbers)
    words = [question.id, *texts, label.words(), *question.source.terms(row), *filter(None, [request])]
    return "\0".join(words).encode("utf-8", "surrogatepass")
