"""What a hook adds to the start of a shell: time to the first prompt, and processes.

    python benchmarks/new_shell.py [--shell zsh] [--rounds 50]

Shells with and without the hook are started in turn under a pseudo-terminal. Processes are counted
by the kernel's own counter of forks (Linux, /proc/stat): the least over all rounds, because other
programs only ever add to it. Budget: DESIGN section 15.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from terminal import Lab, PtyShell

from cmdai_shell.hooks.render import SHELLS

if TYPE_CHECKING:
    from cmdai_shell.core import Shell

BUDGET_MS = 3
KERNEL = Path("/proc/stat")


def forks() -> int:
    """Processes started since the machine was; 0 where no kernel counts them for us."""
    if not KERNEL.exists():
        return 0
    return next(int(line.split()[1]) for line in KERNEL.open() if line.startswith("processes"))


def bench(lab: Lab, shell: Shell, rounds: int) -> None:
    homes = {
        "without": lab.home(shell, "without", "", with_hook=False),
        "with": lab.home(shell, "with", ""),
    }
    seconds: dict[str, list[float]] = {name: [] for name in homes}
    started: dict[str, list[int]] = {name: [] for name in homes}
    for turn in range(-2, rounds):  # two to warm up
        for name, home in homes.items():
            before = forks()
            terminal = PtyShell(shell, home, lab.environment)
            count = forks() - before
            terminal.close()
            if turn >= 0:
                seconds[name].append(terminal.start_seconds * 1000)
                started[name].append(count)
    plain, hooked = (statistics.median(seconds[name]) for name in ("without", "with"))
    pairs = [b - a for a, b in zip(seconds["without"], seconds["with"], strict=True)]
    added = statistics.median(pairs)
    processes = min(started["with"]) - min(started["without"])
    verdict = "within" if added <= BUDGET_MS and processes == 0 else "OVER"
    print(
        f"{shell:<6}{plain:9.2f}{hooked:9.2f}{hooked / plain:8.2f}x{added:+9.2f}"
        f"{statistics.quantiles(pairs, n=20)[-1]:+9.2f}{processes:+7d}   "
        f"{verdict} +{BUDGET_MS} ms, no process"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shell", choices=SHELLS, action="append", help="only this one")
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    lab = Lab()
    try:
        load = os.getloadavg()[0]
        print(f"{options.rounds} rounds, {os.cpu_count()} cores, load {load:.1f} at the start (ms)")
        print("        without     with   ratio    added      p95  forks")
        for shell in options.shell or [shell for shell in SHELLS if shutil.which(shell)]:
            bench(lab, shell, options.rounds)
    finally:
        lab.close()


if __name__ == "__main__":
    main()
