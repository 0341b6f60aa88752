"""The executor: one actor an engine, and Ray Train."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Self

import ray
from ray.exceptions import RayActorError, RayTaskError

from videostar.config import Pipeline
from videostar.engines import engine_name
from videostar.executors.data import OpenData
from videostar.executors.ray.cluster import connect, gpus_of_engine, lives
from videostar.executors.dispatch import Dispatcher, EngineLost, RemoteEngine
from videostar.executors.ray.engine import EngineActor, Ready, RemoteJob
from videostar.stages.executor import Job, Window
from videostar.stages.judging import unanswered
from videostar.stages.ledger import Answer
from videostar.util.errors import UserError
from videostar.util.files import digest

_THREADS = 8  # of an actor: windows that an engine takes at once, and one more
_REFUSED = "the engine ends with it"


class _RayEngine:
    """An actor with an engine that is ready."""

    def __init__(self, actor: Any, ready: Ready, reports: Reports, end: Callable[[Any], None]) -> None:
        self._actor, self.node, self.windows = actor, ready.node, ready.windows
        self._reports, self._end = reports, end

    def answer(self, window: Window, done: Callable[[list[Answer] | Exception], None]) -> None:
        """Send the window's numbers."""
        self._reports.when_done(self._actor.answer.remote(*window), partial(self._pass_on, done))

    def _pass_on(self, done: Callable[[list[Answer] | Exception], None], found: Any) -> None:
        done(EngineLost(_line(found), by_node=not lives(self.node)) if isinstance(found, RayActorError) else found)

    def end(self) -> None:
        """End the actor."""
        self._end(self._actor)


class RayExecutor:
    """Answers and trains on a Ray cluster."""

    def __init__(self, settings: Pipeline, data: OpenData) -> None:
        connect(settings.executor)
        self._settings, self._data, self._options = settings, data, settings.executor
        self.name = engine_name(settings)
        self._actors: list[Any] = []  # all that have not ended
        self._jobs = 0
        self._reports = Reports()

    def answers(self, job: Job, windows: Iterable[Window]) -> Generator[list[Answer]]:
        """The answers of each window, in order. Raises UserError as an engine does, or if all engines end."""
        self._jobs += 1
        asked, remote = job.asked, ray.put(self._remote(job))
        free = list(self._actors)

        def start(done: Callable[[RemoteEngine | Exception], None]) -> None:
            actor = free.pop() if free else self._new_actor()
            self._reports.when_done(actor.prepare.remote(remote), partial(self._ready, actor, done))

        dispatcher = Dispatcher(
            windows,
            start,
            engines=self._options.engines,
            content=lambda window: asked[window.start].sample.sha256,
            refused=lambda number: unanswered(asked[number], _REFUSED, job.plan),
        )
        try:
            yield from dispatcher.run()
        except BaseException:  # with windows in flight
            self.release()
            raise

    def _new_actor(self) -> Any:
        options = {"num_cpus": self._options.cpus, "num_gpus": gpus_of_engine(self._options), "max_restarts": 0}
        actor = ray.remote(EngineActor).options(max_concurrency=_THREADS, **options)
        self._actors.append(actor.remote(self._settings, self._data.reopen, str(Path.cwd())))
        return self._actors[-1]

    def _ready(self, actor: Any, done: Callable[[RemoteEngine | Exception], None], found: Any) -> None:
        if isinstance(found, RayActorError):
            self._end(actor)
            done(EngineLost(_line(found), by_node=False))
        elif isinstance(found, Exception):
            done(found)
        else:
            done(_RayEngine(actor, found, self._reports, self._end))

    def _end(self, actor: Any) -> None:
        """End an actor: it may have lost only its connection."""
        if actor in self._actors:
            self._actors.remove(actor)
            ray.kill(actor)

    def _remote(self, job: Job) -> RemoteJob:
        """The job in a form that actors find in their own data."""
        names = [name for name, questions in self._data.sets.items() if questions is job.questions]
        whole = bool(names) or job.questions is self._data.questions
        return RemoteJob(
            self._jobs,
            self._data.identity,
            self._data.sets_identity,
            names[0] if names else None,
            None if whole else frozenset(question.id for question in job.asked),
            job.split,
            job.plan,
            job.lora,
            digest(job.lora) if job.lora else None,
        )

    @property
    def launch(self) -> Callable[..., dict[str, Any]]:
        """Training on the cluster."""
        from videostar.executors.ray.training import launch

        return launch

    def release(self) -> None:
        """End the engines: training needs their GPUs."""
        for actor in list(self._actors):
            self._end(actor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()
        ray.shutdown()


class Reports:
    """A thread that passes results on: Ray's own, in which they come, must not call Ray."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)

    def when_done(self, reference: Any, done: Callable[[Any], None]) -> None:
        """Call `done` with the result, or with what was raised."""
        reference.future().add_done_callback(lambda future: self._thread.submit(self._report, future, done))

    def _report(self, future: Any, done: Callable[[Any], None]) -> None:
        error = future.exception()
        if isinstance(error, RayTaskError) and isinstance(error.cause, UserError):
            error = UserError(str(error.cause))
        done(future.result() if error is None else error)


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1]
