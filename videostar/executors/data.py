"""What an executor needs of the data of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from videostar.adapters.question_table import QuestionTable
from videostar.adapters.questions import Questions


class SavedData(Protocol):
    """The data of a run in another process, which has not read the rows."""

    @property
    def videos(self) -> int:
        """The number of videos of a row, at most."""
        ...

    def questions(self, of_set: str | None) -> tuple[QuestionTable, Path]:
        """The questions of a set of `evaluation.sets`, or of the run's own data (None), and the root of the videos."""
        ...


class OpenData(Protocol):
    """The data of a run."""

    @property
    def questions(self) -> Questions:
        """The questions about the run's own data."""
        ...

    @property
    def sets(self) -> Mapping[str, Questions]:
        """Those about the sets of `evaluation.sets`, by name."""
        ...

    @property
    def videos(self) -> int:
        """The number of videos of a row, at most."""
        ...

    def save(self, folder: Path) -> Callable[[], SavedData]:
        """Write samples and questions to a new folder, and return what opens them in another process.

        That raises UserError if it finds other files there.
        """
        ...
