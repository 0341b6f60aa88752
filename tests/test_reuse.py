"""An engine loads weights once, however many stages in a row are answered with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from answers import questions_about, said
from random_lora import make_lora

from videostar.config import Pipeline
from videostar.engines import transformers as module
from videostar.engines.transformers import TransformersEngine
from videostar.pipeline_files import load_pipeline


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Pipeline]:
    """The settings of every model that the engine has loaded."""
    found: list[Pipeline] = []
    load = module.load_model

    def counted(settings: Pipeline) -> object:
        found.append(settings)
        return load(settings)

    monkeypatch.setattr(module, "load_model", counted)
    return found


def test_a_run_loads_each_model_once_for_all_that_it_answers(
    quick: Path, tmp_path: Path, loaded: list[Pipeline]
) -> None:
    """That of a round for its own evaluation and for the next round's answers."""
    from videostar.cli.app import app

    words = ["cycle", "--pipeline", quick, "--limit", 8, "--out", tmp_path / "run", "--set", "mix=null"]
    app([str(word) for word in words], standalone_mode=False)
    trained = len(list((tmp_path / "run" / "rounds").glob("*/lora")))
    assert trained == 2
    assert len(loaded) == 1 + trained


def test_weights_are_told_apart_by_what_they_are_and_dropped_for_training(
    world: Path, tmp_path: Path, loaded: list[Pipeline]
) -> None:
    settings = load_pipeline("demo", mix=None)
    requests = questions_about(world)[:8]
    adapters = [make_lora(settings, tmp_path / str(seed), seed, requests[0].clips[0]) for seed in (1, 2)]
    with TransformersEngine(settings) as engine:
        first = said(engine, adapters[0], requests)
        assert said(engine, shutil.copytree(adapters[0], tmp_path / "moved"), requests) == first
        assert len(loaded) == 1
        engine.release()
        assert said(engine, adapters[0], requests) == first
        assert len(loaded) == 2
        shutil.rmtree(adapters[0])
        shutil.copytree(adapters[1], adapters[0])
        assert said(engine, adapters[0], requests) != first
        assert len(loaded) == 3
