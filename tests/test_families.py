"""Each family of models, on a small one made on the spot: prompts, answers, LoRA, and the same from vLLM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from peft import PeftModel, get_peft_model

from videostar.chat import Chat, Turn
from videostar.config import Pipeline, load_pipeline
from videostar.engines import Refused, Request, open_engine
from videostar.engines.transformers import TransformersEngine
from videostar.errors import UserError
from videostar.families import FAMILIES
from videostar.lora import write_canaries
from videostar.models import load_model, load_processor
from videostar.training import lora_config
from videostar.video.clip import Clip

QUESTION = "What moves here <video>, and how?"  # what a processor looks for must not come out of a label


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def settings(family: str, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    folder = tiny_models.make(family, tmp_path_factory.mktemp("model") / family)
    changes = {"model": str(folder), "mix": None, "engine": {"name": "vllm", "options": {"max_model_len": 1200}}}
    return load_pipeline("demo", changes, ["generation.max_new_tokens=12", "training.rank=8"])


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    draw = np.random.default_rng(0)
    shown = [draw.integers(0, 255, (8, 64, 64, 3), dtype=np.uint8) // (1 + 3 * dark) for dark in (0, 1)]
    return [Clip(frames, tuple(n / 4 for n in range(8)), fps=8.0, seconds=2.0) for frames in shown]


@pytest.fixture(scope="module")
def adapter(settings: Pipeline, clips: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that changes what is said."""
    model = get_peft_model(load_model(settings), lora_config(load_model(settings), settings))
    torch.manual_seed(1)
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.1)
    folder = tmp_path_factory.mktemp("adapter") / "adapter"
    model.save_pretrained(folder)
    write_canaries(folder, model, Chat(load_processor(settings)), [(QUESTION, clips[0])])
    return folder


def test_prompts_show_the_clip_once_and_are_what_training_sees(settings: Pipeline, clips: list[Clip]) -> None:
    chat = Chat(load_processor(settings))
    turn = Turn(QUESTION, clips[0], "A cross.")
    asked, learned = chat.prompts([turn]), chat.examples([turn])
    length = asked["input_ids"].shape[1]
    assert learned["input_ids"][0, :length].tolist() == asked["input_ids"][0].tolist()
    answer = learned["labels"][0][learned["labels"][0] >= 0]
    assert chat.decode([answer]) == ["A cross."]
    assert answer[-1] == chat.tokenizer.eos_token_id
    beside = chat.prompts([Turn("And you?", None), turn])  # text alone, as instruction sets have it
    assert beside["input_ids"][1, -length:].tolist() == asked["input_ids"][0].tolist()


def test_answers_turn_on_the_clip_and_on_the_adapter(settings: Pipeline, clips: list[Clip], adapter: Path) -> None:
    engine = TransformersEngine(settings)
    requests = [Request(QUESTION, clip) for clip in clips]
    engine.use(None)
    base = engine.answer(requests)
    assert base[0] != base[1]
    assert base == [engine.answer([request])[0] for request in requests]  # however many are asked at once
    engine.use(adapter)
    assert engine.answer(requests)[0] != base[0]


def test_only_the_language_model_learns(settings: Pipeline, clips: list[Clip], adapter: Path) -> None:
    chat = Chat(load_processor(settings))
    model = PeftModel.from_pretrained(load_model(settings), str(adapter), is_trainable=True)
    learning = [name for name, weights in model.named_parameters() if weights.requires_grad]
    assert learning
    assert not [name for name in learning if "vision" in name or "visual" in name or "tower" in name]
    loss = model(**chat.examples([Turn(QUESTION, clip, "A cross.") for clip in clips])).loss
    loss.backward()
    assert all(weights.grad is not None for weights in model.parameters() if weights.requires_grad)


@pytest.mark.slow
def test_vllm_gives_the_same_answers(
    family: str, settings: Pipeline, clips: list[Clip], adapter: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed here (make vllm)")
    requests = [Request(QUESTION, clip) for clip in clips]
    reference = TransformersEngine(settings)
    with open_engine(settings) as engine:
        for name in (None, adapter):
            engine.use(name)
            reference.use(name)
            replies = engine.answer(requests)
            assert not [reply for reply in replies if isinstance(reply, Refused)]
            assert replies == reference.answer(requests)
    told = capfd.readouterr().err
    assert ("transformers answers instead" in told) == (not FAMILIES[family].vllm_video)
    assert ("merged into a copy" in told) == (FAMILIES[family].vllm_video and not FAMILIES[family].vllm_lora)


def test_a_model_that_takes_no_videos_is_refused_with_the_reason(tmp_path: Path) -> None:
    folder = tiny_models.make("qwen2_5_vl", tmp_path / "model")
    (folder / "chat_template.jinja").write_text("{% for message in messages %}{{ message.role }}{% endfor %}")
    settings = load_pipeline("demo", {"model": str(folder), "mix": None})
    with pytest.raises(UserError, match="its chat template leaves videos out; give one whose processor"):
        load_processor(settings)
