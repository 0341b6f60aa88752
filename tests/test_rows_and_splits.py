"""What a row file says is what a run uses: columns, identity, splits and leaks, through the command line."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from commands import Command

from videostar.data.splits import SPELLINGS
from videostar.video.cache import FORMAT
from videostar.video.sampling import Sampling

TEMPLATE = ("--set", "generation.answers=[template]", "--set", "mix=null")


@pytest.fixture
def clips(world: Path, tmp_path: Path) -> Path:
    """A folder with 24 clips that differ, 00.mp4 to 23.mp4."""
    sources = sorted((world.parent / "clips_and_labels" / "clips" / "train").glob("*.mp4"))
    for number, source in enumerate(sources[:24]):
        shutil.copy(source, tmp_path / f"{number:02}.mp4")
    return tmp_path


def write(folder: Path, rows: Sequence[Mapping[str, Any]], name: str = "my.csv") -> Path:
    with (folder / name).open("w", newline="") as file:
        table = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        table.writeheader()
        table.writerows(rows)
    return folder / name


def rows(count: int, **values: Any) -> list[dict[str, Any]]:
    """`count` rows, by turns of two labels."""
    return [
        {"video": f"{number:02}.mp4", "label": ("walking", "running")[number % 2], **values} for number in range(count)
    ]


def checked(videostar: Command, data: Path, *settings: str) -> dict[str, Any]:
    done = videostar("check", data, "--json", *settings)
    assert done.returncode in (0, 1), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["rows"] == report["usable"] + len(report["skipped"])
    assert sum(report["labels"].values()) == report["usable"]
    return report


def counts(report: dict[str, Any]) -> dict[str, int]:
    return {split: found["rows"] for split, found in report["splits"].items() if found["rows"]}


def answers(videostar: Command, folder: Path, data: Path, *settings: str) -> list[dict[str, Any]]:
    """What a run would be trained on, without a model."""
    done = videostar("generate", "--data", data, *TEMPLATE, *settings, "--out", folder / "out")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (folder / "out" / "answers.jsonl").read_text().splitlines()]


SECONDARY = ("name", "value", "answer", "options", "range", "scale", "aliases", "among", "names", "kind", "seconds")


@pytest.mark.parametrize("column", SECONDARY)
def test_the_label_is_the_label_whatever_else_a_row_holds(clips: Path, videostar: Command, column: str) -> None:
    data = write(clips, [{**row, column: "alice"} for row in rows(4, split="train")])
    assert checked(videostar, data, "--rows-only")["labels"] == {"walking": 2, "running": 2}


def test_no_other_column_is_in_an_answer(clips: Path, videostar: Command) -> None:
    data = write(clips, [{**row, **dict.fromkeys(SECONDARY, "alice")} for row in rows(4, split="train")])
    report = checked(videostar, data)
    assert report["labels"] == {"walking": 2, "running": 2}
    found = answers(videostar, clips, data)
    assert {answer["label"] for answer in found} == set(report["labels"])
    assert not any("alice" in json.dumps(answer) for answer in found)


@pytest.mark.parametrize(
    ("adapter", "label", "others", "word"),
    [
        ("score", "7.5", {"value": "3", "range": "far", "scale": "big"}, "7.5"),
        ("count", "2", {"value": "5", "of": "dogs"}, "2"),
        ("choice", "B", {"options": '{"A": "cat", "B": "dog"}', "answer": "A", "question": "Who?"}, "dog"),
        ("boolean", "yes", {"value": "no", "question": "Does it move?"}, "yes"),
        ("timestamp", "0.5", {"seconds": "1", "duration": "2", "event": "it turns"}, "0.5"),
        ("action", "walking", {"name": "alice", "aliases": "al; ally", "among": "running"}, "walking"),
    ],
)
def test_other_kinds_read_the_label_too(
    clips: Path, videostar: Command, adapter: str, label: str, others: dict[str, str], word: str
) -> None:
    data = write(clips, [{**row, "label": label, **others} for row in rows(2, split="train")])
    report = checked(videostar, data, "--set", f"adapter={adapter}")
    (said,) = report["labels"]
    assert word in said
    assert {answer["label"] for answer in answers(videostar, clips, data, "--set", f"adapter={adapter}")} == {said}


def test_a_key_of_doubtful_name_is_read_where_it_is_named(clips: Path, videostar: Command) -> None:
    data = write(clips, rows(4, split="train", aliases='["strolling"]'))
    doubtful = checked(videostar, data)
    assert [problem["what"] for problem in doubtful["problems"] if "column" in problem["what"]] == ["column not read"]
    done = videostar("generate", "--data", data, *TEMPLATE, "--out", "unnamed")
    assert "action does not read the column 'aliases'" in done.stderr
    named = ("--set", "columns.aliases=aliases")
    assert not [p for p in checked(videostar, data, *named)["problems"] if p["what"] == "column not read"]
    answers(videostar, clips, data, *named)
    read, unread = (json.loads((clips / out / "made_by.json").read_text()) for out in ("out", "unnamed"))
    assert read["settings"]["columns.aliases"] == "aliases"
    assert read["data"] != unread["data"]  # the words are the same, and answers are judged by more of them


def test_any_column_can_be_named(clips: Path, videostar: Command) -> None:
    data = write(
        clips,
        [
            {"path": row["video"], "class": row["label"], "label": "noise", "part": "train", "video": "nowhere.mp4"}
            for row in rows(4)
        ],
    )
    names = [
        f"columns.{name}={column}" for name, column in {"video": "path", "label": "class", "split": "part"}.items()
    ]
    settings = [word for name in names for word in ("--set", name)]
    report = checked(videostar, data, *settings)
    assert (report["labels"], counts(report)) == ({"walking": 2, "running": 2}, {"train": 4})
    assert {answer["label"] for answer in answers(videostar, clips, data, *settings)} == set(report["labels"])
    manifest = clips / "mine.yaml"
    manifest.write_text("rows: {all: my.csv}\ncolumns: {video: path, label: class, split: part}\n")
    assert checked(videostar, manifest)["labels"] == report["labels"]
    ignored = checked(videostar, data, *settings[:4], "--set", "columns.split=null")
    assert sum(counts(ignored).values()) == 4


def test_the_label_says_of_what_an_interval_is(clips: Path, videostar: Command) -> None:
    """And a column of the label's own kind, `labels`, does not take its place."""
    data = write(clips, [{**row, "start": 0, "end": 1, "event": "a party"} for row in rows(2, split="train")])
    found = answers(videostar, clips, data, "--set", "adapter=interval")
    assert all(answer["question"].count("party") == 0 for answer in found)
    assert {word for answer in found for word in ("walking", "running") if word in answer["question"]} == {
        "walking",
        "running",
    }
    (clips / "my.jsonl").write_text(
        json.dumps({"video": "00.mp4", "label": "walking; waving", "labels": ["alice"], "split": "train"}) + "\n"
    )
    assert list(checked(videostar, Path("my.jsonl"), "--set", "adapter=labels")["labels"]) == ["walking and waving"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["columns.label=clas"], "no column 'clas', only video, label, class; did you mean 'class'?"),
        (["columns.lable=class"], "columns.lable: did you mean columns.label?"),
        (["columns.video=path"], "no column 'path'"),
        (["adapter=scoer"], "did you mean 'score'?"),
    ],
)
def test_a_wrong_name_is_one_line(clips: Path, videostar: Command, settings: list[str], message: str) -> None:
    data = write(clips, rows(2, **{"class": "x"}))
    for command in (("check", data), ("generate", "--data", data, *TEMPLATE, "--out", "out")):
        done = videostar(*command, *(word for setting in settings for word in ("--set", setting)))
        assert done.returncode == 2
        assert message in done.stderr.splitlines()[-1]


def test_a_label_in_another_column_is_pointed_at(clips: Path, videostar: Command) -> None:
    data = write(clips, [{**row, "value": 7.5} for row in rows(2, split="train")])
    done = videostar("generate", "--data", data, *TEMPLATE, "--set", "adapter=score", "--out", "out")
    assert done.returncode == 2
    assert "--set columns.label=value" in done.stderr.splitlines()[-1]
    assert checked(videostar, data, "--set", "adapter=score", "--set", "columns.label=value")["labels"] == {"7.5": 2}
    write(clips, [{"video": row["video"], "split": "train"} for row in rows(2)])
    done = videostar("generate", "--data", data, *TEMPLATE, "--out", "out")
    assert done.returncode == 2
    assert "--set columns.label=NAME" in done.stderr.splitlines()[-1]
    (clips / "twice.csv").write_text("video,label,label\n00.mp4,walking,running\n")
    done = videostar("check", "twice.csv")
    assert (done.returncode, "two columns are named 'label'" in done.stderr) == (2, True)


def test_rows_of_one_video_that_differ_in_any_column_are_two(clips: Path, videostar: Command) -> None:
    told = [{"of": "cats", "value": 3}, {"of": "dogs", "value": 2}, {"of": "dogs", "value": 2}]
    data = write(clips, [{"video": "00.mp4", "split": "train", **row} for row in told])
    settings = ("--set", "adapter=count")
    report = checked(videostar, data, *settings)
    assert report["usable"] == 2
    assert [(row["where"], row["reason"]) for row in report["skipped"]] == [("my.csv:4", "doubled")]
    found = answers(videostar, clips, data, *settings)
    assert sorted(answer["label"].split()[0] for answer in found) == ["2", "3"]
    assert len({answer["question_id"] for answer in found}) == 2
    data = write(clips, [{**row, "note": note} for row in rows(1, split="train") for note in "ab"])
    assert checked(videostar, data)["usable"] == 2


def test_known_names_of_splits_are_taken_and_all_else_is_skipped(clips: Path, videostar: Command) -> None:
    named = {"train": "TRAIN", "training": "train", "Train+Val": "train", "trainval": "train"} | {
        "val": "validation", "Dev": "validation", "validate": "validation", "test_set": "test", "TESTING": "test"
    }  # fmt: skip
    unknown = ["tarin", "unlabeled", "0", "unused", "eval"]
    labelled = rows(len(named) + len(unknown))
    data = write(clips, [{**row, "split": split} for row, split in zip(labelled, [*named, *unknown], strict=True)])
    report = checked(videostar, data)
    assert counts(report) == {"train": 4, "validation": 3, "test": 2}
    assert [row["reason"] for row in report["skipped"]] == ["unknown split"] * 5
    assert [row["detail"].split(":")[0].strip("'") for row in report["skipped"]] == unknown
    assert len(answers(videostar, clips, data)) == 4


def test_the_documents_list_the_names_of_splits() -> None:
    text = (Path(__file__).parents[1] / "docs" / "data.md").read_text(encoding="utf-8")
    for split, names in SPELLINGS.items():
        (line,) = [line for line in text.splitlines() if line.startswith(f"| {split} |")]
        assert set(line.replace("`", "").split("|")[2].replace(",", " ").split()) == set(names)


def test_validation_is_held_out_of_train_by_video(clips: Path, videostar: Command) -> None:
    two = [{**row, "start": start, "end": start + 0.5} for row in rows(24, split="train") for start in (0.0, 1.0)]
    data = write(clips, two)
    report = checked(videostar, data, "--set", "data.validation=0.25")
    found = counts(report)
    assert found["train"] + found["validation"] == 48
    assert 4 <= found["validation"] <= 24
    videos = {split: report["splits"][split]["videos"] for split in found}
    assert (videos["train"] + videos["validation"], found["validation"]) == (24, 2 * videos["validation"])
    assert counts(checked(videostar, data, "--set", "data.validation=0")) == {"train": 48}
    again = write(clips, list(reversed(two)), "other.csv")
    assert counts(checked(videostar, again, "--set", "data.validation=0.25")) == found
    write(clips, [*two, {"video": "00.mp4", "label": "walking", "split": "val", "start": 0.1, "end": 0.4}])
    assert counts(checked(videostar, data, "--set", "data.validation=0.25"))["validation"] == 1


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_however_few_rows_without_a_split_some_are_for_training(clips: Path, videostar: Command, count: int) -> None:
    found = counts(checked(videostar, write(clips, rows(count))))
    assert sum(found.values()) == count
    assert found["train"] >= 1
    assert ("test" in found) == (count > 1)


def test_a_training_row_whose_video_is_held_out_is_skipped(clips: Path, videostar: Command) -> None:
    for copy, source in {"again.mp4": "00.mp4", "more.mp4": "01.mp4", "third.mp4": "02.mp4"}.items():
        shutil.copy(clips / source, clips / copy)
    told = [{**row, "split": "train"} for row in rows(6)] + [
        {"video": "again.mp4", "label": "walking", "split": "test"},
        {"video": "more.mp4", "label": "running", "split": "val"},
        {"video": "third.mp4", "label": "walking", "split": "val"},
        {"video": "third.mp4", "label": "walking", "split": "test"},
    ]
    data = write(clips, told)
    report = checked(videostar, data)
    assert counts(report) == {"train": 3, "validation": 1, "test": 2}
    assert [(row["video"], row["reason"]) for row in report["skipped"]] == [
        ("00.mp4", "also in test"),
        ("01.mp4", "also in validation"),
        ("02.mp4", "also in test"),
        ("third.mp4", "also in test"),
    ]
    done = videostar("generate", "--data", data, *TEMPLATE, "--out", "dropped")
    assert "3 also in test, 1 also in validation" in done.stderr
    assert json.loads(done.stdout)["rows"] == 3
    keep = checked(videostar, data, "--set", "data.leaks=keep")
    assert counts(keep) == {"train": 6, "validation": 2, "test": 2}
    assert "video also held out" in [problem["what"] for problem in keep["problems"]]
    for command in (("check", data), ("generate", "--data", data, *TEMPLATE, "--out", "refused")):
        done = videostar(*command, "--set", "data.leaks=refuse")
        assert done.returncode == 2
        assert "4 rows show videos that are held out" in done.stderr.splitlines()[-1]


def test_check_knows_the_adapter_and_looks_as_the_pipeline_would(clips: Path, videostar: Command) -> None:
    (clips / "mine.py").write_text(
        "from videostar.adapters import LabelAdapter\n\n\n"
        "class Total(LabelAdapter):\n    prompts = 'score'\n\n    def label(self, row):\n"
        "        return {'kind': 'score', 'value': sum(row['judges'])}\n"
    )
    (clips / "dives.jsonl").write_text(
        "".join(json.dumps({"video": f"{n:02}.mp4", "judges": [7, n], "split": "train"}) + "\n" for n in range(3))
        + json.dumps({"video": "03.mp4", "judges": "none", "split": "train"}) + "\n"
    )  # fmt: skip
    report = checked(videostar, Path("dives.jsonl"), "--set", "adapter=mine.py:Total")
    assert report["labels"] == {"7": 1, "8": 1, "9": 1}
    assert [(row["where"], row["reason"]) for row in report["skipped"]] == [("dives.jsonl:4", "no question")]
    cache = clips / "cache"
    frames = ("--pictures", "--cache", cache, "--set", "video.frames=3", "--set", "adapter=mine.py:Total")
    checked(videostar, Path("dives.jsonl"), *map(str, frames))
    made = [path.stem.partition("-")[2] for path in (cache / "frames").rglob("*.safetensors")]
    assert made == [f"{Sampling(3, 4096).key}-v{FORMAT}"] * 3
