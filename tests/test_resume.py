"""kill -9 anywhere, the same command again: no sample lost or doubled, and the same kept answers."""

from __future__ import annotations

import json
import os
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
        command("cycle", "--pipeline", quick, "--out", "run"),
        cwd=folder,
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


def resume(folder: Path) -> None:
    done = subprocess.run(
        command("cycle", "--resume", "run/manifest.json"), cwd=folder, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, quick: Path) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    done = subprocess.run(
        command("cycle", "--pipeline", quick, "--out", "run"), cwd=folder, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    return folder / "run"


def in_generation(run: Path) -> bool:
    ledger = run / "rounds" / "01" / "answers.jsonl"
    return ledger.exists() and ledger.stat().st_size > 0


def in_training(run: Path) -> bool:
    return (run / "rounds" / "01" / ".partial-adapter").exists()


def in_second_generation(run: Path) -> bool:
    ledger = run / "rounds" / "02" / "answers.jsonl"
    return ledger.exists() and ledger.stat().st_size > 0


@pytest.mark.slow
@pytest.mark.parametrize("moment", [in_generation, in_training, in_second_generation])
def test_a_killed_run_ends_like_an_undisturbed_one(
    undisturbed: Path, quick: Path, tmp_path: Path, moment: Callable[[Path], bool]
) -> None:
    kill_when(tmp_path, quick, moment)
    stages = json.loads((tmp_path / "run" / "manifest.json").read_text())["stages"]
    assert "02/evaluate" not in stages
    resume(tmp_path)
    for number in ROUNDS:
        for name in (
            "answers.jsonl",
            "dataset/data-00000.parquet",
            "adapter/adapter_model.safetensors",
            "adapter/adapter_config.json",
            "evaluation.json",
        ):
            path = Path("rounds") / number / name
            assert (tmp_path / "run" / path).read_bytes() == (undisturbed / path).read_bytes(), path
    assert not list((tmp_path / "run").rglob(".partial-*"))
