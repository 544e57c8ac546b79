"""Key to reply, all but the model's time: each hook in a real shell, against an instant model.

    python benchmarks/keypress.py [--shell bash] [--presses 200] [--growth-presses 20]

A press is measured at the terminal: from writing the key until the suggestion stands on the line
with its message and nothing more is drawn. The control, interleaved in the same shell, is a key
whose function only puts the same text on the line; the overhead is the difference. Then the same
with more shells open, longer requests and longer histories: each of these rows has 5 s, and ends at
the first press without a reply within 5 s; what 55 s a shell do not suffice for is left out.
Budgets: DESIGN section 15.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import time
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from terminal import PATIENCE, Lab, PtyShell

from cmdai_shell.config.schema import Suggest
from cmdai_shell.hooks.render import SHELLS

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.core import Shell

BUDGET_MS = {"bash": (5, 15), "zsh": (2, 10), "fish": (5, 15)}  # p50, p99
CACHED_BUDGET_MS = 5
ANSWER = "ls -la"  # the scripted model's answer to "list files"
DRAWN = b"-la"  # of the answer: what no shell finds on the screen already
KEY, CONTROL, FILL, CLEAR = b"\x07", b"\x14", b"\x0f", b"\x15"

RC = {
    "bash": f"""
control() {{ READLINE_LINE='{ANSWER}' READLINE_POINT=99; }}
fill() {{ READLINE_LINE=$(<~/fill) READLINE_POINT=99999; }}
bind -x '"\\C-t": control'; bind -x '"\\C-o": fill'
""",
    "zsh": f"""
control() {{ BUFFER='{ANSWER}' CURSOR=99 }}; zle -N control; bindkey '^T' control
fill() {{ BUFFER=$(<~/fill) CURSOR=99999 }}; zle -N fill; bindkey '^O' fill
""",
    "fish": f"""
function control; commandline -r -- '{ANSWER}'; commandline -f repaint; end; bind \\ct control
function fill; commandline -r -- (cat ~/fill); commandline -f repaint; end; bind \\co fill
""",
}
HISTORY = {
    "bash": (".bash_history", "echo {}\n", "HISTSIZE=1000000\n"),
    "zsh": (".zhistory", "echo {}\n", "HISTFILE=~/.zhistory HISTSIZE=1000000 SAVEHIST=1000000\n"),
    "fish": (".local/share/fish/fish_history", "- cmd: echo {}\n  when: 1\n", ""),
}
LEAST = 2
"""Presses that percentiles can be told of."""
ROW_S, GROWTH_S = 5.0, 55.0
"""Seconds for a row of growth, and for each press of it; for all of them, in one kind of shell."""
fresh = count(1000)
"""Numbers for requests that no cache has seen."""


@dataclass
class Sample:
    """Seconds of the key and of the control."""

    key: list[float] = field(default_factory=list)
    control: list[float] = field(default_factory=list)
    trouble: str = ""
    """Why it ended early."""

    def overhead(self, q: int) -> float:
        """Milliseconds between the two percentiles."""
        return percentile(self.key, q) - percentile(self.control, q)

    def row(self, name: str, verdict: str = "") -> str:
        if len(self.key) < LEAST:
            return f"  {name:<26} {self.trouble or 'too few presses'}"
        verdict = "; ".join(filter(None, [verdict, self.trouble]))
        key, control = percentile(self.key, 50), percentile(self.control, 50)
        return (
            f"  {name:<26}{control:8.2f}{key:8.2f}{key / control:7.1f}x"
            + "".join(f"{self.overhead(q):8.2f}" for q in (50, 95, 99))
            + f"  {verdict}"
        )


def percentile(seconds: list[float], q: int) -> float:
    return statistics.quantiles(seconds, n=100, method="inclusive")[q - 1] * 1000


def measure(
    terminal: PtyShell,
    home: Path,
    presses: int,
    *,
    length: int = 0,
    cached: bool = False,
    seconds: float = float("inf"),
) -> Sample:
    """Presses and controls in turn; each begins on a line that was typed (or filled) and drawn.
    It ends after ``seconds``, or with the first one that is not answered: then that shell is of no
    more use."""
    sample, end = Sample(), time.perf_counter() + seconds
    terminal.patience = min(PATIENCE, seconds)
    try:
        _press(terminal, home, presses, length, cached, end, sample)
    except (TimeoutError, OSError) as error:
        number = len(sample.key) + 1
        sample.trouble = f"press {number} had no reply in {terminal.patience:.0f} s"
        if not isinstance(error, TimeoutError):
            sample.trouble = f"the shell ended at press {number}"
    return sample


def _press(
    terminal: PtyShell,
    home: Path,
    presses: int,
    length: int,
    cached: bool,
    end: float,
    sample: Sample,
) -> None:
    for turn in range(-2, presses):  # two to warm up
        if time.perf_counter() > end:
            sample.trouble = f"{len(sample.key)} presses in {terminal.patience:.0f} s"
            return
        for key, times in ((CONTROL, sample.control), (KEY, sample.key)):
            words = "list files" if cached else f"list files {next(fresh)}"
            (home / "fill").write_text(words + "x" * (length - len(words)))
            terminal.send(CLEAR)
            terminal.settle()
            terminal.send(FILL)
            terminal.settle()
            wanted = (DRAWN, b"cmdai: ") if key == KEY else (DRAWN,)
            seconds = terminal.press(key, *wanted)
            if turn >= 0:
                times.append(seconds)


def within(sample: Sample, p50: float, p99: float) -> str:
    ok = sample.overhead(50) <= p50 and sample.overhead(99) <= p99
    return f"{'within' if ok else 'OVER'} p50 {p50:g} p99 {p99:g}"


def bench(lab: Lab, shell: Shell, presses: int, growth: int) -> None:
    print(f"\n{shell}{'':<{28 - len(shell)}} control     key  ratio  +p50    +p95    +p99   (ms)")
    home = lab.home(shell, "plain", RC[shell])
    shells = [PtyShell(shell, home, lab.environment)]
    sample = measure(shells[0], home, presses)
    print(sample.row("new request", within(sample, *BUDGET_MS[shell])), flush=True)
    sample = measure(shells[0], home, presses, cached=True)
    print(sample.row("cached answer", within(sample, CACHED_BUDGET_MS, float("inf"))), flush=True)
    shells[0].close()
    if growth:
        grow(lab, shell, growth)


def grow(lab: Lab, shell: Shell, presses: int) -> None:
    """Rows until the time is over; a shell that failed is replaced."""
    end = time.perf_counter() + GROWTH_S
    home = lab.home(shell, "plain", RC[shell])
    shells = [PtyShell(shell, home, lab.environment)]

    def row(name: str, home: Path, **more: int) -> None:
        seconds = min(ROW_S, end - time.perf_counter())
        if seconds <= 0:
            print(f"  {name:<26} left out: {GROWTH_S:.0f} s are over", flush=True)
            return
        sample = measure(shells[0], home, presses, seconds=seconds, **more)
        print(sample.row(name), flush=True)
        if sample.trouble:
            shells[0].close()
            shells[0] = PtyShell(shell, home, lab.environment)

    try:
        for length in (10, 100, 1_000, 10_000, 65_536):
            row(f"request of {length}", home, length=length)
        for number in (10, 50):
            while len(shells) < number and time.perf_counter() < end:
                shells.append(PtyShell(shell, home, lab.environment))
                measure(shells[-1], home, 1, seconds=ROW_S)
            row(f"{len(shells)} shells open", home)
    finally:
        for terminal in shells:
            terminal.close()
    name, entry, rc = HISTORY[shell]
    for number in (10, 1_000, 50_000):
        home = lab.home(shell, f"history{number}", RC[shell] + rc)
        (home / name).write_text("".join(entry.format(i) for i in range(number)))
        shells = [PtyShell(shell, home, lab.environment)]
        row(f"history of {number}", home)
        shells[0].close()


def stocked(lab: Lab) -> None:
    """Until the recipes' index is made, as it is on any day but the first."""
    end = time.perf_counter() + PATIENCE
    while not [*lab.folder.glob("cache/recipes-*.sqlite")] and time.perf_counter() < end:
        time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shell", choices=SHELLS, action="append", help="only this one")
    parser.add_argument("--presses", type=int, default=200)
    parser.add_argument("--growth-presses", type=int, default=20, help="0: leave that part out")
    options = parser.parse_args()
    lab = Lab()
    lab.environment["CMDAI_RECIPES"] = str(Suggest().recipes)  # the scripted daemon leaves them out
    try:
        lab.daemon("start")
        stocked(lab)
        load = os.getloadavg()[0]
        print(
            f"{options.presses} presses a row, {os.cpu_count()} cores, load {load:.1f} at the start"
        )
        for shell in options.shell or [shell for shell in SHELLS if shutil.which(shell)]:
            bench(lab, shell, options.presses, options.growth_presses)
    finally:
        lab.close()


if __name__ == "__main__":
    main()
