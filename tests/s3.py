"""A server that speaks S3 on loopback, whose requests are counted, and which can fail."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

#: What answers in place of the store, given the method, the path, and the store's own answer.
#: A ConnectionResetError ends the connection.
Fault = Callable[[str, str, Iterable[bytes]], Iterable[bytes]]
BUCKET = "clips"


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        """No line for each request."""


class S3:
    """The server, with one bucket."""

    def __init__(self, config: Path) -> None:
        """`config` is the file in which clients look up the server and the credentials."""
        self._store = DomainDispatcherApplication(create_backend_app)
        self.requests: Counter[tuple[str, str]] = Counter()  # by method and path, such as GET /clips/videos/a.mp4
        self.fault: Fault | None = None
        self._config = config
        self._start(0)
        self.client: Any = boto3.client(
            "s3", endpoint_url=self.url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        self.client.create_bucket(Bucket=BUCKET)
        self.credentials()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}"

    def _start(self, port: int) -> None:
        self._server = make_server("127.0.0.1", port, self._answer, threaded=True, request_handler=_Quiet)
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Be gone, until `start`."""
        self._server.shutdown()
        self._server.server_close()

    def start(self) -> None:
        """Be there again, at the same address."""
        self._start(self._server.port)

    def credentials(self, *, there: bool = True) -> None:
        """Have clients find the server, with credentials or without."""
        keys = "aws_access_key_id = a\naws_secret_access_key = b\n" if there else ""
        self._config.write_text(f"[default]\nregion = us-east-1\nendpoint_url = {self.url}\nmax_attempts = 2\n{keys}")

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def put_folder(self, folder: Path, prefix: str) -> None:
        """Every video of a folder, below the prefix."""
        for file in sorted(folder.rglob("*.mp4")):
            self.put(f"{prefix}/{file.relative_to(folder).as_posix()}", file.read_bytes())

    def clear(self) -> None:
        """No objects, requests or faults."""
        self.fault = None
        while found := self.client.list_objects_v2(Bucket=BUCKET).get("Contents"):
            self.client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": each["Key"]} for each in found]})
        self.requests.clear()
        self.credentials()

    def fetched(self) -> Counter[str]:
        """How often each object was fetched."""
        found: Counter[str] = Counter()
        for (method, path), count in self.requests.items():
            if method == "GET" and not path.endswith(f"/{BUCKET}"):
                found[path.removeprefix(f"/{BUCKET}/")] += count
        return found

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.requests[method, path] += 1
        answer = self._store(environ, start_response)
        return self._with_fault(method, path, answer, environ["werkzeug.socket"]) if self.fault else answer

    def _with_fault(
        self, method: str, path: str, answer: Iterable[bytes], connection: socket.socket
    ) -> Iterator[bytes]:
        try:
            assert self.fault is not None
            yield from self.fault(method, path, answer)
        except ConnectionResetError:
            connection.shutdown(socket.SHUT_RDWR)
            raise


def cut(answer: Iterable[bytes]) -> Iterator[bytes]:
    """Half of an answer, and then the connection ends."""
    content = b"".join(answer)
    yield content[: len(content) // 2]
    raise ConnectionResetError
