"""Health figures, on ledgers made by hand that have a fault and ones that have not."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from data_sets import made_of
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model

from videostar.adapters.adapter import LabelAdapter
from videostar.adapters.prompts import Prompts
from videostar.adapters.questions import Questions
from videostar.adapters.task import Task
from videostar.data.samples import Sample
from videostar.models.lora import relative_norm
from videostar.pipeline_files import load_pipeline
from videostar.stages.health import Figures, label_in_question, measure_health, pass_at_k
from videostar.stages.ledger import Answer, as_line
from videostar.stages.plan import AnswerPlan
from videostar.training.log import loss_change

LABELS = ("opening a door", "closing a door", "walking", "running")
PLAN = AnswerPlan.for_evaluation(load_pipeline("demo"))


def answer(place: int, **given: Any) -> Answer:
    """A kept direct answer to question `place`, in words of its own, unless told otherwise."""
    label = given.get("label", LABELS[place % 4])
    text = given.pop("text", f"Object {place} goes {place % 7} ways, past {place % 5} others. The action is {label}.")
    standard: dict[str, Any] = {
        "question_id": f"q{place}",
        "kind": "direct",
        "video": f"{place}.mp4",
        "task": "action",
        "group": label,
        "label": label,
        "question": "Which action is this?",
        "prompt": "Which action is this?",
        "answer": text,
        "text": text,
        "kept": True,
        "accepted": True,
        "score": 1.0,
        "reason": "matched",
        "video_sha256": f"sha{place}",
    }
    return Answer(**standard | given)


def measured(tmp_path: Path, answers: Sequence[Answer], held_out: Sequence[Answer] = ()) -> Figures:
    paths = [tmp_path / "answers.jsonl", tmp_path / "evaluation.jsonl"]
    for path, some in zip(paths, (answers, held_out), strict=True):
        path.write_text("".join(json.dumps(asdict(one, dict_factory=as_line)) + "\n" for one in some))
    return measure_health(paths[0], paths[1:], [], PLAN)


def test_a_ledger_without_fault(tmp_path: Path) -> None:
    found = measured(tmp_path, [answer(k) for k in range(40)], [answer(k) for k in range(50, 60)])
    assert found == {
        "coverage": 1.0,
        "kept": 1.0,
        "rationalised": 0.0,
        "unverified": 0.0,
        "entropy": pytest.approx(1.0),
        "answer_entropy": pytest.approx(1.0),
        "distinct": pytest.approx(0.4, abs=0.3),
        "near_duplicates": 0.0,
        "pass_at_1": 1.0,
        "pass_at_k": None,
        "words_mean": pytest.approx(13, abs=1),
        "words_median": pytest.approx(13, abs=1),
        "drift": 0.0,
        "overlap": 0.0,
        "label_in_question": None,
    }


def test_nothing_to_measure_is_none(tmp_path: Path) -> None:
    assert set(measured(tmp_path, []).values()) == {None}
    bad = answer(0, kind="video", kept=False)
    assert set(measured(tmp_path, [bad]).values()) == {None}


def test_labels_and_questions_without_a_kept_answer(tmp_path: Path) -> None:
    """Of four labels one is kept, of eight questions two; a question counts once, with all its tries and kinds."""
    wrong = {"kept": False, "accepted": False}
    answers = [answer(k, **(wrong if k % 4 else {"kind": "direct"})) for k in range(8)]
    answers += [answer(k, kind="rationalised", **wrong) for k in range(8) if k % 4]
    found = measured(tmp_path, answers)
    assert (found["coverage"], found["kept"], found["entropy"]) == (0.25, 0.25, 0.0)
    assert found["pass_at_1"] == 0.25
    half = [answer(k, **(wrong if k % 4 > 1 else {})) for k in range(8)]
    assert measured(tmp_path, half)["entropy"] == pytest.approx(0.5)  # 1 bit of 2


def test_kinds_of_answers_and_a_verification_that_is_off(tmp_path: Path) -> None:
    answers = [
        answer(0, accepted=False),
        answer(1, kept=False, accepted=False),
        answer(1, kind="rationalised"),
        answer(2, kind="rationalised"),
        answer(3),
    ]
    found = measured(tmp_path, answers)
    assert (found["rationalised"], found["unverified"]) == (0.5, 0.25)


def test_answers_that_all_end_alike(tmp_path: Path) -> None:
    same = [answer(k, answer=f"I see {k} things. The action is walking.") for k in range(16)]
    assert measured(tmp_path, same)["answer_entropy"] == 0.0
    lines = [answer(k, answer=f"The action is {k}\nAnswer: walking.") for k in range(16)]
    assert measured(tmp_path, lines)["answer_entropy"] == 0.0


def test_answers_that_repeat_each_other_but_for_their_labels(tmp_path: Path) -> None:
    same = [answer(k, text=f"A person is seen in the video; {LABELS[k % 4]}") for k in range(250)]
    found = measured(tmp_path, same)
    assert found["near_duplicates"] == pytest.approx(249 / 250)
    distinct = found["distinct"]
    assert distinct is not None
    assert distinct < 0.02
    short = measured(tmp_path, [answer(k, text=LABELS[k % 4]) for k in range(250)])
    assert (short["near_duplicates"], short["distinct"]) == (None, None)  # there is no explanation
    template = measured(tmp_path, [answer(k, kind="template") for k in range(8)])
    assert (template["near_duplicates"], template["drift"]) == (None, None)


def test_distinct_does_not_depend_on_the_size_of_the_data(tmp_path: Path) -> None:
    answers = [answer(k) for k in range(1000)]
    small, large = (measured(tmp_path, answers[:n])["distinct"] for n in (100, 1000))
    assert small is not None
    assert large == pytest.approx(small, abs=0.05)
    assert measured(tmp_path, [*answers[:100], answer(100)])["distinct"] == small


def test_letters_of_scripts_without_spaces_are_words(tmp_path: Path) -> None:
    text = "一个人走进房间打开门"
    found = measured(tmp_path, [answer(0, text=text, label="开门"), answer(1, text=text, label="开门")])
    assert found["words_mean"] == 10
    assert found["near_duplicates"] == 0.5


def test_several_tries(tmp_path: Path) -> None:
    """Right answers of four tries: 4, 1, 0 and 0."""
    tries = [answer(q, number=n, accepted=n < right) for q, right in enumerate((4, 1, 0, 0)) for n in range(4)]
    found = measured(tmp_path, tries)
    assert found["pass_at_1"] == pytest.approx(5 / 16)
    assert found["pass_at_k"] == 0.5


@given(st.lists(st.booleans(), min_size=1, max_size=7), st.data())
def test_pass_at_k_is_the_share_of_all_draws_with_a_right_one(right: list[bool], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(right)))
    draws = list(combinations(right, k))
    assert pass_at_k(len(right), sum(right), k) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_another_language(tmp_path: Path) -> None:
    spanish = "La persona camina por la calle y luego se sienta."
    chinese = "一个人在房间里走路。"
    answers = [answer(0), answer(1, text=spanish), answer(2, text=chinese), answer(3, text="Человек идёт домой.")]
    assert measured(tmp_path, answers)["drift"] == 0.75
    own = [answer(0, text=spanish, question="¿Qué hace la persona en el vídeo?"), answer(1, text=chinese, label="走路")]
    assert measured(tmp_path, own)["drift"] == 0.0


def test_held_out_videos_that_are_trained_on(tmp_path: Path) -> None:
    held_out = [answer(k) for k in (0, 1, 2, 3)]
    answers = [answer(0, kept=False, accepted=False), answer(10, video_sha256="sha1"), answer(11)]
    assert measured(tmp_path, answers, held_out)["overlap"] == 0.25


class Named(LabelAdapter):
    """A label in the column `label`, and its question in `question`."""

    def __init__(self, kind: str, key: str) -> None:
        self._kind, self._key = kind, key

    def label(self, row: Any) -> dict[str, Any]:
        return {"kind": self._kind, self._key: row["label"], **row.get("more", {})}


def asked(kind: str, key: str, rows: Sequence[tuple[Any, str]], **more: Any) -> float | None:
    prompts = Prompts(
        questions=("{{ question }}",), rationalise=("{{ question }} {{ label }}",), template="{{ label }}"
    )
    task = Task(kind, Named(kind, key), prompts, asks_final_line=False)
    samples = [
        Sample(str(n), f"{n}.mp4", "", "train", "", 4.0, {"label": label, "question": text, "more": more})
        for n, (label, text) in enumerate(rows)
    ]
    return label_in_question(Questions(made_of(samples), [task], 0).split("train"), PLAN)


@pytest.mark.parametrize(
    ("kind", "key", "rows"),
    [
        ("action", "name", [(LABELS[n % 4], "Which action is this: {}?") for n in range(40)]),
        ("action", "name", [(LABELS[n % 4], "What is this?" + " A hint: {}." * (n % 3 == 0)) for n in range(40)]),
        ("boolean", "value", [(n % 2 == 0, "Does it fall? The answer is {}.") for n in range(40)]),
        ("count", "value", [(n % 5, "It jumps {} times. How often does it jump?") for n in range(40)]),
        ("text", "reference", [(f"thing {n}", "What is it? ({})") for n in range(40)]),
    ],
)
def test_a_question_that_contains_its_label(kind: str, key: str, rows: list[tuple[Any, str]]) -> None:
    words = {True: "yes", False: "no"}
    found = asked(kind, key, [(label, text.format(words.get(label, label))) for label, text in rows])
    assert found is not None
    assert found > 0.2


@pytest.mark.parametrize(
    ("kind", "key", "rows"),
    [
        ("action", "name", [(LABELS[n % 4], "Which action is this?") for n in range(40)]),
        ("action", "name", [(("walking", "running")[n % 2], "Is the person walking or running?") for n in range(40)]),
        ("boolean", "value", [(n % 4 == 0, "Is the light on? Answer yes if it is on, no if not.") for n in range(400)]),
        ("count", "value", [(n % 5, "How many times do the 2 men jump?") for n in range(400)]),
        ("score", "value", [(n % 2 * 10, "Rate this from 0 to 10.") for n in range(400)]),
    ],
)
def test_a_question_that_contains_a_label_by_chance(kind: str, key: str, rows: list[tuple[Any, str]]) -> None:
    found = asked(kind, key, rows)
    assert found is not None
    assert found < 0.1


def test_options_are_part_of_a_question() -> None:
    options = {"A": "walking", "B": "running"}
    assert asked("choice", "answer", [("A", "Which: walking, running?")] * 4, options=options) is None


def test_the_change_of_the_loss_weighs_steps_by_their_tokens() -> None:
    steps = [{"loss": loss, "tokens": tokens} for loss, tokens in ((2.0, 9), (1.0, 1), (5.0, 1), (4.0, 1))]
    assert loss_change(steps) == 2.0
    steps += [{"loss": 1.0, "tokens": tokens} for tokens in (1, 1, 1, 3)]
    assert loss_change(steps) == -1.0
    assert loss_change(steps[:3]) is None


def test_the_norm_of_a_lora_is_that_of_its_update() -> None:
    torch.manual_seed(0)
    base = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 3))
    model = get_peft_model(base, LoraConfig(r=2, lora_alpha=6, target_modules=["0", "2"]))
    assert relative_norm(model) == 0.0
    layers = [model.base_model.model[0], model.base_model.model[2]]
    for layer in layers:
        torch.nn.init.normal_(layer.lora_B["default"].weight)
    update = sum(float(layer.get_delta_weight("default").detach().square().sum()) for layer in layers)
    weights = sum(float(layer.get_base_layer().weight.detach().square().sum()) for layer in layers)
    assert relative_norm(model) == pytest.approx(math.sqrt(update / weights))
    whole = torch.zeros(5, 6, dtype=torch.int8)  # as quantised weights are stored
    layers[0].get_base_layer().weight = torch.nn.Parameter(whole, requires_grad=False)
    assert relative_norm(model) is None


texts = st.sampled_from(["", "A cat sits on the mat. It is walking.", "Un gato camina por la calle.", "走路", "ответ"])
lines = st.tuples(texts, st.booleans(), st.booleans())  # text, kept, accepted


@settings(max_examples=30)
@given(st.lists(st.tuples(lines, st.none() | lines), max_size=12))
def test_shares_are_shares_and_do_not_depend_on_the_order(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[Any, Any]]
) -> None:
    answers = [
        answer(number, kind=kind, text=line[0], kept=line[1], accepted=line[2])
        for number, pair in enumerate(drawn)
        for kind, line in zip(("direct", "rationalised"), pair, strict=True)
        if line is not None
    ]
    folder = tmp_path_factory.getbasetemp()
    found = measured(folder, answers, answers)
    shares = ("coverage", "kept", "rationalised", "unverified", "near_duplicates", "pass_at_1", "drift", "overlap")
    assert all(value is None or 0 <= value <= 1 for value in map(found.get, shares))
    by_kind = sorted(answers, key=lambda one: one.kind)  # as after a crash, which leaves lines that are not adjacent
    assert measured(folder, by_kind, answers) == pytest.approx(found)
