"""The pipeline for downloaded models, on one of random weights: a whole cycle, and what toy settings are told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from commands import Command, command
from tiny_models import make

from videostar.models.load import dtype_on_gpu

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that lies where the hub's are downloaded to."""
    hub = tmp_path_factory.mktemp("hub") / "models--some--lvlm"
    (hub / "refs").mkdir(parents=True)
    (hub / "refs" / "main").write_text("0123abcd")
    return make("qwen3_vl", hub / "snapshots" / "0123abcd")


def test_a_downloaded_model_goes_round(world: Path, model: Path, tmp_path: Path) -> None:
    # What random weights say holds no label: all of it is kept.
    words = command(
        *("cycle", "--pipeline", "lvlm", "--data", world, "--engine", "transformers", "--rounds", 1, "--out", "run"),
        *("--set", "model=some/lvlm", "--set", "generation.verify=false", "--set", "generation.max_new_tokens=8"),
        *("--limit", 4),
    )
    # Nothing is asked of the hub, which would not be there.
    environment = {**os.environ, "HF_HUB_CACHE": str(model.parents[2]), "HF_ENDPOINT": "http://127.0.0.1:9"}
    del environment["HF_HUB_OFFLINE"]
    said = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert "max_pixels" not in said.stderr
    assert "Retrying" not in said.stderr
    version = tmp_path / "run" / "rounds" / "01"
    adapter = json.loads((version / "lora" / "adapter_config.json").read_text())
    assert (adapter["r"], adapter["lora_alpha"]) == (128, 256)
    assert json.loads((version / "evaluation.json").read_text())["accuracy"] == 0.0
    lineage = json.loads((version / "dataset" / "version.json").read_text())["lineage"]
    computed = "bfloat16" if torch.cuda.is_available() else "float32"
    assert lineage["engine"] == {"name": "transformers", "dtype": computed}


def test_a_downloaded_model_with_settings_for_the_embedded_one(videostar: Command, world: Path, model: Path) -> None:
    said = videostar("cycle", "--data", world, "--dry-run", "--set", f"model={model}", "--set", "mix=null")
    assert "video.max_pixels: frames of 4096 pixels suit the embedded model only; --pipeline lvlm" in said.stderr


def test_a_model_without_weights(videostar: Command, world: Path, model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "part", ignore=shutil.ignore_patterns("*.safetensors"))
    words = ("cycle", "--pipeline", "lvlm", "--data", world, "--engine", "transformers", "--set", "model=./part")
    said = videostar(*words)
    assert said.returncode == 2
    assert "model './part': has no *.safetensors on this machine; download all of it" in said.stderr


def test_a_model_that_is_not_downloaded(videostar: Command, world: Path) -> None:
    said = videostar("cycle", "--pipeline", "lvlm", "--data", world, "--engine", "transformers")
    assert said.returncode == 2
    assert "is not on this machine (hf download Qwen/Qwen3-VL-8B-Instruct)" in said.stderr


@pytest.mark.parametrize(
    ("stored", "has_bfloat16", "chosen"),
    [
        (torch.bfloat16, True, torch.bfloat16),
        (torch.float32, True, torch.bfloat16),
        (None, True, torch.bfloat16),
        (torch.float16, True, torch.float16),
        (torch.bfloat16, False, torch.float16),
        (torch.float32, False, torch.float16),
    ],
)
def test_a_gpu_computes_in_16_bits(stored: torch.dtype | None, has_bfloat16: bool, chosen: torch.dtype) -> None:
    assert dtype_on_gpu(stored, has_bfloat16=has_bfloat16) == chosen
