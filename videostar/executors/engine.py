"""An engine in a process of its own. It reads the run's data itself, so that a window is sent as two numbers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from videostar.adapters.questions import Questions
from videostar.adapters.task import Question
from videostar.config import Pipeline
from videostar.data.rows import Split
from videostar.engines import open_engine
from videostar.engines.base import EngineProtocol
from videostar.executors.data import OpenData
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
    data: str  # digest of samples and questions
    sets: str | None
    of_set: str | None  # of `evaluation.sets`; None: of the run's own data
    only: frozenset[str] | None  # the ids of the questions, if not all of the split are asked
    split: Split
    plan: AnswerPlan
    lora: Path | None
    lora_digest: str | None

    def asked(self, questions: Questions) -> list[Question]:
        """The questions of the job, in order."""
        asked = questions.split(self.split)
        if self.plan.under is not None:
            asked = [changed for one in asked if (changed := self.plan.under.question(one)) is not None]
        return asked if self.only is None else [one for one in asked if one.id in self.only]


class Ready(NamedTuple):
    """What an engine is, once it can answer."""

    windows: int  # that it takes at once
    node: str = ""  # of the cluster


class EngineHost:
    """An engine with the data of a run. Both are loaded with the first job and kept for those that follow.

    Its methods may be called from any number of threads.
    """

    def __init__(self, settings: Pipeline, reopen: Callable[[], OpenData], where: str = "an engine's process") -> None:
        """`where` names the process in messages."""
        self._settings, self._reopen, self._where = settings, reopen, where
        self._data: OpenData | None = None
        self._engine: EngineProtocol | None = None
        self._job = ExitStack()
        self._number, self._preparing = 0, threading.Lock()
        self._answerer: WindowAnswerer | None = None

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
            self._data = self._reopen()
        if (self._data.identity, self._data.sets_identity) != (job.data, job.sets):
            raise UserError(
                f"{self._where}: finds other data or videos than this command did: do not change them in a run, and "
                "put them in a folder that nodes share"
            )
        if self._engine is None:
            self._engine = open_engine(self._settings, self._data.videos)
        if job.plan.needs_model:
            self._engine.use(job.lora)
        questions = self._data.sets[job.of_set] if job.of_set else self._data.questions
        judge = self._job.enter_context(job.plan.judging.open(self._engine))
        answerer = WindowAnswerer(job.asked(questions), questions.root, self._engine, job.plan, judge)
        self._answerer = self._job.enter_context(answerer)
        return Ready(self._engine.windows)

    def answer(self, start: int, stop: int, known: Mapping[Key, bool]) -> list[Answer]:
        """The answers of a window."""
        if self._answerer is None:
            raise RuntimeError("an engine is asked before it is ready")
        return self._answerer.answers(self._answerer.start(Window(start, stop, known)))
