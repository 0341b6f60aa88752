"""The other side of `workers.py`: a process that has loaded what decoding needs, and forks itself for every worker.

It is a program of its own. Children of multiprocessing would import the user's main module first, and so run a script
again that has no `__main__` guard. Forked from the user's process, they would take its threads' locks with them.
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
import videostar.video.probe  # noqa: F401  (both so that no worker has to load them)
from videostar.video.errors import BadVideo

MEMORY = 4 * 2**30  # bytes of address space that the calls of a process may add
_BEHIND = 10  # niceness: where cores are few the engine comes first, since decoding is ahead of it


def main() -> NoReturn:
    """Fork a worker for every socket that comes through the one numbered `sys.argv[1]`, and reply with its pid.

    Once the parent has ended, however it ended, this process kills its workers and itself, which are a session of their
    own: Ctrl-C does not reach it.
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
    except (EOFError, OSError):  # the parent wants no more
        status = 0
    except BaseException:  # noqa: BLE001  (whatever it is, a worker must not go on as a second server)
        traceback.print_exc()
    finally:
        os._exit(status)


def _serve(pipe: Connection) -> None:
    """Call what is asked for, until the pipe ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.nice(_BEHIND)
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = psutil.Process(os.getpid()).memory_info().vms + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))
    os.chdir(pipe.recv())
    pipe.send(True)  # ready
    while True:
        function, args = pipe.recv()
        try:
            answer = function(*args)
        except (BadVideo, OSError) as error:
            answer = error
        except MemoryError:
            answer = BadVideo("too large", f"takes more than {MEMORY / 2**30:.0f} GiB of memory")
        pipe.send(answer)
