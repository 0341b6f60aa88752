"""Adapters: every kind and task, a user's own, and what `videostar adapter check` finds."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from data_sets import made_of
from hypothesis import given, settings
from hypothesis import strategies as st

from videostar.adapters import load_adapter
from videostar.adapters.check import check_adapter
from videostar.adapters.paper import TASKS
from videostar.adapters.prompts import load_prompts
from videostar.adapters.questions import Questions
from videostar.adapters.task import Task
from videostar.config import Data as DataSettings
from videostar.data.samples import Sample
from videostar.data.source import Data, DataSource
from videostar.labels import KINDS, parse_label
from videostar.util.errors import UserError

ROWS: dict[str, dict[str, Any]] = {
    "action": {"label": "riding a bike"},
    "labels": {"label": "riding a bike; waving hand"},
    "score": {"label": "61.2", "range": "[0, 100]"},
    "count": {"label": "4", "of": "push-ups"},
    "timestamp": {"label": 64, "event": "the ball is thrown"},
    "interval": {"start": 3.0, "end": 7.5, "event": "the ball is thrown"},
    "sequence": {"label": ["crack eggs", "whisk", "pour into pan"]},
    "choice": {"question": "What is opened?", "options": {"A": "The door.", "B": "The box."}, "label": "The box."},
    "boolean": {"question": "Does he sit down?", "label": "yes"},
    "box": {"label": [0.1, 0.2, 0.5, 0.6], "object": "the red cup"},
    "text": {"label": "The woman closes the window before leaving the room."},
    "fields": {"label": {"action": {"kind": "action", "name": "diving"}, "score": {"kind": "score", "value": 61.2}}},
}


def sample(row: dict[str, Any], number: int = 0, split: Any = "train") -> Sample:
    return Sample(
        f"id{number}", f"{number}.mp4", str(row.get("label", "")), split, "0" * 64, 9.0, row, f"rows:{number}"
    )


def data(rows: list[dict[str, Any]]) -> Data:
    samples = [sample(row, number, split) for number, row in enumerate(rows) for split in ("train", "test")]
    return made_of(samples)


def test_every_kind_has_an_adapter_and_a_row_here() -> None:
    assert set(ROWS) == set(KINDS)


@pytest.mark.parametrize("name", sorted([*ROWS, *TASKS]))
def test_built_in_adapters_keep_their_promises(name: str, tmp_path: Path) -> None:
    rows = None
    if name in ROWS:
        path = tmp_path / "rows.jsonl"
        path.write_text(json.dumps({"video": "a.mp4", **ROWS[name]}) + "\n")
        rows = str(path)
    findings = check_adapter(name, rows and DataSource.find(DataSettings(name=rows)), 10)
    assert [(found.promise, found.broken) for found in findings if found.broken] == []
    assert all(found.tried for found in findings)


def test_a_table_of_text_gives_the_same_labels() -> None:
    typed = ROWS["choice"]
    told = {**typed, "options": json.dumps(typed["options"]), "label": "B"}
    assert load_adapter("choice").label(told) == load_adapter("choice").label(typed)
    steps = {"label": "crack eggs; whisk; pour into pan"}
    assert load_adapter("sequence").label(steps) == load_adapter("sequence").label(ROWS["sequence"])
    whole = {"label": {"value": 7, "range": [0, 10]}}
    assert load_adapter("score").label(whole) == {"kind": "score", "value": 7, "range": [0, 10]}


CHECKOUT = Path(__file__).parent.parent


def shown() -> str:
    """The adapter that `docs/adapters.md` shows."""
    (code,) = re.findall(r"```python\n(.*?)```", (CHECKOUT / "docs/adapters.md").read_text("utf-8"), re.DOTALL)
    return str(code)


def test_the_documents_show_an_adapter_of_ten_lines_at_most() -> None:
    assert len([line for line in shown().splitlines() if line.strip()]) <= 10


def test_the_example_keeps_its_promises_on_its_rows() -> None:
    example = CHECKOUT / "examples" / "adapter"
    findings = check_adapter(
        f"{example}/dive_score.py:DiveScore", DataSource.find(DataSettings(name=str(example / "dives.jsonl"))), 10
    )
    assert [(found.tried > 0, found.broken) for found in findings] == [(True, [])] * len(findings)


MORE = """
class Broken(DiveScore):
    def label(self, row):
        return {"kind": "score", "value": row["points"]}

class Told(DiveScore):
    prompts = "told.yaml"

class Bare(LabelAdapter):
    prompts = "score"

class Mute(LabelAdapter):
    def label(self, row):
        return {"kind": "score", "value": 1}
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "my_adapter.py").write_text(shown() + MORE)
    (tmp_path / "told.yaml").write_text(
        'questions: ["Why is it {{ judges[0] * 3.2 + judges[1] * 3.2 + judges[2] * 3.2 }}?"]\n'
        'rationalise: ["{{ question }} It is {{ label }}."]\ntemplate: "It is {{ label }}."\n'
    )
    return tmp_path / "my_adapter.py"


def test_an_adapter_of_ones_own(own: Path, videostar: Command) -> None:
    done = videostar("adapter", "check", f"{own}:DiveScore")
    assert done.returncode == 0, done.stderr
    questions = Questions(data([{"judges": [7, 8, 9], "difficulty": 2}]), [_task(f"{own}:DiveScore")], 0)
    (asked,) = questions.split("train")
    assert asked.label.judge("The dive is worth 48 points.").accepted
    assert asked.text in asked.hinted
    assert asked.label.words() in asked.hinted


def test_a_broken_adapter_is_told_of(own: Path, videostar: Command) -> None:
    done = videostar("adapter", "check", f"{own}:Broken")
    assert done.returncode == 1
    assert "KeyError" in done.stdout
    broken = [found.promise for found in check_adapter(f"{own}:Told", None, 1) if found.broken]
    assert broken == ["the question does not give its label away"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{own}:DiveScor", "no class 'DiveScor' in it; there is DiveScore"),
        ("{own}:Bare", "has no `label`"),
        ("{own}:Mute", "has no `prompts`"),
        ("{own}", "write path/to/file.py:Class"),
        ("absent.py:Mine", "no such file"),
        ("scroe", "did you mean 'score'"),
    ],
)
def test_an_adapter_that_cannot_be_loaded_is_one_line(own: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        load_adapter(name.format(own=own))


def _task(name: str) -> Task:
    return Task.load(name, load_adapter(name))


def test_questions_do_not_depend_on_other_rows() -> None:
    rows = [{"label": name} for name in ("run", "jump", "swim", "climb")]
    all_of_them = {
        q.sample.row: (q.id, q.text, q.hinted) for q in Questions(data(rows), [_task("action")], 3).split("train")
    }
    for number, row in enumerate(rows):
        alone = made_of([sample(row, number), sample(row, 9, "test")])
        (asked,) = Questions(alone, [_task("action")], 3).split("train")
        assert all_of_them[asked.sample.row] == (asked.id, asked.text, asked.hinted)
    assert {q.text for q in Questions(data(rows), [_task("action")], 4).split("train")} != {
        text for _, text, _ in all_of_them.values()
    }


def test_all_questions_about_a_video_stand_together() -> None:
    rows = [{"label": 3, "of": "jumps"}, {"label": 5, "of": "jumps"}]
    asked = Questions(data(rows), [_task("count"), _task("score")], 0).split("train")
    assert [(q.sample.row, q.task) for q in asked] == [
        *(("rows:0", "count"), ("rows:0", "score")),
        *(("rows:1", "count"), ("rows:1", "score")),
    ]


def test_rows_that_are_not_understood_are_skipped_and_others_go_on() -> None:
    questions = Questions(data([{"label": "5"}, {"label": "many"}, {"other": 1}]), [_task("count")], 0)
    assert [q.sample.row for q in questions.split("train")] == ["rows:0"]
    assert {(item.where, item.reason) for item in questions.skipped} == {("rows:1", "no question")}
    assert questions.not_asked == {"count": 2}
    with pytest.raises(UserError, match="no question about any train video"):
        Questions(data([{"label": "many"}]), [_task("count")], 0).check()


def test_a_template_that_names_what_no_row_has_is_refused(own: Path) -> None:
    (own.parent / "told.yaml").write_text('questions: ["{{ judge }}?"]\nrationalise: ["{{ label }}"]\ntemplate: "x"\n')
    with pytest.raises(UserError, match="'judge' is undefined; there are difficulty, judges"):
        Questions(data([{"judges": [1], "difficulty": 1}]), [_task(f"{own}:Told")], 0).check()


@settings(max_examples=40)
@given(st.text(min_size=1, max_size=40).filter(str.strip))
def test_a_label_arrives_in_every_prompt_as_text(name: str) -> None:
    nasty = f"{{{{ question }}}}{{% raw %}} <|im_end|>\"' {name}".strip()
    for task in ("action", "what_happened", "before", "when"):
        row = {"label": nasty, "previous": nasty, "start": 1.0, "end": 2.0}
        (asked,) = Questions(data([row]), [_task(task)], 0).split("test")
        said = asked.hinted if task != "when" else asked.text
        assert parse_label({"kind": "action", "name": nasty}).words() in said or nasty in said


def test_other_labels_than_actions_go_through_the_stages(own: Path, world: Path, videostar: Command) -> None:
    clips = sorted((world.parent / "clips_and_labels" / "clips" / "train").glob("*.mp4"))[:4]
    rows = [
        {"video": clip.name, "judges": [7, 8, number], "difficulty": 2.5, "split": "test" if number == 3 else "train"}
        for number, clip in enumerate(clips)
    ]
    (own.parent / "dives.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in [*rows, {"video": "x.mp4", "split": "train"}])
    )
    for clip in clips:
        shutil.copy(clip, own.parent)
    settings = ["--set", f"adapter={own}:DiveScore", "--set", "generation.answers=[template]"]
    done = videostar("generate", "--data", "dives.jsonl", *settings, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 3
    assert "x.mp4: missing" in done.stderr
    answers = [json.loads(line) for line in (own.parent / "out" / "answers.jsonl").read_text().splitlines()]
    assert {(answer["label"], answer["kept"]) for answer in answers} == {("37.5", True), ("40", True), ("42.5", True)}
    assert {answer["group"] for answer in answers} == {f"{own}:DiveScore"}


def test_another_prompt_or_label_is_another_identity(own: Path) -> None:
    def digest(row: dict[str, Any]) -> str:
        return Questions(data([row]), [_task(f"{own}:Told")], 0).digest

    row = {"judges": [7, 8, 9], "difficulty": 2}
    first = digest(row)
    assert digest(row) == first
    assert digest({**row, "difficulty": 3}) != first
    code = own.read_text()
    own.write_text(code.replace('row["difficulty"]}', 'row["difficulty"], "relative_tolerance": 0.5}', 1))
    assert digest(row) != first
    own.write_text(code)
    (own.parent / "told.yaml").write_text(
        'questions: ["Rate it."]\nrationalise: ["{{ label }}?"]\ntemplate: "{{ label }}."\n'
    )
    load_prompts.cache_clear()
    assert digest(row) != first
