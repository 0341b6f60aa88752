"""Kept answers count in training as much as their evidence says, and the trust of their rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from commands import Command
from safetensors.torch import load_file
from training_rows import write_rows

from videostar.training.log import read_log

WORDS = [3, 30, 5, 8, 20, 3, 12, 1, 15, 30, 4]  # of the answers
EVIDENCE = [0.9, 0.2, None, 0.5, 0.05, 1.0, 0.7, 0.3, 0.99, 0.4, 0.6]  # None counts as 1
BY_EVIDENCE = "training.row_weights=evidence"

Train = Callable[..., Path]


@pytest.fixture(scope="module")
def version(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`version(evidence=[...])`: a folder with 11 rows, two of them without a video, and these columns."""
    root = world.parent / "clips_and_labels"
    clips = [path.relative_to(root).as_posix() for path in sorted((root / "clips" / "train").glob("*.mp4"))]
    videos = [None if number in (2, 9) else clips[number] for number in range(len(WORDS))]

    whole = write_rows(tmp_path_factory.mktemp("whole") / "dataset", videos, WORDS) / "data-00000.parquet"

    def write(only: Sequence[int] = range(len(WORDS)), **columns: Sequence[Any]) -> Path:
        rows = pq.read_table(whole).take(list(only))
        for name, values in columns.items():
            rows = rows.append_column(name, [values])
        folder = tmp_path_factory.mktemp("version")
        pq.write_table(rows, folder / "data-00000.parquet")
        return folder

    return write


@pytest.fixture
def train(videostar: Command, world: Path, tmp_path: Path) -> Train:
    """`train(dataset, "training.epochs=1", ...)`: the folder of the LoRA that this makes."""

    def run(dataset: Path, *settings: str, size: int = 8, accumulated: int = 1) -> Path:
        folder = tmp_path / f"lora-{len(list(tmp_path.iterdir()))}"
        batch = (f"training.batch_size={size}", f"training.gradient_accumulation={accumulated}")
        small = ("video.frames=4", "training.rank=8", "training.alpha=16", "training.learning_rate=1e-3")
        given = ("mix=null", "training.epochs=1.5", *small, *batch, *settings)
        sets = [word for setting in given for word in ("--set", setting)]
        done = videostar("train", dataset, "--out", folder, "--data", world, *sets)
        assert done.returncode == 0, done.stderr
        return folder

    return run


def steps_of(lora: Path) -> list[dict[str, Any]]:
    return read_log(lora.with_name(f"{lora.name}.training.jsonl"))


def losses(lora: Path) -> list[float]:
    return [step["loss"] for step in steps_of(lora)]


def total(lora: Path) -> float:
    """The sum of the losses of all answer tokens of the first step."""
    step = steps_of(lora)[0]
    return float(step["loss"] * step["tokens"])


def weights(lora: Path) -> torch.Tensor:
    """All weights of a LoRA, one after the other."""
    found = load_file(lora / "adapter_model.safetensors")
    return torch.cat([found[name].flatten() for name in sorted(found)])


def same(one: Path, other: Path) -> bool:
    return (one / "adapter_model.safetensors").read_bytes() == (other / "adapter_model.safetensors").read_bytes()


def test_how_a_step_is_split_does_not_change_what_rows_count(version: Any, train: Train) -> None:
    dataset = version(evidence=EVIDENCE)
    whole, parts = train(dataset, BY_EVIDENCE), train(dataset, BY_EVIDENCE, size=2, accumulated=4)
    assert losses(parts) == pytest.approx(losses(whole), rel=1e-4)
    assert (weights(whole) - weights(parts)).norm() < 1e-3 * weights(whole).norm()
    plain = train(dataset)
    assert abs(losses(plain)[0] - losses(whole)[0]) > 1e-3
    assert (weights(whole) - weights(plain)).norm() > 1e-2 * weights(whole).norm()


def test_the_loss_is_the_sum_of_those_of_the_rows_by_their_weights(version: Any, train: Train) -> None:
    """Each row's own loss is that of a training on it alone; the first step is the base's own."""
    one = ("training.epochs=1", "training.batch_size=16")
    alone = [total(train(version([number]), *one)) for number in range(len(WORDS))]
    counts = [1.0 if score is None else score for score in EVIDENCE]
    mean = sum(counts) / len(counts)
    together = total(train(version(evidence=EVIDENCE), *one, BY_EVIDENCE))
    assert together == pytest.approx(sum(a * n / mean for a, n in zip(alone, counts, strict=True)), rel=1e-4)


def test_equal_weights_are_none(version: Any, train: Train) -> None:
    plain = train(version())
    assert same(train(version(evidence=[0.3] * len(WORDS)), BY_EVIDENCE), plain)
    assert same(train(version(evidence=[None] * len(WORDS)), BY_EVIDENCE), plain)
    assert same(train(version(evidence=EVIDENCE)), plain)  # not asked for


def test_of_a_row_without_weight_nothing_is_learned(version: Any, train: Train) -> None:
    """The other answer to the same question, with as many words, would make other weights if it counted."""
    evidence = [1.0] * 4 + [0.0]
    one, other = version(range(5), evidence=evidence), version(range(5), evidence=evidence)
    rows = pq.read_table(other / "data-00000.parquet")
    changed = rows.to_pylist()
    words = changed[4]["messages"][1]["content"].split()
    changed[4]["messages"][1]["content"] = " ".join([*words[:-1][::-1], words[-1]])
    pq.write_table(type(rows).from_pylist(changed, rows.schema), other / "data-00000.parquet")
    weighed = weights(train(one, BY_EVIDENCE)), weights(train(other, BY_EVIDENCE))
    assert (weighed[0] - weighed[1]).norm() < 1e-5 * weighed[0].norm()
    counted = weights(train(one)), weights(train(other))
    assert (counted[0] - counted[1]).norm() > 1e-2 * counted[0].norm()


def test_trust_counts_without_being_asked_for_and_times_the_evidence(version: Any, train: Train) -> None:
    trust = [0.5, 1.0, None, 0.1, 1.0, 0.2, 0.9, 1.0, 0.3, 0.8, 1.0]
    assert same(train(version(trust=trust)), train(version(evidence=trust), BY_EVIDENCE))
    both = [(a or 1.0) * (b or 1.0) for a, b in zip(trust, EVIDENCE, strict=True)]
    product = train(version(trust=trust, evidence=EVIDENCE), BY_EVIDENCE)
    assert losses(product) == pytest.approx(losses(train(version(evidence=both), BY_EVIDENCE)), rel=1e-5)
    assert same(train(version(trust=trust, evidence=EVIDENCE)), train(version(trust=trust)))


def test_mixed_rows_keep_their_weight(version: Any, train: Train, world: Path) -> None:
    mix = world.parent / "clips_and_labels" / "mix.jsonl"
    one = ("training.epochs=1", "training.batch_size=64")
    mixed = (*one, f"mix={{data: {mix}, weight: 1}}")
    first, kept, both = (
        total(train(version(only), *more)) for only, more in (([0], one), (range(11), one), (range(11), mixed))
    )
    of_first_alone = total(train(version(evidence=[1.0] + [0.0] * 10), *mixed, BY_EVIDENCE))
    assert of_first_alone == pytest.approx(both - kept + 11 * first, rel=1e-4)


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ({}, "its answers have no column `evidence` to weigh them by"),
        ({"evidence": [0.0] * 11}, "all of its answers have the weight 0"),
        ({"evidence": [0.5] * 10 + [1.5]}, "row 11 of its kept answers: `evidence` is 1.5, not a number from 0 to 1"),
        ({"evidence": ["high"] * 11}, "row 1 of its kept answers: `evidence` is 'high', not a number"),
    ],
)
def test_versions_that_cannot_be_weighed_are_refused(
    columns: dict[str, list[Any]], line: str, version: Any, videostar: Command, world: Path, tmp_path: Path
) -> None:
    dataset = version(**columns)
    sets = ("--set", "mix=null", "--set", BY_EVIDENCE)
    done = videostar("train", dataset, "--out", "lora", "--data", world, *sets)
    assert done.returncode == 2
    assert line in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "lora").exists()


def test_a_run_without_evidence_has_nothing_to_weigh_by(quick: Path, videostar: Command, tmp_path: Path) -> None:
    done = videostar("cycle", "--pipeline", quick, "--set", BY_EVIDENCE, "--out", "run")
    assert done.returncode == 2
    assert "training.row_weights: evidence needs a model that gives it" in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "run" / "rounds").exists()


def _rows(world: Path, folder: Path, trust: Callable[[int], object]) -> Path:
    """The rows of the small world in one file, those for training with a trust."""
    root = world.parent / "clips_and_labels"
    lines = ["video,label,split,Trust"]
    for split in ("train", "validation", "test"):
        rows = (root / f"{split}.csv").read_text().splitlines()
        columns = rows[0].split(",")
        for number, row in enumerate(rows[1:]):
            values = dict(zip(columns, row.split(","), strict=True))
            value = trust(number) if split == "train" else ""
            lines.append(f"{root / values['video']},{values['label']},{split},{value}")
    path = folder / "rows.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_trust_of_rows_goes_with_their_answers_into_training(
    world: Path, videostar: Command, tmp_path: Path
) -> None:
    """Half of the rows have one, and one of these is no share: it is skipped with its reason."""
    trust: Callable[[int], object] = lambda n: "" if n % 2 else 1.5 if n == 4 else n / 100  # noqa: E731
    rows = _rows(world, tmp_path, trust)
    small = ("--rounds", 1, "--set", "training.epochs=1", "--set", "training.learning_rate=1e-3")
    done = videostar("cycle", "--data", rows, *small, "--out", "run")
    assert done.returncode == 0, done.stderr
    assert "trust is '1.5', not from 0 to 1; a column of another meaning: --set columns.trust=null" in done.stderr
    lines = [json.loads(line) for line in (tmp_path / "run" / "rounds/01/answers.jsonl").read_text().splitlines()]
    expected = {line.split(",")[0]: line.split(",")[3] for line in rows.read_text().splitlines()[1:]}
    stated = {line["video"]: line["trust"] for line in lines if "trust" in line}
    assert stated
    assert stated == {line["video"]: float(expected[line["video"]]) for line in lines if expected[line["video"]]}
    kept = pq.read_table(tmp_path / "run" / "rounds/01/dataset/data-00000.parquet").to_pylist()
    assert {row["videos"][0]: row["trust"] for row in kept} == {
        row["videos"][0]: stated.get(row["videos"][0]) for row in kept
    }
    again = ("train", "run/rounds/01/dataset", "--data", rows, "--set", "training.epochs=1", "--set")
    done = videostar(*again, "training.learning_rate=1e-3", "--out", "lora")
    assert done.returncode == 0, done.stderr
    assert same(tmp_path / "lora", tmp_path / "run" / "rounds/01/lora")
    equal = videostar("cycle", "--data", rows, *small, "--set", "columns.trust=null", "--out", "equal")
    assert equal.returncode == 0, equal.stderr
    assert "not from 0 to 1" not in equal.stderr
    assert "trust" not in pq.read_schema(tmp_path / "equal" / "rounds/01/dataset/data-00000.parquet").names
    assert not same(tmp_path / "equal" / "rounds/01/lora", tmp_path / "run" / "rounds/01/lora")
