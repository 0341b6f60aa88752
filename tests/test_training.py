"""What a training learns depends on its rows and settings, and not on how its batches are cut."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from commands import Command
from safetensors.torch import load_file
from tiny_models import MAKERS, make
from training_rows import write_rows

from videostar.config import Cache
from videostar.models.chat import IGNORED, Chat, Turn
from videostar.models.families import FAMILIES
from videostar.models.load import load_model, load_processor
from videostar.pipeline_files import load_pipeline
from videostar.training.log import read_log
from videostar.video.probe import probe
from videostar.video.sampling import Sampling

GOLDEN = Path(__file__).parent / "data" / "golden_loss.jsonl"
WORDS = [3, 60, 5, 8, 40, 3, 12, 1, 25, 60, 4]  # of the answers: a global batch of 8, and one of 3
FIVE = ("training.epochs=2.5", "training.learning_rate=1e-3")  # steps of the two


@pytest.fixture(scope="session")
def clips(world: Path) -> list[str]:
    """Videos of the small world, as its rows name them."""
    root = world.parent / "clips_and_labels"
    return [path.relative_to(root).as_posix() for path in sorted((root / "clips" / "train").glob("*.mp4"))]


@pytest.fixture(scope="session")
def rows(tmp_path_factory: pytest.TempPathFactory, clips: list[str]) -> Path:
    """A version of 11 rows, two of them without a video."""
    videos = [None if number in (2, 9) else clips[number] for number in range(len(WORDS))]
    return write_rows(tmp_path_factory.mktemp("version") / "dataset", videos, WORDS)


@pytest.fixture
def instructions(world: Path, tmp_path: Path) -> Path:
    """A version of the 32 rows of the small world's instruction set, which the embedded model knows already."""
    mixed = [json.loads(line) for line in (world.parent / "clips_and_labels" / "mix.jsonl").read_text().splitlines()]
    (tmp_path / "dataset").mkdir()
    pq.write_table(pa.Table.from_pylist(mixed), tmp_path / "dataset" / "data-00000.parquet")
    return tmp_path / "dataset"


@pytest.fixture
def train(videostar: Command, world: Path, tmp_path: Path) -> Any:
    """`train(dataset, "training.batch_size=4", ...)`: the folder of the adapter that this makes."""

    def run(
        dataset: Path, *settings: str, model: str = "embedded", out: str = "", start_from: Path | None = None
    ) -> Path:
        folder = tmp_path / (out or f"adapter-{len(list(tmp_path.iterdir()))}")
        given = ["mix=null", f"model={model}", "video.frames=4", "training.rank=8", "training.alpha=16", *settings]
        sets = [word for setting in given for word in ("--set", setting)]
        done = videostar("train", dataset, "--out", folder, "--data", world, *sets)
        assert done.returncode == 0, done.stderr
        return folder

    return run


def cut(size: int, accumulated: int, checkpointing: bool = False) -> list[str]:
    return [
        f"training.batch_size={size}",
        f"training.gradient_accumulation={accumulated}",
        f"training.gradient_checkpointing={str(checkpointing).lower()}",
    ]


def steps_of(adapter: Path) -> list[dict[str, Any]]:
    return read_log(adapter.with_name(f"{adapter.name}.training.jsonl"))


def weights_of(adapter: Path) -> torch.Tensor:
    """All weights of an adapter, one after the other."""
    weights = load_file(adapter / "adapter_model.safetensors")
    return torch.cat([weights[name].flatten() for name in sorted(weights)])


CUTS: list[tuple[Any, ...]] = [(4, 2), (2, 4), (1, 8), (8, 1, True), (2, 4, True)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "cuts",
    [pytest.param(CUTS[-1:], id="one way"), pytest.param(CUTS, id="every way", marks=pytest.mark.exhaustive)],
)
@pytest.mark.parametrize("family", MAKERS)
def test_how_a_global_batch_is_cut_changes_nothing(
    family: str, cuts: list[tuple[Any, ...]], train: Any, rows: Path, tmp_path: Path
) -> None:
    if family == "smolvlm":
        pytest.importorskip("num2words", reason="SmolVLM's processor needs num2words")
    model = str(make(family, tmp_path / "model"))
    whole = train(rows, *FIVE, *cut(8, 1), model=model)
    known, weights = steps_of(whole), weights_of(whole)
    assert len(known) == 5
    for other in cuts:
        adapter = train(rows, *FIVE, *cut(*other), model=model)
        steps = steps_of(adapter)
        assert [step["tokens"] for step in steps] == [step["tokens"] for step in known]
        for name in ("loss", "grad_norm"):
            assert [step[name] for step in steps] == pytest.approx([step[name] for step in known], rel=1e-4)
        assert (weights_of(adapter) - weights).norm() < 1e-3 * weights.norm()


def test_how_a_global_batch_is_cut_does_not_change_which_tokens_are_dropped(train: Any, rows: Path) -> None:
    given = (*FIVE, "training.epochs=2", "training.drop_tokens=0.5")
    whole, parts = (train(rows, *given, *cut(*one)) for one in ((8, 1), (2, 4, True)))
    known, steps = steps_of(whole), steps_of(parts)
    for name in ("tokens", "loss", "grad_norm"):
        assert [step[name] for step in steps] == pytest.approx([step[name] for step in known], rel=1e-4)
    assert (weights_of(whole) - weights_of(parts)).norm() < 1e-3 * weights_of(whole).norm()
    (plain,) = steps_of(train(rows, *FIVE, "training.epochs=0.5", *cut(8, 1)))
    assert known[0]["tokens"] == plain["tokens"]
    assert abs(known[0]["loss"] - plain["loss"]) > 1e-3


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.features])
def test_the_features_that_are_kept_are_those_of_the_row(train: Any, rows: Path, family: str, tmp_path: Path) -> None:
    """A model that does not change loses as much in each pass, with features computed or kept, as without them."""
    model = str(make(family, tmp_path / "model"))
    still = ("training.learning_rate=1e-30", *cut(8, 1))
    (alone,) = passes(steps_of(train(rows, *still, "training.epochs=1", model=model)))
    three = passes(steps_of(train(rows, *still, "training.epochs=3", model=model)))
    assert three == pytest.approx([alone] * 3, rel=1e-6)


def passes(steps: list[dict[str, Any]]) -> list[float]:
    """The sum of losses over the answer tokens of each pass."""
    ends = sorted({math.ceil(step["epoch"]) for step in steps})
    return [sum(step["loss"] * step["tokens"] for step in steps if math.ceil(step["epoch"]) == end) for end in ends]


def test_the_loss_that_is_told_is_the_mean_over_answer_tokens(
    train: Any, rows: Path, world: Path, tmp_path: Path
) -> None:
    """That of the first step is the base's own, of all rows; that of the training weighs its steps by their tokens."""
    adapter = train(rows, "training.batch_size=16", "training.gradient_accumulation=1", "training.epochs=1")
    settings = load_pipeline("demo", mix=None, settings=["video.frames=4"])
    model, chat = load_model(settings.spec), Chat(load_processor(settings.spec))
    root = world.parent / "clips_and_labels"
    lost, count = 0.0, 0
    for record in pq.read_table(rows / "data-00000.parquet").to_pylist():
        paths = [root / name for name in record["videos"]]
        shown = [Cache().frames().clip(path, probe(path).sha256, Sampling(4, 4096)) for path in paths]
        user, assistant = (message["content"] for message in record["messages"])
        batch = chat.examples([Turn(user, shown, assistant)])
        tokens = int((batch["labels"] != IGNORED).sum())
        with torch.inference_mode():
            lost, count = lost + model(**batch).loss.item() * tokens, count + tokens
    (step,) = steps_of(adapter)
    assert step["tokens"] == count
    assert step["loss"] == pytest.approx(lost / count, rel=1e-5)

    uneven = train(rows, *FIVE, *cut(8, 1))
    steps = steps_of(uneven)
    assert len({step["tokens"] for step in steps}) > 1
    mean = sum(step["loss"] * step["tokens"] for step in steps) / sum(step["tokens"] for step in steps)
    assert f"- steps: 5, mean loss {round(mean, 4)}\n" in (uneven / "README.md").read_text()


def test_a_step_has_as_many_rows_as_fit_in_its_tokens(train: Any, rows: Path) -> None:
    """Every row is in one step of each pass, and a row that is longer than a step has one of its own."""
    whole = steps_of(train(rows, "training.batch_size=16", "training.gradient_accumulation=1", "training.epochs=1"))[0]
    for most in (300, 1):
        steps = steps_of(train(rows, f"training.tokens_per_step={most}", "training.epochs=2"))
        first = [step for step in steps if step["epoch"] <= 1]
        assert sum(step["input_tokens"] for step in first) == whole["input_tokens"]
        assert sum(step["tokens"] for step in first) == whole["tokens"]
        assert len(first) == len(WORDS) if most == 1 else 1 < len(first) < len(WORDS)
        assert most == 1 or max(step["input_tokens"] for step in steps) <= 1.05 * most


def test_a_training_of_one_step_learns(train: Any, rows: Path) -> None:
    """Of few rows: the step is not the one that the learning rate begins at nothing with."""
    adapter = train(rows, "training.batch_size=16", "training.gradient_accumulation=1", "training.epochs=1")
    weights = load_file(adapter / "adapter_model.safetensors")
    assert all(weights[name].abs().max() > 0 for name in weights if "lora_B" in name)


def test_dropout_that_a_model_brings_is_off(train: Any, rows: Path, tmp_path: Path) -> None:
    model = make("qwen3_vl", tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    config["text_config"]["attention_dropout"] = 0.5
    (model / "config.json").write_text(json.dumps(config))
    whole, parts = (train(rows, *FIVE, *cut(*one), model=str(model)) for one in ((8, 1), (1, 8)))
    assert (weights_of(whole) - weights_of(parts)).norm() < 1e-3 * weights_of(whole).norm()


def test_a_training_that_diverges_leaves_nothing(videostar: Command, world: Path, rows: Path, tmp_path: Path) -> None:
    sets = ("--set", "mix=null", "--set", "training.learning_rate=1e30")
    done = videostar("train", rows, "--out", "lora", "--data", world, *sets)
    assert done.returncode == 2
    assert "of 6 has a loss of nan" in done.stderr
    assert "or look at its rows: row " in done.stderr
    assert "lower training.learning_rate (now 1e+30)" in done.stderr
    assert not (tmp_path / "lora").exists()


def test_a_loss_that_explodes_is_warned_of(videostar: Command, world: Path, instructions: Path) -> None:
    sets = (
        "mix=null",
        "training.learning_rate=0.1",
        "training.batch_size=4",
        "training.gradient_accumulation=1",
        "training.epochs=1",
    )
    given = [word for setting in sets for word in ("--set", setting)]
    done = videostar("train", instructions, "--out", "lora", "--data", world, *given)
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if "the loss has risen to" in line)
    assert line.startswith("videostar: training: ")
    assert "lower training.learning_rate" in line


def test_clips_that_a_model_does_not_take_together_are_told_first(
    videostar: Command, train: Any, rows: Path, world: Path, tmp_path: Path
) -> None:
    """With `fps` a short clip has fewer frames: SmolVLM would take other frames than it does of a clip alone."""
    make("internvl", tmp_path / "model")
    sets = ("--set", "mix=null", "--set", "model=./model", "--set", "video.fps=1.5")
    for words in (("train", rows), ("evaluate",)):
        done = videostar(*words, "--out", "out.json", "--data", world, "--cache", "seen", *sets)
        assert done.returncode == 2
        assert "with video.fps they differ: remove video.fps, or --set engine.batch_size=1" in done.stderr
    assert not (tmp_path / "seen").exists()
    one_by_one = ("video.fps=1.5", "engine.batch_size=1", "training.epochs=1", *cut(1, 8))
    assert len(steps_of(train(rows, *one_by_one, model="./model"))) == 2


def test_the_embedded_model_learns_as_it_always_did(train: Any, instructions: Path) -> None:
    """30 steps in float32. After a change that is meant: the log of this training is the new `golden_loss.jsonl`.

    Another processor adds up in another order: without AVX512, or without any vector instructions, losses were seen to
    differ by 3e-6 of themselves, gradients by 4e-5.
    """
    steps = steps_of(train(instructions, *cut(4, 2), "training.epochs=7.5"))
    golden = read_log(GOLDEN)
    assert len(golden) == 30
    for name, tolerance in {"step": 0, "tokens": 0, "loss": 1e-4, "grad_norm": 1e-3, "learning_rate": 1e-6}.items():
        assert [step[name] for step in steps] == pytest.approx([step[name] for step in golden], rel=tolerance)
