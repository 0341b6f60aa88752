"""The held-out sets of a run, `evaluation.sets`: opened, checked and read as the run's own data are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from videostar.adapters.questions import Questions, load_tasks
from videostar.adapters.task import Task
from videostar.config import Data as DataSettings
from videostar.config import Pipeline
from videostar.config.cache import Cache
from videostar.data.leaks import find_trained
from videostar.data.rows import Skipped
from videostar.data.sample_file import SampleFile
from videostar.data.source import Data, DataSource
from videostar.runs.data_fingerprint import data_fingerprint
from videostar.util.errors import UserError
from videostar.util.progress import Progress
from videostar.video.cluster import VideoCluster


@dataclass
class EvaluationSet:
    """A data set that is only evaluated on, with its own root, columns, adapters and frame rate."""

    name: str  # unique, and safe in the name of a file
    source: DataSource
    tasks: list[Task]
    seed: int
    skipped: list[Skipped] = field(default_factory=list)  # rows that cannot be used, once it is read
    _data: Data | None = None

    def read(self, cache: Cache, trained: SampleFile, progress: Progress, cluster: VideoCluster | None = None) -> None:
        """Read the rows, open the videos (on the nodes of a `cluster`) and make the questions.

        Rows about videos of the samples that are `trained` on are leaks, which `data.leaks` drops, keeps or refuses.
        Raises UserError if no row can be used.
        """
        data = self.source.read(cache, progress, cluster)
        leaks = find_trained(data.samples, trained) if self.source.splits.leaks != "keep" else {}
        if leaks and self.source.splits.leaks == "refuse":
            first = next(iter(leaks.values()))
            raise UserError(
                f"evaluation.sets: {self.source.where}: {len(leaks)} rows show videos that are trained on, such as "
                f"{first.where}: {first.video} ({first.detail}); remove them, or skip them by --set data.leaks=drop"
            )
        self._data = replace(data, samples=data.samples.without(list(leaks)), skipped=[*data.skipped, *leaks.values()])
        self._data.check()
        self.questions.check()
        self.skipped = [
            replace(row, where=f"{self.name}: {row.where}") for row in (*self._data.skipped, *self.questions.skipped)
        ]

    @property
    def data(self) -> Data:
        """The samples, once they are read."""
        if self._data is None:
            raise ValueError("the set is not read yet")
        return self._data

    @cached_property
    def questions(self) -> Questions:
        """The questions about the samples."""
        return Questions(self.data, self.tasks, self.seed)

    @cached_property
    def identity(self) -> str:
        """Digest of the samples and their questions."""
        return self.data.digest(self.questions.digest)

    @property
    def fingerprint(self) -> str | None:
        """As `data_fingerprint`."""
        return data_fingerprint(self.source, self.tasks, self.seed)


def open_sets(settings: Pipeline) -> list[EvaluationSet]:
    """The sets of `evaluation.sets`; rows and videos are not read yet.

    Raises UserError if there is no such data set, or if its manifest or an adapter is wrong.
    """
    found: list[EvaluationSet] = []
    for name in settings.evaluation.sets:
        data = DataSettings(name=name, leaks=settings.data.leaks)
        source = DataSource.find(data, limit=settings.limit, only_evaluated=True)
        tasks = load_tasks(source, model=settings.model)
        found.append(EvaluationSet(_unique(name, [other.name for other in found]), source, tasks, settings.seed))
    return found


def _unique(name: str, taken: list[str]) -> str:
    """A short name for a data set, which no other has: `/data/Doors 2.yaml` is `doors-2`."""
    base = re.sub(r"[^a-z0-9_]+", "-", Path(name).stem.lower()).strip("-")[:60] or "set"
    numbered = (base, *(f"{base}-{number}" for number in range(2, len(taken) + 3)))
    return next(one for one in numbered if one not in taken)
