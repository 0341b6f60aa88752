"""A model of the hub: which of its commits answers is recorded, and a run is not gone on with by another."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from commands import Command
from safetensors.torch import load_file, save_file
from warm import Warm

from videostar.runs.manifest import read_manifest, write_manifest
from videostar.util.resources import EMBEDDED, model_digest

COMMITS = ("a" * 40, "b" * 40)


@pytest.fixture(scope="module")
def hub() -> Path:
    """The folder of the model test/tiny in the hub's cache: the embedded one, and a later commit of it."""
    folder = Path(os.environ["HF_HOME"]) / "hub" / "models--test--tiny"
    for commit in COMMITS:
        shutil.copytree(EMBEDDED, folder / "snapshots" / commit)
    weights = load_file(folder / "snapshots" / COMMITS[1] / "model.safetensors")
    name = next(name for name in weights if name.endswith("language_model.norm.weight"))
    weights[name] = weights[name] * 1.5
    save_file(weights, folder / "snapshots" / COMMITS[1] / "model.safetensors", {"format": "pt"})
    (folder / "refs").mkdir()
    return folder


def point_at(hub: Path, commit: str) -> None:
    (hub / "refs" / "main").write_text(commit)


@pytest.fixture(scope="module")
def first(hub: Path, quick: Path, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the first commit."""
    folder = tmp_path_factory.mktemp("first")
    point_at(hub, COMMITS[0])
    words = ["cycle", "--pipeline", quick, "--set", "model=test/tiny", "--set", "mix=null", "--rounds", 1]
    done = warm.run(*words, "--limit", 2, "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.fixture
def run(first: Path, hub: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed; the first commit is that of the hub."""
    point_at(hub, COMMITS[0])
    return shutil.copytree(first, tmp_path / "run")


def test_a_commit_is_recorded_and_no_other_goes_on(run: Path, hub: Path, videostar: Command) -> None:
    assert json.loads((run / "manifest.json").read_text())["model"] == f"test/tiny@{COMMITS[0]}"
    version = json.loads((run / "rounds" / "01" / "dataset" / "version.json").read_text())
    assert version["lineage"]["model"] == f"test/tiny@{COMMITS[0]}"
    more = ("cycle", "--resume", run / "manifest.json", "--rounds", 2)

    point_at(hub, COMMITS[1])
    for words in (more[:-2], more):  # finished, and extended
        done = videostar(*words)
        assert done.returncode == 2
        assert "the base model has changed since the run began" in done.stderr
    point_at(hub, COMMITS[0])
    assert videostar(*more).returncode == 0


def test_a_run_that_is_older_than_its_record_goes_on_and_is_bound_from_then_on(
    run: Path, hub: Path, videostar: Command
) -> None:
    old = read_manifest(run / "manifest.json").model_copy(update={"model": "test/tiny"})
    write_manifest(run / "manifest.json", old)
    assert videostar("cycle", "--resume", run / "manifest.json").returncode == 0
    assert read_manifest(run / "manifest.json").model == f"test/tiny@{COMMITS[0]}"
    point_at(hub, COMMITS[1])
    assert videostar("cycle", "--resume", run / "manifest.json").returncode == 2


def test_a_finished_run_is_shown_without_its_model(run: Path, hub: Path, videostar: Command, tmp_path: Path) -> None:
    hub.rename(tmp_path / "elsewhere")
    try:
        done = videostar("cycle", "--resume", run / "manifest.json")
    finally:
        (tmp_path / "elsewhere").rename(hub)
    assert done.returncode == 0, done.stderr
    assert read_manifest(run / "manifest.json").model == f"test/tiny@{COMMITS[0]}"


def test_what_a_download_leaves_beside_a_model_is_not_the_model(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(EMBEDDED, tmp_path / "model"))
    before = model_digest(str(folder))
    (folder / ".cache" / "huggingface").mkdir(parents=True)
    (folder / ".cache" / "huggingface" / "config.json.metadata").write_text("1764331200.0")
    assert model_digest(str(folder)) == before
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    assert model_digest(str(folder)) != before
