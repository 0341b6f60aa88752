"""`videostar compare`: groups of seeds, settings that differ, spreads and intervals as numpy and scipy have them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Command
from ordinary_data import told
from scipy import stats
from warm import Warm

import videostar as api
from videostar.config import Pipeline
from videostar.pipeline_files import override
from videostar.runs.manifest import Manifest, Stage, write_manifest
from videostar.stages.ledger import Answer, Ledger
from videostar.stages.uncertainty import accuracy, difference, paired_interval, welch_interval

DRAW = np.random.default_rng(5)
QUESTIONS = 40  # two about each of 20 videos


def answer(number: int, right: bool) -> Answer:
    video = f"v{number // 2}.mp4"
    words = {"question": "Which?", "prompt": "Which?", "answer": "It.", "text": "It.", "reason": ""}
    about = {"kind": "direct", "video": video, "task": "action", "group": "run", "label": "run"}
    return Answer(f"q{number}", **about, **words, kept=right, accepted=right, score=float(right))


def write_run(
    folder: Path,
    *settings: str,
    seed: int = 0,
    shares: Sequence[float] = (0.1, 0.5, 0.6),
    rounds: int = 2,
    validation: Sequence[float | None] = (0.1, 0.5, 0.4),
    data: str | None = None,
    first: int = 0,
    model: str = "m",
) -> list[list[bool]]:
    """A run as its manifest and its held-out answers, right with the shares given; those of each round."""
    stages: dict[str, Stage] = {}
    outcomes = []
    for number, share in enumerate(shares):
        right = (DRAW.random(QUESTIONS) < share).tolist()
        outcomes.append(right)
        answers = [answer(first + at, one) for at, one in enumerate(right)]
        Ledger(folder / "rounds" / f"{number:02}" / "evaluation.jsonl").append(answers)
        found = accuracy(right, [one.video for one in answers])
        held = validation[number]
        facts = {"accuracy": found.value, "ci95": [found.low, found.high], "n": found.n, "skipped": 0}
        facts["validation"] = None if held is None else {"accuracy": held, "n": 10}
        if number:
            stages |= {f"{number:02}/generate": Stage(wrote={}, facts={}, seconds=1.5 + seed)}
            stages |= {f"{number:02}/version": Stage(wrote={}, facts={"rows": 10 * number + seed}, seconds=0.5)}
            stages |= {f"{number:02}/train": Stage(wrote={"rounds/01/lora": "l"}, facts={}, seconds=3 * number)}
        stages[f"{number:02}/evaluate"] = Stage(wrote={}, facts=facts, seconds=0.25)
    pipeline = override(Pipeline(), settings=[f"seed={seed}", f"rounds={rounds}", *settings])
    # As in real runs, the digest of the data depends on the seed.
    manifest = Manifest(settings=pipeline, data=data or f"data of seed {seed}", model=model, stages=stages)
    write_manifest(folder / "manifest.json", manifest)
    return outcomes


def compared(videostar: Command, *runs: Path | str) -> dict[str, Any]:
    done = videostar("compare", *runs, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds at each of two learning rates, two other seeds at a third, and one run with other places."""
    folder = tmp_path_factory.mktemp("runs")
    for seed, last in ((0, 0.3), (1, 0.5), (2, 0.45)):
        write_run(folder / "slow" / f"seed-{seed}", seed=seed, shares=(0.1, last, 0.6), validation=(0.1, 0.5, 0.5))
        write_run(folder / "fast" / f"seed-{seed}", "training.learning_rate=0.01", seed=seed, shares=(0.1, 0.6, 0.7))
    for seed in (10, 9):
        write_run(folder / "other" / f"seed-{seed}", "training.learning_rate=0.1", "mix=null", seed=seed)
    write_run(folder / "moved", "root=/elsewhere", "cache.folder=/cache", "data.name=/elsewhere/demo")
    return folder


@pytest.fixture(scope="module")
def found(runs: Path, warm: Warm) -> dict[str, Any]:
    """The first two groups."""
    done = warm.run("compare", "slow", "fast", "--json", cwd=runs)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_runs_that_differ_only_in_their_seeds_are_a_group(found: dict[str, Any]) -> None:
    assert [group["name"] for group in found["groups"]] == ["slow", "fast"]
    assert [[run["seed"] for run in group["runs"]] for group in found["groups"]] == [[0, 1, 2]] * 2
    assert found["settings"] == {"training.learning_rate": [0.002, 0.01]}
    assert found["notes"] == []
    assert found["measure"] == "best"


def test_spreads_are_those_of_numpy(found: dict[str, Any]) -> None:
    for group, figures in zip(found["groups"], found["figures"], strict=True):
        for number, one in enumerate(figures["rounds"]):
            assert_spread(one["accuracy"], [run["accuracy"][number] for run in group["runs"]])
            if number:
                assert_spread(one["kept"], [10 * number + seed for seed in range(3)])
            else:
                assert one["kept"] is None
        assert {run["best"] for run in group["runs"]} == {1}, "the earliest of equal rounds"
        assert_spread(figures["best"], [run["accuracy"][1] for run in group["runs"]])
        assert_spread(figures["last"], [run["accuracy"][2] for run in group["runs"]])
        assert_spread(figures["validation"], [0.5] * 3)
        assert_spread(figures["seconds"]["generate"], [3, 5, 7])
        assert_spread(figures["seconds"]["train"], [9] * 3)
        assert_spread(figures["seconds"]["all"], [13.75, 15.75, 17.75])


def assert_spread(told: dict[str, Any], values: Sequence[float]) -> None:
    assert told["n"] == len(values)
    expected = (np.mean(values), np.std(values, ddof=1), np.min(values), np.max(values))
    assert tuple(told[key] for key in ("mean", "sd", "min", "max")) == pytest.approx(expected, abs=1e-9)
    assert told["ci95"] is None


def test_groups_with_the_same_seeds_are_paired_by_seed(found: dict[str, Any]) -> None:
    after, before = ([run["accuracy"][1] for run in group["runs"]] for group in found["groups"][::-1])
    test = stats.ttest_rel(after, before).confidence_interval(0.95)
    against = found["figures"][1]["against"]
    assert (against["method"], against["n"]) == ("paired by seed", 3)
    assert against["value"] == pytest.approx(np.mean(after) - np.mean(before), abs=1e-9)
    assert against["ci95"] == pytest.approx([max(-1, test.low), min(1, test.high)], abs=1e-9)
    assert found["figures"][0]["against"] is None


def test_groups_with_other_seeds_are_compared_by_welch(runs: Path, videostar: Command) -> None:
    found = compared(videostar, runs / "slow", runs / "other")
    assert [run["seed"] for run in found["groups"][1]["runs"]] == [9, 10], "in the order of numbers"
    before, after = ([run["accuracy"][1] for run in group["runs"]] for group in found["groups"])
    test = stats.ttest_ind(after, before, equal_var=False).confidence_interval(0.95)
    against = found["figures"][1]["against"]
    assert (against["method"], against["n"]) == ("Welch", 2)
    assert against["ci95"] == pytest.approx([max(-1, test.low), min(1, test.high)], abs=1e-9)


def test_intervals_over_runs_are_those_of_scipy() -> None:
    for size, other in ((2, 2), (3, 5), (8, 4)):
        after, before = DRAW.normal(0.5, 0.02, size), DRAW.normal(0.45, 0.05, other)
        test = stats.ttest_ind(after, before, equal_var=False).confidence_interval(0.95)
        assert welch_interval(after, before) == pytest.approx((max(-1, test.low), min(1, test.high)), abs=1e-9)
        before = DRAW.normal(0.45, 0.05, size)
        test = stats.ttest_rel(after, before).confidence_interval(0.95)
        assert paired_interval(after, before) == pytest.approx((max(-1, test.low), min(1, test.high)), abs=1e-9)
    assert paired_interval([0.3, 0.4, 0.5], [0.2, 0.3, 0.4]) is None, "equal but for rounding: the variance is unknown"
    assert welch_interval([0.3, 0.3], [0.2, 0.2]) is None
    assert paired_interval([0.3], [0.2]) is welch_interval([0.3], [0.2, 0.4]) is None


def test_two_single_runs_are_paired_by_question(tmp_path: Path, videostar: Command) -> None:
    before = write_run(tmp_path / "a")[1]
    after = write_run(tmp_path / "b", "generation.samples=4")[1]
    found = compared(videostar, "a", "b/manifest.json")
    expected = difference(after, before, [f"v{at // 2}.mp4" for at in range(QUESTIONS)])
    against = found["figures"][1]["against"]
    assert against == {
        "method": "paired by question",
        "value": pytest.approx(expected.value, abs=1e-9),
        "ci95": pytest.approx([expected.low, expected.high], abs=1e-9),
        "n": QUESTIONS,
    }
    one = found["figures"][0]["best"]
    interval = accuracy(before, [f"v{at // 2}.mp4" for at in range(QUESTIONS)])
    assert (one["n"], one["sd"], one["ci95"]) == (1, None, pytest.approx([interval.low, interval.high]))


def test_one_run_against_several_has_no_interval(runs: Path, videostar: Command) -> None:
    against = compared(videostar, runs / "slow", runs / "fast" / "seed-0")["figures"][1]["against"]
    assert (against["method"], against["ci95"]) == ("none", None)
    assert "(no interval)" in videostar("compare", runs / "slow", runs / "fast" / "seed-0").stdout


def test_places_are_not_settings(runs: Path, videostar: Command) -> None:
    """The data are the same by their digest, or by name and held-out questions if the seed is another one."""
    for other, notes in (("slow/seed-0", ["several of its runs have the same seed"]), ("slow/seed-1", [])):
        found = compared(videostar, runs / other, runs / "moved")
        assert (len(found["groups"]), found["settings"]) == (1, {})
        assert len(found["notes"]) == len(notes)
        assert all(note in line for note, line in zip(notes, found["notes"], strict=True))


def test_what_is_read_counts_by_its_content(tmp_path: Path, videostar: Command) -> None:
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", model="another")
    write_run(tmp_path / "c", data="new labels")
    write_run(tmp_path / "d", "prompts=my.yaml", seed=1)
    found = compared(videostar, "a", "b", "c", "d")
    assert len(found["groups"]) == 4
    assert found["settings"]["model"] == ["embedded m", "embedded another", "embedded m", "embedded m"]
    assert found["settings"]["prompts"] == [None, None, None, "my.yaml"]
    two = compared(videostar, "a", "c")
    assert two["settings"] == {"data": ["data of seed", "new labels"]}


def test_other_held_out_questions_are_noted(tmp_path: Path, videostar: Command) -> None:
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", data="others", first=30)
    done = videostar("compare", "a", "b")
    note = "b: its held-out questions are not those of a: 10 of 40 are in both"
    assert note in done.stderr
    assert done.returncode == 0
    assert compared(videostar, "a", "b")["figures"][1]["against"]["n"] == 10


def test_an_unfinished_run_counts_in_its_rounds_and_is_marked(tmp_path: Path, videostar: Command) -> None:
    for seed in (0, 1, 2):
        write_run(tmp_path / "a" / f"seed-{seed}", seed=seed)
    write_run(tmp_path / "b" / "seed-0", "training.rank=4", shares=(0.1, 0.5))
    write_run(tmp_path / "b" / "seed-1", "training.rank=4", seed=1, shares=())
    found = compared(videostar, "a", "b")
    assert [run["next"] for run in found["groups"][1]["runs"]] == ["02/generate", "00/evaluate"]
    unfinished = found["figures"][1]
    assert [one["accuracy"]["n"] for one in unfinished["rounds"]] == [1, 1]
    assert unfinished["best"] is unfinished["last"] is unfinished["against"] is None
    assert unfinished["seconds"] == {}
    printed = videostar("compare", "a", "b")
    assert "b (2 unfinished)" in " ".join(printed.stdout.split())
    assert "b/seed-0: unfinished, next: 02/generate; it counts only in its rounds" in printed.stderr


def test_without_validation_the_last_rounds_are_compared(tmp_path: Path, videostar: Command) -> None:
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", "training.rank=4", validation=(None, None, None))
    found = compared(videostar, "a", "b")
    assert (found["measure"], found["figures"][1]["best"]) == ("last", None)
    accuracies = [group["runs"][0]["accuracy"][-1] for group in found["groups"]]
    assert found["figures"][1]["against"]["value"] == pytest.approx(accuracies[1] - accuracies[0])


def test_tables_name_the_methods_and_draw_the_accuracies(runs: Path, videostar: Command) -> None:
    done = videostar("compare", runs / "slow", runs / "fast", runs / "other")
    assert (done.returncode, done.stderr) == (0, "")
    words = " ".join(done.stdout.split())
    assert "training.learning_rate 0.002 0.01 0.1" in words
    assert "seed 0, 1, 2 0, 1, 2 9, 10" in words
    assert "●" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    many = videostar("compare", *(runs / "slow" / f"seed-{n}" for n in (0, 1)), *[runs / "fast"], runs / "other")
    assert many.returncode == 0


def test_hostile_names_show_as_text(tmp_path: Path, videostar: Command) -> None:
    write_run(tmp_path / "a[bold]\x1b[31m\u202e")
    write_run(tmp_path / "b\nx", 'prompts="\\e[2J"', seed=1, shares=(0.1,))
    done = videostar("compare", *(path for path in tmp_path.iterdir() if path.is_dir()))
    assert done.returncode == 0, done.stderr
    for stream in (done.stdout, done.stderr):
        assert not {"\x1b", "\u202e"} & set(stream)
    assert "[bold]" in done.stdout.replace("\n", "")
    assert "b\\nx" in done.stderr


def test_runs_that_cannot_be_compared(runs: Path, videostar: Command) -> None:
    assert "did you mean" in told(videostar, "compare", runs / "slow", runs / "movd")
    assert "no manifest.json there" in told(videostar, "compare", runs / "slow" / "seed-0" / "rounds", runs / "slow")
    for given in (["moved"], ["moved", "moved/manifest.json"]):
        line = told(videostar, "compare", *(runs / one for one in given))
        assert "needs two runs or more" in line
        assert "moved" in line


def test_the_python_api_gives_the_same(runs: Path, found: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)
    result = api.compare_runs(["slow", "fast"])
    assert isinstance(result, api.Comparison)
    assert result.figures[1].against is not None
    assert [*(result.figures[1].against.ci95 or ())] == found["figures"][1]["against"]["ci95"]
    (runs / "slow" / "seed-0" / "rounds" / "00" / "evaluation.jsonl").rename(runs / "away")
    try:
        with pytest.raises(api.UserError, match=r"evaluation.jsonl: no such file"):
            api.compare_runs(["slow"])
    finally:
        (runs / "away").rename(runs / "slow" / "seed-0" / "rounds" / "00" / "evaluation.jsonl")
