"""kill -9 anywhere, the same command again: no sample lost or doubled, and the same kept answers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import command

ROUNDS = ("01", "02")


def kill_when(folder: Path, quick: Path, ready: Callable[[Path], bool]) -> None:
    """Start a run and SIGKILL it as soon as `ready` holds of its folder."""
    process = subprocess.Popen(
        command("cycle", "--pipeline", quick.name, "--data", "small.yaml", "--out", folder / "run"),
        cwd=quick.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 600
    while not ready(folder / "run"):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


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
def test_a_killed_run_ends_like_an_undisturbed_one(finished: tuple[Path, str], quick: Path, tmp_path: Path) -> None:
    """In processes of their own, with hash seeds of their own; `test_faults.py` kills at every point."""
    kill_when(tmp_path, quick, in_second_generation)
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
