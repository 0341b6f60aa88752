"""Answers in which a hint shows are rejected, and ordinary ones are stored as they are."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from hypothesis import given, settings
from hypothesis import strategies as st

from videostar.labels import parse_label
from videostar.labels.hints import strip_hint

CASES = Path(__file__).parent / "data" / "hints.jsonl"
PIECES = (
    "as the label says , given that answer is it because you told me skiing . he runs ( ) provided prompt in "
    "according to only already the"
).split()


def verdicts(videostar: Command, folder: Path, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    (folder / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)))
    done = videostar("verify", "cases.jsonl", "--out", "verdicts.jsonl")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (folder / "verdicts.jsonl").read_text().splitlines()]


def test_leaks_are_caught_and_innocent_answers_kept(videostar: Command, tmp_path: Path) -> None:
    cases = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    asked = [{key: case[key] for key in ("id", "label", "answer")} | {"rationalised": True} for case in cases]
    judged = {verdict["id"]: verdict for verdict in verdicts(videostar, tmp_path, asked)}
    leaks, innocent = [[case for case in cases if case["leak"] is leak] for leak in (True, False)]
    assert min(len(leaks), len(innocent)) >= 60
    through = [case["id"] for case in leaks if judged[case["id"]].get("text") == case["answer"]]
    lost = [case["id"] for case in innocent if judged[case["id"]].get("text") != case["answer"]]
    for batch in ["", *sorted({case["id"].split("-")[0] for case in cases})]:
        for wrong, of in ((through, leaks), (lost, innocent)):
            ids = [case["id"] for case in of if case["id"].startswith(batch)]
            assert len(set(wrong) & set(ids)) <= 0.05 * len(ids), (batch, wrong)
    rejected = [verdict for verdict in judged.values() if verdict["reason"] == "hint"]
    assert rejected
    for verdict in rejected:
        assert verdict == {"id": verdict["id"], "accepted": False, "score": 0.0, "reason": "hint", "parsed": None}


def test_a_label_is_judged_on_what_would_be_stored(videostar: Command, tmp_path: Path) -> None:
    label = {"kind": "action", "name": "opening a door"}
    case: dict[str, Any] = {"id": 1, "label": label, "answer": "Based on the given label, the man opens a door."}
    plain, cut, false = verdicts(
        videostar, tmp_path, [case, {**case, "rationalised": True}, {**case, "rationalised": False}]
    )
    assert plain == false == {"id": 1, **parse_label(label).judge(case["answer"]).as_dict()}
    assert cut == {**plain, "text": "The man opens a door."}


def test_another_value_of_rationalised_is_a_problem_of_its_line(videostar: Command, tmp_path: Path) -> None:
    case = {"id": 1, "label": {"kind": "count", "value": 2}, "answer": "2", "rationalised": "yes"}
    (tmp_path / "cases.jsonl").write_text(json.dumps(case))
    done = videostar("verify", "cases.jsonl", "--out", "verdicts.jsonl")
    assert done.returncode == 1
    assert done.stderr.startswith("cases.jsonl:1: `rationalised` is neither true nor false")


@pytest.mark.parametrize(
    ("answer", "stored"),
    [
        ("Based on the given label, the man opens a door.", "The man opens a door."),
        ("As the label says, a man is rowing.", "A man is rowing."),
        ("According to the\nlabel, he rows.\nThe water is calm.", "He rows.\nThe water is calm."),
        ("As stated in the question, he rows. The water is calm.", "He rows. The water is calm."),
    ],
)
def test_an_opening_that_names_the_hint_is_cut(answer: str, stored: str) -> None:
    assert strip_hint(answer) == stored


@pytest.mark.parametrize(
    "answer",
    [
        "As mentioned, a man opens a door.",
        "AS **MENTIONED**, a man opens a door.",
        "You’re right, a man opens a door.",
        "The user states that a man opens a door.",
        "Given the information that a door is opened, look at the handle.",
        "A hand turns the knob, which confirms the stated action.",
        "According to the label, as you said, he rows.",
        "As the label says.",
        "As stated in the prompt, ",
        "The ground-truth score is 7.5.",
        "I only already know the answer.",
        "Option D is marked as the correct one.",
        "That statement of yours is borne out by the rink.",
        "A hand slides along its back, so the annotation petting a cat is appropriate.",
        "The question says that he rows.",
        'The label "opening a door" is given.',
        "We know the action is rowing, so look for oars.",
    ],
)
def test_what_shows_the_hint_otherwise_is_rejected(answer: str) -> None:
    assert strip_hint(answer) is None


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "...",
        "The label on the bottle is red.",
        "The label reads Cola.",
        "He labels the box.",
        "A teacher asks a question, and a pupil is given the answer.",
        "So the answer is rowing.",
        "The correct answer is B.",
        "The action is rowing, since two oars are in the water.",
        "She follows the instructions and looks at the label.",
        "The action is approaching something with your camera.",  # a label of Something-Something
        "This confirms that the event is the shot put.",
        "We know that he is cooking because of the pan.",
        "The question asks how many times the bell is hit. The hand strikes it three times.",
        'She nods, says "you\'re right" and goes on writing.',
        "The stated time on the scoreboard is 12:45.",
        "He looks at the instructions provided in the box.",
        "She turns the bottle so that the label faces us. The label is blue.",
        '```json\n[{"bbox_2d": [118, 262, 475, 895], "label": "dog"}]\n```',  # as Qwen writes boxes
    ],
)
def test_ordinary_answers_are_stored_as_they_are(answer: str) -> None:
    assert strip_hint(answer) == answer


@settings(max_examples=300)
@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join)))
def test_stripping_twice_is_stripping_once(answer: str) -> None:
    once = strip_hint(answer)
    assert once is None or strip_hint(once) == once


@pytest.mark.parametrize("size", [100_000, 1_000_000])
@pytest.mark.parametrize(
    "piece",
    ["as the ", "label bottle ", "i only really already ", "( ", "given ", "\n", "say 'x ", "a b with the label "],
)
def test_hostile_text_takes_no_longer_than_it_is_long(piece: str, size: int) -> None:
    start = time.process_time()
    strip_hint((piece * size)[:size])
    assert time.process_time() - start < 1
