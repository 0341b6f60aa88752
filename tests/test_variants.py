"""rsLoRA, DoRA, LoRA+ and a base in 4 bits: what they train, and that engines answer with it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import Command
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file
from tiny_models import make
from training_rows import write_rows

from videostar.config.training import Training
from videostar.engines.vllm.options import VllmSetup
from videostar.models.canary import read_canaries, write_canaries
from videostar.models.chat import Chat
from videostar.models.load import load_model, load_processor
from videostar.models.lora import lora_config, read_facts, relative_norm
from videostar.pipeline_files import load_pipeline
from videostar.training.log import read_log

Train = Callable[..., tuple[Path, dict[str, Any]]]


@pytest.fixture(scope="module")
def version(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    clips = sorted((world.parent / "clips_and_labels" / "clips" / "train").glob("*.mp4"))[:4]
    videos = [path.relative_to(world.parent / "clips_and_labels").as_posix() for path in clips]
    return write_rows(tmp_path_factory.mktemp("version") / "dataset", videos, [5, 3, 8, 2])


@pytest.fixture
def train(videostar: Command, version: Path, world: Path, tmp_path: Path) -> Train:
    """`train("training.dora=true", ...)`: the folder of the LoRA, and the figures that the command prints."""

    def run(*settings: str) -> tuple[Path, dict[str, Any]]:
        out = tmp_path / f"lora-{len(list(tmp_path.iterdir()))}"
        given = ["mix=null", "video.frames=4", "training.rank=4", "training.alpha=8", "training.batch_size=2"]
        given += ["training.gradient_accumulation=1"]
        sets = (word for one in (*given, "training.epochs=1", *settings) for word in ("--set", one))
        done = videostar("train", version, "--out", out, "--data", world, *sets)
        assert done.returncode == 0, done.stderr
        return out, json.loads(done.stdout)

    return run


def change(lora: Path) -> float:
    """The norm of what merging the LoRA changes, over that of the weights that it changes."""
    spec = load_pipeline("demo").spec
    before = {name: weight.detach().clone() for name, weight in load_model(spec).named_parameters()}
    merged: Any = PeftModel.from_pretrained(load_model(spec), str(lora)).merge_and_unload()
    after = {name: weight.detach() for name, weight in merged.named_parameters()}
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    update = sum(float((after[name] - before[name]).norm()) ** 2 for name in changed)
    return math.sqrt(update / sum(float(before[name].norm()) ** 2 for name in changed))


def test_the_scale_of_rslora_and_the_size_of_a_dora(train: Train) -> None:
    plain, figures = train()
    ranked, ranked_figures = train("training.rslora=true")
    weights = [load_file(lora / "adapter_model.safetensors") for lora in (plain, ranked)]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert ranked_figures["lora_norm"] > figures["lora_norm"]  # 8 / sqrt(4) is more than 8 / 4
    dora, dora_figures = train("training.dora=true")
    for lora, known in ((plain, figures), (ranked, ranked_figures), (dora, dora_figures)):
        assert known["lora_norm"] == pytest.approx(change(lora), rel=1e-3)
    setup = VllmSetup.of(load_pipeline("demo"))
    assert setup.lora_misfit(read_facts(dora), {"enable_lora": True, "max_lora_rank": 32}) == "it is a DoRA"
    assert not setup.lora_misfit(read_facts(ranked), {"enable_lora": True, "max_lora_rank": 32})


def test_lora_plus_trains_one_factor_faster(train: Train) -> None:
    (plain, _), (faster, _) = train(), train("training.lora_plus=16")
    one, other = (load_file(lora / "adapter_model.safetensors") for lora in (plain, faster))
    grown = [float(other[name].norm() / one[name].norm()) for name in one if "lora_B" in name]
    assert min(grown) > 4


def test_settings_that_do_not_fit_are_one_line(videostar: Command, version: Path, world: Path) -> None:
    cases = [
        ("training.targets=[experts]", "training.dora=true", "does not work with experts"),
        ("training.lora_plus=0.5", "training.rank=4", "training.lora_plus"),
    ]
    if not find_spec("bitsandbytes"):
        cases.append(("training.quantize=4bit", "training.rank=4", "training.quantize=4bit: needs bitsandbytes; pip"))
    elif not torch.cuda.is_available():
        cases.append(("training.optimizer=paged_adamw_8bit", "training.rank=4", "paged_adamw_8bit needs a GPU"))
    for one, other, line in cases:
        done = videostar("train", version, "--out", "none", "--data", world, "--set", one, "--set", other)
        assert done.returncode == 2
        assert line in done.stderr
        assert "Traceback" not in done.stderr


def test_a_base_in_4_bits_is_trained_and_its_lora_is_served_in_full(train: Train, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="needs bitsandbytes, of the extra quantize")
    model = make("qwen3_vl", tmp_path / "model")
    small, figures = train("training.quantize=4bit", f"model={model}", "training.gradient_checkpointing=true")
    full, _ = train(f"model={model}")
    one, other = (read_log(lora.with_name(f"{lora.name}.training.jsonl"))[0]["loss"] for lora in (small, full))
    assert one == pytest.approx(other, rel=0.2)
    assert one != other
    assert figures["lora_norm"] > 0
    spec = load_pipeline("demo", model=str(model)).spec
    base = load_model(spec, four_bits=True)
    quantised = {name for name, weight in base.named_parameters() if weight.dtype == torch.uint8}
    assert len(quantised) == 2 * 7  # of the language model alone
    assert all(".language_model." in name for name in quantised)
    trained: Any = get_peft_model(load_model(spec), lora_config(base, Training()))
    assert relative_norm(trained) == 0.0

    # Canaries are of the base that engines answer with.
    (canary, *_) = read_canaries(small)
    chat = Chat(load_processor(spec))
    for four_bits in (False, True):
        answers: Any = PeftModel.from_pretrained(load_model(spec, four_bits=four_bits), str(small))
        (tmp_path / str(four_bits)).mkdir()
        write_canaries(tmp_path / str(four_bits), answers, chat, [(canary.question, canary.clip)])
        (again,) = read_canaries(tmp_path / str(four_bits))
        same = not canary.compare(again.prompt, again.answer, again.likely[: len(canary.answer)], exact=True)
        assert same != four_bits
