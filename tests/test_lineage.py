"""What changed between versions, and why, told from ledgers and versions made by hand."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest
from commands import Command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from videostar.config import Pipeline
from videostar.runs.diff import CHANGES, diff
from videostar.runs.explain import explain
from videostar.runs.history import history
from videostar.runs.manifest import Manifest, Stage, open_run, write_manifest
from videostar.stages.ledger import Answer, Ledger
from videostar.stages.versions import build_version
from videostar.util.errors import UserError
from videostar.util.files import digest

HOSTILE = "\x1b[31mred\x1b]0;mine\x07 [bold]loud[/bold] [/] \r\n\u202edlo\u202c"


def answer(name: str, text: str = "It runs.", kind: str = "direct", reason: str = "", label: str = "run") -> Answer:
    """A kept answer, or with `reason` a rejected one, to question `name` about clips/`name`.mp4."""
    return Answer(
        question_id=name,
        kind=kind,
        video=f"clips/{name}.mp4",
        task="action",
        group=label,
        label=label,
        question="What is it?",
        prompt="What is it?" if kind == "direct" else f"What is it? It is {label}.",
        answer=text,
        text=text,
        kept=not reason,
        accepted=not reason,
        score=float(not reason),
        reason=reason or "matched",
        video_sha256=f"sha of {name}",
        frame_times=(0.0, 0.5),
        template="action.yaml questions[0]",
    )


def version(folder: Path, answers: list[Answer], lineage: Mapping[str, Any] | None = None) -> str:
    Ledger(folder / "answers.jsonl").append(answers)
    origin = dict(lineage or {"data": "d"})
    build_version(folder / "answers.jsonl", folder / "dataset", lineage=origin, direct_only=False)
    return str(folder / "dataset")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two rounds, of which the first trained."""
    folder = tmp_path / "runs" / "mine"
    told = [
        [
            answer("a", HOSTILE, reason="missing"),
            answer("a", "It runs.", "rationalised"),
            answer("b", "It jumps.", label="jump"),
            answer("c", "No idea.", reason="missing"),
            answer("c", "It runs, as said.", "rationalised", reason="hint"),
            dataclasses.replace(answer("d", "", "video", reason="missing: no such file"), prompt="", template=""),
            answer("e", "It runs on."),
        ],
        [
            answer("a", "It runs fast."),
            answer("b", HOSTILE, reason="denied", label="jump"),
            answer("b", "It is.", "rationalised", reason="missing", label="jump"),
            dataclasses.replace(answer("c", "It runs."), seed=7, number=1),
            answer("e", "It runs on."),
        ],
    ]
    stages = {}
    for number, answers in enumerate(told, start=1):
        part = f"rounds/{number:02}"
        adapter = f"adapter of {number - 1}" if number > 1 else None
        origin = {"data": "d", "adapter": adapter, "engine": {"name": "vllm", "dtype": "bfloat16"}}
        version(folder / part, answers, origin)
        Ledger(folder / part / "evaluation.jsonl").append([answer(f"t{number}")])
        facts = json.loads((folder / part / "dataset" / "version.json").read_text())
        wrote = {f"{part}/dataset": digest(folder / part / "dataset")}
        stages[f"{number:02}/version"] = Stage(wrote=wrote, facts=facts, seconds=1)
    stages["01/train"] = Stage(wrote={"rounds/01/lora": "adapter of 1"}, facts={}, seconds=1)
    stages["01/evaluate"] = Stage(wrote={}, facts={"accuracy": 0.5}, seconds=1)
    manifest = Manifest(settings=Pipeline(rounds=2), data="d", model="m", stages=stages)
    write_manifest(folder / "manifest.json", manifest)
    return folder


def test_versions_of_a_run(run: Path) -> None:
    first, second = history(*open_run(run))
    assert (first.round, first.rows, first.direct, first.rationalised) == (1, 3, 2, 1)
    assert (first.rejected, first.skipped, first.labels, first.accuracy) == (3, 1, 2, 0.5)
    assert (second.rows, second.accuracy) == (3, None), "it was not trained on"
    assert first.damaged == second.damaged == []


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("data-00000.parquet", lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "data-00000.parquet"),
        ("rejected.parquet", Path.unlink, "rejected.parquet (missing)"),
        ("version.json", lambda path: path.write_text(path.read_text() + " "), "version.json"),
        ("README.md", lambda path: path.write_text("mine"), "README.md"),
        ("notes.txt", lambda path: path.write_text("mine"), "notes.txt (added)"),
    ],
)
def test_a_touched_file_of_a_version_is_named(run: Path, videostar: Command, name: str, change: Any, said: str) -> None:
    change(run / "rounds" / "01" / "dataset" / name)
    first, second = history(*open_run(run))
    assert (first.damaged, second.damaged) == ([said], [])
    done = videostar("versions", run)
    assert done.returncode == 1
    assert f"damaged: {said}" in done.stdout


def test_what_changed_and_why(run: Path) -> None:
    found = diff(f"{run}:1", str(run / "rounds" / "02" / "dataset"))
    assert found.counts == {"gained": 1, "lost": 1, "changed": 1, "unchanged": 1}
    assert list(found.by_label) == ["run", "jump"]
    assert found.by_label["run"] == {"gained": 1, "lost": 0, "changed": 1, "unchanged": 1}
    assert found.reasons == {"gained": {"rationalised: hint": 1}, "lost": {"rationalised: missing": 1}}
    (gained,) = found.examples["gained"]
    assert (gained.question_id, gained.video, gained.label) == ("c", "clips/c.mp4", "run")
    assert [(said.verdict, said.text) for said in gained.before] == [
        ("missing", "No idea."),
        ("hint", "It runs, as said."),
    ]
    assert [(said.kind, said.verdict, said.text) for said in gained.after] == [("direct", "kept", "It runs.")]
    (changed,) = found.examples["changed"]
    assert [said.text for said in changed.before + changed.after] == ["It runs.", "It runs fast."]
    assert found.same_data


def test_a_label_that_is_no_action_is_counted_by_its_task(tmp_path: Path) -> None:
    told = [dataclasses.replace(answer(str(n), label=str(n)), task="count", group="count") for n in range(3)]
    found = diff(version(tmp_path / "a", told[:1]), version(tmp_path / "b", told))
    assert found.by_label == {"count": {"gained": 2, "lost": 0, "changed": 0, "unchanged": 1}}
    assert found.reasons["gained"] == {"not asked": 2}


tellings = st.dictionaries(
    st.sampled_from("abcdef"),
    st.lists(
        st.tuples(st.sampled_from(["It runs.", "It ran."]), st.sampled_from(["direct", "rationalised"]), st.booleans()),
        min_size=1,
        max_size=3,
    ),
)
Tellings = dict[str, list[tuple[str, str, bool]]]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tellings, tellings)
def test_a_diff_is_the_other_one_turned_round(
    tmp_path_factory: pytest.TempPathFactory, one: Tellings, two: Tellings
) -> None:
    def made(said: Tellings) -> str:
        tries = [
            dataclasses.replace(
                answer(name, text, kind, "" if kept else f"no {text}", label=f"label of {name}"), number=number
            )
            for name, tries in said.items()
            for number, (text, kind, kept) in enumerate(tries)
        ]
        return version(tmp_path_factory.mktemp("version"), tries)

    def kept(said: Tellings) -> dict[str, list[tuple[str, str]]]:
        found = {name: sorted((text, kind) for text, kind, kept in tries if kept) for name, tries in said.items()}
        return {name: tries for name, tries in found.items() if tries}

    a, b = made(one), made(two)
    there, back, same = diff(a, b), diff(b, a), diff(a, a)
    old, new = kept(one), kept(two)
    both = old.keys() & new.keys()
    assert there.counts == {
        "gained": len(new.keys() - old.keys()),
        "lost": len(old.keys() - new.keys()),
        "changed": sum(old[name] != new[name] for name in both),
        "unchanged": sum(old[name] == new[name] for name in both),
    }
    assert same.counts == {"gained": 0, "lost": 0, "changed": 0, "unchanged": len(old)}
    for change, turned in zip(CHANGES, ("lost", "gained", "changed", "unchanged"), strict=True):
        assert there.counts[change] == back.counts[turned]
        assert there.counts[change] == sum(counts[change] for counts in there.by_label.values())
    for change, turned in (("gained", "lost"), ("lost", "gained")):
        assert there.reasons[change] == back.reasons[turned]
        assert sum(there.reasons[change].values()) == there.counts[change]
        assert [(e.question_id, e.before, e.after) for e in there.examples[change]] == [
            (e.question_id, e.after, e.before) for e in back.examples[turned]
        ]


def test_other_data_is_warned_of(run: Path, tmp_path: Path, videostar: Command) -> None:
    other = version(tmp_path / "other", [answer("z")], {"data": "another"})
    done = videostar("diff", f"{run}:1", other)
    assert done.returncode == 0, done.stderr
    assert "are of different data" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_video_is_explained_round_by_round(run: Path) -> None:
    found = explain("a.mp4", run)
    assert (found.video, found.video_sha256, found.frame_times) == ("clips/a.mp4", "sha of a", (0.0, 0.5))
    assert found.engine == {"name": "vllm", "dtype": "bfloat16"}
    first, second = found.ledgers
    versions = [json.loads((run / f"rounds/0{n}/dataset/version.json").read_text())["version"] for n in (1, 2)]
    assert (first.round, first.lora, first.version) == (1, None, versions[0])
    assert (second.round, second.lora, second.version) == (2, "adapter of 1", versions[1])
    assert [(told.answer.kind, told.answer.kept, told.in_version) for told in first.answers] == [
        ("direct", False, False),
        ("rationalised", True, True),
    ]
    (held_out,) = explain("t1", run).ledgers
    assert (held_out.ledger, held_out.lora, held_out.version) == (
        "rounds/01/evaluation.jsonl",
        "adapter of 1",
        None,
    )
    assert explain("clips/a.mp4", run) == explain("a", run) == found, "by path, by question"


def test_a_kept_answer_that_is_left_out_of_the_last_round_is_told(run: Path, tmp_path: Path) -> None:
    folder = run / "rounds" / "02"
    (folder / "answers.jsonl").unlink()
    Ledger(folder / "answers.jsonl").append([answer("a", "It runs.", "rationalised"), answer("e")])
    build_version(folder / "answers.jsonl", folder / "dataset", lineage={"data": "d"}, direct_only=True)
    (told,) = explain("a", run).ledgers[-1].answers
    assert (told.answer.kept, told.in_version) == (True, False)


def test_a_wrong_name_is_one_line_with_the_nearest_right_one(run: Path) -> None:
    for name, said in (
        ("clips/x/a.mp4", "did you mean clips/a.mp4?"),
        ("a.mp5", "did you mean clips/a.mp4?"),
        ("p4", "7 videos of"),
        ("\udcff", "give a video's path"),
    ):
        with pytest.raises(UserError, match=re.escape(said)):
            explain(name, run)
    for name, said in (
        (f"{run}:3", "there are: 1, 2"),
        (f"{run}", f"add one of its rounds, such as {run}:2"),
        (f"{run}s:1", f"did you mean {run}?"),
        (f"{run / 'rounds'}", "no manifest.json there"),
    ):
        with pytest.raises(UserError, match=re.escape(said)):
            diff(f"{run}:1", name)


def test_what_cannot_be_read_is_one_line(run: Path) -> None:
    folder = run / "rounds" / "01" / "dataset"
    (folder / "data-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="restore it"):
        diff(f"{run}:1", f"{run}:2")
    with pytest.raises(UserError, match="cannot be read"):
        explain("a", run)
    (folder / "version.json").write_text("[]")
    with pytest.raises(UserError, match=r"version\.json"):
        diff(f"{run}:1", f"{run}:2")


@pytest.mark.parametrize("command", [("explain", "a", "--run", "{run}"), ("diff", "{run}:1", "{run}:2")])
def test_hostile_text_is_shown_and_not_obeyed(run: Path, videostar: Command, command: tuple[str, ...]) -> None:
    words = [word.format(run=run) for word in command]
    done = videostar(*words)
    assert done.returncode == 0, done.stderr
    assert "[bold]loud[/bold] [/]" in done.stdout, "markup is text"
    assert r"\x1b[31mred\x1b]0;mine\x07" in done.stdout
    assert not set("\x1b\x07\r\u202e") & set(done.stdout)
    told = videostar(*words, "--json")
    assert json.dumps(HOSTILE) in told.stdout, "escaped, and whole"


def test_a_version_is_read_without_this_package(run: Path, tmp_path: Path) -> None:
    files = str(run / "rounds" / "01" / "dataset" / "data-*.parquet")
    texts = ["It runs.", "It jumps.", "It runs on."]
    rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert [row["messages"][1]["content"][0]["text"] for row in rows] == texts
    assert rows["videos"][0] == ["clips/a.mp4"]
    frame = pd.concat(map(pd.read_parquet, Path(files).parent.glob("data-*.parquet")))
    assert [messages[1]["content"][0]["text"] for messages in frame["messages"]] == texts
    assert list(frame["kind"]) == ["rationalised", "direct", "direct"]


def test_a_version_is_read_by_polars(run: Path) -> None:
    polars = pytest.importorskip("polars")  # nothing that videostar depends on
    frame = polars.read_parquet(run / "rounds" / "01" / "dataset" / "data-*.parquet")
    said = frame["messages"].list.get(1).struct.field("content").list.get(0).struct.field("text")
    assert said.to_list() == ["It runs.", "It jumps.", "It runs on."]
    assert frame["pass_rate"].dtype == polars.Float64
