"""Training touches the parts of a model that `training.targets` names, and no other weight."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import Command
from peft import PeftModel
from safetensors.torch import load_file
from tiny_models import MAKERS, make
from training_rows import write_rows

from videostar.config.training import Training
from videostar.models.families import part_of
from videostar.models.load import load_model
from videostar.models.lora import lora_config, read_facts
from videostar.models.parts import layers
from videostar.pipeline_files import load_pipeline
from videostar.training.log import read_log
from videostar.util.errors import UserError

LINEAR = ("language", "projector", "vision")


@pytest.fixture(scope="module")
def version(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    clips = sorted((world.parent / "clips_and_labels" / "clips" / "train").glob("*.mp4"))[:4]
    videos = [path.relative_to(world.parent / "clips_and_labels").as_posix() for path in clips]
    return write_rows(tmp_path_factory.mktemp("version") / "dataset", videos, [5, 3, 8, 2])


@pytest.fixture
def train(videostar: Command, version: Path, world: Path, tmp_path: Path) -> Any:
    """`train(model, "training.targets=[vision]", ...)`: the folder of the LoRA, and what the command printed."""

    def run(model: object, *settings: str, start_from: Path | None = None) -> tuple[Path, str]:
        out = tmp_path / f"lora-{len(list(tmp_path.iterdir()))}"
        given = ["mix=null", f"model={model}", "video.frames=4", "training.rank=4", "training.alpha=8"]
        given += ["training.batch_size=2", "training.gradient_accumulation=1", "training.epochs=1", *settings]
        more = ("--start-from", start_from) if start_from else ()
        done = videostar(
            "train", version, "--out", out, "--data", world, *more, *(w for one in given for w in ("--set", one))
        )
        assert done.returncode == 0, done.stderr
        return out, done.stderr

    return run


def changed_weights(model: object, lora: Path) -> set[str]:
    """Names of the base model's weights that change when the LoRA is merged into them."""
    spec = load_pipeline("demo", model=str(model)).spec
    before = {name: weight.clone() for name, weight in load_model(spec).named_parameters()}
    merged: Any = PeftModel.from_pretrained(load_model(spec), str(lora)).merge_and_unload()
    after = dict(merged.named_parameters())
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("family", MAKERS)
def test_every_family_has_the_parts(family: str) -> None:
    """Every linear layer besides the head belongs to one part, and the language model's layers to its own."""
    with torch.device("meta"):
        _, model = MAKERS[family]()
    found = layers(model)
    linear = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    experts = [
        f"model.language_model.layers.{n}.mlp.experts.{name}" for n in (0, 1) for name in ("down_proj", "gate_up_proj")
    ]
    assert found.pop("experts", experts) == experts
    assert set(found) == set(LINEAR)
    # q, k, v and o of each layer, and gate, up and down unless they are experts
    assert len(found["language"]) == 2 * (4 if family == "qwen3_vl_moe" else 7)
    assert sorted(name for names in found.values() for name in names) == sorted(linear - {"lm_head"})
    blocks = ("blocks", "encoder")  # of a vision tower
    for part in LINEAR:
        assert all((part == "vision") == any(f".{block}." in name for block in blocks) for name in found[part])
    if family != "qwen3_vl_moe":
        with pytest.raises(UserError, match=r"has no layers of part 'experts' .*; it has language, projector, vision"):
            lora_config(model, Training(targets=("experts",)))


@pytest.mark.parametrize("targets", [("language",), ("projector",), ("projector", "vision")])
def test_a_training_touches_its_targets_alone(targets: tuple[str, ...], train: Any, tmp_path: Path) -> None:
    model = make("qwen3_vl", tmp_path / "model")
    setting = f"training.targets=[{','.join(targets)}]"
    lora, printed = train(model, setting)
    config = load_model(load_pipeline("demo", model=str(model)).spec).config
    names = load_file(lora / "adapter_model.safetensors")
    assert {part_of(config, name) for name in names} == set(targets)
    assert read_facts(lora).parts(config) == set(targets)
    changed = changed_weights(model, lora)
    assert {part_of(config, name) for name in changed} == set(targets)
    assert 2 * len(changed) == len(names)  # every layer with a LoRA has learnt
    assert f"on: {', '.join(targets)}\n" in (lora / "README.md").read_text()
    assert "; not adapted: " in printed
    assert ("vision tower (" in printed) == ("vision" not in targets)

    if "vision" in targets:
        checkpointed, _ = train(model, setting, "training.gradient_checkpointing=true")
        again = load_file(checkpointed / "adapter_model.safetensors")
        assert all(torch.allclose(names[name], again[name], atol=1e-5) for name in names)
        continued, _ = train(model, setting, start_from=lora)
        assert load_file(continued / "adapter_model.safetensors").keys() == names.keys()


def test_experts_are_adapted_and_continued(train: Any, tmp_path: Path) -> None:
    model = make("qwen3_vl_moe", tmp_path / "model")
    lora, printed = train(model, "training.targets=[experts]")
    changed = changed_weights(model, lora)
    assert len(changed) == 4
    assert all(".mlp.experts." in name for name in changed)
    assert "(experts); not adapted: language model (" in printed
    continued, _ = train(model, "training.targets=[experts]", start_from=lora)
    assert changed_weights(model, continued) == changed
    _, printed = train(model)
    assert (
        "of the weights are experts, which no LoRA adapts here; --set 'training.targets=[language,experts]'" in printed
    )


def test_the_loss_of_a_router_is_added_if_the_model_asks_for_it(train: Any, tmp_path: Path) -> None:
    model = make("qwen3_vl_moe", tmp_path / "model")
    losses = []
    for asks in (False, True):
        config = json.loads((model / "config.json").read_text())
        config["text_config"] |= {"output_router_logits": asks, "router_aux_loss_coef": 0.5}
        (model / "config.json").write_text(json.dumps(config))
        lora, _ = train(model, "training.batch_size=4")
        (step,) = read_log(lora.with_name(f"{lora.name}.training.jsonl"))
        losses.append(step["loss"])
    # Of 4 experts 2 are chosen: the loss of a layer is at least 2, and more if some are chosen more often.
    assert 0.5 * 2 < losses[1] - losses[0] < 0.5 * 4


def test_a_target_that_does_not_fit_is_one_line(
    videostar: Command, train: Any, version: Path, world: Path, tmp_path: Path
) -> None:
    sets = ("--set", "mix=null", "--set", "training.rank=4", "--set", "training.alpha=8")
    lora, _ = train("embedded", "training.targets=[vision]")
    for words, line in (
        (
            ("--set", "training.targets=[experts]"),
            "the model (qwen3_vl) has no layers of part 'experts' for LoRA; it has",
        ),
        (("--start-from", lora), "adapts vision, the settings have language; continue with --set 'training.targets="),
    ):
        done = videostar("train", version, "--out", "none", "--data", world, *sets, *words)
        assert done.returncode == 2
        assert line in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "none").exists()
