"""One process trains, or several that torch's own launcher starts, one for each GPU."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from videostar.config import Pipeline
from videostar.models.load import device
from videostar.training.log import OnStep, read_log
from videostar.training.worker import Work, fit
from videostar.util.errors import UserError
from videostar.util.files import write_text
from videostar.util.processes import end_with_parent, without_main
from videostar.util.terminal import warn

#: Calls `fit` with a work in one process or several, and in this one the second argument with each step's record.
Launch: TypeAlias = Callable[[Work, OnStep], dict[str, Any]]

_OFTEN = 0.2  # seconds between looks at the ranks and at the log
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)  # that torch's launcher handles


def launch(work: Work, on_step: OnStep) -> dict[str, Any]:
    """`fit` in `training.processes` processes; `on_step` is called in this one.

    Raises UserError as `fit` does, or if a process ends before its work is done. Then the others are ended too.
    """
    ranks = processes(work.settings)
    if ranks == 1:
        return fit(work, on_step)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=ranks,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        run_id="videostar",
        max_restarts=0,
        monitor_interval=_OFTEN,
        start_method="spawn",
        virtual_local_rank=True,  # each process sees one GPU, its own
    )
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # one line is enough
    try:
        with followed(work.log, on_step), _own_signals(), without_main():
            facts: dict[int, dict[str, Any]] = elastic_launch(config, _rank)(work)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        problem = problem_file(work, rank)
        if problem.exists():
            raise UserError(problem.read_text(encoding="utf-8")) from None
        print(failure.message, file=sys.stderr)  # into the log
        raise UserError(
            f"training: process {rank} of {ranks} was ended ({_cause(failure.exitcode)}); the same command goes on "
            "from the last checkpoint"
        ) from None
    except SignalException as error:
        if error.sigval == signal.SIGINT:
            raise KeyboardInterrupt from None
        raise SystemExit(128 + error.sigval) from None
    return facts[0]


def processes(settings: Pipeline) -> int:
    """The number of processes: that of the GPUs if it is `auto`, and one on a CPU."""
    if settings.training.processes != "auto":
        return settings.training.processes
    return max(1, torch.cuda.device_count()) if device(settings.spec).type == "cuda" else 1


def check_processes(settings: Pipeline) -> None:
    """Raises UserError if there are fewer GPUs than processes; warns if weights cannot be shared out."""
    if settings.executor.name != "local":
        return
    asked, found = processes(settings), torch.cuda.device_count()
    if device(settings.spec).type == "cuda" and asked > found:
        raise UserError(f"training.processes: {asked}, but this machine has {found} GPUs; lower it, or write auto")
    if settings.training.shard and asked == 1:
        warn("training.shard: has an effect with several training.processes only")


def _rank(work: Work) -> dict[str, Any]:
    """The work of one process."""
    end_with_parent()
    rank, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if not torch.cuda.is_available():
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // ranks))
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    try:
        return fit(work, lambda record: None)
    except UserError as error:
        write_text(problem_file(work, rank), str(error))
        raise SystemExit(2) from None


def problem_file(work: Work, rank: int) -> Path:
    """Where a rank leaves the message of its UserError."""
    return work.folder / f"problem-{rank}.txt"


def _cause(exitcode: int) -> str:
    return signal.Signals(-exitcode).name if exitcode < 0 else f"exit code {exitcode}, see the log"


@contextmanager
def followed(log: Path, on_step: OnStep) -> Iterator[None]:
    """`on_step` is called with each line that another process adds to the log."""
    ended = threading.Event()

    def follow() -> None:
        done, before = 0, _modified(log)
        while True:
            last = ended.wait(_OFTEN)
            if _modified(log) != before:  # the first rank has begun to write it
                records = read_log(log)
                for record in records[done:]:
                    on_step(record)
                done = len(records)
            if last:
                return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _modified(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


@contextmanager
def _own_signals() -> Iterator[None]:
    """The launcher replaces handlers of signals and leaves its own behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.getsignal(number) for number in _SIGNALS]
    try:
        yield
    finally:
        for number, handler in zip(_SIGNALS, before, strict=True):
            signal.signal(number, handler)
