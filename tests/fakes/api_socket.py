"""A daemon's ``api.sock`` that tells whatever status a test wants told."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from cmdai_shell.config import paths

if TYPE_CHECKING:
    from collections.abc import Iterator


class Told:
    """``status`` may be changed at any time; ``asked`` is every request that was not for it."""

    def __init__(self, status: dict[str, Any]) -> None:
        self.status = status
        self.traces: list[dict[str, Any]] = []
        self.asked: list[tuple[str, Any]] = []
        self.served = 0


@contextlib.contextmanager
def api_socket(status: dict[str, Any]) -> Iterator[Told]:
    """While open, clients of the runtime folder find a daemon there."""
    told = Told(status)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.served += 1
            is_traces = self.path.startswith("/v1/traces")
            self._answer({"traces": told.traces} if is_traces else told.status)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told.asked.append((self.path, json.loads(body or b"null")))
            self._answer(json.loads(body or b"{}") | {"url": "http://192.168.1.77:8000"})

        def _answer(self, document: object) -> None:
            data = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def address_string(self) -> str:
            return "unix"

        def log_message(self, *_: object) -> None: ...

    path = paths.api_socket()
    path.unlink(missing_ok=True)
    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join(10)
            path.unlink(missing_ok=True)
