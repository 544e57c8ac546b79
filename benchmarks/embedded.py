"""The embedded engine beside llama.cpp's own benchmark: same model, same threads, same run.

    python benchmarks/embedded.py [--model FILE] [--threads N] [--llama-bench FILE] [--rounds N]

Prints decode tokens a second and time to first token as ratios to ``llama-bench`` (interleaved, so
that both see the same machine), what prefix and disk state save, how cost grows with the request,
and how much longer a press takes beside a busy loop on every core. Budgets: DESIGN section 15.
``llama-bench`` is part of llama.cpp; use the version that llama-cpp-python was built from. Without
it the absolute figures are printed alone. ``--spin`` gives it llama.cpp's own thread waiting
instead of our passive one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cmdai_shell.backends.embedded import threads
from cmdai_shell.backends.embedded.catalog import ModelFile
from cmdai_shell.backends.embedded.child import environment
from cmdai_shell.backends.embedded.engine import EmbeddedBackend
from cmdai_shell.core import Prompt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TOKENS = 24
EXAMPLES = (
    ("list files by size", "ls -lS"),
    ("find python files changed today", "find . -name '*.py' -mtime -1"),
    ("how full are the disks", "df -h"),
    ("count the lines of all text files", "wc -l *.txt"),
) * 3
PROMPT = Prompt(
    system="Translate the request into one shell command. Answer with the command only.",
    examples=EXAMPLES,
    user="print the numbers from one to forty, each with an echo command of its own",
    max_tokens=TOKENS,
)
WORDS = "please find every large log file below this folder and show owner size and date of it "


@dataclass
class Press:
    """One answer: seconds to its first text and to its end, and the engine's own count."""

    first: float
    whole: float
    decode_tps: float
    evaluated: int


async def press(backend: EmbeddedBackend, prompt: Prompt) -> Press:
    started = time.perf_counter()
    first = 0.0
    async for piece in backend.stream(prompt, 600):
        if isinstance(piece, str) and not first:
            first = time.perf_counter() - started
    whole, status = time.perf_counter() - started, backend.status()
    return Press(first or whole, whole, status.last_decode_tps, status.last_prompt_tokens_evaluated)


class Control:
    """llama-bench, one repetition a call."""

    def __init__(self, program: str, model: Path, count: int, *, spin: bool) -> None:
        self._fixed = [program, "-m", str(model), "-t", str(count), "-fa", "1", "-ngl", "0"]
        self._environ = dict(os.environ) if spin else environment()

    def rate(self, *, prompt: int = 0, generate: int = 0, depth: int = 0) -> float:
        """Tokens a second."""
        sizes = ["-p", str(prompt), "-n", str(generate), "-d", str(depth), "-r", "1", "-o", "json"]
        out = subprocess.run(
            [*self._fixed, *sizes], env=self._environ, capture_output=True, check=True
        )
        return float(json.loads(out.stdout)[0]["avg_ts"])


def row(name: str, values: Sequence[float], unit: str = "", budget: str = "") -> None:
    ordered = sorted(values)
    p90 = ordered[min(len(ordered) - 1, round(0.9 * len(ordered)))]
    print(
        f"{name:<52} p50 {statistics.median(ordered):8.3f}  min {ordered[0]:8.3f}"
        f"  p90 {p90:8.3f}  max {ordered[-1]:8.3f} {unit:<5} n={len(ordered)}  {budget}",
        flush=True,
    )


async def beside_llama_bench(backend: EmbeddedBackend, control: Control | None, rounds: int) -> int:
    """The number of tokens in the prefix."""
    whole = (await press(backend, PROMPT)).evaluated
    prefix = whole - (await press(backend, PROMPT)).evaluated
    ours, theirs, first, reading = [], [], [], []
    for _ in range(rounds):
        one = await press(backend, PROMPT)
        if one.decode_tps:
            ours.append(one.decode_tps)
            first.append(one.first)
        if control:
            theirs.append(control.rate(generate=TOKENS, depth=whole))
            reading.append(one.evaluated / control.rate(prompt=one.evaluated, depth=prefix))
    row(f"decode after {whole} tokens, ours", ours, "tok/s")
    row(f"first token of {one.evaluated} own tokens, ours", first, "s")
    if control:
        row("decode, llama-bench", theirs, "tok/s")
        row(f"{one.evaluated} tokens after {prefix}, llama-bench", reading, "s")
        medians = [statistics.median(x) for x in (ours, theirs, first, reading)]
        print(f"RATIO decode {medians[0] / medians[1]:.3f}  (budget: at least 0.95)")
        print(f"RATIO first token {medians[2] / medians[3]:.3f}  (budget: at most 1.2)")
    return prefix


async def growing_request(backend: EmbeddedBackend, control: Control | None, depth: int) -> None:
    words = (WORDS * 40).split()
    for count in (8, 25, 50, 100, 200, 400):
        request = replace(PROMPT, user=f"{count}: {' '.join(words[:count])}", max_tokens=1)
        one = await press(backend, request)
        theirs = control.rate(prompt=one.evaluated, depth=depth) if control else 0.0
        cost = one.evaluated / theirs if theirs else 0.0
        ratio = f"llama-bench {cost:6.3f} s  ratio {one.whole / cost:.2f}" if cost else ""
        print(
            f"  {count:4} words {one.evaluated:5} tokens  {one.whole:7.3f} s  {ratio}", flush=True
        )


async def cancelling(backend: EmbeddedBackend, rounds: int) -> None:
    """How long the next request waits for one that was cancelled while its 500 words were read."""
    once = replace(PROMPT, max_tokens=1)
    late = []
    for number in range(rounds):
        usual = (await press(backend, once)).whole
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await press(backend, replace(PROMPT, user=f"{number} {WORDS * 30}"))
        late.append((await press(backend, once)).whole - usual)
    row("after a cancelled request, longer than usual by", late, "s", "(budget: 0.15 idle)")


async def saved_work(make: Make, rounds: int) -> None:
    """A press as the very first thing: without any state, with the state on disk, and kept."""
    once = replace(PROMPT, max_tokens=1)
    for name, state in (("no state on disk", False), ("state on disk", True)):
        times = []
        for _ in range(rounds):
            backend = make.backend(keep_state=state)
            times.append((await press(backend, once)).whole)
            await backend.aclose()
        row(f"start, load, first token: {name}", times[1:] if state else times, "s")
    backend = make.backend(keep_state=True)
    await press(backend, once)
    row(
        "first token: prefix kept", [(await press(backend, once)).whole for _ in range(rounds)], "s"
    )
    other = replace(once, system=once.system + " Be brief.")
    await press(backend, other)
    swaps = [await press(backend, p) for _ in range(rounds) for p in (once, other)]
    row("first token: another prefix, from disk", [swap.whole for swap in swaps], "s")
    await backend.aclose()


async def beside_busy_loops(backend: EmbeddedBackend, count: int, rounds: int) -> None:
    await press(backend, PROMPT)
    idle = [(await press(backend, PROMPT)).whole for _ in range(rounds)]
    plain = [plain_work(count) for _ in range(rounds)]
    with busy_loops():
        busy = [(await press(backend, PROMPT)).whole for _ in range(rounds)]
        plain_busy = [plain_work(count) for _ in range(rounds)]
    row("a press, idle", idle, "s")
    row("a press, a busy loop on every core", busy, "s")
    shares = statistics.median(plain_busy) / statistics.median(plain)
    ratio = statistics.median(busy) / statistics.median(idle)
    print(
        f"RATIO busy {ratio:.2f}  (budget: at most 2.5; independent threads of work: {shares:.2f})"
    )


def plain_work(count: int) -> float:
    """Seconds for arithmetic in as many threads that never wait for each other."""
    data = bytes(1 << 20)

    def work() -> None:
        for _ in range(300):
            hashlib.blake2b(data).digest()

    workers = [threading.Thread(target=work) for _ in range(count)]
    started = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - started


@contextlib.contextmanager
def busy_loops() -> Iterator[None]:
    loops = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(os.cpu_count() or 1)]
    for loop in loops:
        loop.start()
    time.sleep(0.5)
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.join()


def _spin() -> None:
    while True:
        pass


class Make:
    """Engines on one model."""

    def __init__(self, path: Path, count: int, scratch: Path) -> None:
        self._file = ModelFile(
            id=path.stem, path=path, sha256="benchmark", size=0, template="", licence=""
        )
        self._count, self._scratch = count, scratch

    def backend(self, *, keep_state: bool = True) -> EmbeddedBackend:
        return EmbeddedBackend(
            model=lambda: self._file,
            threads=self._count,
            context_tokens=2048,
            idle_unload_s=0,
            cache_dir=self._scratch if keep_state else Path("/dev/null/nowhere"),
            clock=time.monotonic,
        )


async def run(arguments: argparse.Namespace, scratch: Path) -> None:
    count = arguments.threads or threads.default()
    program = arguments.llama_bench or shutil.which("llama-bench")
    control = Control(program, arguments.model, count, spin=arguments.spin) if program else None
    print(f"model {arguments.model.name}, {count} threads, load {os.getloadavg()[0]:.1f}")
    print(f"control: {program or 'none, no llama-bench on PATH'}\n")
    make = Make(arguments.model, count, scratch)
    backend = make.backend()
    try:
        prefix = await beside_llama_bench(backend, control, arguments.rounds)
        print("\nfirst token as the request grows")
        await growing_request(backend, control, prefix)
        await cancelling(backend, arguments.rounds)
        print("\nbeside other work")
        await beside_busy_loops(backend, count, arguments.rounds)
    finally:
        await backend.aclose()
    print("\nwhat prefix and state save")
    await saved_work(make, max(3, arguments.rounds // 3))


def chosen_model() -> Path:
    from cmdai_shell.backends.embedded.store import Store
    from cmdai_shell.config import load, paths

    return Store(paths.data_dir()).chosen(load().embedded.model).path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="a GGUF file; default: the model in use")
    parser.add_argument("--threads", type=int, default=0, help="default: as the engine chooses")
    parser.add_argument("--llama-bench", help="default: the one on PATH")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--spin", action="store_true", help="llama-bench with its own waiting")
    arguments = parser.parse_args()
    arguments.model = arguments.model or chosen_model()
    with tempfile.TemporaryDirectory(prefix="cmdai-benchmark-") as scratch:
        asyncio.run(run(arguments, Path(scratch)))


if __name__ == "__main__":
    main()
