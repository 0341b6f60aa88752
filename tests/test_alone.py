"""Stages that run alone: what they write is bound to what made it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from filelock import FileLock

from videostar.util.files import digest


@pytest.fixture
def given(quick: Path) -> tuple[object, ...]:
    return ("--pipeline", quick, "--limit", 4)


def done(videostar: Command, *arguments: object) -> dict[str, Any]:
    """The figures that a command prints."""
    result = videostar(*arguments)
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def refused(videostar: Command, folder: Path, *arguments: object) -> str:
    """The one line of a refused command, which changes no file."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = videostar(*arguments)
    assert result.returncode == 2, result.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("videostar: ")]
    return line


def test_figures_are_those_of_what_is_evaluated_or_none(
    finished: tuple[Path, str], given: tuple[object, ...], videostar: Command, tmp_path: Path
) -> None:
    lora = finished[0] / "rounds" / "01" / "lora"
    asked = ("evaluate", *given, "--out", "same.json")
    base = done(videostar, *asked)
    assert done(videostar, *asked) == base
    for change, differs in (
        (("--lora", lora), f"lora: none -> {digest(lora)[:12]}..."),
        (("--set", "video.frames=4"), "video.frames: 8 -> 4"),
        (("--set", "generation.max_new_tokens=9"), "generation.max_new_tokens: 64 -> 9"),
        (("--limit", 2), "limit: 4 -> 2, data: "),
    ):
        line = refused(videostar, tmp_path, *asked, *change)
        assert differs in line
        assert "give --out another name" in line
    made_by = json.loads((tmp_path / "same.made_by.json").read_text())
    assert made_by["lora"] is None
    assert made_by["settings"]["video.frames"] == 8
    assert not [name for name in made_by["settings"] if name.startswith(("training", "mix", "stop", "cache"))]
    # What has no say in these answers may change.
    assert (
        done(videostar, *asked, "--set", "training.rank=8", "--set", "generation.samples=4", "--set", "mix=null")
        == base
    )


def test_answers_come_from_what_their_version_says(
    finished: tuple[Path, str], given: tuple[object, ...], videostar: Command, tmp_path: Path
) -> None:
    lora = finished[0] / "rounds" / "01" / "lora"
    asked = ("generate", *given, "--out", "alone")
    first = done(videostar, *asked)
    assert done(videostar, *asked) == first
    assert "lora: none -> " in refused(videostar, tmp_path, *asked, "--lora", lora)
    assert "generation.samples: 1 -> 2" in refused(videostar, tmp_path, *asked, "--set", "generation.samples=2")
    (tmp_path / "alone" / "dataset").rename(tmp_path / "elsewhere")  # as if it had been killed before the version
    assert "lora: none -> " in refused(videostar, tmp_path, *asked, "--lora", lora)
    assert done(videostar, *asked) == first
    version = json.loads((tmp_path / "alone" / "dataset" / "version.json").read_text())
    assert version["lineage"]["adapter"] is None
    assert digest(tmp_path / "alone" / "dataset") == digest(tmp_path / "elsewhere")


def test_answers_that_nothing_tells_the_makers_of_are_not_taken_for_ones_own(
    given: tuple[object, ...], finished: tuple[Path, str], videostar: Command, tmp_path: Path
) -> None:
    ledger = (finished[0] / "rounds" / "00" / "evaluation.jsonl").read_bytes()
    (tmp_path / "x.jsonl").write_bytes(ledger)
    line = refused(videostar, tmp_path, "evaluate", *given, "--out", "x.json")
    assert "x.jsonl: exists without a x.made_by.json that records its origin" in line
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "answers.jsonl").write_bytes(ledger)
    line = refused(videostar, tmp_path, "generate", *given, "--out", "alone")
    assert "answers.jsonl: exists without a made_by.json" in line
    (tmp_path / "mine.json").write_text("{}")
    line = refused(videostar, tmp_path, "evaluate", *given, "--out", "mine.json")
    assert "mine.json: exists without a mine.made_by.json" in line
    assert "give --out X.json" in refused(videostar, tmp_path, "evaluate", *given, "--out", "mine.jsonl")


def test_two_processes_do_not_write_the_same_answers(
    given: tuple[object, ...], videostar: Command, tmp_path: Path
) -> None:
    (tmp_path / "alone").mkdir()
    for out, lock, command in (("alone", "alone/.made_by.lock", "generate"), ("x.json", ".x.made_by.lock", "evaluate")):
        with FileLock(tmp_path / lock):
            line = refused(videostar, tmp_path, command, *given, "--out", out)
        assert "another process makes these answers" in line
