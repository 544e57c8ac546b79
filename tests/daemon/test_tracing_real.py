"""A trace held against the access log of a server that is not ours: nginx."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.daemon.test_metering import press
from tests.daemon.test_tracing import RUNS, WITHIN_S, Logged, close, desk_with, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx on PATH"),
]

CONF = """\
daemon off;
pid {folder}/pid;
user root;
error_log {folder}/error.log;
events {{}}
http {{
  log_format times '$msec $request_time $status $http_traceparent $request_uri';
  access_log {folder}/access.log times;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/a; uwsgi_temp_path {folder}/b; scgi_temp_path {folder}/c;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass {behind}; proxy_buffering off; }}
  }}
}}
"""


@contextlib.contextmanager
def nginx(folder: Path, behind: str) -> Iterator[str]:
    """In front of ``behind``; its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir()
    (folder / "conf").write_text(CONF.format(folder=folder, port=port, behind=behind))
    server = subprocess.Popen(["nginx", "-c", folder / "conf", "-e", folder / "error.log"])
    try:
        until = time.monotonic() + 10
        while True:
            with socket.socket() as trying:
                if not trying.connect_ex(("127.0.0.1", port)):
                    break
            assert server.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def log_of(folder: Path) -> tuple[float, float, str, str]:
    """Unix times of the beginning and the end, the status and the traceparent."""
    (line,) = [line for line in (folder / "access.log").read_text().splitlines() if "chat" in line]
    ended, took, status, parent, _ = line.split()
    return float(ended) - float(took), float(ended), status, parent


async def test_a_failover(tmp_path: Path) -> None:
    """nginx counts in whole milliseconds; a run on a machine that is busy with others counts
    nothing, but for the cause: one of RUNS has to be exact."""
    worst = []
    for run in range(RUNS):
        bad, good = Logged("status", wait=0.1), Logged(wait=0.05)
        folders = [tmp_path / f"{name}{run}" for name in ("bad", "good")]
        async with served(bad, good):
            with nginx(folders[0], bad.url) as first, nginx(folders[1], good.url) as second:
                fronts = Logged(url=first), Logged(url=second)
                desk = desk_with(*fronts)
                await press(desk, "list files")
                await close(desk)
        (trace,) = desk.traces()
        assert [one["cause"] for one in trace["attempts"]] == ["status", ""]
        assert [log_of(folder)[2] for folder in folders] == ["500", "200"]
        differences = []
        for attempt, folder in zip(trace["attempts"], folders, strict=True):
            began, ended, _, parent = log_of(folder)
            assert parent == f"00-{trace['trace_id']}-{attempt['span_id']}-01"
            here = trace["at"] + attempt["began_ms"] / 1000
            differences += [here - began, here + attempt["elapsed_ms"] / 1000 - ended]
        worst.append(max(map(abs, differences)))
        if worst[-1] <= WITHIN_S:
            return
    pytest.fail(f"off by, in seconds: {worst}")
