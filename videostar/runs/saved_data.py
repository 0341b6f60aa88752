"""The data of a run as the processes of a cluster open them: without reading rows or videos again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias

from videostar.adapters.kinds import KindAdapter
from videostar.adapters.question_table import QuestionTable
from videostar.adapters.questions import Questions
from videostar.adapters.task import Task
from videostar.data.source import DataSource
from videostar.util.errors import UserError
from videostar.util.files import digest, new_folder

#: What a task knows of all rows: its adapter, if it depends on them, and the actions.
_Informed: TypeAlias = tuple[KindAdapter | None, tuple[str, ...]]


class Part(Protocol):
    """The run's own data, or a set of `evaluation.sets`."""

    @property
    def source(self) -> DataSource:
        """Its manifest and root."""
        ...

    @property
    def tasks(self) -> Sequence[Task]:
        """Its adapters."""
        ...

    @property
    def questions(self) -> Questions:
        """Its questions, if its rows are read."""
        ...


@dataclass(frozen=True)
class SavedFiles:
    """Files with samples and questions, and what their tasks know of all rows."""

    folder: Path
    digests: Mapping[str, str]  # of the files, by name
    informed: Sequence[Sequence[_Informed]]  # of each part and task

    @classmethod
    def write(cls, parts: Sequence[Part], folder: Path) -> SavedFiles:
        """Write the samples and questions of all parts to a new folder."""
        with new_folder(folder) as made:
            tables = [part.questions.table for part in parts]
            files = [file for number, table in enumerate(tables) for file in table.save(made, str(number))]
            digests = {file.name: digest(file) for file in files}
        return cls(folder, digests, [[_informed(task) for task in table.tasks] for table in tables])

    def open(self, parts: Sequence[Part]) -> list[QuestionTable]:
        """The questions of the same parts, whose rows are not read.

        Raises UserError if a file differs from the one that was written.
        """
        for name, expected in self.digests.items():
            path = self.folder / name
            if not path.is_file() or digest(path) != expected:
                raise UserError(f"{path} is not the file of this run there: put runs in a folder that nodes share")
        return [
            QuestionTable.open(self.folder, str(number), list(map(_with, part.tasks, informed)))
            for number, (part, informed) in enumerate(zip(parts, self.informed, strict=True))
        ]


def _informed(task: Task) -> _Informed:
    return task.adapter if isinstance(task.adapter, KindAdapter) else None, task.among


def _with(task: Task, informed: _Informed) -> Task:
    """The task with what it knows of all rows."""
    adapter, among = informed
    return replace(task, adapter=adapter or task.adapter, among=among)
