"""Ctrl-C or kill -9 anywhere, the same command again: no sample lost or doubled, and the same kept answers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import command

from videostar.runs.manifest import read_manifest, write_manifest

ROUNDS = ("01", "02")


def stop_when(folder: Path, quick: Path, ready: Callable[[Path], bool], sent: signal.Signals) -> tuple[int, str]:
    """Go on with a run, and signal it and all its processes as soon as `ready` holds of its folder.

    Its exit code, and what it said.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells ignore in the background
    process = subprocess.Popen(
        command("cycle", "--pipeline", quick.name, "--data", "small.yaml", "--out", folder / "run"),
        cwd=quick.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 600
    while not ready(folder / "run"):
        assert process.poll() is None, "the run ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, sent)
    _, said = process.communicate(timeout=120)
    return process.returncode, said


def resume(folder: Path) -> str:
    """From another folder than it was begun in, by the manifest alone; what it said."""
    done = subprocess.run(
        command("cycle", "--resume", "run/manifest.json"), cwd=folder, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def in_second_generation(run: Path) -> bool:
    ledger = run / "rounds" / "02" / "answers.jsonl"
    return ledger.exists() and ledger.stat().st_size > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(signal.SIGINT, id="Ctrl-C"),
        pytest.param(signal.SIGKILL, id="kill -9", marks=pytest.mark.exhaustive),
    ],
)
def test_a_stopped_run_ends_like_an_undisturbed_one(
    finished: tuple[Path, str], quick: Path, tmp_path: Path, sent: signal.Signals
) -> None:
    """In processes of their own, with hash seeds of their own; `test_faults.py` kills at every point.

    It begins with the first round of the undisturbed one. SIGINT is Ctrl-C in a terminal.
    """
    shutil.copytree(finished[0], tmp_path / "run", symlinks=True)
    shutil.rmtree(tmp_path / "run" / "rounds" / "02")
    manifest = read_manifest(tmp_path / "run" / "manifest.json")
    first = {name: stage for name, stage in manifest.stages.items() if not name.startswith("02")}
    write_manifest(tmp_path / "run" / "manifest.json", manifest.model_copy(update={"stages": first}))
    status, said = stop_when(tmp_path, quick, in_second_generation, sent)
    if sent == signal.SIGINT:
        assert status == 130
        assert said.splitlines()[-1] == "videostar: interrupted; the same command goes on"
        assert "Traceback" not in said
    stages = json.loads((tmp_path / "run" / "manifest.json").read_text())["stages"]
    assert "02/evaluate" not in stages
    with (tmp_path / "run" / "rounds" / "02" / "answers.jsonl").open("a") as ledger:
        ledger.write('{"question_id": "torn')
    said = resume(tmp_path)
    assert re.search(r"rounds/02/answers\.jsonl: its last line was unfinished \(\d+ bytes\) and was removed", said)
    for number in ROUNDS:
        for name in (
            "answers.jsonl",
            "dataset/data-00000.parquet",
            "lora/adapter_model.safetensors",
            "lora/adapter_config.json",
            "evaluation.json",
        ):
            path = Path("rounds") / number / name
            assert (tmp_path / "run" / path).read_bytes() == (finished[0] / path).read_bytes(), path
    assert not list((tmp_path / "run").rglob(".partial-*"))
