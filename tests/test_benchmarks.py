"""The scripts in benchmarks/ that no other test runs, at tiny sizes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def gpu(*arguments: str) -> str:
    """What `benchmarks/gpu.sh --tiny` prints, in this Python."""
    environment = {**os.environ, "PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": ""}
    words = ["bash", str(BENCHMARKS / "gpu.sh"), "--tiny", "--seconds", "600", *arguments]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_script_for_a_gpu_without_vllm() -> None:
    printed = gpu("--engine", "transformers")
    for part in ("train", "cycle"):
        assert f"{part} tiny: done" in printed
    assert "gradient checkpointing on: " in printed
    assert "serve: skipped, because it needs vLLM" in printed


@pytest.mark.exhaustive
@pytest.mark.vllm
def test_the_script_for_a_gpu_with_vllm() -> None:
    printed = gpu("--parts", "serve", "cycle")
    assert "LoRA loaded into vLLM: gives the answers of its canaries" in printed
    assert "cycle tiny: done" in printed
