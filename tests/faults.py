"""Runs of `videostar cycle` that are disturbed at chosen points, gone on with, and compared with an undisturbed one.

As a program, with `faults.c` preloaded: loads everything once, then forks a process for every run, so that a point
costs what the run computes and no more. Prints one JSON line about every point.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from training_rows import without_clock
from warm import load_all

HOW = {"kill": 1, "interrupt": 2, "fail": 3, "fail from now on": 4, "watch": 5}
#: What disturbs, and the signal or error that it comes with.
DISTURBANCES = {
    "SIGKILL": ("kill", 0),
    "SIGINT": ("interrupt", signal.SIGINT),
    "SIGTERM": ("interrupt", signal.SIGTERM),
    "EIO": ("fail", errno.EIO),
    "ENOSPC": ("fail from now on", errno.ENOSPC),
    "WATCH": ("watch", 0),
}
#: Signals that come by the clock, to the run and all its processes, as from a terminal or a machine that is shut down.
BY_THE_CLOCK = {"SIGINT-any-time": signal.SIGINT, "SIGTERM-any-time": signal.SIGTERM}
_MOMENTS = 1000  # that an undisturbed run's time is cut into


def build(folder: Path, name: str = "faults") -> Path:
    """The compiled `NAME.c`. Raises OSError without a C compiler, CalledProcessError where it does not compile."""
    library = folder / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True, capture_output=True)
    return library


def points(library: Path, pipeline: Path, scratch: Path, *plan: str) -> list[Any]:
    """What came of every point of a plan.

    Its words: `SIGKILL:all`; `EIO:12` for as many, seeded; `SIGKILL:all:3/12` for the third of twelve parts of them;
    first of all `TABLE` for the table of `on_disk.py`, if the run has one round.
    """
    said = preloaded(library, __file__, library, pipeline, scratch, *plan)
    return [json.loads(line) for line in said.splitlines()]


def preloaded(library: Path, *words: object) -> str:
    """What a Python program prints with the library preloaded."""
    environment = {**os.environ, "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *map(str, words)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def contents(run: Path) -> dict[str, Any]:
    """Every file of a run and its bytes, without its report; of manifest and log all but when, and how long."""
    found: dict[str, Any] = {}
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run).as_posix()
        if name.startswith(("report/", ".partial-report/")):
            continue
        if name == "manifest.json":
            manifest = json.loads(path.read_text())
            del manifest["seal"]
            for stage in manifest["stages"].values():
                del stage["started"], stage["seconds"]
            found[name] = manifest
        elif path.is_symlink():
            found[name] = str(path.readlink())
        elif path.name == "training.jsonl":
            found[name] = without_clock(path.read_bytes())
        elif path.is_file() and name != ".lock":
            found[name] = path.read_bytes()
    return found


def _plan(words: Sequence[str], count: int) -> Iterator[tuple[str, int]]:
    for word in words:
        name, many, *parts = word.split(":")
        every = range(1, (_MOMENTS if name in BY_THE_CLOCK else count) + 1)
        chosen = every if many == "all" else sorted(random.Random(name).sample(every, min(len(every), int(many))))
        part, of = map(int, parts[0].split("/")) if parts else (1, 1)
        for point in chosen[len(chosen) * (part - 1) // of : len(chosen) * part // of]:
            yield name, point


class Runner:
    """Runs in forked children of this process."""

    def __init__(self, library: str, pipeline: str) -> None:
        self.faults = ctypes.CDLL(library)
        self.pipeline = pipeline
        self.seconds = 0.0  # that an undisturbed run takes

    def undisturbed(self, folder: Path) -> int:
        """The calls of a run to its end in `folder`."""
        folder.mkdir(parents=True)
        started = time.monotonic()
        assert self.child(folder, None, 0) == 0, (folder / "err").read_text()
        self.seconds = time.monotonic() - started
        return int((folder / "count").read_text())

    def child(self, folder: Path, name: str | None, point: int) -> int:
        """The exit status of `videostar cycle` in `folder`, disturbed or not; its count of operations in `count`."""
        later = BY_THE_CLOCK.get(name or "")
        pid = os.fork()
        if pid == 0:
            if later:
                os.setpgid(0, 0)
            self.run_and_exit(folder, None if later else name, point)
        if later:
            time.sleep(self.seconds * point / _MOMENTS)
            with suppress(ProcessLookupError):  # it may be through
                os.killpg(pid, later)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def run_and_exit(self, folder: Path, name: str | None, point: int, lines: int = 0) -> NoReturn:
        """What a forked child does; `lines`: where it tells what it is about to do, if it is watched."""
        status = 70
        try:
            self._run(folder, name, point, lines)
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        except BaseException:  # noqa: BLE001  (a child that falls through would be a second parent)
            traceback.print_exc()
        finally:
            if name is None:
                (folder / "count").write_text(str(self.faults.faults_count()))
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _run(self, folder: Path, name: str | None, point: int, lines: int) -> None:
        from videostar.cli.app import main

        for stream, file in ((1, "out"), (2, "err")):
            handle = os.open(folder / file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, stream)
        os.chdir(folder)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        how, number = DISTURBANCES[name] if name else ("fail", 0)
        run = str(folder / "run")
        self.faults.faults_arm(run.encode(), point if name else 0, HOW[how], lines or int(number))
        sys.argv = ["videostar", "cycle", "--pipeline", self.pipeline, "--out", run]
        main()


def _main(library: str, pipeline: str, scratch: Path, words: Sequence[str]) -> None:
    load_all()
    runner = Runner(library, pipeline)
    if any(word.split(":")[0] in BY_THE_CLOCK for word in words):
        runner.undisturbed(scratch / "first")  # which decodes, and takes longer than all others
    count = runner.undisturbed(scratch / "undisturbed")
    wanted = contents(scratch / "undisturbed" / "run")
    known: dict[
        bytes, dict[str, Any]
    ] = {}  # what came of a run's files: not gone on with again where they are the same
    if "TABLE" in words:
        from on_disk import table  # which imports this module

        print(json.dumps(table(runner, scratch / "watched")), flush=True)
    for name, point in _plan([word for word in words if word != "TABLE"], count):
        folder = scratch / f"{name}-{point}"
        folder.mkdir()
        first = runner.child(folder, name, point)
        said = (folder / "err").read_text()
        left = hashlib.sha256(repr(contents(folder / "run")).encode()).digest()
        if left not in known:
            again = runner.child(folder, None, 0)
            found = contents(folder / "run")
            lost = sorted(path for path in {*wanted, *found} if wanted.get(path) != found.get(path))
            why = (folder / "err").read_text()[-2000:] if again else ""
            known[left] = {"resumed": again, "lost": lost, "why": why}
        of = _MOMENTS if name in BY_THE_CLOCK else count
        result = {"disturbance": name, "point": point, "of": of, "status": first, "said": said, **known[left]}
        print(json.dumps(result), flush=True)
        if not known[left]["lost"]:
            shutil.rmtree(folder)


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], Path(sys.argv[3]).resolve(), sys.argv[4:])
