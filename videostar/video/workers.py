"""Calls in worker processes: what a file does to one of them, killing it or keeping it, costs that file alone."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, Self, TypeVar

import psutil

from videostar.processes import end_with_parent
from videostar.video.errors import BadVideo

SECONDS = 600.0  # that a call may take
_BEHIND = 10  # niceness: where cores are few the engine comes first, since decoding is ahead of it
MEMORY = 4 * 2**30  # bytes of address space that the calls of a process may add

# Not forked from this process: the engine's threads and torch's would be forked with it. One small process that has
# loaded what decoding needs is forked instead, in 20 ms, where the system has that; else each starts anew.
_PROCESSES: Any = multiprocessing.get_context(
    "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
)
_PROCESSES.set_forkserver_preload(["__main__", "videostar.video.cache", "videostar.video.probe", __name__])

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
                answer = worker.ask(function, args)
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


class _Worker:
    """A process that calls what it is sent."""

    def __init__(self) -> None:
        self.ready = False  # to be asked; what ends it before is no file's fault
        self._pipe, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()  # else its end would not be told by the pipe

    def ask(self, function: Callable[..., T], args: tuple[Any, ...]) -> T | BadVideo | OSError:
        """Raises TimeoutError, and EOFError or another OSError when the process has died."""
        if not self.ready:
            self.ready = self._said()
        self._pipe.send((function, args))
        answer: T | BadVideo | OSError = self._said()
        return answer

    def _said(self) -> Any:
        if not self._pipe.poll(SECONDS):
            raise TimeoutError
        return self._pipe.recv()

    def end(self) -> None:
        self._process.kill()  # also one that is stopped, or deep in a call of ffmpeg's


def _serve(pipe: Connection) -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this process
    os.nice(_BEHIND)
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = psutil.Process(os.getpid()).memory_info().vms + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))
    pipe.send(True)  # ready
    while True:
        try:
            function, args = pipe.recv()
        except EOFError:
            return
        try:
            answer = function(*args)
        except (BadVideo, OSError) as error:
            answer = error
        except MemoryError:
            answer = BadVideo("too large", f"takes more than {MEMORY / 2**30:.0f} GiB of memory")
        pipe.send(answer)
