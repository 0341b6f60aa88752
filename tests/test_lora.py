"""What is wrong with a trained adapter is told in one line, before anything is loaded; and its files name no path."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import Command
from peft import PeftModel
from random_lora import make_lora
from safetensors.torch import load_file, save_file
from tiny_models import make
from training_rows import write_rows

from videostar.config import Cache
from videostar.models.chat import Chat, Turn
from videostar.models.load import load_model, load_processor
from videostar.pipeline_files import load_pipeline
from videostar.util.files import digest
from videostar.util.resources import EMBEDDED
from videostar.video.probe import probe
from videostar.video.sampling import Sampling

RANK = ("--set", "training.rank=4", "--set", "training.alpha=4")


@pytest.fixture(scope="module")
def version(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    clips = sorted((world.parent / "clips_and_labels" / "clips" / "train").glob("*.mp4"))[:2]
    videos = [path.relative_to(world.parent / "clips_and_labels").as_posix() for path in clips]
    return write_rows(tmp_path_factory.mktemp("version") / "dataset", videos, [5, 3])


@pytest.fixture(scope="module")
def adapter(version: Path, world: Path, warm: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the embedded model, as a run has it."""
    folder = tmp_path_factory.mktemp("adapters") / "rounds" / "01" / "lora"
    trained(lambda *words: warm.run(*words, cwd=version), version, world, folder, "embedded")
    return folder


def trained(videostar: Command, version: Path, world: Path, out: Path, model: object) -> None:
    sets = ("--set", "mix=null", "--set", "training.epochs=1", "--set", f"model={model}", *RANK)
    done = videostar("train", version, "--out", out, "--data", world, *sets)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def refused(videostar: Command, version: Path, world: Path, tmp_path: Path) -> Callable[..., str]:
    """The line that a command says to an adapter; it has not looked at a video by then."""

    def say(adapter: object, *more: str, command: str = "evaluate") -> str:
        given = (version, "--start-from", adapter) if command == "train" else ("--lora", adapter)
        done = videostar(
            command, *given, "--out", "out.json", "--data", world, "--cache", "seen", "--set", "mix=null", *more
        )
        assert done.returncode == 2, done.stderr
        assert not (tmp_path / "seen").exists()
        assert not (tmp_path / "out.json").exists()
        assert done.stderr.startswith("videostar: ")
        assert done.stderr.count("\n") == 1
        return done.stderr

    return say


def test_where_there_is_no_adapter_the_nearest_is_named(refused: Callable[..., str], adapter: Path) -> None:
    run = adapter.parents[2]
    for command in ("generate", "evaluate", "train"):
        line = refused("nowhere/at/all", command=command)
        assert "nowhere/at/all: no LoRA; give a folder that training wrote" in line
    for wrong in (
        adapter.parent,
        run,
        run / "rounds" / "1" / "lora",
        adapter.with_name("adaptr"),
        adapter / "adapter_model.safetensors",
    ):
        assert f"{wrong}: no LoRA; did you mean {adapter}?" in refused(wrong)


def test_a_broken_adapter(refused: Callable[..., str], adapter: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(adapter, tmp_path / "broken")
    weights = broken / "adapter_model.safetensors"
    whole = weights.read_bytes()
    for part in (whole[:-1], whole[:100], b""):
        weights.write_bytes(part)
        assert "broken/adapter_model.safetensors: is damaged (" in refused("broken")
    weights.unlink()
    assert "broken: no adapter_model.safetensors" in refused("broken")
    weights.write_bytes(whole)

    config = json.loads((broken / "adapter_config.json").read_text())
    for wrong, told in (
        ("{", "no LoRA (Expecting"),
        ("[]", "no LoRA ("),
        (json.dumps({**config, "r": "eight"}), "no LoRA (invalid literal"),
        (json.dumps({"peft_type": "LOHA", "r": 4}), "is for PEFT, but not a LoRA"),
        (json.dumps({**config, "peft_type": "NONE"}), "PEFT cannot read adapter_config.json"),
        (json.dumps({**config, "target_modules": ["nothing"]}), "the model has none of the layers that it adapts"),
        (json.dumps({**config, "base_model_name_or_path": "sha256:0123"}), "its base was sha256:0123"),
    ):
        (broken / "adapter_config.json").write_text(wrong)
        assert told in refused("broken")


def test_an_adapter_of_another_model(refused: Callable[..., str], adapter: Path, tmp_path: Path) -> None:
    """Of other shapes, with a tensor less, and of the same shapes."""
    make("qwen3_vl", tmp_path / "other")
    line = refused(adapter, "--set", "model=./other")
    assert f"{adapter}: does not fit model './other': base_model.model.model.language_model.layers.0." in line

    less = shutil.copytree(adapter, tmp_path / "less")
    tensors = load_file(less / "adapter_model.safetensors")
    name = sorted(tensors)[-1]
    save_file({key: tensors[key] for key in tensors if key != name}, less / "adapter_model.safetensors")
    assert f"{name} is missing and should be [" in refused("less")

    alike = shutil.copytree(EMBEDDED, tmp_path / "alike")
    (alike / "notes.txt").write_text("trained further")
    assert "its base was embedded; give another" in refused(adapter, "--set", "model=./alike")


def test_an_adapter_of_a_rank_that_does_not_fit(refused: Callable[..., str], adapter: Path, tmp_path: Path) -> None:
    for rank, alpha in ((8, 4), (4, 8)):
        line = refused(adapter, "--set", f"training.rank={rank}", "--set", f"training.alpha={alpha}", command="train")
        assert (
            f"has rank 4 and alpha 4, the settings have {rank} and {alpha}; continue with --set training.rank=4" in line
        )
    large = shutil.copytree(adapter, tmp_path / "large")
    config = json.loads((large / "adapter_config.json").read_text())
    (large / "adapter_config.json").write_text(json.dumps({**config, "r": 513}))
    assert "large: has rank 513, vLLM serves at most 512; use --engine transformers" in refused(
        "large", "--set", "engine.name=vllm"
    )


def test_an_adapter_that_fits_is_continued(
    videostar: Command, version: Path, world: Path, adapter: Path, tmp_path: Path
) -> None:
    shared = ("--start-from", adapter, "--out", "out", "--data", world, "--set", "mix=null")
    done = videostar("train", version, *shared, *RANK)
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["r"], config["lora_alpha"]) == ("embedded", 4, 4)
    before, after = (load_file(folder / "adapter_model.safetensors") for folder in (adapter, tmp_path / "out"))
    assert any(not before[name].equal(after[name]) for name in before)


def test_an_adapter_is_the_same_wherever_its_model_lies(
    videostar: Command, version: Path, world: Path, adapter: Path, tmp_path: Path
) -> None:
    make("qwen3_vl", tmp_path / "one" / "model")
    shutil.copytree(tmp_path / "one" / "model", tmp_path / "elsewhere" / "its model")
    for model, out in (("./one/model", "a"), (tmp_path / "elsewhere" / "its model", tmp_path / "b" / "lora")):
        trained(videostar, version, world, tmp_path / out, model)
    assert digest(tmp_path / "a") == digest(tmp_path / "b" / "lora")
    # Nor does any file name a place: not the model's, the data's, the adapter's or the package's.
    places = [str(tmp_path), "one/model", "its model", str(world.parent), str(Path(__file__).parents[1])]
    for folder in (tmp_path / "a", adapter):
        for file in folder.rglob("*"):
            held = file.read_bytes()
            assert not [place for place in places if place.encode() in held], file


def test_in_16_bits_an_adapter_answers_as_it_was_trained(videostar: Command, world: Path, tmp_path: Path) -> None:
    """Training computes base and adapter beside each other: merged weights would be rounded to those of the base."""
    sets = ["video.frames=4", "generation.max_new_tokens=16", "engine.dtype=bfloat16"]
    settings = load_pipeline("demo", model=str(make("qwen3_vl", tmp_path / "model")), mix=None, settings=sets)
    clips = sorted((world.parent / "clips_and_labels" / "clips" / "test").glob("*.mp4"))
    shown = [Cache().frames().clip(path, probe(path).sha256, Sampling(4, 4096)) for path in clips]
    adapter = make_lora(settings, tmp_path / "lora", 1, shown[0], rank=4, scale=0.02)
    words = [word for setting in (*sets, "mix=null", "model=./model") for word in ("--set", setting)]
    done = videostar("evaluate", "--lora", adapter, "--out", "e.json", "--data", world, *words)
    assert done.returncode == 0, done.stderr
    asked = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]

    chat, by_name = Chat(load_processor(settings.spec)), dict(zip((path.name for path in clips), shown, strict=True))
    inputs = chat.prompts([Turn(row["prompt"], [by_name[Path(row["video"]).name]]) for row in asked])
    model: Any = PeftModel.from_pretrained(load_model(settings.spec), str(adapter)).eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):  # as `Trainer` computes
        tokens = model.generate(**inputs, max_new_tokens=16, do_sample=False)[:, inputs["input_ids"].shape[1] :]
    assert [row["answer"] for row in asked] == chat.decode(tokens)
