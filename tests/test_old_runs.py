"""Runs that an earlier videostar began, as it left them, are read and gone on with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from commands import Command

from videostar import read_run
from videostar.util.files import digest

OLD = Path(__file__).parent / "data" / "old_runs"


@pytest.fixture(params=[2, 3])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A run of one round by its manifest's format, and its row file, beside the videos."""
    shutil.copytree(OLD / "clips", tmp_path / "clips")
    rows = shutil.copy(OLD / f"rows_{request.param}.csv", tmp_path)
    return shutil.copytree(OLD / f"format_{request.param}", tmp_path / "run", symlinks=True), Path(rows)


def test_an_old_run_is_read_as_it_is(old: tuple[Path, Path], videostar: Command) -> None:
    run, _ = old
    before = digest(run)
    for words in (("status", run), ("versions", run), ("explain", "train-0016.mp4", "--run", run)):
        done = videostar(*words)
        assert done.returncode == 0, done.stderr
    assert len(read_run(run).rounds()) == 2
    assert digest(run) == before


@pytest.mark.parametrize("left", ["untouched", "half renamed"])
def test_an_old_run_goes_on_with_its_lora_renamed(old: tuple[Path, Path], videostar: Command, left: str) -> None:
    run, rows = old
    lora = digest(run / "rounds" / "01" / "adapter")
    if left == "half renamed":  # killed after the first rename of its conversion
        (run / "rounds" / "01" / "adapter").rename(run / "rounds" / "01" / "lora")
    done = videostar("cycle", "--resume", run / "manifest.json", "--data", rows, "--rounds", 2)
    assert done.returncode == 0, done.stderr
    assert digest(run / "rounds" / "01" / "lora") == lora
    assert not list(run.rglob("adapter"))
    assert (run / "skipped.jsonl").is_file()
    assert not (run / "set_aside.jsonl").exists()
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["format"] == 4
    assert manifest["stages"]["01/train"]["wrote"] == {"rounds/01/lora": lora}
    assert manifest["stages"]["02/generate"]["read"] == {"rounds/01/lora": lora}
    assert [change["what"] for change in manifest["changes"]] == ["extended"]
