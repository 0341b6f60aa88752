"""What executors have in common whose engines are in other processes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import cached_property, partial
from pathlib import Path
from shutil import rmtree
from typing import Any, Self

from videostar.config import Pipeline
from videostar.engines import engine_name
from videostar.engines.base import WrongLora
from videostar.executors.data import OpenData, SavedData
from videostar.executors.dispatch import Dispatcher, EngineLost, RemoteEngine
from videostar.executors.engine import Answered, Ready, RemoteJob, differing
from videostar.stages.executor import Job, Window
from videostar.stages.judging import unanswered
from videostar.stages.ledger import Answer
from videostar.util.errors import UserError
from videostar.util.files import digest
from videostar.video.cluster import VideoCluster

#: Threads of an engine's process: windows that an engine takes at once, and one more.
THREADS = 8
_REFUSED = "the engine ends with it"


class RemoteHost(ABC):
    """An `EngineHost` in another process, with an engine that answers once `prepare` has reported."""

    node = ""
    windows = 1
    check: Callable[[Answered], list[Answer] | UserError]  # of the job

    def __init__(self) -> None:
        self.ended = False

    @abstractmethod
    def call(self, method: str, args: Sequence[Any], done: Callable[[Any], None]) -> None:
        """Call a method of the host. `done` gets its result, an EngineLost, or what it raised, in another thread."""

    @abstractmethod
    def end(self) -> None:
        """End the process, if it has not ended."""

    def prepare(self, job: Any, done: Callable[[RemoteEngine | Exception], None]) -> None:
        """Get ready for a job. `done` gets this engine, an EngineLost, or what the host raised.

        An engine that serves another LoRA counts as lost: a new one may serve the right one.
        """
        self.call("prepare", [job], partial(self._prepared, done))

    def _prepared(self, done: Callable[[RemoteEngine | Exception], None], found: Any) -> None:
        if isinstance(found, Ready):
            self.windows, self.node = found
            done(self)
        elif isinstance(found, EngineLost | WrongLora):
            self.end()
            done(EngineLost(str(found), by_node=False))
        else:
            done(found)

    def answer(self, window: Window, done: Callable[[list[Answer] | Exception], None]) -> None:
        """Have a window answered, of which only numbers are sent."""
        self.call("answer", window, partial(self._answered, self.check, done))

    def _answered(
        self,
        check: Callable[[Answered], list[Answer] | UserError],
        done: Callable[[list[Answer] | Exception], None],
        found: Any,
    ) -> None:
        done(check(found) if isinstance(found, Answered) else found)


class RemoteExecutor(ABC):
    """Answers with several engines, each in a process of its own."""

    cluster: VideoCluster | None = None
    waits_for = ""  # what is probably missing while no engine gets ready

    def __init__(self, settings: Pipeline, data: OpenData, folder: Path, engines: tuple[int, int]) -> None:
        """`folder`: a new one, for samples and questions while this executor is open; all processes see it.

        The first job waits for the first number of `engines`; jobs use up to the second.
        """
        self.name = engine_name(settings)
        self.settings, self.engines = settings, engines
        self._data, self._folder = data, folder
        self._hosts: list[RemoteHost] = []
        self._jobs = 0

    @abstractmethod
    def start_host(self) -> RemoteHost:
        """A new process."""

    @abstractmethod
    def shared(self, job: RemoteJob) -> Any:
        """The job in the form that all hosts get it in."""

    @cached_property
    def open_data(self) -> Callable[[], SavedData]:
        """What opens the data in another process. The first time, they are written to the folder."""
        return self._data.save(self._folder)

    @property
    def hosts(self) -> list[RemoteHost]:
        """Those that have not ended."""
        return [host for host in self._hosts if not host.ended]

    def answers(self, job: Job, windows: Iterable[Window]) -> Generator[list[Answer]]:
        """The answers of each window, in order. Raises UserError as an engine does, or if all engines end."""
        self._jobs += 1
        asked, shared = job.asked, self.shared(self._remote(job))
        free, check = self.hosts, partial(self._check, job)

        def start(done: Callable[[RemoteEngine | Exception], None]) -> None:
            if free:
                host = free.pop()
            else:
                host = self.start_host()
                self._hosts = [*self.hosts, host]
            host.check = check
            host.prepare(shared, done)

        dispatcher = Dispatcher(
            windows,
            start,
            engines=self.engines,
            content=lambda window: asked[window.start].sample.sha256,
            refused=lambda number: unanswered(asked[number], _REFUSED, job.plan),
            waits_for=self.waits_for,
        )
        try:
            yield from dispatcher.run()
        except BaseException:  # also if no more answers are wanted, such as after the last
            if dispatcher.in_flight:
                self.release()
            raise

    def _remote(self, job: Job) -> RemoteJob:
        """The job in a form that hosts find in their own data."""
        name = next((name for name, one in self._data.sets.items() if one.table is job.questions.table), None)
        lora = digest(job.lora) if job.lora else None
        return RemoteJob(self._jobs, name, job.asked.indices, job.plan, job.lora, lora)

    def _check(self, job: Job, found: Answered) -> list[Answer] | UserError:
        """The answers, unless they lack a video that is here as it was checked, and is not so there."""
        cannot = differing(found.differing, job.questions.root, self.settings.cache, job.plan.video.frame_rate)
        other = next((video.video for video in found.differing if video not in cannot), None)
        if other is None:
            return found.answers
        return UserError(
            f"{found.where}: {other} is missing there, or another file than here: put videos in a folder that nodes "
            "share"
        )

    def release(self) -> None:
        """End the engines: training needs their GPUs."""
        for host in self.hosts:
            host.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()
        rmtree(self._folder, ignore_errors=True)
