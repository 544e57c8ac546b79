"""The examples of a gateway and of Ray, really started, each in front of llama.cpp's server.

CMDAI_TEST_LITELLM   the litellm program: pip install 'litellm[proxy]' in a venv of its own
CMDAI_TEST_RAY       a Python with ray[serve]; it needs root, for a network namespace: Ray opens
                     ports on every interface
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from cmdai_shell.backends.http import Settings
from cmdai_shell.backends.openai import OpenAIServer
from cmdai_shell.core import Endpoint, Prompt
from tests.backends.contract import api_key
from tests.contracts import collect
from tests.fakes.chat_server import serving
from tests.fakes.program import running
from tests.models import model_path

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parent.parent / "examples"
LITELLM = os.environ.get("CMDAI_TEST_LITELLM", "")
RAY = os.environ.get("CMDAI_TEST_RAY", "")
SUMS = 1
"""Seed of sums that the smallest model gets right: 26 + 43 is not one of them."""
KEY = "sk-a-key-of-the-test"
PROMPT = Prompt(
    system="Answer with one bash command.",
    examples=(("show hidden files", "ls -a"),),
    user="list files",
    max_tokens=24,
)

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.model,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not shutil.which("llama-server"), reason="no llama-server on PATH"),
]


@contextlib.contextmanager
def litellm(folder: Path, **urls: str) -> Iterator[str]:
    port = free_port()
    environ = {**os.environ, "LITELLM_MASTER_KEY": KEY, "CLOUD_KEY": "none", "HOME": str(folder)}
    environ |= {"NO_DOCS": "True", "LITELLM_LOCAL_MODEL_COST_MAP": "True", **urls}
    command = [LITELLM, "--config", str(EXAMPLES / "gateway/litellm.yaml"), "--port", str(port)]
    command += ["--host", "127.0.0.1"]
    url = f"http://127.0.0.1:{port}"
    with running(
        command,
        folder=folder,
        environ=environ,
        is_up=lambda: answers(f"{url}/health/liveliness"),
        seconds=180,
    ):
        yield url


@pytest.mark.skipif(not LITELLM, reason="CMDAI_TEST_LITELLM names no program")
async def test_litellm(tmp_path: Path) -> None:
    weights = model_path("qwen2.5-coder-0.5b")
    auth = api_key("LITELLM_MASTER_KEY", environ={"LITELLM_MASTER_KEY": KEY})
    with contextlib.ExitStack() as stack:
        rack = stack.enter_context(serving(weights))
        first = contextlib.ExitStack()
        spark = first.enter_context(serving(weights))
        stack.callback(first.close)
        urls = {"SPARK_URL": spark, "RACK_URL": rack, "CLOUD_URL": rack}
        url = stack.enter_context(
            litellm(tmp_path, **{name: f"{found}/v1" for name, found in urls.items()})
        )
        endpoint = Endpoint(id="gateway", url=url, kind="openai", model="coder")
        backend = OpenAIServer(endpoint, Settings(auth=auth, random=Random(SUMS)))
        try:
            probe = await backend.identify(30)
            assert "coder" in probe.models
            assert probe.via_gateway
            found = await backend.handshake(60)
            assert found.state in ("ok", "slow"), found
            assert (await collect(backend, PROMPT)).startswith("ls")
            first.close()  # one of two is gone: nobody notices
            for _ in range(6):
                assert (await collect(backend, PROMPT)).startswith("ls")
        finally:
            await backend.aclose()
    log = (tmp_path / "log").read_text(errors="replace")
    assert KEY not in log
    assert PROMPT.user not in log


IN_NAMESPACE = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from tests.test_gateways_real import against_ray
asyncio.run(against_ray(sys.argv[2]))
"""


async def against_ray(url: str) -> None:
    """Runs where the server is, in its namespace; what it prints is compared."""
    backend = OpenAIServer(Endpoint(id="ray", url=url, kind="ray"), Settings())
    found = await backend.handshake(120)
    text = await collect(backend, PROMPT, 60)
    long = replace(PROMPT, user="count from one to a thousand", system="", max_tokens=2000)
    async with aclosing(backend.stream(long, 60)) as pieces:  # type: ignore[type-var]
        await anext(pieces)
    begun = time.monotonic()
    while any(slot["is_processing"] for slot in await slots(backend)):
        assert time.monotonic() < begun + 10, "the long answer goes on"
        await asyncio.sleep(0.02)
    seconds = time.monotonic() - begun
    await backend.aclose()
    kind = found.probe.kind if found.probe else ""
    told = {"state": found.state, "kind": kind, "text": text}
    print(json.dumps({**told, "stopped": seconds, "ttft": found.ttft}))


async def slots(backend: OpenAIServer) -> list[dict[str, Any]]:
    """llama-server's own account of what it computes; the app passes it on."""
    found: list[dict[str, Any]] = (await backend.client.get("/slots", 20)).json()
    return found


@pytest.mark.skipif(not RAY, reason="CMDAI_TEST_RAY names no Python")
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and ip")
def test_ray_serve(tmp_path: Path) -> None:
    config = (EXAMPLES / "ray/cpu.yaml").read_text()
    model = str(model_path("qwen2.5-coder-0.5b"))
    written = config.replace("/models/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf", model)
    (tmp_path / "cpu.yaml").write_text(written.replace("threads: 2", "threads: 1"))
    shutil.copy(EXAMPLES / "ray/app.py", tmp_path)
    with namespace() as inside, ray(inside, tmp_path):
        command = [*inside, sys.executable, "-c", IN_NAMESPACE, str(EXAMPLES.parent)]
        client = subprocess.run(
            [*command, "http://127.0.0.1:8000"], capture_output=True, text=True, check=False
        )
    assert client.returncode == 0, client.stderr[-3000:]
    found = json.loads(client.stdout.splitlines()[-1])
    print(found)
    assert (found["state"], found["kind"]) in (("ok", "ray"), ("slow", "ray"))
    assert found["text"].startswith("ls")
    assert found["stopped"] < 5


@pytest.mark.skipif(not RAY, reason="CMDAI_TEST_RAY names no Python")
@pytest.mark.parametrize("name", ["serve.yaml", "cpu.yaml"])
def test_rays_schema_takes_the_configuration(name: str) -> None:
    code = (
        "import sys, yaml; from ray.serve.schema import ServeDeploySchema; "
        "ServeDeploySchema.model_validate(yaml.safe_load(open(sys.argv[1])))"
    )
    command = [RAY, "-c", code, str(EXAMPLES / "ray" / name)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-2000:]


@contextlib.contextmanager
def namespace() -> Iterator[list[str]]:
    """Nothing but loopback; the words that run a command in it."""
    name = f"cmdai-ray-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield ["ip", "netns", "exec", name]
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


@contextlib.contextmanager
def ray(inside: list[str], folder: Path) -> Iterator[None]:
    """In the foreground and a session of its own: all that it starts ends with it. (`ray stop`
    would end every Ray of the machine.)"""
    environ = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(folder)}
    environ |= {"RAY_TMPDIR": "/tmp", "RAY_DISABLE_IMPORT_WARNING": "1"}
    run = [str(Path(RAY).parent / "serve"), "run", str(folder / "cpu.yaml")]
    probe = [*inside, "curl", "-sf", "-m", "20", "-o", "/dev/null"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*inside, *run], env=environ, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        until = time.monotonic() + 300
        while subprocess.run([*probe, "http://127.0.0.1:8000/v1/models"], check=False).returncode:
            said = (folder / "log").read_text(errors="replace")[-3000:]
            assert server.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(1)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(30)
        for pid in pids(inside):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        server.wait(30)


def pids(inside: list[str]) -> list[int]:
    """All that still runs in the namespace, which is ours alone."""
    name = inside[-1]
    found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, check=True)
    return [int(pid) for pid in found.stdout.split()]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
