"""Several tries at a question: which are kept, and that each is in the ledger."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
from commands import Command

from videostar.stages.tries import select_tries


def test_near_duplicates_and_surplus_are_select_tries() -> None:
    texts = [
        "A red circle moves up, then left.",
        "A red circle moves up, then left!",  # the same in other words
        "It is blue.",
        "There is an object that first rises and then goes to the left.",
        "We see something round.",
    ]
    accepted = [True, True, False, True, True]
    assert select_tries(texts, accepted, 2) == [None, "near-duplicate", None, None, "enough kept"]
    assert select_tries(texts, [False] * 5, 1) == [None] * 5


def test_every_try_is_in_the_ledger_and_its_pass_rate_in_the_data(
    quick: Path, videostar: Command, tmp_path: Path
) -> None:
    done = videostar("generate", "--pipeline", quick, "--limit", 8, "--set", "generation.samples=3", "--out", "out")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "out" / "answers.jsonl").read_text().splitlines()]
    for kind in ("direct", "rationalised"):
        tries: dict[str, list[int]] = {}
        for row in rows:
            if row["kind"] == kind:
                tries.setdefault(row["question_id"], []).append(row["number"])
        assert tries
        assert all(numbers == [0, 1, 2] for numbers in tries.values())
    assert len({row["answer"] for row in rows if row["kind"] == "direct"}) > 8, "tries differ"
    assert len({row["seed"] for row in rows}) == len(rows), "each drawn from a seed of its own"
    kept = pq.read_table(tmp_path / "out" / "dataset" / "data-00000.parquet").to_pylist()
    assert kept
    assert len({row["question_id"] for row in kept}) == len(kept), "one a question"
    for row in kept:
        of_question = [r for r in rows if r["question_id"] == row["question_id"] and r["kind"] == row["kind"]]
        assert row["pass_rate"] == sum(r["accepted"] for r in of_question) / 3
