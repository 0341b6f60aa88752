"""Dataset versions: what is kept, what is left out of the last round, and digests that only content moves."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from videostar.ledger import Answer, Ledger
from videostar.versions import build_version


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
    assert version["counts"] == {"direct": 1, "rationalised": 2, "rejected": 4, "set_aside": 1}
    assert version["rejected"]["direct: missing"] == 3
    assert json.loads((tmp_path / "v" / "version.json").read_text()) == version


def test_the_last_round_keeps_direct_answers_where_a_label_has_them(
    ledger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = build_version(ledger, tmp_path / "v", lineage={}, direct_only=True)
    assert not capsys.readouterr().err
    assert videos(tmp_path / "v") == ["1.mp4", "3.mp4"]
    assert version["labels_without_direct_answers"] == ["jump"]
    assert version["rejected"]["rationalised: left out of the last round"] == 1


def test_a_last_round_that_one_direct_answer_leaves_little_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "answers.jsonl"
    Ledger(path).append([answer(1), *(answer(number, "rationalised") for number in (2, 3, 4))])
    build_version(path, tmp_path / "v", lineage={}, direct_only=True)
    assert "trains on 1 answers and leaves out 3 rationalised ones" in capsys.readouterr().err
    build_version(path, tmp_path / "all", lineage={}, direct_only=False)
    assert not capsys.readouterr().err


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
