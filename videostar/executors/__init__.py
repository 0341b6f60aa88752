"""Executors have questions answered and LoRAs trained: with one engine on this machine, or on a Ray cluster."""

from __future__ import annotations

from importlib.util import find_spec

from videostar.config import Pipeline
from videostar.engines import open_engine
from videostar.executors.data import OpenData
from videostar.stages.executor import ExecutorProtocol
from videostar.util.errors import UserError


def check_executor(settings: Pipeline) -> None:
    """Raises UserError if Ray is not installed, or if no cluster answers at the address."""
    if settings.executor.name == "local":
        return
    if find_spec("ray") is None:
        raise UserError("executor ray: needs Ray, on every node: pip install 'videostar[ray]'")
    from videostar.executors.ray.cluster import reach

    reach(settings.executor.address)


def open_executor(settings: Pipeline, data: OpenData) -> ExecutorProtocol:
    """The executor that `settings.executor` names, for questions about `data`.

    Raises UserError if a package that it needs is not installed, or if there is no such cluster.
    """
    if settings.executor.name == "local":
        from videostar.executors.local import LocalExecutor

        return LocalExecutor(open_engine(settings, data.videos))
    check_executor(settings)
    from videostar.executors.ray.executor import RayExecutor

    return RayExecutor(settings, data)
