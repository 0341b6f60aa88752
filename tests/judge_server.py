"""A small server with OpenAI's API that judges, and remembers what it was asked."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

#: From the data of a case to the reply: a text, or the status and the body of an error.
Reply = Callable[[dict[str, Any]], str | tuple[int, Any] | None]

_NUMBERS = count()


class JudgeServer:
    """What the server was asked: the bodies of the requests, and the data in their prompts."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.model = f"wise-{next(_NUMBERS)}"  # its replies are not those of another test
        self.bodies: list[dict[str, Any]] = []
        self.url = ""

    @property
    def cases(self) -> list[dict[str, Any]]:
        return [data_in(body["messages"][0]["content"]) for body in self.bodies]

    @property
    def settings(self) -> list[str]:
        """Options of a command that name this server."""
        return ["--set", f"judge.base_url={self.url}", "--set", f"judge.model={self.model}"]


def data_in(prompt: str) -> dict[str, Any]:
    """The data of a case: the one line of JSON in a prompt."""
    (line,) = re.findall(r"^\{.*\}$", prompt, re.MULTILINE)
    found: dict[str, Any] = json.loads(line)
    return found


@contextmanager
def judge_server(reply: Reply) -> Iterator[JudgeServer]:
    judge = JudgeServer(reply)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                judge.bodies.append(body)
            found = judge.reply(data_in(body["messages"][0]["content"]))
            status, data = found if isinstance(found, tuple) else (200, {"choices": [{"message": {"content": found}}]})
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(data).encode())

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        judge.url = f"http://127.0.0.1:{server.server_port}/v1"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield judge
        server.shutdown()
