"""`videostar check`: what is wrong with a data set is counted, shown and told by the exit code."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from data_sets import load
from typer.testing import CliRunner

from videostar.cli.app import app, main
from videostar.demo.render import write_clip
from videostar.demo.world import PATHS, draw_scene
from videostar.pipeline_files import load_pipeline
from videostar.runs.check import Report, check
from videostar.util.errors import UserError
from videostar.util.progress import silent


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clips that differ, a.mp4 to d.mp4, of a few seconds."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(3)
    for name in "abcd":
        write_clip(folder / f"{name}.mp4", draw_scene(rng, PATHS[0]))
    return folder


@pytest.fixture
def folder(clips: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clips, tmp_path / "data"))


def checked(folder: Path, rows: Sequence[str], header: str = "video,label,split", limit: int | None = None) -> Report:
    (folder / "labels.csv").write_text("\n".join([header, *rows]) + "\n")
    return look(folder, limit=limit)


def look(folder: Path, data: str = "csv", limit: int | None = None, **how: bool) -> Report:
    return check(load_pipeline("demo", data=data, root=str(folder), limit=limit), silent, **how)


def found(report: Report) -> dict[str, int]:
    return {problem.what: problem.count for problem in report.problems}


GOOD = ["a.mp4,run,train", "b.mp4,walk,train", "c.mp4,run,test", "d.mp4,walk,test"]


def test_good_data_has_no_problems(folder: Path) -> None:
    report = checked(folder, GOOD)
    assert not report.problems
    assert (report.rows, report.usable) == (4, 4)
    train = report.splits["train"]
    assert (train.rows, train.videos, train.classes) == (2, 2, 2)
    assert train.few == {"run": 1, "walk": 1}


def test_damage_that_only_decoding_shows(folder: Path) -> None:
    content = bytearray((folder / "a.mp4").read_bytes())
    media = content.index(b"mdat")
    end = content.index(b"moov")
    for place in range((media + end) // 2, end - 8, 400):  # the first picture is looked at anyway
        content[place] ^= 0x10
    (folder / "a.mp4").write_bytes(content)
    assert not checked(folder, GOOD).problems
    report = look(folder, pictures=True)
    assert found(report) == {"damaged": 1, "class without a training row": 1}
    assert (report.rows, report.usable) == (4, 3)


def test_rows_that_are_lost(folder: Path) -> None:
    (folder / "text.mp4").write_text("no video")
    (folder / "classes.txt").write_text("run\nwalk\n")
    bad = ["gone.mp4,run,train", "lost.mp4,run,train", "text.mp4,run,train", "a.mp4,,train", "a.mp4,runn,train"]
    report = checked(
        folder, [*GOOD, *bad, "a.mp4,run,train", "../a.mp4,run,train", "a.mp4,run,"]
    )  # the last says no split
    assert found(report) == {
        "missing": 3,
        "not a video": 1,
        "empty label": 1,
        "no split": 1,
        "unknown class": 1,
        "doubled": 1,
    }
    assert report.loses_data
    assert (report.rows, report.usable, report.official_classes) == (12, 4, 2)
    examples = {problem.what: problem.examples for problem in report.problems}
    assert examples["missing"][0] == "labels.csv:6: gone.mp4: no such file"
    assert "did you mean 'run'?" in examples["unknown class"][0]


def test_one_video_under_two_labels_or_in_both_splits(folder: Path) -> None:
    shutil.copy(folder / "a.mp4", folder / "a_again.mp4")
    shutil.copy(folder / "b.mp4", folder / "b_again.mp4")
    rows = [*GOOD, "b.mp4,run,train", "a_again.mp4,run,test", "b_again.mp4,walk,train", "c.mp4,walk,train"]
    report = checked(folder, rows)
    assert found(report) == {
        "also in test": 2,
        "two labels of one video": 1,
        "same content in train": 1,
    }
    assert report.loses_data
    examples = {problem.what: problem.examples for problem in report.problems}
    assert examples["two labels of one video"] == ["b.mp4: walk, run"]
    assert examples["also in test"] == [
        "labels.csv:2: a.mp4: the same content as a_again.mp4",
        "labels.csv:9: c.mp4: the same video",
    ]
    assert examples["same content in train"] == ["b.mp4: b_again.mp4"]


def test_what_is_only_good_to_know_loses_nothing(folder: Path) -> None:
    report = checked(folder, [*GOOD[:3], "d.mp4,jump,test"])
    assert found(report) == {"class without a training row": 1}
    assert not report.loses_data


def test_intervals(folder: Path) -> None:
    rows = ["a.mp4,run,train,0.5,1", "a.mp4,walk,train,0,0.5", "b.mp4,run,test,0,1"]
    bad = ["a.mp4,run,train,1,0.5", "a.mp4,run,train,1,1", "a.mp4,run,train,0,99", "a.mp4,run,train,-1,1"]
    report = checked(folder, [*rows, *bad], "video,label,split,start,end")
    assert found(report) == {"empty interval": 2, "interval outside the video": 2}
    data = load("csv", root=folder)
    assert len({sample.id for sample in data.samples}) == 3
    assert data.samples[0].values["start"] == 0.5


def test_a_limit_takes_the_first_of_each_split(folder: Path) -> None:
    report = checked(folder, GOOD, limit=1)
    assert (report.splits["train"].rows, report.splits["test"].rows) == (1, 1)


def test_the_first_place_where_a_video_lies_is_taken(folder: Path) -> None:
    (folder / "sub").mkdir()
    shutil.move(folder / "b.mp4", folder / "sub" / "b.mp4")
    (folder / "x.csv").write_text("id,label,split\na,run,train\nb,run,test\ngone,run,test\n")
    (folder / "x.yaml").write_text("rows: {all: x.csv}\nvideo: ['{id}.mp4', 'sub/{id}.mp4']\n")
    data = load(folder / "x.yaml")
    assert [sample.video for sample in data.samples] == ["a.mp4", "sub/b.mp4"]
    assert data.skipped[0].detail == "no such file; nor is there sub/gone.mp4"


def test_no_usable_video_is_a_problem_here_and_for_training_an_error_there(folder: Path) -> None:
    report = checked(folder, ["a.mp4,run,train", "gone.mp4,run,test"])
    assert found(report) == {"missing": 1, "no usable test video": 1}
    assert report.loses_data
    assert [sample.video for sample in load("csv", root=folder).samples] == ["a.mp4"]
    assert "no usable train video" in found(checked(folder, ["gone.mp4,run,train", "a.mp4,run,test"]))
    with pytest.raises(UserError, match="no usable train video in 2 rows"):
        load("csv", root=folder)


def test_the_command(folder: Path) -> None:
    checked(folder, GOOD)
    run = CliRunner()
    done = run.invoke(app, ["check", "csv", "--root", str(folder)])
    assert done.exit_code == 0, done.output
    assert "4 of 4 rows usable" in done.stdout
    checked(folder, [*GOOD, "evil\x1b[31m.mp4,run,train", "b.mp4,[bold]run[/nonsense],train"])
    done = run.invoke(app, ["check", "csv", "--root", str(folder)])
    assert done.exit_code == 1
    assert "\x1b" not in done.stdout
    assert "x1b[31m.mp4" in done.stdout
    assert "[/nonsense]" in done.stdout
    done = run.invoke(app, ["check", "csv", "--root", str(folder), "--json", "--limit", "2"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["splits"]["train"]["rows"] == 2


def test_a_wrong_manifest_is_one_line_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.yaml").write_text("rows: {all: x.csv}\nformat: jason\n")
    (tmp_path / "labels.csv").write_text("video,\x1b[31m\n")
    for arguments, said in {
        ("kinetic700",): "did you mean 'kinetics700'?",
        (str(tmp_path / "x.yaml"),): "format: did you mean 'json'?",
        ("csv", "--root", str(tmp_path)): r"no column 'label', only video, \x1b[31m",
        ("csv", "--root", str(tmp_path / "gone")): "no such folder",
    }.items():
        monkeypatch.setattr(sys, "argv", ["videostar", "check", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 2
        lines = capsys.readouterr().err.splitlines()
        assert said in lines[-1]


def test_rows_that_no_adapter_asks_about_are_told(folder: Path) -> None:
    (folder / "rows.csv").write_text("video,lable\na.mp4,run\n")
    (problem,) = [p for p in look(folder, str(folder / "rows.csv")).problems if p.what == "nothing to ask"]
    assert (problem.count, problem.loses_data) == (1, True)
    assert "no `label`, only video, lable" in problem.examples[0]


def test_rows_can_be_looked_over_without_opening_a_video(folder: Path) -> None:
    (folder / "text.mp4").write_text("no video, and not opened")
    (folder / "labels.csv").write_text(
        "\n".join(["video,label,split", *GOOD, "text.mp4,run,train", "gone.mp4,run,train", "a.mp4,run,test"]) + "\n"
    )
    report = look(folder, contents=False)
    assert found(report) == {"missing": 1, "also in test": 1}
    done = CliRunner().invoke(app, ["check", "csv", "--root", str(folder), "--rows-only"])
    assert done.exit_code == 1
    assert "5 of 7 rows usable" in done.stdout
