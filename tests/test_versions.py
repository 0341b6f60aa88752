"""Dataset versions: what is kept, what is left out of the last round, and digests that only content moves."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from videostar.config import Generation
from videostar.stages.ledger import Answer, Ledger
from videostar.stages.versions import build_version


def answer(number: int, kind: str = "direct", label: str = "run", kept: bool = True) -> Answer:
    return Answer(
        question_id=f"q{number}",
        kind=kind,
        video=f"{number}.mp4",
        task="action",
        group=label,
        label=label,
        question="What is it?",
        prompt="What is it?" if kind == "direct" else f"What is it? It is {label}.",
        answer=f"It is {label}.",
        text=f"It is {label}.",
        kept=kept,
        accepted=kept,
        score=float(kept),
        reason="matched" if kept else "missing",
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    Ledger(tmp_path / "answers.jsonl").append(
        [
            answer(1),
            answer(2, kept=False),
            answer(2, "rationalised"),
            answer(3, kept=False, label="jump"),
            answer(3, "rationalised", label="jump"),
            answer(4, kept=False, label="swim"),
            answer(4, "rationalised", label="swim", kept=False),
            dataclasses.replace(answer(5, "video", kept=False), reason="missing: no such file"),
        ]
    )
    return tmp_path / "answers.jsonl"


def videos(folder: Path) -> list[str]:
    return [row[0] for row in pq.read_table(folder / "data-00000.parquet")["videos"].to_pylist()]


def test_kept_answers_and_reasons(ledger: Path, tmp_path: Path) -> None:
    version = build_version(ledger, tmp_path / "v", lineage={"data": "d"}, direct_only=False)
    assert videos(tmp_path / "v") == ["1.mp4", "2.mp4", "3.mp4"]
    assert version["counts"] == {"direct": 1, "rationalised": 2, "rejected": 4, "skipped": 1}
    assert version["rejected"]["direct: missing"] == 3
    assert json.loads((tmp_path / "v" / "version.json").read_text()) == version


def test_the_last_round_keeps_direct_answers_where_half_of_a_label_has_them(ledger: Path, tmp_path: Path) -> None:
    version = build_version(ledger, tmp_path / "v", lineage={}, direct_only=True)
    assert videos(tmp_path / "v") == ["1.mp4", "3.mp4"]
    assert version["last_round"] == {
        "rationalised_kept": 1,
        "rationalised_left_out": 1,
        "direct_only": {"action": {"run": 1}},
    }
    assert version["rejected"]["rationalised: left out of the last round"] == 1
    assert build_version(ledger, tmp_path / "all", lineage={}, direct_only=False)["last_round"] is None


def test_direct_answers_that_need_no_video_do_not_count_in_the_last_round(ledger: Path, tmp_path: Path) -> None:
    """The only direct answer is dropped, so no rationalised one is."""
    path = tmp_path / "blind.jsonl"
    Ledger(path).append(
        dataclasses.replace(each, controls={"blind": True}) if each.kept and each.kind == "direct" else each
        for each in Ledger(ledger)
    )
    generation = Generation(controls=("blind",), keep_blind="drop")
    version = build_version(path, tmp_path / "v", lineage={}, direct_only=True, generation=generation)
    assert videos(tmp_path / "v") == ["2.mp4", "3.mp4"]
    assert version["rejected"]["direct: needs no video"] == 1


def test_a_lucky_direct_answer_costs_no_rationalised_one(tmp_path: Path) -> None:
    """Of five questions two were answered directly, one of them twice; a sixth could not be shown."""
    path = tmp_path / "answers.jsonl"
    told = [answer(1), dataclasses.replace(answer(1), number=1), answer(2)]
    told += [each for number in (3, 4, 5) for each in (answer(number, kept=False), answer(number, "rationalised"))]
    Ledger(path).append([*told, answer(6, "video", kept=False)])
    version = build_version(path, tmp_path / "v", lineage={}, direct_only=True)
    assert version["counts"]["rationalised"] == version["last_round"]["rationalised_kept"] == 3
    # Of another task with that label nothing is known.
    other = [dataclasses.replace(each, task="other", question_id=f"o{each.question_id}") for each in told[2:5]]
    Ledger(path).append(other)
    version = build_version(path, tmp_path / "w", lineage={}, direct_only=True)
    assert version["last_round"]["direct_only"] == {"other": {"run": 1}}
    assert version["counts"]["rationalised"] == 3


def test_the_same_answers_give_the_same_version(ledger: Path, tmp_path: Path) -> None:
    one, two = (build_version(ledger, tmp_path / name, lineage={"a": 1}, direct_only=False) for name in "ab")
    assert one == two
    other = build_version(ledger, tmp_path / "c", lineage={"a": 2}, direct_only=False)
    assert other["files"] == one["files"]
    assert other["version"] != one["version"]


kinds = st.sampled_from(["direct", "rationalised"])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(kinds, st.sampled_from(["run", "jump"]), st.booleans()), max_size=12), st.booleans())
def test_every_answer_is_in_the_version_or_beside_it(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, bool]], direct_only: bool
) -> None:
    folder = tmp_path_factory.mktemp("version")
    answers = [answer(n, kind, label, kept) for n, (kind, label, kept) in enumerate(rows)]
    Ledger(folder / "answers.jsonl").append(answers)
    version = build_version(folder / "answers.jsonl", folder / "v", lineage={}, direct_only=direct_only)
    kept = videos(folder / "v")
    rejected = pq.read_table(folder / "v" / "rejected.parquet")["video"].to_pylist()
    assert sorted([*kept, *rejected]) == sorted(each.video for each in answers)
    assert version["rows"] == len(kept)
    labels = {each.label for each in answers if each.kept}
    assert set(version["by_label"]) == labels, "no label with a kept answer is left empty"
