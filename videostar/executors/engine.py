"""An engine in a process of its own. It opens the run's data itself, so that a window is sent as two numbers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from videostar.adapters.question_table import QuestionList, QuestionTable
from videostar.config import Pipeline
from videostar.config.cache import Cache
from videostar.data.measure_videos import MeasuredVideo, digests_of
from videostar.data.sample_file import Indices
from videostar.engines import open_engine
from videostar.engines.base import EngineProtocol
from videostar.executors.data import SavedData
from videostar.stages.executor import Window
from videostar.stages.ledger import Answer, Key
from videostar.stages.plan import AnswerPlan
from videostar.stages.windows import WindowAnswerer
from videostar.util.errors import UserError
from videostar.util.files import digest


@dataclass(frozen=True)
class RemoteJob:
    """A `Job` that another process can find again in the same data."""

    number: int  # later jobs have higher ones
    of_set: str | None  # of `evaluation.sets`; None: of the run's own data
    indices: Indices  # of the questions among those of the data
    plan: AnswerPlan
    lora: Path | None
    lora_digest: str | None

    def asked(self, questions: QuestionTable) -> QuestionList:
        """The questions of the job, in order."""
        return QuestionList(questions, self.indices, self.plan.under.question if self.plan.under else None)


class Ready(NamedTuple):
    """What an engine is, once it can answer."""

    windows: int  # that it takes at once
    node: str = ""  # of the cluster


@dataclass(frozen=True)
class Answered:
    """The answers of a window."""

    answers: list[Answer]
    differing: list[MeasuredVideo]  # that could not be shown, and are not here as they were checked
    where: str  # names the process


class EngineHost:
    """An engine with the data of a run. Both are loaded with the first job and kept for those that follow.

    Its methods may be called from any number of threads.
    """

    def __init__(
        self, settings: Pipeline, open_data: Callable[[], SavedData], where: str = "an engine's process"
    ) -> None:
        """`where` names the process in messages."""
        self._settings, self._open_data, self._where = settings, open_data, where
        self._data: SavedData | None = None
        self._engine: EngineProtocol | None = None
        self._job = ExitStack()
        self._number, self._preparing = 0, threading.Lock()
        self._answerer: WindowAnswerer | None = None
        self._asked: QuestionList | None = None
        self._root = Path()
        self._rate: float | None = None

    def prepare(self, job: RemoteJob) -> Ready:
        """Get ready for the windows of a job. Raises UserError if there are other data here, or another LoRA."""
        with self._preparing:  # an engine that starts late may have several jobs before it
            if job.number < self._number:
                raise RuntimeError("the job is over")
            self._number = job.number
            return self._prepare(job)

    def _prepare(self, job: RemoteJob) -> Ready:
        self._job.close()
        if job.lora is not None and (not job.lora.exists() or digest(job.lora) != job.lora_digest):
            raise UserError(
                f"{self._where}: {job.lora} is not the LoRA of this run there: put runs in a folder that nodes share"
            )
        if self._data is None:
            try:
                self._data = self._open_data()
            except UserError as error:
                raise UserError(f"{self._where}: {error}") from None
        if self._engine is None:
            self._engine = open_engine(self._settings, self._data.videos)
        if job.plan.needs_model:
            self._engine.use(job.lora)
        questions, self._root = self._data.questions(job.of_set)
        self._asked, self._rate = job.asked(questions), job.plan.video.frame_rate
        judge = self._job.enter_context(job.plan.judging.open(self._engine))
        answerer = WindowAnswerer(self._asked, self._root, self._engine, job.plan, judge)
        self._answerer = self._job.enter_context(answerer)
        return Ready(self._engine.windows)

    def answer(self, start: int, stop: int, known: Mapping[Key, bool]) -> Answered:
        """The answers of a window. Raises UserError if there are other adapters or prompts here."""
        if self._answerer is None or self._asked is None:
            raise RuntimeError("an engine is asked before it is ready")
        other = self._asked.table.changed(self._asked.indices[start:stop])
        if other is not None:
            raise UserError(
                f"{self._where}: asks about {other.video} in other words than this command: do not change adapters and "
                "prompts in a run, and put them in a folder that nodes share"
            )
        answers = self._answerer.answers(self._answerer.start(Window(start, stop, known)))
        return Answered(answers, self._differing(self._asked[start:stop], answers), self._where)

    def _differing(self, asked: QuestionList, answers: Sequence[Answer]) -> list[MeasuredVideo]:
        """The videos that could not be shown and differ from those that were checked."""
        unseen = {answer.question_id for answer in answers if answer.kind == "video"}
        videos = [video for one in asked if one.id in unseen for video in one.sample.videos] if unseen else []
        return differing(videos, self._root, self._settings.cache, self._rate)


def differing(videos: Sequence[MeasuredVideo], root: Path, cache: Cache, rate: float | None) -> list[MeasuredVideo]:
    """Those of the videos below `root` that are not here, or have another digest."""
    if not videos:
        return []
    found = digests_of([root / video.video for video in videos], cache, rate)
    return [video for video in dict.fromkeys(videos) if found[root / video.video] != video.sha256]
