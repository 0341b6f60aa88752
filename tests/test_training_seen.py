"""What people see of a training: its steps in `status`, in the report and in a tracker."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from rich.console import Console

from videostar.cli.training_plot import print_training
from videostar.training.log import read_log

#: As a training on two cores writes them.
FIGURES = {"epoch": 0.5, "input_tokens": 3000, "seconds": 0.5, "waiting": 0.01, "padding": 0.03}


@pytest.fixture
def run(finished: tuple[Path, str], tmp_path: Path) -> Path:
    """A finished run of two rounds, to be changed."""
    return shutil.copytree(finished[0], tmp_path / "run", symlinks=True)


def steps_of(run: Path, number: int) -> list[dict[str, Any]]:
    return read_log(run / f"rounds/{number:02}/training.jsonl")


def write_log(run: Path, number: int, sources: tuple[str, ...] = ("kept",), taken: int | None = None) -> None:
    """The log of a training of ten times as many steps as it was, as it is after `taken` of them."""
    steps = [dict(step) for step in steps_of(run, number) for _ in range(10)]
    for place, step in enumerate(steps):
        step |= {"step": place + 1, "steps": len(steps), "source": sources[place % len(sources)], **FIGURES}
    lines = [json.dumps(step) + "\n" for step in steps[:taken]]
    (run / f"rounds/{number:02}/training.jsonl").write_text("".join(lines))


def test_status_draws_the_loss_of_a_training_that_is_under_way(run: Path, videostar: Command) -> None:
    trained = len(steps_of(run, 2))
    steps = 10 * trained
    write_log(run, 2, taken=8)
    with (run / "rounds/02/training.jsonl").open("a") as file:
        file.write('{"step": 9, "lo')  # which is being written
    shown = videostar("status", run)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    (title,) = (place for place, line in enumerate(lines) if line.startswith("round 2, training: "))
    assert f"step 8 of {steps}, loss " in lines[title]
    assert ", padding 3.0%, waiting 2.0%, " in lines[title]
    assert lines[title].endswith(f", 6,000 tokens/s, {round((steps - 8) / 2)} s left")
    plot = lines[title + 1 : title + 11]
    assert [line[8] for line in plot] == [*"││││││││└", " "]
    assert any("\u2800" < sign <= "\u28ff" for line in plot for sign in line)
    assert plot[-1].endswith(f" {steps}")
    assert {len(line.rstrip()) for line in plot[-2:]} == {79}
    assert lines[title + 11 :] == ["finished"]

    told = json.loads(videostar("status", run, "--json").stdout)
    assert told["training"] == {"round": 2, **json.loads((run / "rounds/02/training.jsonl").read_text().split("\n")[7])}
    assert (told["remaining"], told["best"]["round"] in (0, 1, 2)) == ([], True)
    assert told["stages"]["02/train"]["steps"] == trained


def test_status_draws_what_an_earlier_videostar_recorded_and_names_a_damaged_file(
    run: Path, videostar: Command
) -> None:
    steps = steps_of(run, 2)
    old = [{name: step[name] for name in ("step", "loss", "tokens", "grad_norm", "learning_rate")} for step in steps]
    (run / "rounds/02/lora/steps.json").write_text(json.dumps(old))
    for number in (1, 2):
        (run / f"rounds/{number:02}/training.jsonl").unlink()
    assert f"round 2, training: step {len(steps)}, loss " in videostar("status", run).stdout
    (run / "rounds/02/training.jsonl").write_text('{"step": 1, "lo\n{"step": 2, "loss": 1.0}\n')
    done = videostar("status", run)
    assert done.returncode == 2
    assert "02/training.jsonl: cannot be read (" in done.stderr


def test_a_plot_is_drawn_in_ascii_where_the_terminal_has_no_other_letters() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    steps = [{"step": step, "steps": 20, "loss": 2 / step, **FIGURES} for step in range(1, 13)]
    print_training(1, [*steps, {"step": 13, "steps": 20, "loss": float("inf")}], Console(file=file, width=60))
    file.seek(0)
    lines = file.read().splitlines()
    assert lines[1].startswith("      2 |")
    assert any("*" in line for line in lines)
    assert all(len(line) <= 60 for line in lines[1:])
    constant = io.StringIO()
    print_training(1, [{"step": 1, "loss": 0.0}], Console(file=constant, width=20))
    assert "step 1, loss 0\n" in constant.getvalue()


def test_the_report_shows_the_loss_by_source_if_there_are_several(run: Path, videostar: Command) -> None:
    write_log(run, 1)
    write_log(run, 2, ("kept", "mix"))
    assert videostar("report", run, "--out", "page", "--megabytes", 0).returncode == 0
    page = (run.parent / "page/index.html").read_text()
    assert "by source of the rows, round 2" in page
    write_log(run, 2)
    assert videostar("report", run, "--out", "page", "--megabytes", 0).returncode == 0
    assert "by source of the rows" not in (run.parent / "page/index.html").read_text()
