"""The executor: one actor an engine, and Ray Train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from videostar.config import Pipeline
from videostar.executors.data import OpenData
from videostar.executors.dispatch import EngineLost
from videostar.executors.engine import RemoteJob
from videostar.executors.ray.actor import EngineActor
from videostar.executors.ray.cluster import connect, disconnect, gpus_of_engine, lives
from videostar.executors.ray.videos import RayVideos
from videostar.executors.remote import THREADS, RemoteExecutor, RemoteHost
from videostar.util.errors import UserError


class _Actor(RemoteHost):
    """A host on the cluster."""

    def __init__(self, actor: Any, reports: Reports) -> None:
        super().__init__()
        self._actor, self._reports = actor, reports

    def call(self, method: str, args: Sequence[Any], done: Callable[[Any], None]) -> None:
        """Call a method of the actor."""
        self._reports.when_done(getattr(self._actor, method).remote(*args), partial(self._report, done))

    def _report(self, done: Callable[[Any], None], found: Any) -> None:
        if isinstance(found, RayActorError):
            line = str(found).strip().splitlines()[-1]
            found = EngineLost(line, by_node=bool(self.node) and not lives(self.node))
        done(found)

    def end(self) -> None:
        """End the actor: it may have lost only its connection."""
        if not self.ended:
            self.ended = True
            ray.kill(self._actor)


class RayExecutor(RemoteExecutor):
    """Answers and trains on a Ray cluster."""

    waits_for = ": is there a node with room for one (executor.cpus, executor.gpus)?"

    def __init__(self, settings: Pipeline, data: OpenData, folder: Path) -> None:
        connect(settings.executor)
        super().__init__(settings, data, folder, settings.executor.engines)
        self.cluster = RayVideos(settings.executor, settings.cache)
        self._reports = Reports()

    def start_host(self) -> RemoteHost:
        """A new actor: it waits in the cluster until there is room for it."""
        options = self.settings.executor
        resources = {"num_cpus": options.cpus, "num_gpus": gpus_of_engine(options), "max_restarts": 0}
        actor = ray.remote(EngineActor).options(max_concurrency=THREADS, **resources)
        return _Actor(actor.remote(self.settings, self.open_data, str(Path.cwd())), self._reports)

    def shared(self, job: RemoteJob) -> Any:
        """The job in Ray's object store."""
        return ray.put(job)

    @property
    def launch(self) -> Callable[..., dict[str, Any]]:
        """Training on the cluster."""
        from videostar.executors.ray.training import launch

        return launch

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        disconnect()


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
            error = error.cause
        done(future.result() if error is None else error)
