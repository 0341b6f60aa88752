"""Held-out sets of their own in every round, `evaluation.sets`: what is asked, measured, noticed and refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from ordinary_data import checked, told, write_clip, write_rows
from warm import Warm

DOORS = {"title": "Doors", "rows": {"all": "doors.jsonl"}, "format": "jsonl", "adapters": ["boolean"]}
#: TempCompass' files by their published form: videos, temporal aspects, questions whose options are lines.
QUESTIONS: dict[str, dict[str, Any]] = {
    "multi-choice": {
        "11": {
            "direction": [
                {"question": "Where does it go?\nA. left\nB. right\n C. up", "answer": "B. right"},
                {"question": "Which way?\nA. right\nB. left", "answer": "C. down"},  # no option
            ],
            "order": [
                {"question": "What comes first?\nA. a ball\nB. a box\nC.Both at once", "answer": "C.Both at once"}
            ],
        }
    },
    "yes_no": {
        "11": {"speed": [{"question": "Is it fast?", "answer": "no"}, {"question": "Is it?", "answer": "maybe"}]}
    },
    "caption_matching": {
        "11_reverse": {
            "direction": [
                {
                    "question": "Which fits?\nOption 1: It goes right.\nOption 2: It goes left.",
                    "answer": "Option 1: It goes right.",
                }
            ]
        }
    },
    "captioning": {"11": {"speed": [{"question": "Information A: ...\nGenerated Caption:", "answer": "B. slow"}]}},
}


@pytest.fixture(scope="module")
def tempcompass(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("TempCompass")
    for name, content in QUESTIONS.items():
        write_rows(folder / "questions" / f"{name}.json", json.dumps(content, indent=4))
    for number, name in enumerate(("11", "11_reverse")):
        write_clip(folder / "videos" / f"{name}.mp4", number)
    return folder


def test_tempcompass_is_checked_in_its_official_files(videostar: Command, tempcompass: Path) -> None:
    report = checked(videostar, "tempcompass", "--root", tempcompass)
    assert report["labels"] == {"B. right": 1, "C. Both at once": 1, "no": 1, "A. It goes right.": 1}
    assert {name: counts["rows"] for name, counts in report["splits"].items()} == {
        "train": 0,
        "validation": 0,
        "test": 4,
    }
    assert [(row["where"], row["reason"]) for row in report["skipped"]] == [
        ("multi-choice.json[11][direction][1]", "malformed row"),
        ("yes_no.json[11][speed][1]", "malformed row"),
        ("captioning.json", "caption generation"),
    ]
    assert {problem["what"] for problem in report["problems"]} == {"malformed row", "caption generation"}
    for name, rows in (("multi_choice", 2), ("yes_no", 1), ("caption_matching", 1)):
        assert checked(videostar, f"tempcompass_{name}", "--root", tempcompass, "--rows-only")["usable"] == rows
    assert "no usable train video" in told(videostar, "cycle", "--data", "tempcompass", "--root", tempcompass)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory, world: Path) -> Path:
    """Two sets: `doors.yaml`, of which one row shows a video that is trained on, and clips.csv with splits."""
    folder = tmp_path_factory.mktemp("sets")
    trained = next((world.parent / "clips_and_labels" / "clips" / "train").glob("*.mp4"))
    shutil.copy(trained, folder / "copy.mp4")
    for number in range(4):
        write_clip(folder / f"{number}.mp4", number)
    names = [*(f"{number}.mp4" for number in range(4)), "copy.mp4", "missing.mp4"]
    rows = [{"video": name, "question": "Does it move?", "value": number != 1} for number, name in enumerate(names)]
    write_rows(folder / "doors.jsonl", *map(json.dumps, rows))
    write_rows(folder / "doors.yaml", json.dumps(DOORS))
    splits = ("train", "validation", "validation", "train")
    lines = [f"{number}.mp4,sliding,{split}" for number, split in enumerate(splits)]
    write_rows(folder / "other" / "doors.csv", "video,label,split", *(f"../{line}" for line in lines))
    return folder


@pytest.fixture(scope="module")
def evaluated(sets: Path, quick: Path, warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run of one round that is evaluated on both, and what it printed."""
    folder = tmp_path_factory.mktemp("evaluated")
    done = warm.run(*_cycle(quick, sets), cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout + done.stderr


def _cycle(quick: Path, sets: Path, *more: str) -> list[str]:
    named = f"evaluation.sets=[{sets / 'doors.yaml'}, {sets / 'other' / 'doors.csv'}]"
    settings = ("rounds=1", "limit=16", "mix=null", named, *more)
    return ["cycle", "--pipeline", str(quick), "--out", "run", *(w for one in settings for w in ("--set", one))]


def test_every_round_is_asked_about_the_sets(evaluated: tuple[Path, str]) -> None:
    run, printed = evaluated[0] / "run", evaluated[1]
    manifest = json.loads((run / "manifest.json").read_text())
    figures: dict[int, Any] = {}
    for number in (0, 1):
        found = figures[number] = json.loads((run / f"rounds/{number:02}/evaluation.json").read_text())["sets"]
        assert {name: figures["n"] for name, figures in found.items()} == {"doors": 4, "doors-2": 2}
        ledger = run / f"rounds/{number:02}/evaluation.set-doors.jsonl"
        lines = [json.loads(line) for line in ledger.read_text().splitlines()]
        assert [line["video"] for line in lines] == ["0.mp4", "1.mp4", "2.mp4", "3.mp4"]
        assert {(line["task"], line["seed"]) for line in lines} == {("boolean", None)}
        assert found["doors"]["accuracy"] == sum(line["accepted"] for line in lines) / 4
        assert list(found["doors"]["per_kind"]) == ["boolean"]
        assert [one["round"] for one in found["doors"]["against"]] == [0][:number]
        assert ledger.relative_to(run).as_posix() in manifest["stages"][f"{number:02}/evaluate"]["wrote"]
    skipped = [json.loads(line) for line in (run / "skipped.jsonl").read_text().splitlines()]
    assert [(row["where"], row["reason"]) for row in skipped] == [
        ("doors: doors.jsonl:6", "missing"),
        ("doors: doors.jsonl:5", "also in train"),
    ]
    before, after = (f"{figures[number]['doors']['accuracy']:.1%}" for number in (0, 1))
    assert f"round 1, doors {after} (base {before}, " in printed


def test_a_set_may_move_but_not_change(
    evaluated: tuple[Path, str], sets: Path, quick: Path, videostar: Command, tmp_path: Path
) -> None:
    run = shutil.copytree(evaluated[0] / "run", tmp_path / "run", symlinks=True)
    moved = shutil.copytree(sets, tmp_path / "elsewhere")
    done = videostar(*_cycle(quick, moved))
    assert done.returncode == 0, done.stderr
    write_rows(moved / "doors.jsonl", *(moved / "doors.jsonl").read_text().replace("move", "roll").splitlines())
    line = videostar(*_cycle(quick, moved)).stderr.splitlines()[-1]
    assert "the data of evaluation.sets has changed since the run began" in line
    assert "--restart-from 00/evaluate" in line
    explained = videostar("explain", "--run", run, "2.mp4")
    assert "evaluation.set-doors.jsonl" in explained.stdout, explained.stderr


@pytest.mark.parametrize(
    ("row", "setting", "expected"),
    [
        ({"video": "copy.mp4", "value": True}, "data.leaks=refuse", "1 rows show videos that are trained on"),
        ({"video": "none.mp4", "value": True}, "seed=0", "no usable video to evaluate on in 1 rows"),
        ({"video": "0.mp4", "value": "so"}, "seed=0", "adapter boolean: no question about any video to evaluate on"),
        ({}, "evaluation.sets=[tempcompas]", "did you mean 'tempcompass'?"),
    ],
)
def test_a_set_that_cannot_be_used_is_refused_before_anything_is_answered(
    row: dict[str, Any], setting: str, expected: str, sets: Path, quick: Path, videostar: Command, tmp_path: Path
) -> None:
    folder = shutil.copytree(sets, tmp_path / "sets")
    write_rows(folder / "doors.jsonl", json.dumps({**row, "question": "Does it move?"}))
    done = videostar(*_cycle(quick, folder, setting))
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_evaluate_asks_about_a_set_too(sets: Path, quick: Path, videostar: Command, tmp_path: Path) -> None:
    named = f"evaluation.sets=[{sets / 'doors.yaml'}]"
    given = ("evaluate", "--pipeline", quick, "--out", "e.json", "--set", "limit=2", "--set", named)
    done = videostar(*given)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["sets"] == {"doors": 0.0}
    assert json.loads((tmp_path / "e.json").read_text())["sets"]["doors"]["n"] == 2
    assert (tmp_path / "e.set-doors.jsonl").is_file()
