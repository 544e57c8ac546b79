"""What the daemon costs: start until it accepts, memory and wake-ups when idle, beside controls.

    python benchmarks/daemon.py [--runs 20] [--seconds 20]

Accept: from starting the process to the first connection that succeeds. Controls: the interpreter
doing nothing (``python -I -c pass``), and a bare asyncio server on a Unix socket, the least that a
Python daemon can be. Wake-ups are voluntary context switches of all threads, from /proc. The daemon
runs without a model (its worker is another process, and unloaded when idle).
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = """
import asyncio, sys
async def main():
    server = await asyncio.start_unix_server(lambda r, w: w.close(), sys.argv[1])
    await server.serve_forever()
asyncio.run(main())
"""
ACCEPT_BUDGET_MS, RSS_BUDGET_MB, WAKEUPS_BUDGET = 200, 70, 1


def accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def wait_for(path: Path, since: float) -> float:
    """Milliseconds from ``since`` until a connection succeeds."""
    while not accepts(path):
        if time.perf_counter() - since > 20:
            raise SystemExit(f"nothing listens on {path}")
        time.sleep(0.0005)
    return (time.perf_counter() - since) * 1000


def run_nothing() -> float:
    """Milliseconds for an interpreter that does nothing."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
    return (time.perf_counter() - began) * 1000


def rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def wakeups(pid: int) -> int:
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        for line in status.read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total


def idle(pid: int, seconds: float) -> tuple[float, float]:
    """Megabytes, and wake-ups a second over ``seconds``."""
    before = wakeups(pid)
    time.sleep(seconds)
    return rss_mb(pid), (wakeups(pid) - before) / seconds


class Daemon:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "run" / "hook.sock"
        self.command = [sys.executable, "-I", "-m", "cmdai_shell.daemon"]
        self.env = {**os.environ, "CMDAI_RUNTIME_DIR": str(folder / "run")}
        for kind in ("CONFIG", "DATA", "CACHE", "LOG"):
            self.env[f"CMDAI_{kind}_DIR"] = str(folder / kind.lower())

    def start(self) -> tuple[float, float]:
        """Milliseconds until it accepts, and until the start command has returned."""
        began = time.perf_counter()
        starter = subprocess.Popen([*self.command, "start"], env=self.env)
        accepted = wait_for(self.socket, began)
        if starter.wait():
            raise SystemExit("the daemon did not start")
        return accepted, (time.perf_counter() - began) * 1000

    def answered(self) -> float:
        """Milliseconds until a ping that was sent at once is answered: every import done."""
        began = time.perf_counter()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.socket))
            client.sendall(b"v=1\x1fop=ping\x1fline=\x1e")
            while client.recv(4096):
                pass
        return (time.perf_counter() - began) * 1000

    def stop(self) -> None:
        subprocess.run([*self.command, "stop"], env=self.env, check=True)

    @property
    def pid(self) -> int:
        return int((self.folder / "run" / "daemon.lock").read_text())

    def use_api(self) -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.folder / "run" / "api.sock"))
            client.sendall(b"GET /v1/status HTTP/1.0\r\n\r\n")
            while client.recv(4096):
                pass


def bare(path: Path) -> tuple[subprocess.Popen[bytes], float]:
    path.unlink(missing_ok=True)
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-I", "-c", BARE, str(path)])
    return process, wait_for(path, began)


def show(name: str, values: list[float], control: float = 0, unit: str = "ms") -> None:
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    middle = statistics.median(values)
    ratio = f"  {middle / control:5.2f} x control" if control else ""
    print(f"{name:<44} p50 {middle:7.1f}  p95 {p95:7.1f}  max {ordered[-1]:7.1f} {unit}{ratio}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--runs", type=int, default=20)
    arguments.add_argument("--seconds", type=float, default=20)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="cmdai-bench-", dir="/tmp") as name:
        measure(Path(name), options.runs, options.seconds)


def measure(folder: Path, runs: int, seconds: float) -> None:
    nothing, control, accepted, returned, answered = [], [], [], [], []
    daemon = Daemon(folder)
    for _ in range(runs):
        nothing.append(run_nothing())
        process, took = bare(folder / "bare.sock")
        control.append(took)
        process.terminate()
        process.wait()
        accepts_ms, returns_ms = daemon.start()
        accepted.append(accepts_ms)
        returned.append(returns_ms)
        answered.append(returns_ms + daemon.answered())
        daemon.stop()
    base = statistics.median(control)
    print(f"load {os.getloadavg()[0]:.1f}, {runs} runs, Python {sys.version.split()[0]}")
    show("control: python -I -c pass", nothing)
    show("control: bare asyncio server accepts", control)
    show(f"daemon accepts (budget {ACCEPT_BUDGET_MS} ms)", accepted, base)
    show("daemon start returns to the hook", returned, base)
    show("first ping answered, start included", answered, base)
    process, _ = bare(folder / "bare.sock")
    daemon.start()
    daemon.answered()
    time.sleep(2)
    bare_mb, bare_wakes = idle(process.pid, seconds)
    mb, wakes = idle(daemon.pid, seconds)
    daemon.use_api()
    api_mb, api_wakes = idle(daemon.pid, seconds)
    process.send_signal(signal.SIGTERM)
    process.wait()
    daemon.stop()
    print(
        f"{'idle, control: bare asyncio server':<44} {bare_mb:6.1f} MB  {bare_wakes:.2f} wake-ups/s"
    )
    for what, size, rate in (("daemon", mb, wakes), ("daemon, API used once", api_mb, api_wakes)):
        label = f"idle, {what}"
        ratio = f"{size / bare_mb:.2f} x control"
        print(f"{label:<44} {size:6.1f} MB  {rate:.2f} wake-ups/s  {ratio}")
    print(f"budgets: {RSS_BUDGET_MB} MB, {WAKEUPS_BUDGET} wake-up/s")


if __name__ == "__main__":
    main()
