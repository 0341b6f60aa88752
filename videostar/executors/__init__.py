"""Executors have questions answered and LoRAs trained: with one engine on this machine, or on a Ray cluster."""

from __future__ import annotations

from videostar.config import Pipeline
from videostar.engines import open_engine
from videostar.executors.data import OpenData
from videostar.stages.executor import ExecutorProtocol
from videostar.util.errors import UserError


def open_executor(settings: Pipeline, data: OpenData) -> ExecutorProtocol:
    """The executor that `settings.executor` names, for questions about `data`.

    Raises UserError if a package that it needs is not installed, or if there is no such cluster.
    """
    if settings.executor.name == "local":
        from videostar.executors.local import LocalExecutor

        return LocalExecutor(open_engine(settings, data.videos))
    try:
        import ray  # noqa: F401
    except ImportError:
        raise UserError("executor ray: needs Ray, on every node: pip install 'videostar[ray]'") from None
    from videostar.executors.ray.executor import RayExecutor

    return RayExecutor(settings, data)
