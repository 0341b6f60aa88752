"""A process that has imported what decoding needs and forks itself for every worker of `workers.py`.

It is a separate program. Children of multiprocessing would first import the user's main module, and so run again a
script that has no `__main__` guard. Forks of the user's process would inherit the locks of its threads.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NoReturn

import psutil

import videostar.video.cache
import videostar.video.probe  # noqa: F401  (so that workers need not import them)
from videostar.video.errors import BadVideo

MEMORY = 4 * 2**30  # bytes of address space that the calls of a worker may add
_NICENESS = 10  # if cores are few, the engine has priority, since decoding is ahead of it


def main() -> NoReturn:
    """Fork a worker for every socket that arrives through the socket number `sys.argv[1]`, and reply with its pid.

    When the parent ends, for any reason, this process kills its workers and itself. They are a session of their own, so
    Ctrl-C does not reach them.
    """
    control = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # workers that have died are not waited for
    while True:
        _, handles, _, _ = socket.recv_fds(control, 1, 1)
        if not handles:  # the parent has ended
            os.killpg(0, signal.SIGKILL)
        pid = os.fork()
        if pid == 0:
            control.close()
            _work(Connection(handles[0]))
        os.close(handles[0])
        with suppress(BrokenPipeError):
            control.sendall(pid.to_bytes(8, "little"))


def _work(pipe: Connection) -> NoReturn:
    status = 1
    try:
        _serve(pipe)
    except (EOFError, OSError):  # the parent has closed the pipe
        status = 0
    except BaseException:  # noqa: BLE001  (a worker must never go on as a second server)
        traceback.print_exc()
    finally:
        os._exit(status)


def _serve(pipe: Connection) -> None:
    """Call the functions that arrive through `pipe`, until it is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.nice(_NICENESS)
    _, hard_limit = resource.getrlimit(resource.RLIMIT_AS)
    limit = psutil.Process(os.getpid()).memory_info().vms + MEMORY
    resource.setrlimit(
        resource.RLIMIT_AS, (limit if hard_limit == resource.RLIM_INFINITY else min(limit, hard_limit), hard_limit)
    )
    os.chdir(pipe.recv())
    pipe.send(True)  # ready
    while True:
        function, args = pipe.recv()
        try:
            answer = function(*args)
        except (BadVideo, OSError) as error:
            answer = error
        except MemoryError:
            answer = BadVideo("too large", f"needs more than {MEMORY / 2**30:.0f} GiB of memory")
        pipe.send(answer)
