"""Calls in worker processes: what a file does to one of them, killing it or keeping it, costs that file alone."""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil

from videostar.video.errors import BadVideo

SECONDS = 600.0  # that a call may take

# It finds the modules that this process would.
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from videostar.video.worker_server import main; main()"
)

T = TypeVar("T")


class Workers:
    """Threads, each with a worker process of its own that starts with the thread's first call."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count)
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._all: set[_Worker] = set()
        self._closed = False

    def submit(self, work: Callable[..., T], *args: Any) -> Future[T]:
        """Do `work` in one of the threads; there it may use `call`."""
        return self._threads.submit(work, *args)

    def call(self, function: Callable[..., T], *args: Any) -> T | BadVideo:
        """What `function` gives in this thread's process, or the BadVideo that it raises there.

        A process that dies is replaced and asked once more, for it need not have been the file's fault; one that is
        not done in time is killed. Both then are a BadVideo. Raises the OSErrors of `function`.
        """
        for _ in range(2):
            worker = self._worker()
            try:
                answer = worker.call(function, args)
            except TimeoutError:
                self._end(worker)
                return BadVideo("too slow", f"not done after {SECONDS:.0f} s")
            except (EOFError, OSError):
                self._end(worker)
                if not worker.ready and not self._closed:
                    raise RuntimeError("a worker process ended before it was ready") from None
                continue
            if isinstance(answer, OSError):
                raise answer
            return answer
        return BadVideo("unreadable", "the process that opens it dies of it")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            workers = list(self._all)
        for worker in workers:
            worker.end()
        self._threads.shutdown(cancel_futures=True)

    def _worker(self) -> _Worker:
        with self._lock:
            if self._closed:
                raise CancelledError
            worker: _Worker | None = getattr(self._mine, "worker", None)
            if worker not in self._all:
                worker = self._mine.worker = _Worker()
                self._all.add(worker)
            return worker

    def _end(self, worker: _Worker) -> None:
        worker.end()
        with self._lock:
            self._all.discard(worker)


def parallel_map(function: Callable[..., T], *columns: Iterable[Any]) -> Iterator[T]:
    """`function` of the first of every column, then of the second, and so on, by as many processes as there are cores.

    Raises RuntimeError when one dies of it.
    """
    with Workers(os.cpu_count() or 1) as workers:
        calls = [workers.submit(workers.call, function, *row) for row in zip(*columns, strict=True)]
        for call in calls:
            answer = call.result()
            if isinstance(answer, BadVideo):
                raise RuntimeError(f"{function.__name__}: {answer}")
            yield answer


class _Worker:
    """A process that calls what it is sent."""

    def __init__(self) -> None:
        self.ready = False  # to be asked; what ends it before is no file's fault
        self._pipe, self._process = _server.fork()
        self._pipe.send(Path.cwd())  # where this process is now

    def call(self, function: Callable[..., T], args: tuple[Any, ...]) -> T | BadVideo | OSError:
        """Raises TimeoutError, and EOFError or another OSError when the process has died."""
        if not self.ready:
            self.ready = self._received()
        self._pipe.send((function, args))
        answer: T | BadVideo | OSError = self._received()
        return answer

    def _received(self) -> Any:
        if not self._pipe.poll(SECONDS):
            raise TimeoutError
        return self._pipe.recv()

    def end(self) -> None:
        with suppress(psutil.NoSuchProcess):
            self._process.kill()  # also one that is stopped, or deep in a call of ffmpeg's


class _Server:
    """The process that workers are forked from (see `worker.py`): started once, for all of this process."""

    def __init__(self) -> None:
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._forget()
        os.register_at_fork(after_in_child=self._forget)
        atexit.register(self._stop)

    def _forget(self) -> None:
        """It is none of this process's, which has just been forked from its parent."""
        if self._control is not None:
            self._control.close()
        self._control = self._process = None
        self._lock = threading.Lock()

    def fork(self) -> tuple[Connection, psutil.Process]:
        """A new worker, and the pipe to it. Raises RuntimeError when there is none to be had."""
        ours, theirs = socket.socketpair()
        pipe = Connection(ours.detach())
        with theirs, self._lock:
            pid = self._forked(theirs)
            if not pid:  # the server was not started yet, or was killed
                self._start()
                pid = self._forked(theirs)
        with suppress(psutil.NoSuchProcess):
            if pid:
                return pipe, psutil.Process(pid)
        raise RuntimeError("a worker process ended before it was ready")

    def _forked(self, theirs: socket.socket) -> int:
        """The pid of a worker at the other end; 0 if no server is there."""
        with suppress(OSError):
            if self._control is not None:
                socket.send_fds(self._control, [b"."], [theirs.fileno()])
                return int.from_bytes(self._control.recv(8), "little")
        return 0

    def _start(self) -> None:
        self._stop()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno()), json.dumps(sys.path)],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def _stop(self) -> None:
        if self._control is not None and self._process is not None:
            self._control.close()
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


_server = _Server()
