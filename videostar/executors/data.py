"""What an executor needs of the data of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from videostar.adapters.questions import Questions


class OpenData(Protocol):
    """The data of a run, and a way to read them again in another process."""

    @property
    def reopen(self) -> Callable[[], OpenData]:
        """Reads them, and can be sent there."""
        ...

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

    @property
    def identity(self) -> str:
        """Digest of the samples and their questions."""
        ...

    @property
    def sets_identity(self) -> str | None:
        """The same of the sets."""
        ...
