"""``cmdai-shell backends drain`` and ``undrain``, with the real daemon and a server."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import CLI
from tests.fakes.in_thread import in_thread
from tests.fakes.openai_server import FakeOpenAI
from tests.integration.conftest import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Call
    from tests.integration.conftest import Process


@pytest.fixture
def lab(call: Call) -> Iterator[str]:
    """A server's name."""
    with in_thread(FakeOpenAI("vllm").app()) as url:
        call("config", "add-environment", "lab", "--url", url, "--no-test")
        yield f"lab/{url.removeprefix('http://')}"


def test_drained_and_back(call: Call, daemon: Process, lab: str) -> None:
    code, out, err = call("backends", "drain", lab)
    assert (code, out) == (0, "")
    assert f"{lab} gets no new request\n" in err
    assert f"until the daemon ends, or: cmdai-shell backends undrain {lab}" in err
    assert f"{lab}: drained; " in call("status")[1]
    assert f"- {lab}" in call("dashboard", "--once")[1]
    assert "drained" in call("diagnostics", "network-topology")[1]
    _, out, _ = call("metrics", "export")
    assert f'cmdai_backend_drained{{backend="{lab}"}} 1.0' in out
    code, _, err = call("backends", "undrain", lab)
    assert (code, err) == (0, f"{lab} gets requests again\n")
    assert f"{lab}: drained" not in call("status")[1]


def test_it_ends_with_the_daemon(call: Call, daemon: Process, lab: str) -> None:
    call("backends", "drain", lab)
    call("daemon", "restart")
    assert f"{lab}: drained" not in call("status")[1]


def test_what_it_has_it_finishes(call: Call, daemon: Process) -> None:
    fake = FakeOpenAI("vllm")
    with in_thread(fake.app()) as url, ThreadPoolExecutor(1) as beside:
        call("config", "add-environment", "lab", "--url", url, "--no-test")
        name = f"lab/{url.removeprefix('http://')}"
        call("daemon", "start")
        until(lambda: f"{name}: ok" in call("status")[1], "the handshake")
        fake.token_s = 0.5
        asked = len(fake.requests)
        press = beside.submit(
            subprocess.run, [*CLI, "list", "files"], capture_output=True, text=True, timeout=50
        )
        until(lambda: len(fake.requests) > asked, "the request")
        _, _, err = call("backends", "drain", name)
        assert f"{name} gets no new request, and finishes the 1 that it has" in err
        assert f"{name}: draining: 1 to finish" in call("status")[1]
        done = press.result()
        assert (done.returncode, done.stderr) == (0, "")
        asked = len(fake.requests)
        assert call("other words")[0] != 0  # there is nobody else
        assert len(fake.requests) == asked
        assert "cmdai-shell backends undrain" in call("other words", "--backend", name)[2]


def test_as_json(call: Call, daemon: Process, lab: str) -> None:
    code, out, _ = call("backends", "drain", lab, "--json")
    assert (code, json.loads(out)) == (0, {"name": lab, "is_drained": True, "in_flight": 0})
    code, out, _ = call("backends", "undrain", lab, "--json")
    assert (code, json.loads(out)["is_drained"]) == (0, False)


def test_no_such_server(call: Call, daemon: Process, lab: str) -> None:
    code, _, err = call("backends", "drain", "spark")
    assert code == 78
    assert "no server 'spark'" in err
    assert lab in err
