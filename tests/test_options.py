"""Settings that few runs use, each through the command line."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from commands import Command
from rapidfuzz.fuzz import ratio
from safetensors.torch import load_file

from videostar.util.resources import EMBEDDED

ALONE = ("--set", "mix=null")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def weights(adapter: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(adapter / "adapter_model.safetensors")
    return found


def apart(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> float:
    """The norm of the difference, as a share of that of `one`."""
    assert one.keys() == two.keys()
    norm = sum(float(each.square().sum()) for each in one.values())
    return (sum(float((one[name] - two[name]).square().sum()) for name in one) / norm) ** 0.5


@pytest.mark.slow
def test_a_round_that_starts_from_the_previous_one_continues_its_adapter(
    quick: Path, videostar: Command, tmp_path: Path
) -> None:
    few = ("--pipeline", quick, *ALONE, "--set", "training.epochs=2", "--set", "generation.verify=false")
    done = videostar("cycle", *few, "--limit", 8, "--set", "training.start_from=previous", "--out", "run")
    assert done.returncode == 0, done.stderr
    rounds = tmp_path / "run" / "rounds"
    read = json.loads((tmp_path / "run" / "manifest.json").read_text())["stages"]["02/train"]["read"]
    assert sorted(read) == ["rounds/01/lora", "rounds/02/dataset"]
    config = json.loads((rounds / "02" / "lora" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (32, 64)

    # Alone, from the same adapter: the same. With no step to speak of: where it started. From the base: elsewhere.
    train = ("train", rounds / "02" / "dataset", *few)
    first, second = weights(rounds / "01" / "lora"), weights(rounds / "02" / "lora")
    start = ("--start-from", rounds / "01" / "lora")
    for out, more in (
        ("again", start),
        ("still", (*start, "--set", "training.learning_rate=1e-12")),
        ("anew", ()),
    ):
        done = videostar(*train, *more, "--out", out)
        assert done.returncode == 0, done.stderr
    assert apart(weights(tmp_path / "again"), second) == 0
    assert apart(weights(tmp_path / "still"), first) < 1e-6
    assert apart(second, first) > 1e-3
    assert apart(weights(tmp_path / "anew"), second) > 0.1


def test_of_several_tries_as_many_are_kept_as_are_asked_for_and_no_two_alike(
    quick: Path, videostar: Command, tmp_path: Path
) -> None:
    chosen = {"samples": 6, "keep_per_question": 2, "temperature": 1.0}
    words = [word for name, value in chosen.items() for word in ("--set", f"generation.{name}={value}")]
    done = videostar("generate", "--pipeline", quick, *ALONE, "--limit", 12, *words, "--out", "out")
    assert done.returncode == 0, done.stderr
    rows = lines(tmp_path / "out" / "answers.jsonl")
    reasons = Counter(row["reason"] for row in rows if row["accepted"] and not row["kept"])
    assert reasons["near-duplicate"]
    assert reasons["enough kept"]
    table = pq.read_table(tmp_path / "out" / "dataset" / "data-00000.parquet").to_pylist()
    kept = Counter(row["question_id"] for row in table)
    assert set(kept.values()) == {1, 2}
    for row in table:
        tries = [each for each in rows if (each["question_id"], each["kind"]) == (row["question_id"], row["kind"])]
        assert len(tries) == 6
        assert row["pass_rate"] == sum(each["accepted"] for each in tries) / 6
        texts = [each["text"] for each in tries if each["kept"]]
        assert len(texts) == kept[row["question_id"]]
        assert all(ratio(one, other) < 95 for number, one in enumerate(texts) for other in texts[:number])


def test_the_order_of_rows_does_not_depend_on_how_many_are_answered_at_once(
    quick: Path, videostar: Command, tmp_path: Path
) -> None:
    """A window's answers were written kind by kind, and training draws its batches from their order."""
    asked = []
    for size in (16, 5):
        words = ("--limit", 16, "--set", f"engine.batch_size={size}", "--out", size)
        done = videostar("generate", "--pipeline", quick, *ALONE, *words)
        assert done.returncode == 0, done.stderr
        rows = lines(tmp_path / str(size) / "answers.jsonl")
        assert {row["kind"] for row in rows} == {"direct", "rationalised"}
        asked.append(list(dict.fromkeys(row["question_id"] for row in rows)))
        assert [row["question_id"] for row in rows] == sorted(
            (row["question_id"] for row in rows), key=asked[-1].index
        ), "all of a question stand together"
    assert asked[0] == asked[1]


CODE = """
from pathlib import Path

from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

Path({mark!r}).touch()


class TinyConfig(Qwen3VLConfig):
    model_type = "{kind}"


class TinyModel(Qwen3VLForConditionalGeneration):
    config_class = TinyConfig
"""


def with_code(folder: Path, kind: str) -> tuple[Path, Path]:
    """The embedded model with code of its own, and the file that is there once that has run."""
    model, mark = shutil.copytree(EMBEDDED, folder / kind), folder / f"{kind} has run"
    (model / "tiny.py").write_text(CODE.format(mark=str(mark), kind=kind))
    config = json.loads((model / "config.json").read_text())
    names = {"AutoConfig": "tiny.TinyConfig", "AutoModelForImageTextToText": "tiny.TinyModel"}
    (model / "config.json").write_text(json.dumps({**config, "model_type": kind, "auto_map": names}))
    return model, mark


def test_a_models_own_code_runs_only_if_it_is_trusted(quick: Path, videostar: Command, tmp_path: Path) -> None:
    model, mark = with_code(tmp_path, "tiny_of_its_own")
    words = ("--pipeline", quick, *ALONE, "--limit", 2, "--set", f"model={model}", "--out")
    for stage in ("cycle", "generate", "evaluate"):
        done = videostar(stage, *words, f"{stage}.json")
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("videostar: model ")]
        assert "contains custom code" in line
        assert "engine.trust_remote_code=true" in line
        assert not mark.exists()
    done = videostar("cycle", *words, "trusted", "--set", "engine.trust_remote_code=true", "--rounds", 1)
    assert done.returncode == 0, done.stderr
    assert mark.exists()
    assert (tmp_path / "trusted" / "rounds" / "01" / "evaluation.json").exists()


def test_code_beside_a_model_that_transformers_knows_is_not_run(
    quick: Path, videostar: Command, tmp_path: Path
) -> None:
    model, mark = with_code(tmp_path, "qwen3_vl")
    done = videostar("generate", "--pipeline", quick, *ALONE, "--limit", 2, "--set", f"model={model}", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert not mark.exists()


@pytest.fixture
def clips(world: Path, tmp_path: Path) -> list[tuple[str, str]]:
    """Some clips in `tmp_path`, each with its label."""
    folder = world.parent / "clips_and_labels"
    with (folder / "train.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:16]
    for row in rows:
        shutil.copy(folder / row["video"], tmp_path)
    return [(Path(row["video"]).name, row["label"]) for row in rows]


def write(path: Path, header: str, rows: list[list[str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


def test_columns_that_no_adapter_reads_change_no_prompt_and_no_label(
    clips: list[tuple[str, str]], quick: Path, videostar: Command, tmp_path: Path
) -> None:
    odd = ['Zoe; "the one"', "", "ünïcode, and a comma", "7"]
    write(tmp_path / "more.csv", "video,label,person,,note,2", [[video, label, *odd] for video, label in clips])
    done = videostar("generate", "--pipeline", quick, *ALONE, "--data", "more.csv", "--out", "out")
    assert done.returncode == 0, done.stderr
    answers = lines(tmp_path / "out" / "answers.jsonl")
    assert {answer["label"] for answer in answers} <= {label for _, label in clips}
    assert {answer["video"]: answer["label"] for answer in answers}.items() <= dict(clips).items()
    said = json.dumps(answers, ensure_ascii=False)
    assert not any(word in said for word in ("Zoe", "ünïcode", "comma"))
    kept = pq.read_table(tmp_path / "out" / "dataset" / "data-00000.parquet")
    assert not {"person", "note", "2"} & set(kept.column_names)


def test_every_row_of_a_video_is_asked_and_all_lie_in_one_split(
    clips: list[tuple[str, str]], quick: Path, videostar: Command, tmp_path: Path
) -> None:
    labels = sorted({label for _, label in clips})
    rows = [[video, each] for video, label in clips for each in (label, labels[labels.index(label) - 1])]
    write(tmp_path / "twice.csv", "video,label", rows)
    words = ("--pipeline", quick, *ALONE, "--data", "twice.csv", "--rounds", 1)
    done = videostar("cycle", *words, "--out", "run")
    assert done.returncode == 0, done.stderr
    assert "doubled" not in done.stderr
    rounds = tmp_path / "run" / "rounds"
    asked = {
        name: Counter((row["video"], row["label"]) for row in lines(path) if row["kind"] == "direct")
        for name, path in (
            ("train", rounds / "01" / "answers.jsonl"),
            ("held out", rounds / "01" / "evaluation.jsonl"),
        )
    }
    assert set(asked["train"] + asked["held out"]) <= {(video, label) for video, label in rows}
    for found in asked.values():
        assert set(found.values()) == {1}
        assert set(Counter(video for video, _ in found).values()) == {2}
    assert not {video for video, _ in asked["train"]} & {video for video, _ in asked["held out"]}
