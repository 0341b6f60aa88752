"""Controls: questions asked again without the video, with other frames, or with their options in another order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from commands import Command
from data_sets import made_of, questions_of
from ordinary_data import told, write_rows
from scripted_server import ScriptedServer, scripted_server
from tiny_models import make

from videostar.data.samples import Sample
from videostar.labels import parse_label
from videostar.stages.controls import Control, chance
from videostar.video.clip import Clip

TEST = (5, 6, 7)  # the clips to evaluate on; the others are for training
ALL = "[blind,shuffled,single,options]"


def blind(question: str) -> str:
    """Of grey frames every second question is answered right."""
    return "Answer: A" if int(question[question.index("Clip") + 5]) % 2 == 0 else "Answer: B"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedServer]:
    model = make("qwen3_vl", tmp_path_factory.mktemp("models") / "tiny")
    with scripted_server(model, lambda *_: "Answer: A", blind) as server:
        yield server


@pytest.fixture
def asking(clips: Path, server: ScriptedServer) -> list[str]:
    """The arguments of a command whose questions go to the server. A is right."""
    row = {"options": ["a door", "a box", "a shelf"], "answer": "A"}
    rows = [
        {"video": f"{n:04}.mp4", "question": f"Clip {n}?", "split": "test" if n in TEST else "train", **row}
        for n in range(8)
    ]
    data = write_rows(clips / "rows.jsonl", *map(json.dumps, rows))
    return [*server.settings, "--data", str(data), "--set", "adapter=choice", "--set", "engine.batch_size=2"]


def run(videostar: Command, *arguments: object) -> str:
    done = videostar(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def question(**values: Any) -> Any:
    sample = Sample("s", "a.mp4", str(values["label"]), "train", "f", 2.0, values)
    return questions_of(made_of([sample])).all()[0]


def clip(*shades: int) -> Clip:
    frames = np.stack([np.full((4, 4, 3), shade, np.uint8) for shade in shades])
    return Clip(frames, tuple(map(float, range(len(shades)))), 1.0, float(len(shades)), key="k")


def shades(changed: Any) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in changed[0].frames]


def test_frames_are_shuffled_by_seed_and_question_and_a_single_one_is_the_middle_one() -> None:
    asked = question(label="walking")
    for many in range(2, 9):
        shown = clip(*range(many))
        first, same, other = (Control("shuffled", seed).clips(asked, [shown]) for seed in (0, 0, 1))
        assert shades(first) == shades(same)
        assert sorted(shades(first)) == list(range(many))
        assert list(range(many)) not in (shades(first), shades(other))
        assert (first[0].times, first[0].key) == (shown.times, "")
        assert shades(Control("single", 0).clips(asked, [shown])) == [many // 2] * many
    assert len({tuple(shades(Control("shuffled", seed).clips(asked, [clip(*range(8))]))) for seed in range(9)}) > 7
    assert shades(Control("blind", 0).clips(asked, [clip(1, 2)])) == [128, 128]
    assert shades(Control("shuffled", 0).clips(asked, [clip(3, 3, 3)])) == [3, 3, 3]
    assert shades(Control("shuffled", 0).clips(asked, [clip(1, 1, 2)])) != [1, 1, 2]


def test_chance_is_known_if_all_answers_are_of_a_closed_set() -> None:
    four = parse_label({"kind": "choice", "options": dict(zip("ABCD", "wxyz", strict=True)), "answer": "A"})
    yes = parse_label({"kind": "boolean", "value": True})
    named = {"kind": "action", "name": "walking"}
    assert chance([four, yes]) == pytest.approx(0.375)
    assert chance([parse_label({**named, "among": ["walking", "running", "sitting", "standing"]})]) == 0.25
    assert chance([four, parse_label(named)]) is None
    assert chance([]) is None


def test_evaluation_asks_the_test_questions_again_under_each_control(
    asking: list[str], server: ScriptedServer, videostar: Command, tmp_path: Path
) -> None:
    few = ("evaluate", *asking, "--out", "X.json", "--set", "evaluation.controls=[blind]")
    printed = json.loads(run(videostar, *few))
    assert printed["controls"]["blind"]["accuracy"] == pytest.approx(1 / 3)
    before, asked = (tmp_path / "X.blind.jsonl").read_bytes(), len(server.asked)

    # Controls that are added are the only ones that are asked.
    every = ("evaluate", *asking, "--out", "X.json", "--set", f"evaluation.controls={ALL}")
    run(videostar, *every)
    assert len(server.asked) == asked + 3 * len(TEST)
    assert (tmp_path / "X.blind.jsonl").read_bytes() == before
    figures = json.loads((tmp_path / "X.json").read_text())
    controls = figures["controls"]
    assert figures["accuracy"] == 1.0
    shares = {name: found["accuracy"] for name, found in controls.items()}
    # The server answers A whatever it is shown; with the options in another order A is wrong.
    assert shares == {"blind": pytest.approx(1 / 3), "shuffled": 1.0, "single": 1.0, "options": 0.0}
    assert {(found["chance"], found["n"], found["skipped"]) for found in controls.values()} == {(1 / 3, 3, 0)}
    assert controls["blind"]["difference"]["difference"] == pytest.approx(2 / 3)

    full = lines(tmp_path / "X.jsonl")
    for row, changed in zip(full, lines(tmp_path / "X.options.jsonl"), strict=True):
        letter = changed["label"][0]
        assert (row["question_id"], row["label"]) == (changed["question_id"], "A. a door")
        assert letter in "BC"
        assert f"({letter}) a door" in changed["prompt"]
        assert all(text in changed["prompt"] for text in ("a box", "a shelf"))
    for row, changed in zip(full, lines(tmp_path / "X.shuffled.jsonl"), strict=True):
        assert (changed["frame_times"], changed["prompt"]) == (row["frame_times"], row["prompt"])

    # Cut in the middle of a control's ledger, whose windows have two questions.
    whole = {path.name: path.read_bytes() for path in tmp_path.glob("X.*json*")}
    (tmp_path / "X.json").unlink()
    (tmp_path / "X.single.jsonl").unlink()
    (tmp_path / "X.shuffled.jsonl").write_bytes(whole["X.shuffled.jsonl"][: len(whole["X.shuffled.jsonl"]) // 2])
    run(videostar, *every)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("X.*json*")} == whole


def test_answers_that_need_no_video_are_marked_dropped_or_halved(
    asking: list[str], videostar: Command, tmp_path: Path
) -> None:
    asked = ("generate", *asking, "--set", "generation.controls=[blind,options]")
    run(videostar, *asked, "--out", "all")
    marks = {row["video"]: row["controls"] for row in lines(tmp_path / "all" / "answers.jsonl")}
    assert marks == {f"{n:04}.mp4": {"blind": n % 2 == 0, "options": False} for n in range(5)}
    kept = pq.read_table(tmp_path / "all" / "dataset" / "data-00000.parquet").to_pylist()
    assert [row["right_under"] for row in kept] == [["blind"], [], ["blind"], [], ["blind"]]

    # The other half of the ledger again, and the version from it.
    ledger = tmp_path / "all" / "answers.jsonl"
    whole = ledger.read_bytes()
    version = (tmp_path / "all" / "dataset" / "version.json").read_bytes()
    (tmp_path / "all" / "dataset").rename(tmp_path / "first")
    ledger.write_bytes(whole[: len(whole) // 2])
    run(videostar, *asked, "--out", "all")
    assert ledger.read_bytes() == whole
    assert (tmp_path / "all" / "dataset" / "version.json").read_bytes() == version

    (tmp_path / "all" / "dataset").rename(tmp_path / "second")
    refused = videostar(*asked, "--out", "all", "--set", "generation.keep_blind=drop")
    assert refused.returncode == 2
    assert "generation.keep_blind: keep -> drop" in refused.stderr

    dropped = json.loads(run(videostar, *asked, "--out", "drop", "--set", "generation.keep_blind=drop"))
    assert (dropped["rows"], dropped["rejected"]) == (2, 3)
    rejected = pq.read_table(tmp_path / "drop" / "dataset" / "rejected.parquet").to_pylist()
    assert {(row["video"], row["reason"]) for row in rejected} == {(f"000{n}.mp4", "needs no video") for n in (0, 2, 4)}
    halved = json.loads(run(videostar, *asked, "--out", "halve", "--set", "generation.keep_blind=halve"))
    assert halved["rejected"] in (1, 2)
    assert halved["rows"] + halved["rejected"] == 5


def test_blind_answers_must_be_asked_for_before_they_are_dropped(videostar: Command) -> None:
    line = told(videostar, "generate", "--out", "out", "--set", "generation.keep_blind=drop")
    assert "generation: `keep_blind: drop` needs blind answers; set generation.controls=[blind]" in line
    assert "colour" in told(videostar, "generate", "--out", "out", "--set", "evaluation.controls=[colour]")


def test_a_cycle_reports_its_controls(quick: Path, videostar: Command, tmp_path: Path) -> None:
    """Every direct answer is kept, since none is verified."""
    changes = ("rounds=1", "limit=6", "mix=null", "generation.verify=false", "generation.controls=[blind]")
    settings = [word for change in changes for word in ("--set", change)]
    out = ("cycle", "--pipeline", quick, "--out", "run", *settings)
    printed = run(videostar, *out, "--set", "evaluation.controls=[blind,single]")
    assert "round 1, controls: blind " in printed
    assert ", single frame " in printed
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    generated = manifest["stages"]["01/generate"]["facts"]
    assert (generated["blind_asked"], generated["blind_right"]) == (6, 0)
    evaluated = manifest["stages"]["01/evaluate"]
    assert set(evaluated["facts"]["controls"]) == {"blind", "single"}
    ledgers = {f"rounds/01/evaluation.{name}.jsonl" for name in ("blind", "single")}
    assert ledgers < set(evaluated["wrote"])

    # Another control changes nothing that is done; to ask it, the last stage is done again.
    more = (*out, "--set", f"evaluation.controls={ALL}")
    assert "round 1 was evaluated without shuffled, options; --restart-from 01/evaluate" in run(videostar, *more)
    assert ", shuffled " in run(videostar, *more, "--restart-from", "01/evaluate")
    assert all((tmp_path / "run" / "struck" / "001" / path).exists() for path in ledgers)
    for path in ledgers:
        again, before = ((folder / path).read_bytes() for folder in (tmp_path / "run", tmp_path / "run/struck/001"))
        assert again == before
