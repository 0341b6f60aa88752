"""`import videostar`: the example of a notebook's size, and what the import costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from commands import Command

import videostar
from videostar import UserError

EXAMPLE = Path(__file__).parents[1] / "examples" / "python_api.py"
#: The example as `python EXAMPLE` runs it, with a demo world of fewer clips: it takes twelve of each split.
FEWER_CLIPS = """
import runpy, sys
from videostar.demo import build
build.WORLDS = {"demo": build.World(train=16, validation=12, test=12, mix=16)}
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.mark.slow
def test_the_example_runs_as_it_stands(tmp_path: Path) -> None:
    words = [sys.executable, "-c", FEWER_CLIPS, EXAMPLE]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "12 videos to train on, 0 rows skipped"
    assert lines[-1] == "True matched"
    assert (tmp_path / "runs" / "api" / "rounds" / "01" / "lora" / "adapter_model.safetensors").is_file()


def test_every_public_name_is_there_and_torch_is_not_loaded_for_them() -> None:
    code = (
        "import sys, videostar; [getattr(videostar, name) for name in videostar.__all__]; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("False\n", 0), done.stderr
    with pytest.raises(AttributeError, match="no attribute 'load_pipelin'"):
        _ = videostar.load_pipelin  # type: ignore[attr-defined]


def test_a_run_is_read_as_data_frames(finished: tuple[Path, str]) -> None:
    run = videostar.read_run(finished[0])
    rounds, answers = run.rounds(), run.answers(1)
    assert list(rounds.index) == [0, 1, 2]
    assert rounds.n.tolist() == [16, 16, 16]
    assert int(rounds.kept[1]) == int(answers.kept.sum()) == run.versions()[0].rows
    assert isinstance(answers, pd.DataFrame)
    assert set(answers.kind) <= {"direct", "rationalised"}
    assert run.best_round == run.manifest.best.round if run.manifest.best else run.best_round is None
    with pytest.raises(UserError, match="round 7 has no answers; the rounds are 1 to 2"):
        run.answers(7)


def test_stages_from_python_are_those_of_the_command_line(quick: Path, videostar: Command, tmp_path: Path) -> None:
    import videostar as api

    pipeline = api.load_pipeline(str(quick), limit=4, settings=["mix=null"])
    figures = api.evaluate(pipeline, tmp_path / "api.json")
    done = videostar("evaluate", "--pipeline", quick, "--limit", 4, "--set", "mix=null", "--out", "cli.json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "api.json").read_bytes() == (tmp_path / "cli.json").read_bytes()
    assert figures["n"] == 4
    assert len(api.load_data(pipeline).split("train")) == 4
