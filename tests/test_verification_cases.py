"""Floors on how well verdicts agree with judged cases, and the contract of `videostar verify` as a function."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from videostar.labels import KINDS, parse_label
from videostar.labels.cases import judge_file
from videostar.util.errors import UserError

DATA = Path(__file__).parent / "data"


CASES = {
    file: [json.loads(line) for line in (DATA / file).read_text(encoding="utf-8").splitlines()]
    for file in ("verification_dev.jsonl", "verification_own.jsonl")
}


def test_every_kind_has_judged_cases() -> None:
    assert {case["label"]["kind"] for cases in CASES.values() for case in cases} == set(KINDS)


@pytest.mark.parametrize(
    ("file", "kind"),
    [(file, kind) for file in CASES for kind in sorted({case["label"]["kind"] for case in CASES[file]})],
)
def test_verdicts_agree_with_judged_cases(file: str, kind: str) -> None:
    right_yes = wrong_yes = wrong_no = 0
    wrong = []
    for case in CASES[file]:
        if case["label"]["kind"] != kind:
            continue
        accepted = parse_label(case["label"]).judge(case["answer"], case.get("prompt")).accepted
        right_yes += accepted and case["accept"]
        wrong_yes += accepted and not case["accept"]
        wrong_no += case["accept"] and not accepted
        wrong += [case["id"]] * (accepted != case["accept"])
    assert right_yes / (right_yes + wrong_yes) >= 0.99, wrong
    assert right_yes / (right_yes + wrong_no) >= 0.97, wrong


# Cases in the style of real models, by authors who knew the rules and not the code; `wrong` at most, of `total`.
OUTSIDERS = {
    "verification_real.jsonl": (0, 137),
    "verification_outsider.jsonl": (1, 300),
    "verification_outsider_2.jsonl": (1, 400),
    "verification_outsider_3.jsonl": (6, 420),
    "verification_outsider_4.jsonl": (8, 420),
    "verification_outsider_5.jsonl": (0, 500),
    "verification_outsider_6.jsonl": (5, 500),
}


@pytest.mark.parametrize("file", OUTSIDERS)
def test_the_cases_of_others_are_judged_no_worse_than_before(file: str) -> None:
    allowed, total = OUTSIDERS[file]
    cases = [json.loads(line) for line in (DATA / file).read_text(encoding="utf-8").splitlines()]
    wrong = [
        case["id"] for case in cases if parse_label(case["label"]).judge(case["answer"]).accepted != case["accept"]
    ]
    assert len(cases) == total
    assert len(wrong) <= allowed, wrong


LANGUAGES = [
    json.loads(line) for line in (DATA / "verification_languages.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("language", ["ar", "de", "es", "fr", "ja", "ko", "pt", "zh"])
def test_verdicts_on_answers_in_other_languages(language: str) -> None:
    """240 cases by an outsider, and 681 of our own: 778 of the 921 were right at first."""
    cases = [case for case in LANGUAGES if case["language"] == language]
    wrong = [case for case in cases if parse_label(case["label"]).judge(case["answer"]).accepted != case["accept"]]
    assert len(cases) >= 113
    assert len([case for case in wrong if not case["accept"]]) <= 2, wrong
    assert len(wrong) <= 2, wrong


def test_verdicts_come_in_order_and_problems_by_line(tmp_path: Path) -> None:
    label = {"kind": "action", "name": "skiing"}
    lines = [
        json.dumps({"id": 1, "label": label, "answer": "He is skiing.", "extra": True}),
        "{no json",
        json.dumps([1]),
        json.dumps({"id": 2, "answer": "x", "label": {"kind": "unheard of"}}),
        json.dumps({"id": 3, "label": label}),
        json.dumps({"id": "é\ud800", "label": label, "answer": "He isn't skiing. \ud800"}),
        json.dumps({"id": 5, "label": label, "answer": 7}),
    ]
    (tmp_path / "cases.jsonl").write_text("\n".join(lines), encoding="utf-8")
    problems = judge_file(tmp_path / "cases.jsonl", tmp_path / "out" / "verdicts.jsonl")
    verdicts = [json.loads(line) for line in (tmp_path / "out" / "verdicts.jsonl").read_text("utf-8").splitlines()]
    assert [verdict["id"] for verdict in verdicts] == [1, "é\ud800"]
    assert verdicts[0] == {"id": 1, "accepted": True, "score": 1.0, "reason": "matched", "parsed": "skiing"}
    assert verdicts[1]["reason"] == "negated"
    assert [problem.split(":")[1] for problem in problems] == ["2", "3", "4", "5", "7"]
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["verdicts.jsonl"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "verdicts.jsonl"
    out.write_text("old", encoding="utf-8")
    with pytest.raises(UserError, match="absent"):
        judge_file(tmp_path / "absent.jsonl", out)
    with pytest.raises(UserError, match="not an ordinary file"):
        judge_file(out, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["verdicts.jsonl"]
    assert out.read_text(encoding="utf-8") == "old"
