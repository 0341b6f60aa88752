"""An adapter that was trained elsewhere has no canaries: they are made before an engine is trusted with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from random_lora import CLIP, make_lora
from safetensors.torch import load_file, save_file

from videostar.models import canary as canaries
from videostar.models.canary import find_canaries, read_canaries
from videostar.models.chat import Chat
from videostar.models.load import load_processor
from videostar.pipeline_files import load_pipeline


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return make_lora(load_pipeline("demo"), tmp_path / "lora", 1, CLIP)


def test_those_beside_it_are_taken(adapter: Path) -> None:
    settings = load_pipeline("demo")
    (found,) = find_canaries(adapter, settings.spec, settings.video, Chat(load_processor(settings.spec)))
    (beside,) = read_canaries(adapter)
    assert (found.question, found.answer, found.likely) == (beside.question, beside.answer, beside.likely)


def test_where_there_are_none_they_are_made_and_tell_the_adapter_from_another(adapter: Path) -> None:
    settings = load_pipeline("demo")
    chat = Chat(load_processor(settings.spec))
    for file in adapter.glob("canary*"):
        file.unlink()
    first = find_canaries(adapter, settings.spec, settings.video, chat)
    assert [each.question for each in first] == list(canaries._QUESTIONS)
    weights = load_file(adapter / "adapter_model.safetensors")
    turned = {name: -each if "lora_B" in name else each for name, each in weights.items()}
    save_file(turned, adapter / "adapter_model.safetensors")
    other = find_canaries(adapter, settings.spec, settings.video, chat)
    for one, two in zip(first, other, strict=True):
        assert not one.compare(one.prompt, one.answer, one.likely, exact=True)
        assert one.compare(two.prompt, two.answer, two.likely[: len(one.answer)], exact=True)
    assert not list(adapter.glob("canary*"))  # the adapter's own files, and so its digest, are as they were
