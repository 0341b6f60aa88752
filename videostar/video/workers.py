"""Calls functions in worker processes, so that a file that crashes or blocks its worker costs that file alone."""

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

SECONDS = 600.0  # the time limit of a call

# The program has the module search path of this process.
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from videostar.video.worker_server import main; main()"
)

T = TypeVar("T")


class Workers:
    """A pool of threads, each with a worker process that starts with the first call of the thread."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(count)
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._all: set[_Worker] = set()
        self._closed = False

    def submit(self, work: Callable[..., T], *args: Any) -> Future[T]:
        """Run `work` in one of the threads, where it may use `call`."""
        return self._threads.submit(work, *args)

    def call(self, function: Callable[..., T], *args: Any) -> T | BadVideo:
        """The result of `function` in this thread's process, or the BadVideo that it raises there.

        If the process dies, the call is repeated once in a new one, since the file may not be the cause. If the call
        exceeds the time limit, the process is killed. Both give a BadVideo. Raises the OSErrors of `function`.
        """
        for _ in range(2):
            worker = self._worker()
            try:
                answer = worker.call(function, args)
            except TimeoutError:
                self._end(worker)
                return BadVideo("too slow", f"not finished after {SECONDS:.0f} s")
            except (EOFError, OSError):
                self._end(worker)
                if not worker.ready and not self._closed:
                    raise RuntimeError("a worker process ended before it was ready") from None
                continue
            if isinstance(answer, OSError):
                raise answer
            return answer
        return BadVideo("unreadable", "it crashes the process that opens it")

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
    """Like `map(function, *columns)`, with one process per core. Raises RuntimeError if a call crashes its process."""
    with Workers(os.cpu_count() or 1) as workers:
        calls = [workers.submit(workers.call, function, *row) for row in zip(*columns, strict=True)]
        for call in calls:
            answer = call.result()
            if isinstance(answer, BadVideo):
                raise RuntimeError(f"{function.__name__}: {answer}")
            yield answer


class _Worker:
    """A process that calls the functions that it is sent."""

    def __init__(self) -> None:
        self.ready = False  # for calls; if it ends earlier, no file is the cause
        self._pipe, self._process = _server.fork()
        self._pipe.send(Path.cwd())

    def call(self, function: Callable[..., T], args: tuple[Any, ...]) -> T | BadVideo | OSError:
        """The result of the call. Raises TimeoutError, or EOFError or another OSError if the process has died."""
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
            self._process.kill()  # works even if it is stopped, or inside a call of ffmpeg


class _Server:
    """The process that workers are forked from, see `worker_server.py`. It is started once per process."""

    def __init__(self) -> None:
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._forget()
        os.register_at_fork(after_in_child=self._forget)
        atexit.register(self._stop)

    def _forget(self) -> None:
        """Forget the server after a fork, since it belongs to the parent."""
        if self._control is not None:
            self._control.close()
        self._control = self._process = None
        self._lock = threading.Lock()

    def fork(self) -> tuple[Connection, psutil.Process]:
        """A pipe to a new worker, and its process. Raises RuntimeError if it cannot be started."""
        ours, theirs = socket.socketpair()
        pipe = Connection(ours.detach())
        with theirs, self._lock:
            pid = self._forked(theirs)
            if not pid:  # the server has not been started, or was killed
                self._start()
                pid = self._forked(theirs)
        with suppress(psutil.NoSuchProcess):
            if pid:
                return pipe, psutil.Process(pid)
        raise RuntimeError("a worker process ended before it was ready")

    def _forked(self, theirs: socket.socket) -> int:
        """The pid of a new worker with the socket `theirs`; 0 without a server."""
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
