"""A hub: a real HTTP(S) server with Range, redirects and faults, on a port of its own."""

from __future__ import annotations

import re
import ssl
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Hub(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, files: Mapping[str, bytes], tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files = dict(files)
        self.ranges: list[str] = []
        """The Range header of each request, in order; empty for none."""
        self.cuts: list[int] = []
        """Bytes after which the next replies break off; then none does."""
        self.ignore_range = False
        self.status = 0
        """Answer with this status and nothing else."""
        self.redirect = ""
        """Send every request on to this address, path appended."""
        self.gate = threading.Event()
        """Replies with a body wait for it; open unless a test closes it."""
        self.gate.set()
        self.stall_after: int | None = None
        """Send that much, then nothing until the gate is opened again."""
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # the other end went away: that is the test
            super().handle_error(request, client_address)


@contextmanager
def serving(files: Mapping[str, bytes], tls: ssl.SSLContext | None = None) -> Iterator[Hub]:
    """``files`` by the path of their address, "/owner/name/resolve/revision/file"."""
    hub = Hub(files, tls)
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        hub.gate.set()
        hub.shutdown()
        thread.join()
        hub.server_close()


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate for 127.0.0.1 (for ``SSL_CERT_FILE``) and a server's context."""
    import subprocess

    crt, key = folder / "hub.crt", folder / "hub.key"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    subprocess.run([*made, "-out", crt, "-keyout", key], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    return crt, context


class _Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        hub = self.server
        wanted = self.headers.get("Range", "")
        hub.ranges.append(wanted)
        if hub.redirect:
            self.send_response(302)
            self.send_header("Location", hub.redirect + self.path)
            self.end_headers()
            return
        body = hub.files.get(self.path)
        if body is None or hub.status:
            self.send_error(hub.status or 404)
            return
        start = 0
        if (found := re.fullmatch(r"bytes=(\d+)-", wanted)) and not hub.ignore_range:
            start = int(found[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        hub.gate.wait(30)
        cut = hub.cuts.pop(0) if hub.cuts else len(body)
        body = body[start : start + cut]
        if hub.stall_after is not None:
            self.wfile.write(body[: hub.stall_after])
            self.wfile.flush()
            hub.gate.clear()
            hub.gate.wait(30)
            body = body[hub.stall_after :]
        self.wfile.write(body)
