"""The actor that holds an engine."""

from __future__ import annotations

from collections.abc import Callable

import ray

from videostar.config import Pipeline
from videostar.executors.data import SavedData
from videostar.executors.engine import EngineHost, Ready, RemoteJob
from videostar.executors.ray.cluster import enter


class EngineActor(EngineHost):
    """An engine on a node of the cluster."""

    def __init__(self, settings: Pipeline, open_data: Callable[[], SavedData], folder: str) -> None:
        super().__init__(settings, open_data, f"node {ray.util.get_node_ip_address()}")
        self._folder = folder

    def prepare(self, job: RemoteJob) -> Ready:
        """Get ready for a job, in the folder of the command. Raises UserError if it is not here, or as a host does."""
        enter(self._folder)
        return super().prepare(job)._replace(node=ray.get_runtime_context().get_node_id())
