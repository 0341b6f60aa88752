"""A small demo world, a cache of its own for every test session, and the command line as users call it."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from commands import Command
from filelock import FileLock
from hypothesis import settings
from ordinary_data import write_clip
from warm import Warm

settings.register_profile("untimed", deadline=None)  # how busy a machine is says nothing of the code
settings.load_profile("untimed")

#: A pipeline of seconds on the small world: few steps, and every stage for real.
QUICK = {
    "extends": "demo",
    "rounds": 2,
    "engine": {"batch_size": 16},
    "training": {"epochs": 1, "batch_size": 16, "gradient_accumulation": 1},
}


SHARED = Path(__file__).parents[2] / "shared"
#: What marked tests need beside the repository and its packages: whether it is there, and why they are skipped if not.
NEEDS = {
    "shared": (
        all((SHARED / name).is_dir() for name in ("clips", "label_sets")),
        f"needs real clips and label sets in {SHARED}, which the repository does not hold",
    ),
    "vllm": (bool(find_spec("vllm")), "needs vLLM (make vllm)"),
    "chromium": (bool(shutil.which("chromium")), "needs the program chromium"),
    "ffmpeg": (all(map(shutil.which, ("ffmpeg", "ffprobe"))), "needs the programs ffmpeg and ffprobe"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first; what lacks something is skipped."""
    items.sort(key=lambda item: item.get_closest_marker("first") is None)
    for item in items:
        for name, (there, reason) in NEEDS.items():
            if item.get_closest_marker(name) and not there:
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish() -> None:
    """All that is imported by now stays: engines have Python look through what is left whenever they drop a model."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HOME"] = str(tmp_path_factory.mktemp("hub"))  # with the models that tests put there
    # Where tests write the address of their object store; the user's credentials are not looked at.
    aws = tmp_path_factory.mktemp("aws")
    os.environ |= {"AWS_CONFIG_FILE": str(aws / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(aws / "credentials")}
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real clips and label sets, for tests that are marked so."""
    return SHARED


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data manifest of a world of 32 clips to train on, 16 each for validation and test, and 32 to mix in."""
    from videostar.demo.build import World, build_world
    from videostar.util.progress import silent

    folder = tmp_path_factory.mktemp("world")
    sizes = {"train": 32, "validation": 16, "test": 16, "mix": 32, "seed": 7}
    build_world(folder / "clips_and_labels", World.model_validate(sizes), silent("world"))
    manifest = {
        "root": "clips_and_labels",
        "rows": {"train": "train.csv", "validation": "validation.csv", "test": "test.csv"},
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(manifest))
    return path


@pytest.fixture(scope="session")
def quick(world: Path) -> Path:
    """A pipeline of seconds on the small world."""
    path = world.parent / "quick.yaml"
    mix = {"data": str(world.parent / "clips_and_labels" / "mix.jsonl")}
    path.write_text(yaml.safe_dump({**QUICK, "data": str(world), "mix": mix}))
    return path


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory, _own_cache: None) -> Iterator[Warm]:
    """Runs commands in forks of a process that has all loaded."""
    process = Warm(tmp_path_factory.mktemp("warm"))
    yield process
    process.stop()


@pytest.fixture
def videostar(warm: Warm, tmp_path: Path) -> Command:
    """`videostar(*arguments)` in a child process whose working folder is `tmp_path`."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return warm.run(*arguments, cwd=tmp_path)

    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, quick: Path, warm: Warm) -> tuple[Path, str]:
    """A run of two rounds, and what it printed.

    Of several test processes the first makes it, on its world. The others copy it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared-run"
    with FileLock(f"{shared}.lock"):
        if not (shared / "printed").exists():
            shared.mkdir(exist_ok=True)
            done = warm.run("cycle", "--pipeline", quick, "--out", "run", cwd=shared)
            assert done.returncode == 0, done.stderr
            (shared / "printed").write_text(done.stdout, encoding="utf-8")
    run = shutil.copytree(shared / "run", tmp_path_factory.mktemp("finished") / "run", symlinks=True)
    return run, (shared / "printed").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def _eight_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("eight")
    for number in range(8):
        write_clip(folder / f"{number:04}.mp4", number)
    return folder


@pytest.fixture
def clips(_eight_clips: Path, tmp_path: Path) -> Path:
    """A folder with 0000.mp4 to 0007.mp4 of `ordinary_data`, a copy for each test."""
    return Path(shutil.copytree(_eight_clips, tmp_path / "data"))
