"""Runs that report to an experiment tracker."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
from commands import Command

from videostar.config.training import TrackerName


@pytest.fixture
def run(finished: tuple[Path, str], tmp_path: Path) -> Path:
    """A finished run of two rounds, to be changed."""
    return shutil.copytree(finished[0], tmp_path / "run", symlinks=True)


def reported(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Place and value of everything that TensorBoard has of a run, by name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {name: [(one.step, one.value) for one in events.Scalars(name)] for name in events.Tags()["scalars"]}


@pytest.mark.slow
def test_a_run_that_goes_on_reports_each_step_and_round_once_to_the_same_run_of_the_tracker(
    run: Path, quick: Path, videostar: Command
) -> None:
    pytest.importorskip("tensorboard")

    def cycle(rounds: int) -> list[Path]:
        sets = ("--rounds", rounds, "--set", "tracking=[tensorboard]")
        done = videostar("cycle", "--pipeline", quick, "--out", run, *sets)
        assert done.returncode == 0, done.stderr
        assert "tracking" not in done.stderr
        return sorted((run / "tracking/tensorboard").iterdir())

    (first,) = cycle(2)  # of a finished run
    assert cycle(2) == [first]
    facts = {name: stage["facts"] for name, stage in json.loads((run / "manifest.json").read_text())["stages"].items()}
    steps = [facts[f"0{number}/train"]["steps"] for number in (1, 2)]
    ends = [0, steps[0] + 1, sum(steps) + 2]
    found = reported(first)
    assert Counter(place for place, _ in found["train/loss"]) == Counter(set(range(1, ends[-1])) - {ends[1]})
    for name, figure in (("accuracy", "accuracy"), ("validation_accuracy", None)):
        expected = [facts[f"0{number}/evaluate"] for number in range(3)]
        values = [each[figure] if figure else each["validation"]["accuracy"] for each in expected]
        assert found[f"round/{name}"] == [
            (place, pytest.approx(value)) for place, value in zip(ends, values, strict=True)
        ]
    assert found["round/kept"] == [(ends[n], facts[f"0{n}/version"]["rows"]) for n in (1, 2)]

    # A tracker takes nothing back: after a rollback the run is another one to it, which goes on as the run does.
    assert videostar("rollback", run, 1).returncode == 0
    (second,) = set(cycle(1)) - {first}
    assert [place for place, _ in reported(second)["round/accuracy"]] == ends[:2]
    assert set(cycle(2)) == {first, second}
    assert reported(second).keys() == found.keys()
    for name, values in reported(second).items():
        if "second" not in name and "waiting" not in name:
            assert values == found[name], name


def test_a_tracker_that_fails_costs_one_line(run: Path, quick: Path, videostar: Command) -> None:
    pytest.importorskip("tensorboard")
    (run / "tracking").write_text("in the way")
    done = videostar("cycle", "--pipeline", quick, "--out", run, "--set", "tracking=[tensorboard]")
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if "tracking" in line)
    assert line.startswith("videostar: tracking: tensorboard failed (")
    assert line.endswith("); the run goes on without it")


def test_a_tracker_that_is_not_installed_is_named_before_the_run(quick: Path, videostar: Command) -> None:
    trackers: tuple[TrackerName, ...] = ("trackio", "wandb", "mlflow", "swanlab")
    missing = next((name for name in trackers if find_spec(name) is None), None)
    if missing is None:
        pytest.skip("all trackers are installed")
    done = videostar("cycle", "--pipeline", quick, "--out", "new", "--set", f"tracking=[{missing}]")
    assert done.returncode == 2
    assert f"tracking: {missing} is not installed; pip install {missing}" in done.stderr
