"""The local executor with several engines: a process for each, with a share of the cores and GPUs of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from videostar.config import Pipeline
from videostar.executors.count import gpus_per_engine, visible_gpus
from videostar.executors.data import OpenData, SavedData
from videostar.executors.dispatch import EngineLost
from videostar.executors.engine import EngineHost, RemoteJob
from videostar.executors.remote import THREADS, RemoteExecutor, RemoteHost
from videostar.util.errors import UserError
from videostar.util.processes import end_with_parent, without_main
from videostar.util.terminal import pass_warnings_on, warn_once

_SECONDS = 10.0  # in which a killed process ends


class _Share(NamedTuple):
    """What a process has of this machine."""

    cores: Sequence[int]
    gpus: Sequence[str]  # none: it computes on its cores
    scratch: str  # a folder for temporary files, which are removed with the executor


class _Process(RemoteHost):
    """A host in a process on this machine."""

    def __init__(self, share: _Share, settings: Pipeline, open_data: Callable[[], SavedData]) -> None:
        super().__init__()
        spawn = multiprocessing.get_context("spawn")  # a forked process would have the locks of our threads
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, share))
        with theirs, without_main():
            self._process.start()
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._numbers = count()
        self._calls: dict[int, Callable[[Any], None]] = {}  # that have not returned
        self._lost: EngineLost | None = None
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._send(settings, open_data)

    def call(self, method: str, args: Sequence[Any], done: Callable[[Any], None]) -> None:
        """Send a call."""
        number = next(self._numbers)
        with self._lock:
            lost = self._lost
            if lost is None:
                self._calls[number] = done
        if lost is None:
            self._send(number, method, tuple(args))
        else:
            done(lost)

    def _send(self, *message: Any) -> None:
        with self._sending, suppress(OSError):  # it has ended, and `_listen` reports that
            self._pipe.send(message)

    def _listen(self) -> None:
        why = ""
        try:
            while True:
                number, found = self._pipe.recv()
                if number is None:
                    warn_once(found)  # all engines may say the same
                else:
                    self._calls.pop(number)(found)
        except (EOFError, OSError):
            self._process.join()
        except Exception as error:  # noqa: BLE001  (without this thread the command would wait for ever)
            why = f"its reply cannot be read: {error!r}"
            self._process.kill()
            self._process.join()
        with self._lock:
            self._lost = EngineLost(
                why or f"its process ended with {_cause(self._process.exitcode or 0)}", by_node=False
            )
        for done in list(self._calls.values()):
            done(self._lost)

    def end(self) -> None:
        """Kill the process and its children, such as vLLM's, and wait until their memory is free."""
        self.ended = True
        children: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        if threading.current_thread() is self._listener:
            self._process.join()
        else:
            self._listener.join()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        end = time.monotonic() + _SECONDS
        while any(map(_runs, children)) and time.monotonic() < end:
            time.sleep(0.01)


def _runs(process: psutil.Process) -> bool:
    """Whether a process still has memory: one that has ended may stay in the table of processes."""
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _cause(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}, see the log"


def _serve(pipe: Connection, share: _Share) -> None:
    """Call the methods of a host that arrive through `pipe`, until the command kills this process, or ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the command's
    end_with_parent()
    # All before torch is loaded, which looks at them once.
    os.sched_setaffinity(0, share.cores)
    if share.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(share.gpus)
    os.environ.setdefault("VLLM_RPC_BASE_PATH", tempfile.gettempdir())  # of sockets, whose paths must be short
    tempfile.tempdir = share.scratch
    sending = threading.Lock()

    def send(number: int | None, found: Any) -> None:
        with sending:
            pipe.send((number, found))

    def reply(number: int, method: str, args: tuple[Any, ...]) -> None:
        try:
            send(number, getattr(host, method)(*args))
        except BaseException as error:  # noqa: BLE001  (it is raised in the command)
            send(number, _sendable(error))

    pass_warnings_on(partial(send, None))
    host = EngineHost(*pipe.recv())
    with ThreadPoolExecutor(THREADS) as threads, suppress(EOFError):
        while True:
            threads.submit(reply, *pipe.recv())


def _sendable(error: BaseException) -> Exception:
    """The error if it means something to the command, else its traceback."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, OSError) and error.errno is not None:  # of some types copies cannot be made
        return OSError(error.errno, error.strerror, error.filename)
    return RuntimeError("".join(traceback.format_exception(error)))


class ProcessExecutor(RemoteExecutor):
    """Several engines on this machine, and training on it."""

    def __init__(self, settings: Pipeline, data: OpenData, folder: Path, engines: int) -> None:
        super().__init__(settings, data, folder, (1, engines))
        self._scratch = tempfile.TemporaryDirectory(prefix="videostar-", ignore_cleanup_errors=True)
        self._shares = _shares(settings, engines, self._scratch.name)
        self._processes: dict[int, RemoteHost] = {}  # by the numbers of their shares

    def start_host(self) -> RemoteHost:
        """A process with a share that no other has."""
        taken = {number for number, process in self._processes.items() if not process.ended}
        number = min(set(range(len(self._shares))) - taken)
        self._processes[number] = process = _Process(self._shares[number], self.settings, self.open_data)
        return process

    def shared(self, job: RemoteJob) -> RemoteJob:
        """The job itself."""
        return job

    @property
    def launch(self) -> Callable[..., dict[str, Any]]:
        """`videostar.training.launch.launch`."""
        from videostar.training.launch import launch  # loads torch

        return launch

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._scratch.cleanup()


def _shares(settings: Pipeline, engines: int, scratch: str) -> list[_Share]:
    """The cores and GPUs of this process, divided."""
    cores, gpus, each = sorted(os.sched_getaffinity(0)), visible_gpus(settings), gpus_per_engine(settings)
    return [
        _Share(
            cores[number * len(cores) // engines : (number + 1) * len(cores) // engines] or cores,
            gpus[number * each : (number + 1) * each],
            scratch,
        )
        for number in range(engines)
    ]
