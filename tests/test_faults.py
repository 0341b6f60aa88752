"""Runs that are killed, interrupted, or whose disk fails, at every point: what is resumed is the undisturbed run."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import Command, command
from faults import BY_THE_CLOCK, build, contents, points

HERE = Path(__file__).parent
OTHERS = ("SIGINT", "SIGTERM", *BY_THE_CLOCK, "EIO", "ENOSPC")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="faults.c is preloaded as Linux does it")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return build(tmp_path_factory.mktemp("faults"))
    except OSError:
        pytest.skip("needs a C compiler (cc)")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline of two rounds on six videos."""
    from videostar.demo.build import World, build_world
    from videostar.util.progress import silent

    folder = tmp_path_factory.mktemp("tiny")
    sizes = {"train": 6, "validation": 2, "test": 3, "mix": 8, "seed": 7}
    build_world(folder / "clips", World.model_validate(sizes), silent("world"))
    rows = {"train": "train.csv", "validation": "validation.csv", "test": "test.csv"}
    (folder / "world.yaml").write_text(yaml.safe_dump({"root": "clips", "rows": rows}))
    settings = {
        "extends": "demo",
        "rounds": 2,
        "engine": {"batch_size": 3},
        "training": {"epochs": 1, "batch_size": 4, "gradient_accumulation": 1},
        "data": str(folder / "world.yaml"),
        "mix": {"data": str(folder / "clips" / "mix.jsonl")},
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(settings))
    return folder / "tiny.yaml"


@pytest.fixture(scope="module")
def one_round(tiny: Path) -> Path:
    """The same with one round."""
    path = tiny.with_name("one.yaml")
    path.write_text(yaml.safe_dump(yaml.safe_load(tiny.read_text()) | {"rounds": 1}))
    return path


@pytest.fixture(scope="module")
def in_parts(one_round: Path) -> Path:
    """The same with a file for every three questions."""
    path = one_round.with_name("parts.yaml")
    path.write_text(yaml.safe_dump(yaml.safe_load(one_round.read_text()) | {"questions_per_file": 3}))
    return path


def nothing_is_lost(found: list[dict[str, Any]]) -> None:
    tried = Counter(result["disturbance"] for result in found)
    print(", ".join(f"{name}: {count} points" for name, count in tried.items()))
    shown = ("disturbance", "point", "lost", "why")
    assert not [{name: one[name] for name in shown} for one in found if one["lost"] or one["resumed"]]
    for result in found:
        how = result["disturbance"]
        if how in BY_THE_CLOCK:
            assert result["status"] in (-signal.SIGTERM, 130, 0), "killed, interrupted, or through already"
            continue  # what other processes say that are just beginning is not the run's
        assert "Traceback" not in result["said"], result["said"]
        if how in ("SIGKILL", "SIGTERM"):
            assert result["status"] < 0
        elif how == "SIGINT":
            assert result["status"] == 130
        else:
            assert result["status"] == 2
            assert len(re.findall("^videostar: .*goes on$", result["said"], re.MULTILINE)) == 1


@pytest.mark.first
@pytest.mark.slow
def test_what_is_on_disk_is_documented_and_nothing_is_lost_at_a_few_points(
    library: Path, one_round: Path, tmp_path: Path
) -> None:
    """While a dataset, a ledger and weights are written; `test_nothing_is_lost_at_any_point` has the others.

    `test_resume.py` stops a run in its second round. One process for all: it takes long to load.
    """
    table, *found = points(library, one_round, tmp_path, "TABLE", "SIGKILL:6:2/6", "ENOSPC:6:2/6", "SIGKILL:8:7/8")
    documented = (HERE.parent / "design" / "on-disk.md").read_text()
    assert table in documented, f"design/on-disk.md should have:\n{table}"
    assert len(found) == 3
    nothing_is_lost(found)


def parts() -> Iterator[str]:
    """Every point of a run killed, and many disturbed otherwise: in parts of minutes, each shown by itself."""
    for name, many, of in (("SIGKILL", "all", 14), *((name, "40", 2) for name in OTHERS)):
        yield from (f"{name}:{many}:{part}/{of}" for part in range(1, of + 1))


@pytest.mark.exhaustive
@pytest.mark.parametrize("part", parts())
def test_nothing_is_lost_at_any_point(library: Path, tiny: Path, tmp_path: Path, part: str) -> None:
    found = points(library, tiny, tmp_path, part)
    assert len(found) >= (20 if "40" in part else 200 // 14)
    nothing_is_lost(found)


@pytest.mark.exhaustive
@pytest.mark.parametrize("part", range(1, 5))
def test_nothing_is_lost_at_any_point_of_a_ledger_in_parts(
    library: Path, in_parts: Path, tmp_path: Path, part: int
) -> None:
    found = points(library, in_parts, tmp_path, f"SIGKILL:all:{part}/4", f"EIO:16:{part}/4")
    assert len(found) >= 20
    nothing_is_lost(found)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 32 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "none", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def fill(file: Path) -> None:
    """Write until nothing more goes in."""
    with file.open("wb", buffering=0) as ballast:
        for size in (2**20, 2**10, 1):
            try:
                while ballast.write(bytes(size)):
                    pass
            except OSError:
                continue


@pytest.mark.exhaustive
def test_a_full_disk_is_told_and_once_there_is_room_the_run_goes_on(
    small_disk: Path, tiny: Path, tmp_path: Path, videostar: Command
) -> None:
    given = ("cycle", "--pipeline", tiny, "--out")
    run = small_disk / "run"
    process = subprocess.Popen(command(*given, run), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while not (run / "manifest.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    fill(small_disk / "another")
    _, said = process.communicate(timeout=600)
    assert process.returncode == 2, said
    assert re.search(r"^videostar: .*[Nn]o space left on device.*goes on$", said, re.MULTILINE), said
    (small_disk / "another").unlink()
    again = videostar(*given, run)
    assert again.returncode == 0, again.stderr
    assert videostar(*given, tmp_path / "undisturbed").returncode == 0
    assert contents(run) == contents(tmp_path / "undisturbed")
