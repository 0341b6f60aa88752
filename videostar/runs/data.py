"""Everything that a run reads, opened once: its data, their questions, the base model and the instruction set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from videostar.adapters.question_table import QuestionTable
from videostar.adapters.questions import Questions, load_tasks
from videostar.config import Pipeline
from videostar.config.verification import Verification
from videostar.data.leaks import contents_of
from videostar.data.rows import Skipped
from videostar.data.source import Data, DataSource
from videostar.runs.data_fingerprint import data_fingerprint
from videostar.runs.evaluation_sets import EvaluationSet, open_sets
from videostar.runs.saved_data import Part, SavedFiles
from videostar.stages.closed_question import PROMPT_DIGEST
from videostar.util.errors import UserError
from videostar.util.files import digest, digest_json
from videostar.util.progress import Progress
from videostar.util.resources import check_model, evidence_digest, model_digest, model_path
from videostar.util.terminal import warn
from videostar.video.cluster import VideoCluster

_SHOWN = 10  # skipped rows that are listed


@dataclass(frozen=True)
class Digests:
    """The identity of everything that a run reads."""

    data: str  # of the samples and their questions
    model: str  # of the base model's folder, or its hub id and commit
    mix: str | None  # of the files of the instruction sets
    judge: str | None  # of the prompt of the model that judges, and of the model that gives evidence, if there are any
    sources: str | None  # of the files that samples and questions are made from, if there are any
    sets: str | None  # of the data of `evaluation.sets`


class RunData:
    """The data of a run. Manifests and adapters are loaded at once; rows and videos when they are needed.

    `sets`: whether the sets of `evaluation.sets` belong to them.

    Raises UserError if there is no such manifest, adapter or prompt file, or if one of them is wrong.
    """

    def __init__(self, settings: Pipeline, *, sets: bool = True) -> None:
        self.source = DataSource.of(settings)
        self.tasks = load_tasks(self.source, settings.adapter, settings.prompts, settings.model, settings.distractors)
        self._sets: list[EvaluationSet] = open_sets(settings) if sets else []
        model_path(settings.model)  # raises UserError for a folder that is no model
        self._name, self._model, self._mix = (
            settings.data.name,
            settings.model,
            [source.path for source in settings.mix.sources] if settings.mix else [],
        )
        self._seed, self._cache = settings.seed, settings.cache
        self._verification = settings.verification
        self._data: Data | None = None
        self._reopen = partial(RunData, settings, sets=sets)

    @property
    def fingerprint(self) -> str | None:
        """Digest of the files and settings that samples and questions are made from; None if there is no row file."""
        own = data_fingerprint(self.source, self.tasks, self._seed)
        if not self._sets:
            return own
        every = [own, *(one.fingerprint for one in self._sets)]
        return None if None in every else digest_json(every)

    def prepare(
        self, settings: Pipeline, out: Path, progress: Progress, cluster: VideoCluster | None = None, *, trains: bool
    ) -> None:
        """Check everything that the run needs, and read the data: cheap checks first, without torch.

        `trains`: whether the run trains the model. The nodes of a `cluster` open the videos. Raises UserError for the
        first problem.
        """
        check_model(settings.model)
        for source in self._sources:
            source.check_rows()
        from videostar.runs.preflight import check_cache, preflight

        preflight(settings, out, self.videos, trains=trains)
        self.read(progress, cluster)
        if trains and settings.verification.evidence and not self.questions.split("validation"):
            raise UserError(
                "verification.evidence: the least evidence is set on validation videos, and there are none; give a "
                "validation split, or data.validation=0.1"
            )
        every = (self.data, *(one.data for one in self._sets))
        contents = contents_of(sample for data in every for sample in data.samples)
        check_cache(settings.cache, settings.video, contents.count)

    def read(self, progress: Progress, cluster: VideoCluster | None = None) -> None:
        """Read the rows, open the videos (on the nodes of a `cluster`) and make the questions.

        Raises UserError if no row can be trained on (or, of a set, evaluated on), or if an adapter asks about none.
        """
        self._data = self.source.read(self._cache, progress, cluster)
        self._data.check()
        self.questions.check()
        for task, columns in self.questions.unread.items():
            warn(
                f"{self.source.where}: {task} does not read the column {columns[0]!r}, whose name is ambiguous; "
                f"--set columns.{columns[0]}={columns[0]} reads it, --set columns.{columns[0]}=null hides this line"
            )
        if self._sets:
            for one in self._sets:
                one.read(self._cache, self.data.split("train"), progress, cluster)

    @property
    def videos(self) -> int:
        """The number of videos of a row, at most."""
        return max(source.plan.videos for source in self._sources)

    @property
    def _sources(self) -> list[DataSource]:
        return [self.source, *(one.source for one in self._sets)]

    @property
    def sets(self) -> dict[str, Questions]:
        """The questions of `evaluation.sets`, by the names of the sets."""
        return {one.name: one.questions for one in self._sets}

    @property
    def parts(self) -> dict[str | None, Part]:
        """The run's own data (None), and the sets of `evaluation.sets` by name."""
        return {None: self, **{one.name: one for one in self._sets}}

    def save(self, folder: Path) -> Callable[[], _OpenedData]:
        """Write samples and questions to a new folder, and return what opens them in another process.

        That raises UserError if it finds other files there.
        """
        return partial(_open_saved, self._reopen, SavedFiles.write(list(self.parts.values()), folder), self.videos)

    @property
    def data(self) -> Data:
        """The samples, once they are read."""
        if self._data is None:
            raise ValueError("the data are not read yet")
        return self._data

    @cached_property
    def questions(self) -> Questions:
        """The questions about the samples."""
        return Questions(self.data, self.tasks, self._seed)

    @cached_property
    def identity(self) -> str:
        """Digest of the samples and their questions."""
        return self.data.digest(self.questions.digest)

    @property
    def sets_identity(self) -> str | None:
        """Digest of the samples and questions of `evaluation.sets`, with their names; None if there are none."""
        return digest_json({one.name: one.identity for one in self._sets}) if self._sets else None

    def known_digests(self, data: str, sets: str | None) -> Digests:
        """The digests, for data and sets whose own digests are known."""
        model, mix, judge = model_digest(self._model), self._mix_digest(), judge_digest(self._verification)
        return Digests(data, model, mix, judge, self.fingerprint, sets)

    @property
    def digests(self) -> Digests:
        """The identity of everything that the run reads."""
        return self.known_digests(self.identity, self.sets_identity)

    def _mix_digest(self) -> str | None:
        for path in self._mix:
            if not path.is_file():
                raise UserError(f"mix.data: {path}: no such file; give a file of instruction data, or mix=null")
        digests = [digest(path) for path in self._mix]
        return (digest_json(digests) if len(digests) > 1 else digests[0]) if digests else None

    def report(self) -> list[Skipped]:
        """Warn of a toy model and of rows that are not asked about, and return those that cannot be used."""
        if self._model == "embedded" and not self._name.startswith("demo"):
            warn("the embedded model answers: it is a toy for trying things out; --model gives a real one")
        evidence = self._verification.evidence
        if evidence and evidence.model == "embedded" and not self._name.startswith("demo"):
            warn(
                "the embedded CoCa gives evidence: it knows the demo's videos alone; verification.evidence.model gives "
                "a real one"
            )
        return self.report_rows()

    def report_rows(self) -> list[Skipped]:
        """Warn of rows that are not asked about, and return those that cannot be used."""
        skipped = [*self.data.skipped, *self.questions.skipped, *(row for one in self._sets for row in one.skipped)]
        for row in skipped[:_SHOWN]:
            warn(f"skipped: {row.where}: {row.video or '(no path)'}: {row.reason}: {row.detail}")
        if skipped:
            counts = Counter(row.reason for row in skipped)
            warn(
                f"{len(skipped)} row{'s' * (len(skipped) > 1)} skipped: "
                + ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
            )
        for task, count in self.questions.not_asked.items():
            warn(f"{task}: has no question about {count} rows")
        if not self.questions.split("test"):
            warn(f"{self.source.where}: no test rows: nothing to evaluate on test")
        return skipped


def judge_digest(verification: Verification) -> str | None:
    """The identity of the models that verify, if there are any: a prompt's digest, and that of a folder."""
    prompt = PROMPT_DIGEST if verification.by_model else None
    if verification.evidence is None:
        return prompt
    return digest_json([prompt, evidence_digest(verification.evidence.model)])


class _OpenedData:
    """The data of a run, of which another process has read the rows."""

    def __init__(self, data: RunData, files: SavedFiles, videos: int) -> None:
        self._parts = data.parts
        self._tables = dict(zip(self._parts, files.open(list(self._parts.values())), strict=True))
        self.videos = videos

    def questions(self, of_set: str | None) -> tuple[QuestionTable, Path]:
        """The questions of a set of `evaluation.sets`, or of the run's own data (None), and the root of the videos."""
        return self._tables[of_set], self._parts[of_set].source.root


def _open_saved(reopen: Callable[[], RunData], files: SavedFiles, videos: int) -> _OpenedData:
    return _OpenedData(reopen(), files, videos)
