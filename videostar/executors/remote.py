"""What executors have in common whose engines are in other processes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from typing import Any, Self

from videostar.config import Pipeline
from videostar.engines import engine_name
from videostar.engines.base import WrongLora
from videostar.executors.data import OpenData
from videostar.executors.dispatch import Dispatcher, EngineLost, RemoteEngine
from videostar.executors.engine import Ready, RemoteJob
from videostar.stages.executor import Job, Window
from videostar.stages.judging import unanswered
from videostar.stages.ledger import Answer
from videostar.util.files import digest
from videostar.video.cluster import VideoCluster

#: Threads of an engine's process: windows that an engine takes at once, and one more.
THREADS = 8
_REFUSED = "the engine ends with it"


class RemoteHost(ABC):
    """An `EngineHost` in another process, with an engine that answers once `prepare` has reported."""

    node = ""
    windows = 1

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
        self.call("answer", window, done)


class RemoteExecutor(ABC):
    """Answers with several engines, each in a process of its own."""

    cluster: VideoCluster | None = None
    waits_for = ""  # what is probably missing while no engine gets ready

    def __init__(self, settings: Pipeline, data: OpenData, engines: tuple[int, int]) -> None:
        """The first job waits for the first number of `engines`; jobs use up to the second."""
        self.name = engine_name(settings)
        self.settings, self.data, self.engines = settings, data, engines
        self._hosts: list[RemoteHost] = []
        self._jobs = 0

    @abstractmethod
    def start_host(self) -> RemoteHost:
        """A new process."""

    @abstractmethod
    def shared(self, job: RemoteJob) -> Any:
        """The job in the form that all hosts get it in."""

    @property
    def hosts(self) -> list[RemoteHost]:
        """Those that have not ended."""
        return [host for host in self._hosts if not host.ended]

    def answers(self, job: Job, windows: Iterable[Window]) -> Generator[list[Answer]]:
        """The answers of each window, in order. Raises UserError as an engine does, or if all engines end."""
        self._jobs += 1
        asked, shared = job.asked, self.shared(self._remote(job))
        free = self.hosts

        def start(done: Callable[[RemoteEngine | Exception], None]) -> None:
            if free:
                host = free.pop()
            else:
                host = self.start_host()
                self._hosts = [*self.hosts, host]
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
        except BaseException:  # with windows in flight
            self.release()
            raise

    def _remote(self, job: Job) -> RemoteJob:
        """The job in a form that hosts find in their own data."""
        names = [name for name, questions in self.data.sets.items() if questions is job.questions]
        whole = bool(names) or job.questions is self.data.questions
        return RemoteJob(
            self._jobs,
            self.data.identity,
            self.data.sets_identity,
            names[0] if names else None,
            None if whole else frozenset(question.id for question in job.asked),
            job.split,
            job.plan,
            job.lora,
            digest(job.lora) if job.lora else None,
        )

    def release(self) -> None:
        """End the engines: training needs their GPUs."""
        for host in self.hosts:
            host.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()
