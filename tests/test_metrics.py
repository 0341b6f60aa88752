"""The figures of each kind of label: against reference definitions, and from the command line."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Command
from hypothesis import given
from hypothesis import strategies as st
from ordinary_data import write_rows
from scipy.stats import spearmanr
from scripted_server import scripted_server
from tiny_models import make

from videostar.labels import parse_label
from videostar.stages.metrics import Judged, metrics_by_kind

points = st.floats(-1000, 1000).map(lambda value: round(value, 3))
seconds = st.floats(0, 600).map(lambda value: round(value, 2))
spans = st.tuples(seconds, st.floats(0.1, 60)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def metrics(kind: str, *answers: tuple[dict[str, Any], Any]) -> dict[str, Any]:
    judged = [Judged(parse_label({"kind": kind, **label}), value, False) for label, value in answers]
    return metrics_by_kind(judged)[kind]


@given(st.lists(st.tuples(points, points), min_size=2, max_size=30))
def test_scores_agree_with_scipy_and_the_definition(pairs: list[tuple[float, float]]) -> None:
    found = metrics("score", *(({"value": label}, value) for label, value in pairs))
    labels, values = np.array(pairs).T
    assert found["mae"] == pytest.approx(sum(abs(a - b) for a, b in pairs) / len(pairs), abs=1e-9)
    if len(set(labels)) == 1 or len(set(values)) == 1:
        assert found["spearman"] is None
    else:
        assert found["spearman"] == pytest.approx(spearmanr(labels, values).statistic, abs=1e-9)
    if len(set(labels)) == 1:
        assert found["r_l2"] is None
    else:
        span = max(labels) - min(labels)
        expected = sum((abs(a - b) / span) ** 2 for a, b in pairs) / len(pairs)
        assert found["r_l2"] == pytest.approx(expected, rel=1e-9)


def test_the_range_of_scores_is_that_of_the_labels_where_they_say_one() -> None:
    found = metrics("score", ({"value": 50, "range": [0, 100]}, 60.0), ({"value": 70, "range": [0, 100]}, 70.0))
    assert found["r_l2"] == pytest.approx(0.1**2 / 2, abs=1e-12)


def grounding(truth: tuple[float, float], guess: tuple[float, float]) -> float:
    """The overlap as scorers of temporal grounding have it: shared over joined, by the outer edges."""
    shared = min(truth[1], guess[1]) - max(truth[0], guess[0])
    return max(0.0, shared) / (max(truth[1], guess[1]) - min(truth[0], guess[0])) if shared > 0 else 0.0


@given(st.lists(st.tuples(spans, st.none() | spans), min_size=1, max_size=30))
def test_intervals_agree_with_a_grounding_scorer(
    pairs: list[tuple[tuple[float, float], tuple[float, float] | None]],
) -> None:
    found = metrics("interval", *(({"start": a[0], "end": a[1]}, b and list(b)) for a, b in pairs))
    overlaps = [grounding(a, b) if b else 0.0 for a, b in pairs]
    assert found["mean_iou"] == pytest.approx(sum(overlaps) / len(pairs), abs=1e-9)
    for least in (0.3, 0.5, 0.7):
        if not any(math.isclose(overlap, least, abs_tol=1e-9) for overlap in overlaps):
            assert found[f"recall_{least}"] == sum(overlap >= least for overlap in overlaps) / len(pairs)
    assert found["read"] == sum(b is not None for _, b in pairs)


@given(st.lists(st.tuples(st.integers(0, 30), st.none() | st.integers(0, 30)), min_size=1))
def test_counts_that_were_not_read_are_off_by_more_than_one(pairs: list[tuple[int, int | None]]) -> None:
    found = metrics("count", *(({"value": label}, value) for label, value in pairs))
    errors = [abs(a - b) for a, b in pairs if b is not None]
    assert found["mae"] == (pytest.approx(np.mean(errors), abs=1e-9) if errors else None)
    assert found["off_by_one"] == pytest.approx(sum(error <= 1 for error in errors) / len(pairs), abs=1e-9)


def edits(a: Sequence[str], b: Sequence[str]) -> int:
    """The edit distance by its recursive definition."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        row, last = [i], row
        for j, y in enumerate(b, start=1):
            row.append(min(row[-1] + 1, last[j] + 1, last[j - 1] + (x != y)))
    return row[-1]


steps = st.lists(st.sampled_from(["cut", "stir", "pour"]), max_size=8)


@given(steps.filter(len), steps)
def test_the_edit_score_is_that_of_segments(truth: list[str], guess: list[str]) -> None:
    found = metrics("sequence", ({"steps": truth}, guess))
    assert found["edit_score"] == pytest.approx(1 - edits(truth, guess) / max(len(truth), len(guess)), abs=1e-9)


def test_fields_have_the_figures_of_each() -> None:
    label = {"score": {"kind": "score", "value": 80}, "move": {"kind": "action", "name": "a somersault"}}
    found = metrics("fields", ({"fields": label}, {"score": 85.0, "move": None}), ({"fields": label}, None))
    assert found["fields"] == {"score": {"read": 1, "mae": 5.0, "spearman": None, "r_l2": None}}


def test_a_verdict_of_a_model_is_no_value() -> None:
    judged = [Judged(parse_label({"kind": "count", "value": 3}), "yes", True, True)]
    assert metrics_by_kind(judged) == {"count": {"accuracy": 1.0, "n": 1}}


def test_evaluate_writes_them(videostar: Command, clips: Path, tmp_path: Path) -> None:
    replies = {"squats": "There are 4.", "jumps": "I see 7.", "turns": "Many.", "claps": ""}
    rows = [
        {"video": f"{number:04}.mp4", "of": of, "value": 3, "split": "test" if number < 3 else "train"}
        for number, of in enumerate(replies)
    ]
    data = write_rows(clips / "rows.jsonl", *map(json.dumps, rows))

    def answer(question: str, _: int | None) -> str:
        return next(reply for of, reply in replies.items() if of in question)

    with scripted_server(make("qwen3_vl", tmp_path / "tiny"), answer) as server:
        done = videostar("evaluate", *server.settings, "--data", data, "--set", "adapter=count", "--out", "e.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "e.json").read_text())["per_kind"]
    assert found == {"count": {"accuracy": 0.0, "n": 3, "read": 2, "mae": 2.5, "off_by_one": pytest.approx(1 / 3)}}


def test_the_table_of_a_run_ends_with_those_of_its_last_round(videostar: Command, clips: Path) -> None:
    lines = (f"{number:04}.mp4,squats,{number % 3},{'test' if number > 4 else 'train'}" for number in range(8))
    data = write_rows(clips / "rows.csv", "video,of,value,split", *lines)
    given = ("--data", data, "--rounds", 1, "--set", "adapter=count")
    done = videostar("cycle", *given, "--out", "run")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("round 1, count: ")]
    assert "at most one off" in line
    assert "answers with a value" in line
    assert line in videostar("status", "run").stdout.splitlines()
