"""The connection to a Ray cluster."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from typing import Any

import ray
from ray._private import ray_constants
from ray.exceptions import RayError

from videostar.config.executor import Executor
from videostar.util.errors import UserError

_SECONDS = 15  # in which a cluster answers
# Ray itself would try for more than a minute, and then end the process that asks.
_ASK = """
import sys
from ray._raylet import GcsClient
from ray.exceptions import RayError
try:
    GcsClient(address=sys.argv[1])
except (RayError, RuntimeError, ValueError) as error:
    sys.exit(str(error).strip().splitlines()[0])
"""


def connect(options: Executor) -> None:
    """Connect to the cluster that the settings name; with `auto`, start one on this machine if none runs here.

    A new one listens on loopback only, has no dashboard, and asks for the token that Ray keeps in ~/.ray. Raises
    UserError if there is no cluster at the address, or if it refuses the connection.
    """
    if ray.is_initialized():
        return
    address = named(options.address)
    reach(options.address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False, "configure_logging": False}
    try:
        ray.init(address=address or "auto", **quiet)
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        if address is not None or not isinstance(error, ConnectionError):
            # Such as another version of Ray, or no token.
            raise _unreachable(address or "auto", str(error).strip().splitlines()[0]) from None
        # Ray replaces 127.0.0.1 by this machine's address, but where it knows only clusters of one machine.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        ray_constants.ENABLE_RAY_CLUSTER = False
        ray.init(include_dashboard=False, **quiet)


def named(address: str) -> str | None:
    """The address in the settings or, for `auto`, in RAY_ADDRESS; None: no cluster is named."""
    found = os.environ.get("RAY_ADDRESS", "auto") if address == "auto" else address
    return None if found == "auto" else found


def disconnect() -> None:
    """End the connection, and a cluster that was started for it."""
    ray.shutdown()


def reach(address: str) -> None:
    """Raises UserError if an address is named and no Ray cluster answers there, or not to us."""
    found = named(address)
    if found is None:
        return
    host, _, port = found.rpartition(":")
    try:
        socket.create_connection((host, int(port)), _SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _unreachable(found, str(error)) from None
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    try:
        asked = subprocess.run([sys.executable, "-P", "-c", _ASK, found], check=False, timeout=_SECONDS, **pipes)
    except subprocess.TimeoutExpired:
        raise _unreachable(found, f"what listens there does not answer as Ray does within {_SECONDS} s") from None
    if asked.returncode != 0:
        raise _unreachable(found, (asked.stderr.strip().splitlines() or ["Ray cannot be loaded"])[-1])


def _unreachable(address: str, reason: str) -> UserError:
    return UserError(
        f"executor.address: no Ray cluster at {address} ({reason}); `ray start --head` prints its address; auto is "
        "the one in RAY_ADDRESS, or that runs here"
    )


def enter(folder: str) -> None:
    """Work in the folder of the command, so that its paths mean the same. Raises UserError if this node lacks it."""
    try:
        os.chdir(folder)
    except OSError:
        here: str = ray.util.get_node_ip_address()
        raise UserError(f"node {here} has no folder {folder}: run it in a folder that all nodes share") from None


def resources() -> dict[str, float]:
    """What all nodes have together, by name, such as `GPU`."""
    found: dict[str, float] = ray.cluster_resources()
    return found


def lives(node: str) -> bool:
    """Whether the node with that id is in the cluster."""
    nodes: list[dict[str, Any]] = ray.nodes()
    return any(found["NodeID"] == node and found["Alive"] for found in nodes)


def gpus_of_engine(options: Executor) -> int:
    """The GPUs that an engine gets: by default one if the cluster has any."""
    if options.gpus is not None:
        return options.gpus
    return 1 if resources().get("GPU", 0) >= 1 else 0
