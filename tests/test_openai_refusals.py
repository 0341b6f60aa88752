"""What is said of a server that will not do, and of settings for one; without vLLM."""

from __future__ import annotations

import json
import math
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from answers import served_at
from commands import Command

from videostar.engines.base import Request
from videostar.engines.openai import server as client
from videostar.engines.openai.engine import OpenaiEngine
from videostar.models.sizes import largest_clip
from videostar.pipeline_files import load_pipeline
from videostar.util.errors import UserError
from videostar.util.resources import EMBEDDED


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
        ({}, "404.*; check that it runs, and that base_url is its address with /v1; the same command then goes on"),
        ({"models": (200, "<html>a page</html>")}, "does not answer like vLLM's server .*address with /v1"),
        ({"models": (401, {"error": {"message": "Unauthorized"}})}, "Unauthorized; put its key into .* OPENAI_API_KEY"),
        ({"models": (500, {"error": {"message": "dead"}})}, "dead; check that it runs"),
        ({"models": (200, {"data": []})}, "serves nothing, not model 'embedded'; start it as `.* vllm serve "),
        (
            {"models": (200, {"data": [{"id": "other"}, {"id": "embeded"}]})},
            "serves other, embeded, not model 'embedded'; give model: embeded, or start it as",
        ),
        ({"models": (200, {"data": [CARD]}), "chat/completions": (400, TOLD)}, r"takes no video \(At most 0 video"),
        (
            {"models": (200, {"data": [CARD]}), "chat/completions": (200, {"choices": [{"message": {}}]})},
            "does not answer like vLLM's server .no prompt_token_ids",
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
    with OpenaiEngine(served_at(stub)) as engine, pytest.raises(UserError, match=line) as told:
        engine.use(None)
    assert str(told.value).startswith(stub)
    assert "\n" not in str(told.value)


def test_the_command_that_starts_a_server_keeps_it_on_loopback(stub: str, quick: Path, videostar: Command) -> None:
    """It trusts whoever reaches it; vLLM by itself listens to all of the network."""
    Stub.replies = {"/v1/models": (200, {"data": []})}
    done = videostar("cycle", "--pipeline", quick, "--engine", "openai", "--set", f"engine.base_url={stub}")
    assert done.returncode == 2
    assert re.search(r"start it as `.* vllm serve \S+ --host 127\.0\.0\.1 ", done.stderr)
    page = (Path(__file__).parents[1] / "docs" / "engines.md").read_text(encoding="utf-8")
    assert re.findall(r"vllm serve \S+(.*)", page) == [" --host 127.0.0.1 \\"]


def test_a_server_that_is_not_there_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_RETRIES", 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        settings = served_at(f"http://127.0.0.1:{silent.getsockname()[1]}/v1")
        with OpenaiEngine(settings) as engine, pytest.raises(UserError, match=r"Connection error .*refused") as told:
            engine.use(None)
    assert "\n" not in str(told.value)


def test_the_key_comes_from_the_environment_alone(stub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, expected in (("secret", "Bearer secret"), ("", "Bearer none")):
        monkeypatch.setenv("OPENAI_API_KEY", key)
        settings = served_at(stub)
        with OpenaiEngine(settings) as engine, pytest.raises(UserError):
            engine.use(None)
        assert Stub.keys[-1] == expected
        assert "secret" not in settings.model_dump_json()


def test_more_tokens_than_were_asked_for_are_not_taken(stub: str) -> None:
    long = {"prompt_token_ids": [1], "choices": [{"token_ids": [40] * 1000}]}
    Stub.replies = {"/v1/chat/completions": (200, long)}
    with OpenaiEngine(served_at(stub)) as engine:
        (reply,) = engine.answer([Request("What is shown?", [largest_clip(engine.video)])])
        assert isinstance(reply, list)
        limit = engine.generation.max_new_tokens
        assert [answer.text for answer in reply] == engine.chat.decode([[40] * limit])
        assert reply[0].confidence is None
        steps = [{"token": "x", "logprob": math.log(0.5)}] * 1000
        Stub.replies = {
            "/v1/chat/completions": (200, {**long, "choices": [{**long["choices"][0], "logprobs": {"content": steps}}]})
        }
        ((answer,),) = engine.answer([Request("What is shown?", [largest_clip(engine.video)])])
        assert answer.confidence == 0.5


@pytest.mark.parametrize(
    ("engine", "line"),
    [
        ({"name": "openai"}, "engine: `name: openai` needs the server's `base_url`"),
        ({"name": "vllm", "base_url": "http://127.0.0.1:8000/v1"}, "`base_url` is for `name: openai`; .* with vllm"),
        ({"name": "openai", "base_url": "127.0.0.1:8000/v1"}, "engine.base_url: write an http:// or https:// address"),
        ({"name": "openai", "base_url": "file:///etc"}, "engine.base_url: write an http:// or https:// address"),
        ({"name": "openai", "base_url": "http://me:secret@there/v1"}, "engine.base_url: .*remove name and password"),
        ({"name": "openai", "base_url": "http://there:port/v1"}, "engine.base_url: "),
    ],
)
def test_wrong_settings_are_told_in_one_line(engine: dict[str, str], line: str) -> None:
    with pytest.raises(UserError, match=line) as told:
        load_pipeline("demo", engine=engine)
    assert "\n" not in str(told.value)
