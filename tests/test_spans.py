"""`video.within: label`: only the label's own interval is looked at, in generation and in training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from commands import Command
from data_sets import made_of

from videostar.adapters import load_adapter
from videostar.adapters.questions import Questions
from videostar.adapters.task import Task
from videostar.config import Video
from videostar.data.samples import Sample

VIDEO = Video(within="label", margin=0.25)


@pytest.mark.parametrize(
    ("row", "adapter", "span"),
    [
        ({"label": "opening a door", "start": 1.0, "end": 2.5}, "action", (0.75, 2.75)),
        ({"label": "opening a door"}, "action", None),
        ({"label": "opening a door", "start": 1.0, "end": 2.5}, "when", None),  # it would be given away
    ],
)
def test_the_interval_of_a_row(tmp_path: Path, row: dict[str, object], adapter: str, span: object) -> None:
    samples = [Sample(split, "a.mp4", str(row["label"]), split, "", 4.0, row) for split in ("train", "test")]
    (asked,) = Questions(made_of(samples, tmp_path), [Task.load(adapter, load_adapter(adapter))], 0).split("train")
    assert asked.sampling(VIDEO).span == span
    assert asked.sampling(Video()).span is None


@pytest.mark.slow
def test_frames_shown_and_trained_on_lie_in_it(world: Path, quick: Path, videostar: Command, tmp_path: Path) -> None:
    folder = shutil.copytree(world.parent / "clips_and_labels", tmp_path / "clips_and_labels")
    with (folder / "train.csv").open() as rows:
        header, *lines = rows.read().splitlines()
    assert header.startswith("video,label")
    spans = [",0.5,1.25,train"] * 16 + [",,,test"] * 4
    (folder / "spans.csv").write_text(
        "\n".join(["video,label,start,end,split", *(f"{line}{span}" for line, span in zip(lines, spans, strict=False))])
    )
    (tmp_path / "spans.yaml").write_text(yaml.safe_dump({"extends": str(quick), "data": str(folder / "spans.csv")}))
    setting = ("--pipeline", tmp_path / "spans.yaml", "--set", "video.within=label", "--set", "video.fps=8")
    done = videostar("generate", *setting, "--out", "made")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in (tmp_path / "made" / "answers.jsonl").read_text().splitlines()]
    assert answers
    for answer in answers:
        assert answer["span"] == [0.5, 1.25]
        assert len(answer["frame_times"]) == 6
        assert all(0.25 < at <= 1.25 for at in answer["frame_times"])  # a picture stays on screen for a while
    rows = pq.read_table(tmp_path / "made" / "dataset" / "data-00000.parquet").to_pylist()
    assert {tuple(row["span"]) for row in rows} == {(0.5, 1.25)}
    done = videostar("train", "made/dataset", *setting, "--out", "lora")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "lora" / "adapter_model.safetensors").is_file()
