"""Rows of several videos: all of them reach the prompt, the answers, the dataset version and training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import Command
from ordinary_data import checked, told, write_clip, write_rows
from tiny_models import QWEN_VIDEO, make
from training_rows import write_rows as write_version

from videostar.config import ModelSpec, Video
from videostar.models.chat import Chat, Turn
from videostar.models.load import load_processor
from videostar.models.refusals import Refusals

QUICK = [
    *("--set", "mix=null", "--set", "generation.verify=false", "--set", "generation.max_new_tokens=8"),
    *("--set", "training.epochs=1", "--set", "video.frames=4"),
]
OPTIONS = {"A": "the first video", "B": "the second video"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("qwen3_vl", tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def one_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose chat template shows the first video of a question alone."""
    folder = make("qwen3_vl", tmp_path_factory.mktemp("one") / "model")
    template = folder / "chat_template.jinja"
    shown = template.read_text()
    assert QWEN_VIDEO in shown
    shown = shown.replace(QWEN_VIDEO, "{% if loop.first %}" + QWEN_VIDEO + "{% endif %}")
    template.write_text(shown)
    return folder


def pair(first: str, second: str, split: str = "train", label: str = "A", **more: object) -> str:
    question = "In which video does the block go right?"
    row = {"videos": [first, second], "question": question, "options": OPTIONS, "label": label, "split": split}
    return json.dumps({**row, **more})


@pytest.fixture
def rows(clips: Path) -> Path:
    train = [pair("0000.mp4", "0001.mp4"), pair("0002.mp4", "0003.mp4", label="B")]
    test = [pair("0004.mp4", "0005.mp4", "test"), pair("0006.mp4", "0007.mp4", "test", "B")]
    return write_rows(clips / "rows.jsonl", *train, *test)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("model", ["embedded", "tiny"])
def test_both_videos_go_through_a_run(videostar: Command, rows: Path, tiny: Path, tmp_path: Path, model: str) -> None:
    named = ["--pipeline", "embedded", "--model", tiny if model == "tiny" else model, "--set", "adapter=choice"]
    report = checked(videostar, rows, *named)
    assert report["usable"] == 4
    assert {split: counts["videos"] for split, counts in report["splits"].items()} == {
        "train": 4,
        "validation": 0,
        "test": 4,
    }
    done = videostar("cycle", "--data", rows, "--rounds", 1, *named, *QUICK, "--out", "run")
    assert done.returncode == 0, done.stderr
    first = tmp_path / "run" / "rounds" / "01"
    answers = lines(first / "answers.jsonl")
    assert [(line["video"], line["more"][0]["video"]) for line in answers] == [
        ("0000.mp4", "0001.mp4"),
        ("0002.mp4", "0003.mp4"),
    ]
    for line in answers:
        assert len(line["more"][0]["frame_times"]) == len(line["frame_times"]) == 4
        assert line["more"][0]["video_sha256"] != line["video_sha256"]
    kept = pq.read_table(first / "dataset" / "data-00000.parquet").to_pylist()
    assert [row["videos"] for row in kept] == [["0000.mp4", "0001.mp4"], ["0002.mp4", "0003.mp4"]]
    assert [part["type"] for part in kept[0]["messages"][0]["content"]] == ["video", "video", "text"]
    assert json.loads((first / "evaluation.json").read_text())["n"] == 2
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["stages"]["01/train"]["facts"]["rows"] == 2
    for name in ("0002.mp4", "0003.mp4"):
        found = videostar("explain", name, "--run", "run")
        assert "videos: 0002.mp4, 0003.mp4" in found.stdout, found.stderr


def test_the_second_video_of_a_row_is_trained_on(videostar: Command, rows: Path, tiny: Path, tmp_path: Path) -> None:
    losses = {}
    for name, videos in {"pair": ["0000", "0001"], "other": ["0000", "0002"], "swapped": ["0001", "0000"]}.items():
        messages = [{"role": "user", "content": "Which?"}, {"role": "assistant", "content": "The first."}]
        folder = tmp_path / name
        folder.mkdir()
        table = pa.Table.from_pylist([{"messages": messages, "videos": [f"{video}.mp4" for video in videos]}])
        pq.write_table(table, folder / "data-00000.parquet")
        model = ["--pipeline", "embedded", "--model", tiny]
        done = videostar("train", folder, "--data", rows, *model, *QUICK, "--out", f"lora-{name}")
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout)
        assert (facts["rows"], facts["skipped"]) == (1, 0)
        losses[name] = facts["loss"]
    assert len(set(losses.values())) == 3, losses


CELLS = ["0000.mp4; 0001.mp4", "0000.mp4|0001.mp4", '["0000.mp4", "0001.mp4"]', "['0000.mp4', '0001.mp4']"]


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_of_a_csv_lists_videos(videostar: Command, clips: Path, cell: str) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    rows = write_rows(clips / "rows.csv", "videos,label,split", f"{quoted},walking,train", "0002.mp4,running,test")
    report = checked(videostar, rows)
    assert report["labels"] == {"walking": 1, "running": 1}
    assert report["splits"]["train"]["videos"] == 2
    assert report["splits"]["test"]["videos"] == 1


def test_a_column_of_another_name_and_a_parquet_file(videostar: Command, clips: Path) -> None:
    table = pa.table({"pair": [["0000.mp4", "0001.mp4"], ["0002.mp4"]], "label": ["walking", "running"]})
    pq.write_table(table, clips / "rows.parquet")
    report = checked(videostar, clips / "rows.parquet", "--set", "columns.videos=pair")
    assert report["usable"] == 2
    assert sum(split["videos"] for split in report["splits"].values()) == 3


def test_where_the_videos_lie_changes_no_question(videostar: Command, clips: Path, tmp_path: Path) -> None:
    for name, folder in (("relative", ""), ("absolute", f"{clips}/")):
        rows = write_rows(clips / f"{name}.jsonl", pair(f"{folder}0000.mp4", f"{folder}0001.mp4"))
        done = videostar("generate", "--data", rows, "--set", "adapter=choice", *QUICK, "--out", name)
        assert done.returncode == 0, done.stderr
    assert lines(tmp_path / "relative" / "answers.jsonl") == lines(tmp_path / "absolute" / "answers.jsonl")


def test_a_list_of_one_video_and_an_empty_one(videostar: Command, clips: Path) -> None:
    rows = [json.dumps({"videos": videos, "label": "walking"}) for videos in (["0000.mp4"], [], None)]
    report = checked(videostar, write_rows(clips / "rows.jsonl", *rows))
    assert report["usable"] == 1
    assert [row["reason"] for row in report["skipped"]] == ["no video", "no video"]


def test_rows_of_one_video_and_of_two_in_one_file(videostar: Command, clips: Path, tmp_path: Path) -> None:
    single = json.dumps({"video": "0002.mp4", "question": "?", "options": OPTIONS, "label": "A", "split": "test"})
    rows = write_rows(clips / "rows.jsonl", pair("0000.mp4", "0001.mp4"), single)
    done = videostar(
        *("evaluate", "--data", rows, "--pipeline", "embedded", "--model", "embedded", "--out", "out.json"),
        *("--set", "adapter=choice", *QUICK),
    )
    assert done.returncode == 0, done.stderr
    (line,) = lines(tmp_path / "out.jsonl")
    assert line["video"] == "0002.mp4"
    assert "more" not in line  # a line of a single video is what it always was


@pytest.mark.parametrize(
    ("videos", "word"),
    [
        (["0000.mp4", 7], "videos has 7, not a path"),
        (["0000.mp4", " "], "videos has ' ', not a path"),
        ({"a": 1}, "videos is a dict, not a list of paths"),
        ("[0000.mp4, 0001.mp4", "not a list that is understood"),
        ("a.mp4; b.mp4 | c.mp4", "has both ; and |"),
    ],
)
def test_what_is_no_list_of_paths_is_malformed(videostar: Command, clips: Path, videos: object, word: str) -> None:
    bad = json.dumps({"videos": videos, "label": "walking", "split": "train"})
    good = json.dumps({"video": "0002.mp4", "label": "walking", "split": "train"})
    (row,) = checked(videostar, write_rows(clips / "rows.jsonl", bad, good))["skipped"]
    assert row["reason"] == "malformed row"
    assert word in row["detail"]


def test_a_bad_second_video_skips_its_row_by_name(videostar: Command, clips: Path, tmp_path: Path) -> None:
    (clips / "text.mp4").write_text("no video")
    write_clip(clips / "wide.mp4", 8, size=(2048, 8))
    good = [pair("0000.mp4", "0001.mp4"), pair("0002.mp4", "0003.mp4", "test")]
    bad = [pair("0004.mp4", name) for name in ("gone.mp4", "text.mp4", "https://example.org/a.mp4", "wide.mp4")]
    rows = write_rows(clips / "rows.jsonl", *good, *bad)
    model = ["--pictures", "--pipeline", "embedded", "--model", "embedded"]
    report = checked(videostar, rows, "--set", "adapter=choice", *model)
    assert report["usable"] == 2
    assert [(row["video"], row["reason"]) for row in report["skipped"]] == [
        ("gone.mp4", "missing"),
        ("text.mp4", "not a video"),
        ("https://example.org/a.mp4", "not on this machine"),
        ("wide.mp4", "refused by the model"),
    ]
    done = videostar("generate", "--data", rows, "--set", "adapter=choice", *QUICK, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "gone.mp4: missing" in done.stderr
    refused = lines(tmp_path / "out" / "answers.jsonl")[1]
    assert refused["reason"].startswith("refused by the model: video 2 of 2: absolute aspect ratio")
    assert refused["more"][0]["video"] == "wide.mp4"


def test_a_second_video_that_only_decoding_finds_bad_is_named(videostar: Command, clips: Path, tmp_path: Path) -> None:
    content = bytearray((clips / "0005.mp4").read_bytes())
    media, end = content.index(b"mdat"), content.index(b"moov")
    for place in range((media + end) // 2, min(end, len(content)) - 8, 40):
        content[place] ^= 0x10
    (clips / "0005.mp4").write_bytes(content)
    rows = write_rows(clips / "rows.jsonl", pair("0000.mp4", "0001.mp4"), pair("0004.mp4", "0005.mp4"))
    report = checked(videostar, rows, "--set", "adapter=choice", "--pictures")
    assert [row["video"] for row in report["skipped"]] == ["0005.mp4"]
    done = videostar("generate", "--data", rows, "--set", "adapter=choice", *QUICK, "--out", "out")
    assert done.returncode == 0, done.stderr
    answers = lines(tmp_path / "out" / "answers.jsonl")
    assert [line["kind"] for line in answers] == ["direct", "video"]
    assert "0005.mp4: " in answers[1]["reason"]


def test_a_leak_through_any_of_the_videos_is_found(videostar: Command, clips: Path) -> None:
    (clips / "copy.mp4").write_bytes((clips / "0003.mp4").read_bytes())
    rows = write_rows(
        clips / "rows.jsonl",
        *(pair("0000.mp4", "0001.mp4"), pair("0004.mp4", "copy.mp4"), pair("0002.mp4", "0003.mp4", "test")),
    )
    (row,) = checked(videostar, rows, "--set", "adapter=choice")["skipped"]
    assert (row["video"], row["reason"], row["detail"]) == ("copy.mp4", "also in test", "the same content as 0003.mp4")


def test_a_part_of_a_video_is_for_rows_of_one(videostar: Command, clips: Path, tmp_path: Path) -> None:
    rows = write_rows(clips / "rows.jsonl", pair("0000.mp4", "0001.mp4", start=0.5, end=1.0))
    done = videostar(
        *("generate", "--data", rows, "--set", "adapter=choice", "--set", "video.within=label", *QUICK),
        *("--out", "out"),
    )
    assert done.returncode == 0, done.stderr
    (line,) = lines(tmp_path / "out" / "answers.jsonl")
    assert line["span"] == []
    assert line["frame_times"][0] < 0.5
    assert line["frame_times"][-1] > 1.5


def test_a_model_that_shows_one_video_is_refused_with_the_reason(
    videostar: Command, rows: Path, one_only: Path
) -> None:
    model = ["--pipeline", "embedded", "--model", one_only, "--set", "adapter=choice"]
    why = "its processor does not"
    line = told(videostar, "cycle", "--data", rows, *model, *QUICK, "--set", "video.max_pixels=5000")
    assert line.startswith(f"videostar: model '{one_only}': {why}")
    assert line.endswith("and a row has up to 2 videos; give another model, or rows of one video")
    report = checked(videostar, rows, *model)
    assert report["usable"] == 0
    assert {row["reason"] for row in report["skipped"]} == {"refused by the model"}
    assert all(row["detail"].startswith(why) for row in report["skipped"])


def test_a_server_is_refused_at_the_start(videostar: Command, rows: Path) -> None:
    line = told(
        *(videostar, "cycle", "--data", rows, "--set", "adapter=choice", "--engine", "openai"),
        *("--set", "engine.base_url=http://127.0.0.1:9/v1", *QUICK),
    )
    assert "engine openai: vLLM's server takes the frame times of one video per request" in line
    assert line.endswith("use --engine vllm or transformers")


def test_a_context_too_short_for_all_videos(videostar: Command, clips: Path) -> None:
    names: Sequence[str] = [f"{number:04}.mp4" for number in range(8)]
    rows = write_rows(clips / "rows.jsonl", json.dumps({"videos": names, "label": "walking", "split": "train"}))
    line = told(videostar, "cycle", "--data", rows, "--set", "mix=null", "--set", "video.frames=96")
    assert "8 videos take" in line
    assert "lower video.frames" in line


def test_two_clips_have_a_placeholder_each(tiny: Path) -> None:
    refusals = Refusals(ModelSpec(str(tiny)), Video())
    assert not refusals.one_video_only
    chat = Chat(load_processor(ModelSpec(str(tiny))))
    assert chat.text(Turn("Which?")).count(chat.processor.video_token) == 0
    assert refusals.of_shapes((4, 32, 32, 3), (6, 64, 32, 3)) is None
    assert str(refusals.of_shapes((4, 32, 32, 3), (4, 1, 512, 3))).startswith("refused by the model: video 2 of 2: ")


def test_mixed_rows_of_several_videos(videostar: Command, rows: Path, one_only: Path, tmp_path: Path) -> None:
    version = write_version(tmp_path / "version", ["0000.mp4"], [5])
    chat = {"messages": [{"role": "user", "content": "<video><video>Which?"}, {"role": "assistant", "content": "A."}]}
    mix = write_rows(rows.parent / "mix.jsonl", json.dumps({**chat, "videos": ["0001.mp4", "0002.mp4"]}))
    words = ["train", version, "--data", rows, *QUICK, "--set", f"mix={{data: {mix}}}", "--out"]
    done = videostar(*words, "lora")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mixed"] == 1
    line = told(videostar, *words, "other", "--pipeline", "embedded", "--model", one_only)
    assert "none of its rows can be used; the first is mix.jsonl:1: " in line
    assert "refused by the model: its processor does not show the second video of a question" in line
