"""Which round is best, when a run stops early, what the last round is trained on, and what rounds say of each other."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import Command

from videostar.runs.manifest import Manifest, read_manifest, write_manifest
from videostar.stages.uncertainty import accuracy, difference

#: Of every clip the same label, which the base sometimes hits.
LUCKY = """
from videostar.adapters import LabelAdapter

class Hopping(LabelAdapter):
    prompts = "action"
    example = {}

    def label(self, row):
        return {"kind": "action", "name": "hopping"}
"""


@pytest.fixture
def run(finished: tuple[Path, str], tmp_path: Path) -> Path:
    """A finished run of two rounds, to be changed."""
    return shutil.copytree(finished[0], tmp_path / "run", symlinks=True)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def figures(run: Path, number: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "rounds" / f"{number:02}" / "evaluation.json").read_text())
    return found


def done(videostar: Command, *arguments: object) -> str:
    result = videostar(*arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def rewrite(run: Path, validation: dict[int, float], **update: Any) -> Manifest:
    """The manifest of a run whose rounds are said to have these accuracies on validation."""
    manifest = read_manifest(run / "manifest.json")
    stages = dict(manifest.stages)
    for number, share in validation.items():
        stage = stages[f"{number:02}/evaluate"]
        facts = {**stage.facts, "validation": {**stage.facts["validation"], "accuracy": share}}
        stages[f"{number:02}/evaluate"] = stage.model_copy(update={"facts": facts})
    manifest = manifest.model_copy(update={"stages": stages, **update})
    write_manifest(run / "manifest.json", manifest)
    return manifest


def test_validation_is_asked_beside_test_and_chooses_the_round(finished: tuple[Path, str], videostar: Command) -> None:
    run, printed = finished
    manifest = json.loads((run / "manifest.json").read_text())
    for number in (0, 1, 2):
        found = figures(run, number)
        asked = {
            split: lines(run / "rounds" / f"{number:02}" / f"{name}.jsonl")
            for split, name in (("test", "evaluation"), ("validation", "validation"))
        }
        assert not {line["question_id"] for line in asked["test"]} & {
            line["question_id"] for line in asked["validation"]
        }
        for split, said in (("test", found), ("validation", found["validation"])):
            assert said["n"] == len(asked[split]) == 16
            assert said["accuracy"] == sum(line["accepted"] for line in asked[split]) / 16
            assert [before["round"] for before in said["against"]] == list(range(number))
        assert f"rounds/{number:02}/validation.jsonl" in manifest["stages"][f"{number:02}/evaluate"]["wrote"]
    accuracies = [figures(run, number)["validation"]["accuracy"] for number in (0, 1, 2)]
    best = accuracies.index(max(accuracies))
    assert manifest["best"]["round"] == best
    assert manifest["best"]["accuracy"] == accuracies[best]
    assert (run / "best").readlink() == Path(f"rounds/{best:02}")
    for shown in (printed, done(videostar, "status", run)):
        assert f"best round on validation: {best} ({accuracies[best]:.1%}, n=16)" in shown
        assert "points (" in shown
        assert "against round 1" in shown


def test_the_best_round_is_the_earliest_of_equal_ones_and_its_lora_is_named(run: Path, videostar: Command) -> None:
    rewrite(run, {0: 0.5, 1: 0.75, 2: 0.75})
    assert f"best round on validation: 1 (75.0%, n=16), its LoRA: {run / 'rounds/01/lora'}" in done(
        videostar, "status", run
    )
    done(videostar, "gc", run)
    assert (run / "best").readlink() == Path("rounds/01"), "put right by whoever opens the run"
    assert (run / "best" / "lora" / "adapter_model.safetensors").is_file()

    # With nothing kept in a round the model stays, and so does its LoRA.
    manifest = rewrite(run, {2: 0.8})
    stages = {name: stage for name, stage in manifest.stages.items() if name != "02/train"}
    manifest = rewrite(run, {}, stages=stages)
    assert manifest.best is not None
    assert (manifest.best.round, manifest.best.lora) == (2, "rounds/01/lora")

    rewrite(run, {0: 0.9})
    assert "best round on validation: 0 (90.0%, n=16), the base model: there is no LoRA" in done(
        videostar, "status", run
    )


def test_a_copy_that_followed_the_link_is_told_of(
    finished: tuple[Path, str], videostar: Command, tmp_path: Path
) -> None:
    run = shutil.copytree(finished[0], tmp_path / "run")
    told = videostar("gc", run)
    assert told.returncode == 0
    assert "best: is a copy, not a link to the best round" in told.stderr
    shutil.rmtree(run / "best")
    assert "best" not in videostar("gc", run).stderr
    assert (run / "best").is_symlink()


def test_the_link_to_the_best_round_follows_what_is_undone(run: Path, videostar: Command) -> None:
    rewrite(run, {0: 0.5, 1: 0.6, 2: 0.7})
    done(videostar, "gc", run)
    assert (run / "best").readlink() == Path("rounds/02")
    (run / ".partial-best").symlink_to("rounds/01")  # a crash's
    assert ".partial-best" in done(videostar, "gc", run)
    assert not (run / ".partial-best").is_symlink()
    assert (run / "rounds" / "01").is_dir()
    done(videostar, "rollback", run, 1)
    assert (run / "best").readlink() == Path("rounds/01")
    assert read_manifest(run / "manifest.json").best is not None


@pytest.mark.slow
def test_a_run_stops_when_validation_has_fallen_and_goes_on_when_it_is_told_to(run: Path, videostar: Command) -> None:
    manifest = read_manifest(run / "manifest.json")
    undone = {name: stage for name, stage in manifest.stages.items() if name < "01/train" and name != "01/evaluate"}
    shutil.rmtree(run / "rounds" / "02")
    shutil.rmtree(run / "rounds" / "01" / "lora")
    write_manifest(run / "manifest.json", manifest.model_copy(update={"stages": undone}))
    rewrite(run, {0: 1.0})
    printed = done(videostar, "cycle", "--resume", run / "manifest.json", "--set", "stop.patience=1")
    assert "stopped after round 1: validation was below its best for 1 rounds" in printed
    assert not (run / "rounds" / "02").exists()
    assert json.loads((run / "manifest.json").read_text())["stopped"] == 1
    told = done(videostar, "status", run)
    assert "stopped after round 1" in told
    assert told.endswith("finished\n")
    before = (run / "manifest.json").read_bytes()
    done(videostar, "cycle", "--resume", run / "manifest.json")
    assert (run / "manifest.json").read_bytes() == before
    assert "next: 02/generate" in _status_with(run, 2, videostar)
    done(videostar, "cycle", "--resume", run / "manifest.json", "--set", "stop.patience=null")
    found = read_manifest(run / "manifest.json")
    assert "02/evaluate" in found.stages
    assert found.stopped is None


def _status_with(run: Path, patience: int, videostar: Command) -> str:
    """What `status` would say of the run with another patience."""
    manifest = read_manifest(run / "manifest.json")
    other = run.parent / f"patience-{patience}"
    other.mkdir()
    stop = manifest.settings.stop.model_copy(update={"patience": patience})
    settings = manifest.settings.model_copy(update={"stop": stop})
    write_manifest(other / "manifest.json", manifest.model_copy(update={"settings": settings}))
    return done(videostar, "status", other)


@pytest.mark.parametrize(
    ("accuracies", "patience", "stopped"),
    [
        ({0: 0.5, 1: 0.4, 2: 0.4}, 2, 2),
        ({0: 0.5, 1: 0.4, 2: 0.5}, 1, None),  # a tie is no fall
        ({0: 0.5, 1: 0.6, 2: 0.55}, 1, 2),
        ({0: 0.5, 1: 0.6, 2: 0.55}, 2, None),
        ({0: 0.5, 1: 0.4, 2: 0.6}, 1, None),
    ],
)
def test_patience_counts_the_rounds_below_the_best_so_far(
    run: Path, accuracies: dict[int, float], patience: int, stopped: int | None
) -> None:
    settings = read_manifest(run / "manifest.json").settings
    change = {"rounds": 5, "stop": settings.stop.model_copy(update={"patience": patience})}
    assert rewrite(run, accuracies, settings=settings.model_copy(update=change)).stopped == stopped


@pytest.fixture
def lucky(quick: Path, tmp_path: Path) -> tuple[object, ...]:
    """Data of which the base answers some."""
    (tmp_path / "lucky.py").write_text(LUCKY)
    return ("--pipeline", quick, "--set", "adapter=lucky.py:Hopping")


def test_the_last_round_is_trained_on_what_version_json_says(finished: tuple[Path, str]) -> None:
    folder = finished[0] / "rounds" / "02"
    version = json.loads((folder / "dataset" / "version.json").read_text())
    answers = lines(folder / "answers.jsonl")
    asked = {(line["label"], line["question_id"]) for line in answers if line["kind"] == "direct"}
    direct = {(line["label"], line["question_id"]) for line in answers if line["kind"] == "direct" and line["kept"]}
    labels = Counter(label for label, _ in asked)
    hit = Counter(label for label, _ in direct)
    again = [line["label"] for line in answers if line["kind"] == "rationalised" and line["kept"]]
    left_out = Counter(label for label in again if hit[label] and 2 * hit[label] >= labels[label])
    assert version["last_round"] == {
        "rationalised_kept": len(again) - left_out.total(),
        "rationalised_left_out": left_out.total(),
        "direct_only": {"action": dict(left_out)} if left_out else {},
    }
    assert version["counts"].get("rationalised", 0) == len(again) - left_out.total()


def test_several_questions_about_a_video_are_not_taken_for_as_many_videos(
    world: Path, videostar: Command, tmp_path: Path
) -> None:
    """The same question by two adapters: what the second one answers is nothing new."""
    root = shutil.copytree(world.parent / "clips_and_labels", tmp_path / "clips_and_labels")
    for split in ("train", "test"):
        _, *rows = (root / f"{split}.csv").read_text().splitlines()
        lucky = [f"{row.split(',')[0]},hopping,0,1" for row in rows]
        (root / f"{split}.csv").write_text("\n".join(["video,label,start,end", *lucky]) + "\n")
    data = {"root": str(root), "rows": {"train": "train.csv", "test": "test.csv"}, "prompts": "action"}
    (tmp_path / "twice.yaml").write_text(yaml.safe_dump({**data, "adapters": ["action", "what_happened"]}))
    done(videostar, "evaluate", "--data", "twice.yaml", "--set", "mix=null", "--out", "x.json")
    found = json.loads((tmp_path / "x.json").read_text())
    answers = lines(tmp_path / "x.jsonl")
    assert (found["n"], found["videos"]) == (32, 16)
    expected = accuracy([line["accepted"] for line in answers], [line["video"] for line in answers])
    assert 0 < found["accuracy"] < 1
    assert found["ci95"] == [expected.low, expected.high]
    assert found["se"] == expected.se
    once = accuracy([line["accepted"] for line in answers[::2]], [line["video"] for line in answers[::2]])
    assert expected.high - expected.low == pytest.approx(once.high - once.low, rel=0.1), "as sure as one question each"


@pytest.mark.slow
def test_rounds_are_compared_on_the_same_questions_and_seeds_in_one_table(
    lucky: tuple[object, ...], videostar: Command, tmp_path: Path
) -> None:
    asked = ("cycle", *lucky, "--limit", 12, "--rounds", 1, "--set", "generation.samples=2", "--out", "runs")
    asked += ("--seeds", "0,1")
    printed = done(videostar, *asked)
    (found,) = json.loads((tmp_path / "runs" / "seeds.json").read_text())["figures"]
    runs = [tmp_path / "runs" / f"seed-{seed}" for seed in (0, 1)]
    for number in (0, 1):
        values = [figures(run, number)["accuracy"] for run in runs]
        told = found["rounds"][number]["accuracy"]
        assert (told["mean"], told["min"], told["max"]) == (sum(values) / 2, min(values), max(values))
        assert told["sd"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    versions = [json.loads((run / "rounds/01/dataset/version.json").read_text()) for run in runs]
    kept = [version["rows"] for version in versions]
    # Neither has a rule for the last round, which is none for the first.
    assert all(version["last_round"] is None for version in versions)
    assert any({"direct", "rationalised"} <= version["counts"].keys() for version in versions), "some are lucky"
    assert (found["rounds"][1]["kept"]["min"], found["rounds"][1]["kept"]["max"]) == (min(kept), max(kept))
    assert found["rounds"][0]["kept"] is None
    best = [figures(run, read_manifest(run / "manifest.json").best.round)["accuracy"] for run in runs]  # type: ignore[union-attr]  # there is one
    assert found["best"]["mean"] == sum(best) / 2
    assert "best    runs    2 " in printed
    assert done(videostar, "compare", "runs") in printed, "it prints the same"
    assert printed.endswith("report: runs/report/index.html\n")
    for run in runs:
        ledgers = [lines(run / "rounds" / name / "evaluation.jsonl") for name in ("00", "01")]
        before, after = ([line["question_id"] for line in each] for each in ledgers)
        assert before == after
        expected = difference(
            *([line["accepted"] for line in each] for each in ledgers[::-1]), [line["video"] for line in ledgers[0]]
        )
        (against,) = figures(run, 1)["against"]
        assert (against["difference"], against["ci95"]) == (expected.value, [expected.low, expected.high])
        points = f"{100 * expected.value:+.1f} points ({100 * expected.low:.1f} to {100 * expected.high:.1f})"
        assert f"round 1: {points} against round 0" in printed
    times = {path: path.stat().st_mtime_ns for run in runs for path in run.rglob("*")}
    assert done(videostar, *asked) == printed, "finished ones are not run again"
    assert {path: path.stat().st_mtime_ns for run in runs for path in run.rglob("*")} == times


def test_seeds_that_cannot_be(quick: Path, finished: tuple[Path, str], videostar: Command) -> None:
    for words, said in (
        (("--seeds", "0,x"), "--seeds 0,x: write whole numbers"),
        (("--seeds", "0,1", "--seed", 1), "remove --seed"),
        (("--seeds", "0,1", "--out", finished[0]), "is a run itself"),
    ):
        result = videostar("cycle", "--pipeline", quick, *words)
        assert result.returncode == 2
        assert said in result.stderr


def test_data_without_validation_say_why_there_is_no_best_round(
    world: Path, videostar: Command, tmp_path: Path
) -> None:
    data = yaml.safe_load(world.read_text())
    rows = {split: file for split, file in data["rows"].items() if split != "validation"}
    data |= {"root": str(world.parent / "clips_and_labels"), "rows": rows}
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(data))
    given = ("--data", "two.yaml", "--limit", 4, "--rounds", 1, "--set", "mix=null", "--set", "training.epochs=1")
    printed = done(videostar, "cycle", *given, "--set", "data.validation=0", "--out", "run")
    assert "no best round: it is selected on a validation split" in printed
    assert "--set data.validation=0.2" in printed
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["best"] is None
    assert not (tmp_path / "run" / "best").is_symlink()
    assert figures(tmp_path / "run", 1)["validation"] is None


def test_data_without_test_rows_say_so_and_run(world: Path, videostar: Command, tmp_path: Path) -> None:
    data = yaml.safe_load(world.read_text())
    rows = {split: file for split, file in data["rows"].items() if split != "test"}
    data |= {"root": str(world.parent / "clips_and_labels"), "rows": rows}
    (tmp_path / "untested.yaml").write_text(yaml.safe_dump(data))
    given = ("--data", "untested.yaml", "--limit", 4, "--rounds", 1, "--set", "mix=null", "--set", "training.epochs=1")
    result = videostar("cycle", *given, "--out", "run")
    assert result.returncode == 0, result.stderr
    assert "no test rows: nothing to evaluate on test" in result.stderr
    found = figures(tmp_path / "run", 1)
    assert (found["accuracy"], found["ci95"], found["n"], found["against"]) == (None, None, 0, [])
    assert found["validation"]["n"] == 4
    assert "best round on validation" in result.stdout
