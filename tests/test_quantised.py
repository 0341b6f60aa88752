"""Quantised bases: one plain line if a package is missing or no LoRA can be trained, answers and training otherwise."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import Command
from ordinary_data import told, write_rows
from safetensors.torch import load_file, save_file
from tiny_models import make
from training_rows import write_rows as write_version

from videostar.training.log import read_log

#: What `config.json` of a published model says of each method, and the module of the package that it needs.
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "awq": ("gptqmodel", {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm", "zero_point": True}),
    "gptq": ("optimum", {"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": False, "sym": True}),
    "bitsandbytes-4bit": ("bitsandbytes", {"quant_method": "bitsandbytes", "load_in_4bit": True}),
    "bitsandbytes-8bit": ("bitsandbytes", {"quant_method": "bitsandbytes", "load_in_8bit": True}),
    "hqq": ("hqq", {"quant_method": "hqq", "quant_config": {}}),
    "quanto": ("optimum", {"quant_method": "quanto", "weights": "int8"}),
    "auto-round": ("auto_round", {"quant_method": "auto-round", "bits": 4}),
    "torchao": ("torchao", {"quant_method": "torchao", "quant_type": "int8_weight_only"}),
}
FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic"}
INT8 = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "quantization_status": "compressed",
    "ignore": ["lm_head", "re:.*visual.*"],
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": True},
        }
    },
}
SETS = ("video.frames=2", "mix=null", "generation.verify=false", "generation.max_new_tokens=8", "training.epochs=1")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("qwen3_vl", tmp_path_factory.mktemp("models") / "base")


Quantise = Callable[[str, torch.Tensor], dict[str, torch.Tensor]]


def quantised(base: Path, folder: Path, settings: Any, quantise: Quantise | None = None) -> Path:
    """A copy of the model with these settings in its configuration, and with its linear layers quantised."""
    shutil.copytree(base, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": settings}))
    weights: dict[str, torch.Tensor] = {}
    for name, value in load_file(folder / "model.safetensors").items():
        linear = quantise and "language_model" in name and name.endswith("proj.weight")
        weights |= quantise(name, value) if quantise and linear else {name: value}
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / "model.safetensors")
    return folder


def to_fp8(name: str, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """One scale for every block of 128 x 128."""
    scales = torch.zeros(-(-weight.shape[0] // 128), -(-weight.shape[1] // 128))
    scaled = weight.clone()
    for row in range(scales.shape[0]):
        for column in range(scales.shape[1]):
            block = scaled[128 * row : 128 * (row + 1), 128 * column : 128 * (column + 1)]
            scales[row, column] = block.abs().max() / 448
            block /= scales[row, column]
    return {name: scaled.to(torch.float8_e4m3fn), f"{name}_scale_inv": scales}


def to_int8(name: str, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32

    scale = weight.abs().amax(1, keepdim=True) / 127
    packed = pack_to_int32((weight / scale).round().to(torch.int8), 8)
    return {f"{name}_packed": packed, f"{name}_scale": scale, f"{name}_shape": torch.tensor(weight.shape)}


@pytest.fixture
def words(clips: Path) -> Callable[..., tuple[object, ...]]:
    """`words("generate", model)`: the words of a command on eight clips; its output and cache are in `clips`."""
    version = write_version(clips / "version", ["0000.mp4"], [4])
    rows = (f"{'train' if number < 4 else 'test'},{number:04}.mp4,walking" for number in range(8))
    data = write_rows(clips / "good.csv", "split,video,label", *rows)

    def of(command: str, model: Path) -> tuple[object, ...]:
        out = clips / (f"{command}.json" if command == "evaluate" else command)
        first: tuple[object, ...] = (command, version) if command == "train" else (command,)
        sets = [word for one in (*SETS, f"model={model}") for word in ("--set", one)]
        rounds = ("--rounds", 1) if command == "cycle" else ()
        return (*first, "--data", data, "--out", out, "--cache", clips / "cache", *rounds, *sets)

    return of


@pytest.mark.parametrize("method", METHODS)
def test_a_missing_package(videostar: Command, words: Any, base: Path, clips: Path, method: str) -> None:
    package, settings = METHODS[method]
    if find_spec(package):
        pytest.skip(f"{package} is installed")
    model = quantised(base, clips / "model", settings)
    for command in ("generate", "evaluate", "train", "cycle"):
        line = told(videostar, *words(command, model))
        assert f"model '{model}': is quantised ({settings['quant_method']}), and transformers cannot load it" in line
        assert package.replace("_", "-") in line.replace("_", "-")
    assert not (clips / "cache").exists()  # no video was opened


def test_an_unknown_method(videostar: Command, words: Any, base: Path, clips: Path) -> None:
    for number, settings in enumerate(({"quant_method": "tomorrow"}, {"bits": 4}, "gptq")):
        model = quantised(base, clips / f"model{number}", settings)
        assert f"model '{model}': " in told(videostar, *words("generate", model))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU needs kernels for it")
def test_a_base_that_answers_and_cannot_be_trained(videostar: Command, words: Any, base: Path, clips: Path) -> None:
    skipped = {**FP8, "modules_to_not_convert": ["lm_head", "visual", "model.visual"]}
    model = quantised(base, clips / "model", skipped, to_fp8)
    for command in ("train", "cycle"):
        line = told(videostar, *words(command, model))
        assert "is quantised (fp8), and no LoRA can be trained on it; give the model that it was made from" in line
    assert not (clips / "cache").exists()
    done = videostar(*words("generate", model))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 4


def test_a_base_that_is_trained(videostar: Command, words: Any, base: Path, clips: Path) -> None:
    """Its answers are those of the base that it was made from, or begin as they do."""
    pytest.importorskip("compressed_tensors")
    model = quantised(base, clips / "model", INT8, to_int8)
    done = videostar(*words("generate", model))
    assert done.returncode == 0, done.stderr
    (clips / "generate").rename(clips / "quantised")
    assert videostar(*words("generate", base)).returncode == 0
    answers = [
        [json.loads(line)["answer"] for line in (clips / name / "answers.jsonl").read_text().splitlines()]
        for name in ("quantised", "generate")
    ]
    assert all(one[:2] == other[:2] for one, other in zip(*answers, strict=True)), answers
    done = videostar(*words("cycle", model))
    assert done.returncode == 0, done.stderr
    steps = read_log(clips / "cycle" / "rounds" / "01" / "training.jsonl")
    assert all(step["grad_norm"] > 0 for step in steps)


def test_weights_that_are_not_there(videostar: Command, words: Any, base: Path, clips: Path) -> None:
    """transformers would draw them at random."""
    pytest.importorskip("compressed_tensors")
    model = quantised(base, clips / "model", INT8)
    done = videostar(*words("generate", model))
    assert done.returncode == 2
    assert "transformers cannot load it here: its weights have no" in done.stderr
    assert "Traceback" not in done.stderr
