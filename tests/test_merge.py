"""A merged model is one of its own: transformers and vLLM load it, and it answers as the base does with the LoRA."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import transformers
from commands import Command
from random_lora import make_lora
from safetensors import safe_open
from tiny_models import make

from videostar.config import Pipeline
from videostar.engines import open_engine
from videostar.engines.base import Request
from videostar.engines.transformers import TransformersEngine
from videostar.pipeline_files import load_pipeline
from videostar.video.clip import Clip

CLIP = Clip(np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8), (0.1, 0.3, 0.5, 0.7), 10.0, 0.8)
ASKED = [Request(question, [CLIP]) for question in ("What moves here, and how?", "Who is it?", "How many?")]


def settings(model: object, engine: str = "transformers") -> Pipeline:
    sets = ["video.frames=4", "generation.max_new_tokens=16", f"engine.name={engine}"]
    return load_pipeline("demo", model=str(model), mix=None, settings=sets)


def test_a_run_is_merged(videostar: Command, finished: tuple[Path, str], tmp_path: Path) -> None:
    run = shutil.copytree(finished[0], tmp_path / "run", symlinks=True)
    done = videostar("merge", "run:2", "--out", "merged")
    assert done.returncode == 0, done.stderr
    card = (tmp_path / "merged" / "README.md").read_text()
    for line in ("library_name: ", "- base model: embedded\n", "- run: run\n", "- round: 2\n", "- test accuracy: "):
        assert line in card
    assert "- made by: `videostar merge run:2 --out merged`\n" in card
    assert str(tmp_path) not in card
    transformers.AutoModelForImageTextToText.from_pretrained(tmp_path / "merged")
    with TransformersEngine(settings("embedded")) as known, TransformersEngine(settings(tmp_path / "merged")) as engine:
        known.use(run / "rounds" / "02" / "lora")
        engine.use(None)
        assert [reply[0].text for reply in engine.answer(ASKED)] == [reply[0].text for reply in known.answer(ASKED)]

    done = videostar("merge", run / "rounds" / "01" / "lora", "--out", "other", "--dtype", "bfloat16")
    assert done.returncode == 0, done.stderr
    with safe_open(tmp_path / "other" / "model.safetensors", "pt") as weights:
        assert {weights.get_slice(name).get_dtype() for name in weights.offset_keys()} == {"BF16"}

    for words, line in (
        (("run:3", "--out", "none"), "run:3: no LoRA of that round; there are: 1, 2"),
        (("run:0", "--out", "none"), "run:0: no LoRA of that round; there are: 1, 2"),
        (("elsewhere", "--out", "none"), "elsewhere: "),
        (("run:1", "--out", "merged"), "merged: exists; models are never overwritten"),
        (("run:1", "--out", "none", "--model", make("qwen3_vl", tmp_path / "small")), "does not fit model "),
    ):
        done = videostar("merge", *words)
        assert done.returncode == 2
        assert line in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "none").exists()


@pytest.mark.vllm
@pytest.mark.slow
def test_vllm_serves_a_merged_mixture_of_experts(videostar: Command, tmp_path: Path) -> None:
    """As transformers answers with the LoRA on vision tower, language model and experts."""
    model = make("qwen3_vl_moe", tmp_path / "model")
    targets = ["training.targets=[language,vision,experts]"]
    lora = make_lora(
        load_pipeline("demo", model=str(model), mix=None, settings=targets), tmp_path / "lora", 1, CLIP, scale=0.1
    )
    done = videostar("merge", lora, "--out", "merged", "--model", model)
    assert done.returncode == 0, done.stderr
    with TransformersEngine(settings(model)) as known:
        known.use(lora)
        wanted = known.answer(ASKED)
    with open_engine(settings(tmp_path / "merged", "vllm")) as engine:
        engine.use(None)
        assert engine.answer(ASKED) == wanted
