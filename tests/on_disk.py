"""The table of `design/on-disk.md`: what lies on disk at every write, rename and fsync of a run of one round.

As a program, with `faults.c` preloaded, prints the table. A run is stopped (SIGSTOP) at each call: what is there then
is what a kill would leave. What a power cut would leave is reckoned from the same calls: nothing that counts may miss.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from durable import Durable
from faults import Runner
from warm import load_all

from videostar.runs.stage_names import stages

_HEAD = "| Killed at | Done, by the manifest | Not counted | The same command goes on with |\n|---|---|---|---|"
_BESIDE = {".lock", "best", "manifest.json", "pipeline.yaml", "skipped.jsonl", "log.txt"}


def table(runner: Runner, folder: Path) -> str:
    """A row for each state on disk, in order; `folder` is a new one."""
    folder.mkdir(parents=True)
    rows = [_HEAD]
    before = ()
    durable = Durable(folder / "run")
    for call, path, target in _calls(runner, folder):
        durable.see(call, path, target)
        state = _state(folder / "run")
        if state != before:
            name = path.relative_to(folder).as_posix()
            rows.append("| " + " | ".join((f"{call} `{name}`", *state)) + " |")
            before = state
    assert not durable.written | durable.named
    with_figures = ("health", "train", "evaluate")  # after which the gates are recorded, in a write of its own
    assert durable.counted == 1 + len(stages(1)) + len(with_figures)
    return "\n".join(rows)


def _calls(runner: Runner, folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """Each call that a run is about to make below its folder; it stands still meanwhile."""
    told, lines = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(told)
        runner.run_and_exit(folder, "WATCH", 1, lines)
    os.close(lines)
    with os.fdopen(told) as file:
        for line in file:
            os.waitpid(pid, os.WUNTRACED)
            call, path, target = line.rstrip("\n").split("\t")
            yield call, Path(path), Path(target)
            os.kill(pid, signal.SIGCONT)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == 0, (folder / "err").read_text()


def _state(run: Path) -> tuple[str, str, str]:
    """The last stage done, what no done stage has written, and the stage that comes next."""
    manifest = run / "manifest.json"
    done = json.loads(manifest.read_text())["stages"] if manifest.exists() else {}
    said = next(reversed(done), "no stage") if manifest.exists() else "no manifest"
    counted = {name for stage in done.values() for name in stage["wrote"]} | _BESIDE
    there = []
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run).as_posix()
        if name in counted or not _shown(path, run):
            continue
        lines = ""
        if path.suffix == ".jsonl" and path.parent.name.isdigit():
            text = path.read_text()
            lines = f", {text.count(chr(10))} lines" + (" and a torn one" if text and not text.endswith("\n") else "")
        there.append(f"`{name}`{lines}")
    following = next((stage for stage in stages(1) if stage not in done), "nothing: it is finished")
    return said, "; ".join(there) or "-", following


def _shown(path: Path, run: Path) -> bool:
    """Whole things and half-made ones by their own names, not what is inside of them; folders of rounds not at all."""
    inside = path.relative_to(run).parts
    if inside[0] in ("report", ".partial-report") or "training.jsonl" in inside[-1]:  # they are written again
        return False
    if any(part.startswith(".partial-") or part in ("dataset", "lora") for part in inside[:-1]):
        return False
    return inside[-1] != "rounds" and not inside[-1].isdigit()


if __name__ == "__main__":
    library, pipeline, scratch = sys.argv[1:]
    load_all()
    print(table(Runner(library, pipeline), Path(scratch).resolve()))
