"""A server with vLLM's API that gives the answers of a function and remembers the questions."""

from __future__ import annotations

import json
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from videostar.models.chat import Chat, Turn
from videostar.models.load import load_processor
from videostar.models.sizes import largest_clip
from videostar.pipeline_files import load_pipeline

_FIRST = "What is shown?"  # the prompt that an engine sends first
_FRAMES = 2


@dataclass
class ScriptedServer:
    """What the server was asked, and how a command uses it."""

    model: Path
    url: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def settings(self) -> list[str]:
        """Options of a command whose questions go to the server."""
        settings = {
            "model": self.model,
            "engine.name": "openai",
            "engine.base_url": self.url,
            "video.frames": _FRAMES,
            "generation.max_new_tokens": 300,
        }
        return [
            "--pipeline",
            "embedded",
            *(w for name, value in settings.items() for w in ("--set", f"{name}={value}")),
        ]


@contextmanager
def scripted_server(
    model: Path, answer: Callable[[str, int | None], str], blind: Callable[[str], str] | None = None
) -> Iterator[ScriptedServer]:
    """`answer` gets the question and the seed (None: greedy) of each request; `model` is a small downloaded model.

    `blind`, if it is given, answers the requests whose frames are plain.
    """
    scripted = ScriptedServer(model)
    settings = load_pipeline("embedded", model=str(model), video={"frames": _FRAMES})
    chat = Chat(load_processor(settings.spec))
    first = chat.prompts([Turn(_FIRST, [largest_clip(settings.video)])])["input_ids"][0].tolist()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send({"data": [{"id": "tiny", "root": str(model), "parent": None, "max_model_len": 4096}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            video, text = body["messages"][0]["content"]
            question = text["text"]
            reply = "x"
            if question != _FIRST:
                scripted.asked.append(question)
                is_blind = blind is not None and _is_plain(video["video_url"]["url"])
                reply = blind(question) if is_blind else answer(question, body.get("seed"))
            tokens = chat.processor.tokenizer(reply)["input_ids"]
            self._send({"prompt_token_ids": first, "choices": [{"token_ids": tokens}]})

        def _send(self, reply: dict[str, Any]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(reply).encode())

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        scripted.url = f"http://127.0.0.1:{http.server_port}/v1"
        yield scripted
        http.shutdown()


def _is_plain(url: str) -> bool:
    """Whether all pixels of a video are equal."""
    pictures = (Image.open(BytesIO(b64decode(one))) for one in url.partition(",")[2].split(","))
    return len({extremes for picture in pictures for band in picture.getextrema() for extremes in band}) == 1
