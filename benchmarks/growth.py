"""Whether a daemon grows: memory and series after thousands of requests.

    python -m benchmarks.growth [--requests 10000]

The real daemon as a process of its own, its metrics on a port, a server of the OpenAI protocol on
another; each request has other words and comes over the socket that shells use. The first three
tenths fill what is kept (200 traces, 100 answers, 2,000 entries of the history); from there
memory and series are to stay where they are. The control is what two of the later tenths differ by.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.daemon import rss_mb
from tests.daemon.test_wire import record
from tests.fakes.in_thread import in_thread
from tests.fakes.openai_server import FakeOpenAI

DAEMON = [sys.executable, "-I", "-m", "cmdai_shell.daemon", "run"]
FULL = 3
"""Tenths until all that is bounded is full."""
BUDGET_MB = 1.0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def ask(path: Path, line: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(path))
        client.sendall(record(line=line))
        while client.recv(65_536):
            pass


def series(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return sum(not line.startswith(b"#") for line in answer.read().splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=10_000)
    given = parser.parse_args()
    port = free_port()
    with (
        contextlib.ExitStack() as stack,
        tempfile.TemporaryDirectory(prefix="cmdai-", dir="/tmp") as folder,
    ):
        names = ("CONFIG", "DATA", "CACHE", "LOG", "RUNTIME")
        environ = {**os.environ, **{f"CMDAI_{name}_DIR": folder for name in names}}
        environ |= {"CMDAI_METRICS_ENABLED": "true", "CMDAI_METRICS_PORT": str(port)}
        environ |= {"CMDAI_MDNS": "false", "HOME": folder}
        server = FakeOpenAI("vllm")
        url = stack.enter_context(in_thread(server.app()))
        (Path(folder) / "config.toml").write_text(f"[environments.lab]\nendpoints = ['{url}']\n")
        daemon = subprocess.Popen(DAEMON, env=environ, stderr=subprocess.DEVNULL)
        try:
            hook = Path(folder) / "hook.sock"
            until = time.monotonic() + 20
            while not hook.exists():
                if time.monotonic() > until:
                    raise SystemExit("no daemon")
                time.sleep(0.02)
            measure(daemon.pid, hook, port, given.requests)
        finally:
            daemon.terminate()
            daemon.wait(20)


def measure(pid: int, hook: Path, port: int, requests: int) -> None:
    kept: list[tuple[float, int]] = []
    for tenth in range(10):
        began = time.perf_counter()
        for number in range(requests // 10):
            ask(hook, f"words {tenth} {number}")
        pace = (time.perf_counter() - began) / (requests // 10) * 1000
        kept.append((rss_mb(pid), series(port)))
        count = (tenth + 1) * (requests // 10)
        print(
            f"{count:6} requests: {kept[-1][0]:6.1f} MB, {kept[-1][1]} series, {pace:.1f} ms each"
        )
    (first, series_first), (last, series_last) = kept[FULL - 1], kept[-1]
    noise = abs(kept[-1][0] - kept[-2][0])
    print(
        f"grown since it was full by {last - first:+.1f} MB (of {BUDGET_MB:g}; the last two tenths "
        f"differ by {noise:.1f}) "
        f"and {series_last - series_first:+d} series (of 0)"
    )


if __name__ == "__main__":
    main()
