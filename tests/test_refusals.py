"""A clip that the model's processor refuses is skipped alone, with the processor's own words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answers import served_at
from commands import Command
from ordinary_data import LABELS, checked, told, write_clip, write_rows
from tiny_models import make
from training_rows import write_rows as write_version

from videostar.engines.base import Refused, Request
from videostar.engines.openai.engine import OpenaiEngine
from videostar.models.refusals import Refusals
from videostar.pipeline_files import load_pipeline
from videostar.video.clip import Clip

WORDS = "absolute aspect ratio must be smaller than 200, got 256.0"  # of Qwen's processors
#: Every answer is kept, so that there is something to train on.
QUICK = [
    *("--set", "mix=null", "--set", "generation.verify=false", "--set", "generation.max_new_tokens=8"),
    *("--set", "training.epochs=1", "--set", "engine.batch_size=4"),
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("qwen3_vl", tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def rows(clips: Path) -> Path:
    """Eight good rows, and a wide video in train and in test."""
    write_clip(clips / "wide.mp4", 8, size=(2048, 8))
    write_clip(clips / "wider.mp4", 9, size=(2048, 8))
    good = [f"{number:04}.mp4,{LABELS[number % 4]},{'train' if number < 5 else 'test'}" for number in range(8)]
    wide = ["wide.mp4,walking,train", "wider.mp4,walking,test"]
    return write_rows(clips / "rows.csv", "video,label,split", *good[:2], wide[0], *good[2:6], wide[1], *good[6:])


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_in_a_run_the_good_clips_are_asked_about(videostar: Command, rows: Path, tmp_path: Path) -> None:
    done = videostar("cycle", "--data", rows, "--rounds", 1, "--limit", 4, *QUICK, "--out", "run")
    assert done.returncode == 0, done.stderr
    first = tmp_path / "run" / "rounds" / "01"
    for ledger, refused in (("answers.jsonl", "wide.mp4"), ("evaluation.jsonl", "wider.mp4")):
        reasons = {line["video"]: line["reason"] for line in lines(first / ledger) if line["kind"] == "video"}
        assert reasons == {refused: f"refused by the model: {WORDS}"}
        assert len({line["video"] for line in lines(first / ledger)}) == 4
    assert json.loads((first / "evaluation.json").read_text())["skipped"] == 1
    version = json.loads((first / "dataset" / "version.json").read_text())
    assert (version["rows"], version["counts"]["skipped"]) == (3, 1)


def test_a_batch_of_refused_clips_alone(videostar: Command, rows: Path, tiny: Path, tmp_path: Path) -> None:
    done = videostar(
        *("generate", "--data", rows, "--pipeline", "embedded", "--model", tiny, *QUICK, "--out", "out"),
        *("--set", "engine.batch_size=1", "--set", "generation.samples=2"),
    )
    assert done.returncode == 0, done.stderr
    answers = lines(tmp_path / "out" / "answers.jsonl")
    assert [line["video"] for line in answers if line["kind"] == "video"] == ["wide.mp4"]
    assert len({line["video"] for line in answers}) == 6


@pytest.mark.parametrize("model", ["embedded", "tiny"])
def test_check_finds_them_when_a_model_is_given(videostar: Command, rows: Path, tiny: Path, model: str) -> None:
    name = tiny if model == "tiny" else model
    report = checked(videostar, rows, "--pictures", "--pipeline", "embedded", "--model", name)
    assert {(item["video"], item["reason"], item["detail"]) for item in report["skipped"]} == {
        (video, "refused by the model", WORDS) for video in ("wide.mp4", "wider.mp4")
    }
    assert not checked(videostar, rows, "--pictures")["skipped"]  # no model is given


def test_training_skips_their_rows(videostar: Command, rows: Path, tmp_path: Path) -> None:
    dataset = write_version(tmp_path / "version", ["0000.mp4", "wide.mp4", "0001.mp4", None], [5, 5, 5, 5])
    done = videostar("train", dataset, "--data", rows, *QUICK, "--out", "lora")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["skipped"] == 1
    assert "1 of 4 rows are skipped (1 refused by the model); the first is row 2: " in done.stderr
    assert f"{rows.parent}/wide.mp4: refused by the model: {WORDS}" in done.stderr
    none_left = write_version(tmp_path / "wide_only", ["wide.mp4"], [5])
    assert f"{WORDS}): give another --model" in told(videostar, "train", none_left, "--data", rows, "--out", "other")


def test_a_processor_that_refuses_every_clip_is_an_error(videostar: Command, rows: Path, tmp_path: Path) -> None:
    """Two frames are the fewest that Qwen's processors take."""
    why = "its processor refuses a plain clip with 1 frame of 64x64 pixels (t:1 must be larger than temporal_factor:2)"
    one = ["--data", rows, "--set", "video.frames=1", *QUICK]
    dataset = write_version(tmp_path / "version", ["0000.mp4"], [5])
    for words in (["cycle", *one], ["train", dataset, *one, "--out", "lora"]):
        assert why in told(videostar, *words)
    words = ["check", rows, "--pictures", "--pipeline", "embedded", "--model", "embedded", "--set", "video.frames=1"]
    done = videostar(*words)
    assert done.returncode == 2
    assert why in done.stderr.strip().splitlines()[-1]


def black(height: int, width: int) -> Clip:
    return Clip(np.zeros((8, height, width, 3), np.uint8), tuple(map(float, range(8))), fps=10.0, seconds=8.0)


@pytest.mark.parametrize("error", [IndexError("list index out of range"), RuntimeError(""), ZeroDivisionError()])
def test_any_error_of_a_processor_counts_and_each_shape_is_tried_once(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_pipeline("embedded")
    refusals = Refusals(settings.spec, settings.video)
    tried = []

    def prompts(turns: list[Any], **_: object) -> dict[str, Any]:
        tried.append(turns)
        raise error

    monkeypatch.setattr(refusals._chat, "prompts", prompts)
    refusal = refusals.refusal([black(16, 32)])
    assert str(refusal) == f"refused by the model: {str(error) or type(error).__name__}"
    assert refusals.refusal([black(16, 32)]) is refusal
    assert len(tried) == 1
    refusals.refusal([black(32, 16)])
    assert len(tried) == 2


def test_a_server_is_not_asked() -> None:
    with OpenaiEngine(served_at("http://127.0.0.1:9/v1")) as engine:
        assert engine.answer([Request("Who?", [black(1, 512)])]) == [
            Refused("refused by the model: absolute aspect ratio must be smaller than 200, got 512.0")
        ]
        assert engine.refusals.refusal([black(64, 64)]) is None
