"""What it costs the daemon to listen for servers that announce themselves, while nothing happens.

    python -m benchmarks.discovery_idle [--seconds 30] [--services 10]

As root on Linux: ten services are announced in one network namespace (by python-zeroconf, from ten
hosts' names), the mDNS source listens in another, a process of its own. Once all are listed its CPU
time and its wake-ups are taken over the seconds given. Beside it stands a control that does the
same without the source: an event loop that waits, in the same kind of process.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from tests.discovery.mdns_programs import Listener, announce, until
from tests.discovery.netlab import NetLab, missing

if TYPE_CHECKING:
    import subprocess

BUDGET_PERCENT = 0.5
"""Of a core."""
_IDLE = "import asyncio; asyncio.run(asyncio.sleep(3600))"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--services", type=int, default=10)
    asked = parser.parse_args()
    if why := missing():
        sys.exit(why)
    with NetLab() as lab:
        client = lab.host("client", home="10.77.0.100/24")
        peers = [
            {"name": f"box {n}", "host": f"box{n}", "address": f"10.77.0.{n}", "port": 8000}
            for n in range(1, asked.services + 1)
        ]
        announce(lab, lab.host("boxes", home="10.77.0.200/24"), peers)
        listener = Listener(lab, client)
        until(lambda: len(listener.there) == asked.services, 20)
        control = lab.popen(client, sys.executable, "-c", _IDLE)
        print(f"{asked.services} services listed after {listener.events[-1]['at']:.2f} s")
        for title, wait in (("just begun", 0.0), ("after that", 15.0)):
            time.sleep(wait)
            report(title, [listener.process, control], asked.seconds)
        rss = psutil.Process(listener.process.pid).memory_info().rss / 2**20
        print(f"memory of the process {rss:.0f} MB")
        if errors := listener.stop():
            sys.exit(errors)


def report(title: str, processes: list[subprocess.Popen[str]], seconds: float) -> None:
    before = [_spent(process.pid) for process in processes]
    time.sleep(seconds)
    rows = []
    for process, (cpu, wakes) in zip(processes, before, strict=True):
        cpu_after, wakes_after = _spent(process.pid)
        percent, each = 100 * (cpu_after - cpu) / seconds, (wakes_after - wakes) / seconds
        rows.append(f"{percent:.3f} % of a core, {each:.2f} wake-ups a second")
    print(f"{title}, {seconds:.0f} s: {rows[0]} (budget {BUDGET_PERCENT} %); control: {rows[1]}")


def _spent(pid: int) -> tuple[float, int]:
    """(seconds of CPU, times that it woke). The scheduler's own count: the ticks of psutil are
    10 ms long."""
    nanoseconds = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    return nanoseconds / 1e9, psutil.Process(pid).num_ctx_switches().voluntary


if __name__ == "__main__":
    main()
