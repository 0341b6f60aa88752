"""The ledger: whatever a crash leaves at its end, whole lines are kept and the rest is cut."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videostar.stages.ledger import Answer, Ledger, read_answers
from videostar.util.errors import UserError

ANSWER = Answer(*"question_id kind video task group label question prompt answer text".split(), True, True, 1.0, "")

text = st.text(st.characters(exclude_categories=["Cs"]))
answers = st.builds(
    Answer,
    question_id=text,
    kind=st.sampled_from(["direct", "rationalised"]),
    video=text,
    task=text,
    group=text,
    label=text,
    question=text,
    prompt=text,
    answer=text,
    text=text,
    kept=st.booleans(),
    accepted=st.booleans(),
    score=st.floats(0, 1),
    reason=text,
    parsed=st.none() | text | st.lists(st.floats(allow_nan=False), max_size=2),
    video_sha256=text,
    frame_times=st.lists(st.floats(0, 1e6), max_size=3).map(tuple),
    seed=st.none() | st.integers(0, 2**32 - 1),
    template=text,
    confidence=st.none() | st.floats(0, 1),
)


@given(lines=st.lists(answers, max_size=5), torn=st.integers(0, 10_000))
def test_a_torn_end_costs_only_the_torn_line(
    tmp_path_factory: pytest.TempPathFactory, lines: list[Answer], torn: int
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "answers.jsonl"
    Ledger(path).append(lines)
    whole = path.read_bytes()
    end = min(torn, len(whole))
    path.write_bytes(whole[:end])
    ledger = Ledger(path)
    kept = list(ledger)
    assert kept == lines[: whole[:end].count(b"\n")]
    assert ledger.cut == end - (whole[:end].rfind(b"\n") + 1)
    ledger.append(lines[len(kept) :])
    assert path.read_bytes() == whole


def test_a_line_that_is_no_answer_is_named(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"question_id": "a"}\n')
    with pytest.raises(UserError, match=r"answers\.jsonl:1: not an answer"):
        list(Ledger(path))
    path.write_bytes(b'{"question_id": "\xff"}\n')
    with pytest.raises(UserError, match=r"answers\.jsonl:1: not an answer"):
        list(Ledger(path))


def test_a_ledger_from_before_lineage_was_told_is_read(tmp_path: Path) -> None:
    line: dict[str, object] = dict.fromkeys("question_id kind video task group label question prompt".split(), "x")
    line |= {"answer": "x", "text": "x", "kept": True, "accepted": True, "score": 1, "reason": "matched"}
    (tmp_path / "answers.jsonl").write_text(json.dumps(line) + "\n")
    (answer,) = Ledger(tmp_path / "answers.jsonl")
    assert (answer.video_sha256, answer.frame_times, answer.seed, answer.template) == ("", (), None, "")
    assert answer.confidence is None


def test_a_ledger_is_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    told = [dataclasses.replace(ANSWER, question_id=name) for name in ("a", 'b"\\ä', "c")]
    Ledger(path).append(told)
    with path.open("a") as file:
        file.write('{"question_id": "d"')
    before = path.read_bytes()
    assert list(read_answers(path)) == told
    assert list(read_answers(path, 'b"\\ä')) == told[1:2]
    assert path.read_bytes() == before
