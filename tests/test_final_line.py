"""The final line that downloaded models are asked for: what is asked, judged and stored, with and without it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from commands import Command
from ordinary_data import told, write_rows
from scripted_server import ScriptedServer, scripted_server
from tiny_models import make

from videostar.adapters.check import check_adapter
from videostar.adapters.final_line import without_final_line
from videostar.adapters.prompts import load_prompts
from videostar.labels.hints import strip_hint
from videostar.pipeline_files import load_pipeline
from videostar.runs.made_by import lineage
from videostar.runs.settings_diff import affecting
from videostar.util.files import digest_json
from videostar.util.resources import resource_names

REQUEST = '\nEnd with a line "Answer: <letter>".'
OPTIONS = json.dumps(["the red door", "the box"])
#: By question: the direct and the rationalised answer. The label is A; clip 5 is a test clip.
ANSWERS = {
    "Clip 0?": ("He opens the red door.\nAnswer: A", ""),
    "Clip 1?": ("A hand comes in.\n\n**Answer:** A", "A hand turns the knob of the red door.\n**Answer: A**"),
    "Clip 2?": ("He opens the box. Answer: A", "As the label says, it is the red door.\nAnswer: A"),
    "Clip 3?": ("He opens the red door.", ""),
    "Clip 4?": ("He opens the red door.\nAnswer: B", "As said, he opens the red door.\nAnswer: A"),
    "Clip 5?": ("Something is opened.\nAnswer: A", ""),
}


OWN = """
from videostar import LabelAdapter

class Points(LabelAdapter):
    prompts = "mine.yaml"
    example = {"points": 7.5}

    def label(self, row):
        return {"kind": "score", "value": row["points"]}
"""


def scripted(question: str, seed: int | None) -> str:
    if seed is not None:  # answers that differ in what precedes a long line
        return f"{('Left.', 'Right.', 'Up.', 'Down.')[seed % 4]}\nAnswer: A. {'The red door. ' * 12}"
    clip = question[question.index("Clip") :][: len("Clip 0?")]
    return ANSWERS[clip]["The right answer is" in question]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small downloaded model."""
    return make("qwen3_vl", tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def server(model: Path) -> Iterator[ScriptedServer]:
    with scripted_server(model, scripted) as server:
        yield server


@pytest.fixture
def rows(clips: Path) -> Path:
    lines = [
        json.dumps(
            {
                "video": f"{number:04}.mp4",
                "question": question,
                "options": OPTIONS,
                "answer": "A",
                "split": "test" if number == 5 else "train",
            }
        )
        for number, question in enumerate(ANSWERS)
    ]
    return write_rows(clips / "rows.jsonl", *lines)


@pytest.fixture
def asking(rows: Path, model: Path, server: ScriptedServer) -> list[str]:
    """The arguments of a command whose questions go to the server."""
    return [*server.settings, "--data", str(rows), "--set", "adapter=choice"]


def generated(videostar: Command, folder: Path, *arguments: object) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The ledger of `videostar generate`, and the stored texts by question."""
    done = videostar("generate", *arguments, "--out", folder)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    stored = {}
    for row in pq.read_table(folder / "dataset" / "data-00000.parquet").to_pylist():
        question, answer = (message["content"][-1]["text"] for message in row["messages"])
        stored[question] = answer
    return answers, stored


def outcomes(answers: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    return {(row["video"][:4], row["kind"]): "kept" if row["kept"] else row["reason"] for row in answers}


def test_a_downloaded_model_is_asked_for_the_line_and_it_is_kept(
    asking: list[str], server: ScriptedServer, videostar: Command, tmp_path: Path
) -> None:
    answers, stored = generated(videostar, tmp_path / "out", *asking)
    assert sorted(server.asked) == sorted(row["prompt"] for row in answers)
    assert sum("The right answer is" in asked for asked in server.asked) == 1
    for asked in server.asked:
        assert asked.endswith(REQUEST)
        assert asked.count("End with a line") == 1
    assert outcomes(answers) == {
        ("0000", "direct"): "kept",
        ("0001", "direct"): "kept",
        ("0002", "direct"): "kept",  # its final line decides, whatever the text says
        ("0003", "direct"): "kept",
        ("0004", "direct"): "contradicted",
        ("0004", "rationalised"): "hint",
    }
    assert all(question.endswith(REQUEST) and "The right answer is" not in question for question in stored)
    assert set(stored.values()) == {ANSWERS[f"Clip {number}?"][0] for number in range(4)}


def test_the_line_is_dropped_and_the_rest_must_contain_the_label(
    asking: list[str], server: ScriptedServer, videostar: Command, tmp_path: Path
) -> None:
    answers, stored = generated(videostar, tmp_path / "out", *asking, "--set", "generation.final_line=drop")
    assert all(asked.endswith(REQUEST) for asked in server.asked)
    assert outcomes(answers) == {
        ("0000", "direct"): "kept",
        ("0001", "direct"): "only in the final line",
        ("0001", "rationalised"): "kept",
        ("0002", "direct"): "only in the final line",
        ("0002", "rationalised"): "kept",  # without its opening
        ("0003", "direct"): "kept",
        ("0004", "direct"): "contradicted",
        ("0004", "rationalised"): "hint",
    }
    assert not any("End with a line" in text for question in stored for text in (question, stored[question]))
    assert sorted(stored.values()) == [
        "A hand turns the knob of the red door.",
        "He opens the red door.",
        "He opens the red door.",
        "It is the red door.",
    ]
    rejected = pq.read_table(tmp_path / "out" / "dataset" / "rejected.parquet").to_pylist()
    assert "only in the final line" in {row["reason"] for row in rejected}


def test_every_answer_is_stored_unverified_but_none_that_is_empty(
    asking: list[str], videostar: Command, rows: Path, tmp_path: Path
) -> None:
    settings = ("generation.verify=false", "generation.final_line=drop", "generation.answers=[direct]")
    given = [word for setting in settings for word in ("--set", setting)]
    answers, stored = generated(videostar, tmp_path / "out", *asking, *given)
    assert all(row["kept"] for row in answers)
    assert "A hand comes in." in stored.values()


@pytest.mark.parametrize(("setting", "ends"), [("keep", True), ("drop", False)])
def test_evaluation_asks_as_training_does(
    asking: list[str], server: ScriptedServer, videostar: Command, tmp_path: Path, setting: str, ends: bool
) -> None:
    done = videostar("evaluate", *asking, "--set", f"generation.final_line={setting}", "--out", "e.json")
    assert done.returncode == 0, done.stderr
    assert [asked.endswith(REQUEST) for asked in server.asked] == [ends]
    assert json.loads((tmp_path / "e.json").read_text())["accuracy"] == 1.0
    (answer,) = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert (answer["kept"], answer["reason"], answer["text"]) == (True, "matched", ANSWERS["Clip 5?"][0])


def test_a_line_that_is_the_same_makes_no_near_duplicates(
    asking: list[str], videostar: Command, tmp_path: Path
) -> None:
    given = ("--set", "generation.samples=6", "--set", "generation.keep_per_question=6", "--limit", 1)
    answers, _ = generated(videostar, tmp_path / "out", *asking, *given)
    texts = {row["text"] for row in answers}
    assert len(texts) > 1
    assert sum(row["kept"] for row in answers) == len(texts)
    assert {row["reason"] for row in answers} == {"matched", "near-duplicate"}


@pytest.mark.parametrize(("setting", "line"), [("keep", "\nAnswer: A. the red door"), ("drop", "")])
def test_the_template_baseline_answers_what_is_asked(
    rows: Path, model: Path, videostar: Command, tmp_path: Path, setting: str, line: str
) -> None:
    given = ("adapter=choice", "generation.answers=[template]", f"generation.final_line={setting}", f"model={model}")
    words = [word for one in given for word in ("--set", one)]
    answers, stored = generated(videostar, tmp_path / "out", "--data", rows, *words)
    assert len(answers) == len(stored) == 5
    assert set(stored.values()) == {f"The answer is A. the red door.{line}"}
    assert {question.endswith(REQUEST) for question in stored} == {setting == "keep"}


def test_the_embedded_model_is_asked_as_it_was_trained(rows: Path, videostar: Command, tmp_path: Path) -> None:
    given = ("--set", "adapter=choice", "--set", "generation.verify=false", "--limit", 1)
    answers, stored = generated(videostar, tmp_path / "out", "--pipeline", "embedded", "--data", rows, *given)
    assert [row["prompt"] for row in answers] == list(stored)
    assert not any("End with" in question for question in stored)


def test_ids_of_versions_stay_where_the_setting_has_its_default() -> None:
    def settings_of(*changes: str) -> str:
        found: str = lineage("", load_pipeline("demo", settings=changes), None, "transformers")["settings"]
        return found

    before = affecting(load_pipeline("demo"), "01/generate")
    assert (before.pop("generation.final_line"), before.pop("generation.controls")) == ("keep", [])
    assert settings_of() == digest_json(before)
    assert settings_of("generation.final_line=drop") != settings_of()


def test_a_users_prompts_ask_for_a_line_of_their_own(
    asking: list[str], server: ScriptedServer, rows: Path, videostar: Command, tmp_path: Path
) -> None:
    prompts = {
        "questions": ["{{ question }}\n{{ options }}"],
        "rationalise": ["{{ question }} The right answer is {{ label }}."],
        "template": "{{ label }}",
        "final_line": "答案：<{{ question[:4] }} letter>",
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(prompts, allow_unicode=True), encoding="utf-8")
    given = ("--set", "prompts=mine.yaml", "--set", "generation.answers=[direct]", "--limit", 1)
    generated(videostar, tmp_path / "out", *asking, *given)
    assert [asked.rpartition("\n")[2] for asked in server.asked] == ['End with a line "答案：<Clip letter>".']


@pytest.mark.parametrize("line", ["the letter", "{{ label }}: x", "", "Answer:\nnothing"])
def test_a_line_without_a_fixed_beginning_is_one_error(
    rows: Path, videostar: Command, tmp_path: Path, line: str
) -> None:
    prompts = {**load_prompts("choice").model_dump(mode="json"), "final_line": line}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(prompts))
    given = ("--data", rows, "--set", "adapter=choice", "--set", "prompts=mine.yaml")
    assert "mine.yaml: final_line: " in (error := told(videostar, "generate", *given, "--out", "out"))
    assert "such as Answer: <letter>" in error


def test_a_line_that_gives_the_label_away_breaks_a_promise(tmp_path: Path) -> None:
    prompts = {**load_prompts("score").model_dump(mode="json"), "final_line": "Score: {{ points }}"}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(prompts))
    (tmp_path / "mine.py").write_text(OWN)
    broken = [finding.promise for finding in check_adapter(f"{tmp_path}/mine.py:Points", None, 1) if finding.broken]
    assert broken == ["the question does not give its label away"]


@pytest.mark.parametrize("name", resource_names("prompts"))
def test_shipped_prompts_ask_for_a_line_unless_the_whole_answer_is_the_label(name: str) -> None:
    assert (load_prompts(name).final_line is None) == (name in ("text", "open", "fields"))


@pytest.mark.parametrize(
    ("answer", "rest"),
    [
        ("He runs.\nAnswer: B", "He runs."),
        ("He runs.\n\n**Answer:** B\n", "He runs."),
        ("He runs.\n**Answer**: B", "He runs."),
        ("He runs.\n__Answer: B__", "He runs."),
        ('He runs.\n- "answer : B"', "He runs."),
        ("He runs. Answer: B", "He runs."),
        ("He runs.\nAnswer:\n1. open\n2. close", "He runs."),
        ("Answer: A\nNo, he runs.\nAnswer: B", "Answer: A\nNo, he runs."),
        ("Answer: B\nHe runs.", ""),
        ("He runs.", "He runs."),
        ("Her answer: he runs.\n", "Her answer: he runs.\n"),
        ("He gives an answer: B", "He gives an answer: B"),
        ("Answers: B", "Answers: B"),
        ("", ""),
    ],
)
def test_what_is_left_without_the_line(answer: str, rest: str) -> None:
    assert without_final_line(answer, "Answer:") == rest
    assert without_final_line(answer.replace("Answer:", "答案："), "答案：") in (
        rest.replace("Answer:", "答案："),
        answer,
    )


@pytest.mark.parametrize("piece", [". ", "* ", "\n", "Answer", "Answer:", "\nAnswer ", "_", ".\t", "Answer: a\n"])
def test_hostile_text_takes_no_longer_than_it_is_long(piece: str) -> None:
    start = time.process_time()
    without_final_line((piece * 1_000_000)[:1_000_000], "Answer:")
    assert time.process_time() - start < 1


def test_the_line_shows_no_hint_and_hides_none() -> None:
    cases = (Path(__file__).parent / "data" / "hints.jsonl").read_text(encoding="utf-8").splitlines()
    for case in map(json.loads, cases):
        answer = case["answer"]
        for line in ("\nAnswer: A", "\n\n**Answer:** 3 to 7.5 seconds"):
            assert (strip_hint(answer + line) is None) == (strip_hint(answer) is None), answer
    assert strip_hint("He runs.\nAnswer: A, as stated in the question") is None
