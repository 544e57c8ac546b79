"""What the router costs a request, beside a bare POST and LiteLLM's proxy, on localhost.

    python -m benchmarks.overhead [--rounds 20] [--litellm /tmp/i4n/litellm/bin/litellm]

The same body goes to the same server (a process of its own, which answers at once): by a bare
aiohttp client; by the Router, its keeper and the real adapter, as the daemon composes them; and by
the bare client through LiteLLM's proxy (one worker, in front of that server; `pip install
"litellm[proxy]"` into a venv of its own). Rounds of 25 requests of each take turns. "Added" is a
round's median less that of the bare client in the same round; shown are the median over the rounds
and their quartiles, and the CPU that each way takes for a request, which a busy machine changes
least: of the router what it adds to the bare client, of LiteLLM its own process'. Then 1, 10 and
100 requests at once.

Router and bare client share a process, and so a core; LiteLLM has another one for itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import aiohttp
import psutil

from benchmarks.faults import lab
from benchmarks.faults.stage import MODEL, Stage
from cmdai_shell.backends import connect
from cmdai_shell.backends.http import Settings
from cmdai_shell.core import Endpoint
from cmdai_shell.routing import Pool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from cmdai_shell.backends.openai import OpenAIServer

EACH = 25
AT_ONCE = (1, 10, 100)
P50_MS, P99_MS = 1.0, 5.0
LITELLM = "/tmp/i4n/litellm/bin/litellm"
LITELLM_STARTS_S = 120
LITELLM_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
}
"""It fetches nothing, writes no line for each request, and asks for no key."""

Ask: TypeAlias = "Callable[[], Awaitable[None]]"


@contextmanager
def litellm(program: str, url: str) -> Iterator[tuple[str, int]]:
    """Its proxy in front of ``url``; where it listens, or empty with the reason told, and its
    pid."""
    found = shutil.which(program)
    if not found:
        print(f"LiteLLM: skipped, {program} is not there")
        yield "", 0
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    params = {"model": f"openai/{MODEL}", "api_base": f"{url}/v1", "api_key": "none"}
    config = {"model_list": [{"model_name": MODEL, "litellm_params": params}]}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="cmdai-bench-"))
        path, log_path = Path(folder, "config.yaml"), Path(folder, "log")
        path.write_text(json.dumps(config))  # JSON is YAML
        log = stack.enter_context(log_path.open("wb"))
        process = subprocess.Popen(
            [found, "--config", path, "--host", "127.0.0.1", "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **LITELLM_ENVIRONMENT},
        )
        try:
            until = time.monotonic() + LITELLM_STARTS_S
            while time.monotonic() < until and process.poll() is None:
                with socket.socket() as probe:
                    if not probe.connect_ex(("127.0.0.1", port)):
                        break
                time.sleep(0.2)
            else:
                tail = log_path.read_text(errors="replace")[-500:]
                print(f"LiteLLM: skipped, it did not start: {tail}")
                yield "", 0
                return
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def poster(session: aiohttp.ClientSession, url: str, body: bytes) -> Ask:
    async def ask() -> None:
        kind = {"Content-Type": "application/json"}
        async with session.post(f"{url}/v1/chat/completions", data=body, headers=kind) as answer:
            whole = await answer.read()
            assert answer.status == 200, whole[:500]
            assert b" -la" in whole

    return ask


async def timed(ask: Ask, count: int, at_once: int = 1) -> list[float]:
    """Milliseconds of each."""
    times: list[float] = []
    left = iter(range(count))

    async def lane() -> None:
        for _ in left:
            begun = time.perf_counter()
            await ask()
            times.append(1000 * (time.perf_counter() - begun))

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(lane())
    return times


async def measure(options: argparse.Namespace) -> None:
    with Stage() as stage:
        url = stage.serve("quick", token_s=0.0)
        with litellm(options.litellm, url) as (proxy, pid):
            print(f"{lab.load()}, Python {sys.version.split()[0]}, {options.rounds} rounds")
            await compare(url, proxy, pid, options.rounds)
            print(lab.load())


async def compare(url: str, proxy: str, pid: int, rounds: int) -> None:
    endpoint = Endpoint(id="quick", url=url, kind="vllm", model=MODEL)
    adapter: OpenAIServer = connect(endpoint, Settings())  # type: ignore[assignment]
    body = json.dumps(adapter.body(lab.ASK)).encode()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        server = lab.server("quick", url)
        stack.push_async_callback(server.aclose)
        pool = Pool()
        lab.proven(pool, server)
        keeper = lab.kept(pool)
        router = lab.router(pool, keeper)

        async def ours() -> None:
            if (pressed := await lab.press(router)).by != "quick":
                print(f"          answered by {pressed.by or 'nobody'}: {pressed.why}")

        ways: dict[str, Ask] = {"bare": poster(session, url, body), "router": ours}
        if proxy:
            ways["LiteLLM"] = poster(session, proxy, body)
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(keeper.run())
            for ask in ways.values():
                await timed(ask, EACH)
            await in_turns(ways, rounds, pid)
            await at_once(ways)
            keeping.cancel()


def cpu(name: str, pid: int) -> float:
    """Milliseconds of CPU so far: LiteLLM's own, else ours."""
    if name != "LiteLLM":
        return 1000 * time.process_time()
    proxy = psutil.Process(pid)
    used = [process.cpu_times() for process in (proxy, *proxy.children(recursive=True))]
    return 1000 * sum(times.user + times.system for times in used)


async def in_turns(ways: dict[str, Ask], rounds: int, pid: int) -> None:
    burnt = dict.fromkeys(ways, 0.0)
    medians: dict[str, list[float]] = {name: [] for name in ways}
    all_times: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            before = cpu(name, pid)
            times = await timed(ways[name], EACH)
            burnt[name] += (cpu(name, pid) - before) / (EACH * rounds)
            medians[name].append(statistics.median(times))
            all_times[name] += times
    bare99 = lab.percentile(all_times["bare"], 0.99)
    for name, values in medians.items():
        added = [mine - bare for mine, bare in zip(values, medians["bare"], strict=True)]
        low, middle, high = statistics.quantiles(added, n=4)
        p99 = lab.percentile(all_times[name], 0.99)
        ratio = statistics.median(a / b for a, b in zip(values, medians["bare"], strict=True))
        line = f"{name:<8} p50 {statistics.median(values):6.2f} ms  p99 {p99:6.2f}"
        if name != "bare":
            line += f"  added p50 {middle:6.2f} (quartiles {low:.2f} to {high:.2f}), {ratio:.2f} x"
            line += f"  p99 less the bare one's {p99 - bare99:6.2f}"
        own = burnt[name] - (burnt["bare"] if name == "router" else 0)
        print(f"{line}  {'CPU' if name == 'bare' else 'added CPU'} {own:.2f} ms")
    print(f"budget: p50 {P50_MS} ms, p99 {P99_MS} ms")


async def at_once(ways: dict[str, Ask]) -> None:
    for width in AT_ONCE:
        shown: dict[str, list[float]] = {name: [] for name in ways}
        seconds = dict.fromkeys(ways, 0.0)
        for _ in range(2):
            for name, ask in ways.items():
                begun = time.perf_counter()
                shown[name] += await timed(ask, max(width, EACH), width)
                seconds[name] += time.perf_counter() - begun
        for name, times in shown.items():
            print(
                f"{width:>3} at once  {name:<8} p50 {statistics.median(times):7.2f} ms  p99 "
                f"{lab.percentile(times, 0.99):7.2f}  {len(times) / seconds[name]:6.0f}/s"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--litellm", default=LITELLM, help="the program")
    options = parser.parse_args()
    lab.isolate("benchmarks.overhead")
    asyncio.run(measure(options))


if __name__ == "__main__":
    main()
