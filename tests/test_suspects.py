"""Out-of-fold predictions (`videostar baseline --folds`), and what they are for: label suspects and distractors."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers as hf
from commands import Command
from data_sets import load
from ordinary_data import write_film, write_rows
from tiny_models import make

from videostar.adapters.questions import Questions, load_tasks
from videostar.labels.choice import Choice
from videostar.util.files import digest

COLOURS = {"red": (200, 60, 60), "green": (60, 180, 60), "blue": (60, 60, 200), "grey": (120, 120, 120)}
EACH = 6  # training clips of a colour
WRONG = {"red0.mp4": "blue", "grey3.mp4": "green"}  # labels that are wrong on purpose
DOUBLE = "green9.mp4"  # the same file as green1.mp4
FOLDS = 3
ALL = ("--set", "data.validation=0")  # else a tenth of the training rows would be held out
SMALL = ("--set", "video.frames=2", "--set", "video.max_pixels=1024")


def _printed(videostar: Command, *arguments: object) -> str:
    done = videostar(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _refusal(videostar: Command, *arguments: object) -> str:
    done = videostar(*arguments)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A row file of clips of four colours, with two wrong labels and a double."""
    folder = tmp_path_factory.mktemp("colours")
    rng = np.random.default_rng(0)
    lines = ["video,label,split"]
    for name, colour in COLOURS.items():
        for number in range(EACH + 1):
            shade = rng.uniform(0.7, 1.0, (8, 8, 1)).repeat(8, 0).repeat(8, 1)
            film = [(shade * colour + rng.normal(0, 4, (64, 64, 3))).clip(0, 255).astype(np.uint8) for _ in range(12)]
            video = write_film(folder / f"{name}{number}.mp4", film).name
            lines.append(f"{video},{WRONG.get(video, name)},{'train' if number < EACH else 'test'}")
    shutil.copy(folder / "green1.mp4", folder / DOUBLE)
    return write_rows(folder / "rows.csv", *lines, f"{DOUBLE},green,train")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random CLIP tower."""
    folder = tmp_path_factory.mktemp("encoder") / "clip"
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    hf.CLIPVisionModel(hf.CLIPVisionConfig(**sizes, image_size=32, patch_size=8)).save_pretrained(folder)
    hf.CLIPImageProcessor(crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture
def fold(rows: Path, encoder: Path) -> tuple[object, ...]:
    """The command that predicts folds, in the place where `check --suspects` looks for them."""
    return ("baseline", rows, "--folds", FOLDS, "--encoder", encoder, "--no-arm", "--epochs", 40, *ALL)


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob("fold-*.jsonl")) for line in path.read_text().splitlines()]


def test_wrong_labels_are_the_first_suspects(
    videostar: Command, rows: Path, fold: tuple[object, ...], tmp_path: Path
) -> None:
    assert _printed(videostar, *fold).startswith("out-of-fold accuracy ")
    report = json.loads(_printed(videostar, "check", rows, *ALL, "--suspects", "--json", "--out", "found.csv"))
    first = {row["video"]: (row["label"], row["proposed"]) for row in report["suspects"][: len(WRONG)]}
    assert first == {video: (label, re.sub(r"\d+.mp4", "", video)) for video, label in WRONG.items()}
    own = [row["label_probability"] for row in report["suspects"]]
    assert own == sorted(own)
    assert all(row["probability"] > row["label_probability"] for row in report["suspects"])
    with (tmp_path / "found.csv").open(newline="") as file:
        listed = [row for row in csv.DictReader(file) if row["reason"] == "suspect label"]
    assert [row["video"] for row in listed] == [row["video"] for row in report["suspects"]]
    number = 1 + next(n for n, line in enumerate(rows.read_text().splitlines()) if line.startswith(listed[0]["video"]))
    assert listed[0]["where"] == f"rows.csv:{number}"
    assert report["agreement"] > 0.6
    shown = _printed(videostar, "check", rows, *ALL, "--suspects")
    assert "label suspects" in shown
    assert listed[0]["where"] in shown
    assert json.loads(_printed(videostar, "check", rows, "--json"))["suspects"] is None  # they were not looked for


def test_no_classifier_saw_what_it_predicts_and_folds_are_alike(
    videostar: Command, rows: Path, fold: tuple[object, ...], tmp_path: Path
) -> None:
    figures = json.loads(_printed(videostar, *fold, "--json"))
    folder = tmp_path / "baselines" / "rows" / "folds"
    assert figures["folder"] == str(folder.relative_to(tmp_path))
    lines = _lines(folder)
    trained = {line.split(",")[0] for line in rows.read_text().splitlines() if line.endswith(",train")}
    assert Counter(line["video"] for line in lines) == Counter(trained)  # each once, and no test video
    assert (figures["n"], figures["folds"], figures["classes"]) == (len(trained), FOLDS, len(COLOURS))
    place = {line["video"]: line["fold"] for line in lines}
    assert place["green1.mp4"] == place[DOUBLE]
    counts = Counter((line["label"], line["fold"]) for line in lines if line["video"] != DOUBLE)
    for label in COLOURS:
        of = [counts[label, number] for number in range(1, FOLDS + 1)]
        assert max(of) - min(of) <= 1, label
    for line in lines:
        assert sum(line["scores"].values()) == pytest.approx(1, abs=1e-4)

    # A fold that is missing is made again, to the same bytes, and the others stay as they are.
    made, kept = digest(folder), (folder / "fold-1.jsonl").stat().st_mtime_ns
    (folder / "fold-2.jsonl").unlink()
    assert "fold 2 of 3 is missing" in _refusal(
        videostar, "check", rows, "--set", "adapter=choice", "--set", f"distractors={folder}"
    )
    assert "some folds of another classifier; repeat the command" in _refusal(
        videostar, "check", rows, *ALL, "--suspects"
    )
    _printed(videostar, *fold)
    assert digest(folder) == made
    assert (folder / "fold-1.jsonl").stat().st_mtime_ns == kept
    assert "folds: 3 -> 4; give --out" in _refusal(videostar, *fold[:2], "--folds", 4, *fold[4:])
    (tmp_path / "few.csv").write_text("".join(rows.read_text().splitlines(keepends=True)[:-1]))
    shutil.copytree(folder, tmp_path / "baselines" / "few" / "folds")
    other = _refusal(videostar, "check", "few.csv", "--root", rows.parent, *ALL, "--suspects", *SMALL)
    assert "has predictions of other data" in other


def test_check_trains_the_classifier_if_it_is_not_there(videostar: Command, rows: Path, tmp_path: Path) -> None:
    some = [f"{name}{number}.mp4,{name},train" for name in ("red", "blue") for number in (1, 2)]
    (tmp_path / "some.csv").write_text("\n".join(["video,label,split", *some, "grey6.mp4,red,test"]) + "\n")
    model = make("qwen3_vl", tmp_path / "tiny")
    given = ("check", "some.csv", "--model", model, "--root", rows.parent, *ALL, "--suspects", *SMALL)
    report = json.loads(_printed(videostar, *given, "--json"))
    assert isinstance(report["suspects"], list)
    assert len(_lines(tmp_path / "baselines" / "some" / "folds")) == len(some)


def test_suspects_need_classes_and_videos(videostar: Command, rows: Path) -> None:
    line = _refusal(videostar, "check", rows, *ALL, "--suspects", "--set", "adapter=text")
    assert "no label is a class: a classifier learns labels of kind action, and these are of kind text" in line
    assert "--rows-only opens none" in _refusal(videostar, "check", rows, *ALL, "--suspects", "--rows-only")


def test_options_are_drawn_at_random_or_by_confusion(videostar: Command, rows: Path, tmp_path: Path) -> None:
    plain = ("check", rows, "--json", "--set", "adapter=choice")
    assert json.loads(videostar(*plain).stdout)["usable"] == 0  # rows without options
    labels = json.loads(_printed(videostar, *plain, "--set", "distractors=random"))["labels"]
    assert {label[3:] for label in labels} == set(COLOURS)
    assert {label[:3] for label in labels} == {"A. ", "B. ", "C. ", "D. "}

    # Of seven labels, three that `run` is often taken for; one never, but for labels that are taken for none.
    folder, names = tmp_path / "folds", ("run", "walk", "jog", "hop", "sit", "lie", "eat")
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"inputs": {"folds": 1, "data": "of others"}}))
    confused = {"run": 0.4, "walk": 0.3, "jog": 0.2, "hop": 0.1, "sit": 0.0}
    one = {"question_id": "q", "video": "v", "video_sha256": "d", "fold": 1, "label": "run", "scores": confused}
    (folder / "fold-1.jsonl").write_text(json.dumps(one) + "\n")
    videos = sorted(path.name for path in rows.parent.glob("*.mp4"))
    lines = [f"{video},{names[number % 7]},train" for number, video in enumerate(videos)]
    write_rows(tmp_path / "more.csv", "video,label,split", *lines)

    def asked(distractors: str) -> list[tuple[str, set[str]]]:
        data = load(tmp_path / "more.csv", root=rows.parent, cache=str(tmp_path / "cache"))
        found = Questions(data, load_tasks(data.source, "choice", distractors=distractors), 0)
        choices = [question.label for question in found.all()]
        assert all(isinstance(choice, Choice) and len(choice.options) == 4 for choice in choices)
        return [(choice.options[choice.answer], set(choice.options.values())) for choice in choices]  # type: ignore[attr-defined]

    drawn, by_chance = asked(str(folder)), asked("random")
    assert drawn == asked(str(folder))
    assert {frozenset(options) for right, options in drawn if right == "run"} == {frozenset(names[:4])}
    assert len({frozenset(options) for right, options in by_chance if right == "run"}) > 1
    others = [pair for pair in drawn if pair[0] != "run"]
    assert others == [pair for pair in by_chance if pair[0] != "run"]
    assert {name for _, options in others for name in options} == set(names)


def test_rows_that_have_options_keep_them(videostar: Command, rows: Path) -> None:
    options = '"[""walk"", ""run"", ""jump""]"'
    write_rows(
        rows.parent / "mixed.csv",
        "video,options,label,split",
        *(f"red0.mp4,{options},0,train", f"red1.mp4,{options},2,train", "red2.mp4,,sit,train", "red3.mp4,,hop,test"),
    )
    given = ("check", rows.parent / "mixed.csv", "--json", "--set", "adapter=choice", "--set", "distractors=random")
    labels = json.loads(_printed(videostar, *given))["labels"]
    assert {"A. walk", "C. jump"} < set(labels)
    assert {label[3:] for label in labels} == {"walk", "jump", "sit", "hop"}


def test_a_run_has_the_identity_of_its_distractors(
    videostar: Command, rows: Path, fold: tuple[object, ...], tmp_path: Path
) -> None:
    _printed(videostar, *fold)
    given = ("cycle", "--data", rows, "--rounds", 1, "--set", "adapter=choice", "--set", "generation.max_new_tokens=1")
    short = (*SMALL, "--limit", 8)

    def identity(distractors: str, out: str) -> Any:
        videostar(*given, *short, "--set", f"distractors={distractors}", "--out", out)  # ends without a kept answer
        return json.loads((tmp_path / out / "manifest.json").read_text())

    folder = "baselines/rows/folds"
    first, second = identity("random", "first"), identity(folder, "second")
    assert first["data"] != second["data"]
    assert second["settings"]["distractors"] == str(tmp_path / folder)
    line = _refusal(videostar, *given, *short, "--set", f"distractors={folder}", "--out", "first")
    assert "data" in line
    assert "distractors: are options of the adapter `choice`" in _refusal(
        videostar, "check", rows, "--set", "distractors=random"
    )
    assert "has no out-of-fold predictions" in _refusal(
        videostar, "check", rows, "--set", "adapter=choice", "--set", "distractors=nowhere"
    )
