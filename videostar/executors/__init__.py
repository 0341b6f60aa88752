"""Executors have questions answered and LoRAs trained: on this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from videostar.config import Pipeline
from videostar.engines import open_engine
from videostar.executors.count import check_count, engine_count
from videostar.executors.data import OpenData
from videostar.stages.executor import ExecutorProtocol
from videostar.util.errors import UserError
from videostar.video.cluster import VideoCluster


def check_executor(settings: Pipeline) -> None:
    """Raises UserError if there are not so many GPUs; with Ray, if it is not installed, or if no cluster answers."""
    check_count(settings)
    if settings.executor.name == "ray":
        _check_installed()
        from videostar.executors.ray.cluster import reach

        reach(settings.executor.address)


@contextmanager
def open_cluster(settings: Pipeline) -> Iterator[VideoCluster | None]:
    """The nodes that open the videos; None: this machine does. An executor inside uses the same connection.

    Raises UserError as `check_executor` does.
    """
    if settings.executor.name == "local":
        yield None
        return
    check_executor(settings)
    from videostar.executors.ray.cluster import disconnect
    from videostar.executors.ray.videos import RayVideos

    try:
        yield RayVideos(settings.executor, settings.cache)  # connects when videos are to be opened
    finally:
        disconnect()


def open_executor(settings: Pipeline, data: OpenData, shared: Path) -> ExecutorProtocol:
    """The executor that `settings.executor` names, for questions about `data`.

    `shared` is a folder that all nodes of a cluster see, and that is there only while the executor is open.

    Raises UserError if a package that it needs is not installed, or if there is no such cluster.
    """
    if settings.executor.name == "ray":
        _check_installed()
        from videostar.executors.ray.executor import RayExecutor

        return RayExecutor(settings, data, shared)
    if (count := engine_count(settings)) > 1:
        from videostar.executors.processes import ProcessExecutor

        return ProcessExecutor(settings, data, shared, count)
    from videostar.executors.local import LocalExecutor

    return LocalExecutor(open_engine(settings, data.videos))


def _check_installed() -> None:
    if find_spec("ray") is None:
        raise UserError("executor ray: needs Ray, on every node: pip install 'videostar[ray]'")
