"""``cmdai-shell backends``, asking servers directly."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from cmdai_shell.backends import REMOTE, auto, handshake
from cmdai_shell.config import paths
from cmdai_shell.core import Endpoint
from cmdai_shell.discovery.candidate import Candidate
from cmdai_shell.discovery.trust import TrustStore
from tests.fakes.in_thread import in_thread
from tests.fakes.openai_server import FakeOpenAI

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Call

DEAD = "http://127.0.0.1:1"
SECRET = "sk-a-secret-that-nobody-sees"


@pytest.fixture(autouse=True)
def no_daemon(runtime_dir: Path) -> Path:
    return runtime_dir


@pytest.fixture
def fake() -> FakeOpenAI:
    return FakeOpenAI()


@pytest.fixture
def url(fake: FakeOpenAI) -> Iterator[str]:
    with in_thread(fake.app()) as url:
        yield url


@pytest.fixture
def lab(call: Call, url: str) -> str:
    """An environment with a server that is well and one that is not there."""
    call("config", "add-environment", "lab", "--url", url, "--fallback", DEAD, "--no-test")
    return f"lab/{url.removeprefix('http://')}"


def test_list_asks_nobody(call: Call, fake: FakeOpenAI, lab: str) -> None:
    code, out, _ = call("backends", "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [lab, "lab/127.0.0.1:1"]
    assert fake.paths == []
    _, out, _ = call("backends", "list", "--json")
    first, second = json.loads(out)
    assert (first["name"], first["kind"], first["auth_type"]) == (lab, "auto", "none")
    assert (first["priority"], second["priority"]) == (0, -1)


def test_list_verbose_says_what_they_are_and_computes_nothing(
    call: Call, fake: FakeOpenAI, lab: str
) -> None:
    code, out, _ = call("backends", "list", "--verbose")
    well, dead = out.splitlines()
    assert code == 0
    assert "vllm 0.32.0" in well
    assert "Qwen/Qwen2.5-Coder-7B-Instruct" in well
    assert "3 waiting" in well
    assert "refused" in dead
    assert fake.requests == []
    _, out, _ = call("backends", "list", "--verbose", "--json", "--environment", "lab")
    found = json.loads(out)[0]
    assert found["load"]["waiting"] == 3
    assert found["abilities"] == ["large", "schema"]


def test_a_model_that_is_a_path_goes_by_its_last_part(call: Call) -> None:
    with in_thread(FakeOpenAI("llama.cpp", models=("/models/coder-7b.gguf",)).app()) as url:
        call("config", "add-environment", "lab", "--url", url, "--no-test")
        assert " coder-7b.gguf " in call("backends", "list", "--verbose")[1]


def test_list_without_any(call: Call) -> None:
    code, out, err = call("backends", "list")
    assert (code, out) == (0, "")
    assert "add-environment" in err


def test_each_step_of_a_test_has_its_time(call: Call, lab: str) -> None:
    code, out, _ = call("backends", "test", lab)
    assert code == 0
    title, *steps, verdict = out.splitlines()
    assert title.startswith(lab)
    assert [line.split()[0] for line in steps] == [
        "connect",
        "identify",
        "model",
        "compute",
        "compute",
    ]
    assert all(line.split()[2] == "ms" for line in steps)
    assert "2+2=4" in steps[3]
    assert verdict.startswith("ok: first token after")


@pytest.mark.parametrize("form", ["{url}", "{url}/", "{url}/v1"])
def test_any_url_can_be_tested(call: Call, url: str, form: str) -> None:
    code, out, _ = call("backends", "test", form.format(url=url))
    assert code == 0
    assert "ok" in out
    assert out.splitlines()[0] == form.format(url=url).rstrip("/")


def test_a_name_of_the_environment_tests_all_of_it(call: Call, lab: str) -> None:
    code, out, err = call("backends", "test", "lab")
    assert code == 1
    assert "ok:" in out
    assert "unreachable: lab/127.0.0.1:1" in out
    assert "does it run" in err


def test_a_test_as_json(call: Call, url: str) -> None:
    code, out, _ = call("backends", "test", url, "--json")
    found = json.loads(out)
    assert (code, found["state"], found["probe"]["kind"]) == (0, "ok", "vllm")
    assert found["steps"][0]["name"] == "connect"


def test_a_key(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with in_thread(FakeOpenAI(api_key=SECRET).app()) as url:
        code, out, err = call("backends", "test", url)
        assert code == 1
        assert "login" in out
        assert "--api-key-env" in err
        monkeypatch.setenv("GPU_KEY", SECRET)
        code, out, err = call("backends", "test", url, "--api-key-env", "GPU_KEY")
        assert code == 0
        assert SECRET not in out + err


def test_a_server_that_is_canned(call: Call) -> None:
    with in_thread(FakeOpenAI(is_canned=True).app()) as url:
        code, out, err = call("backends", "test", url)
    assert code == 1
    assert "! compute" in out
    assert "wrong-answer" in out
    assert "another model" in err


def test_a_name_that_is_not_there(call: Call, lab: str) -> None:
    code, _, err = call("backends", "test", "lib")
    assert code == 78
    assert "did you mean lab?" in err


def test_health_check(call: Call, lab: str) -> None:
    code, out, _ = call("backends", "health-check", "--all")
    assert code == 1
    assert [line.split()[1] for line in out.splitlines()] == ["ok", "unreachable"]
    code, out, _ = call("backends", "health-check", lab, "--json")
    assert (code, [row["state"] for row in json.loads(out)]) == (0, ["ok"])


def test_the_health_that_the_settings_ask_for(call: Call, lab: str, url: str) -> None:
    call("config", "set", "load_balancing.health_check_endpoint", "/nowhere")
    for which in (lab, url):
        code, out, err = call("backends", "test", which)
        assert code == 1
        assert "! health" in out
        assert "says 404 at /nowhere, not 200" in out
        assert "health_check_endpoint" in err
    code, out, _ = call("backends", "health-check", lab)
    assert (code, out.split()[1]) == (1, "unreachable")
    call("config", "set", "load_balancing.health_check_expected_status", "404")
    code, out, _ = call("backends", "test", lab)
    assert code == 0
    assert "404 at /nowhere" in out
    assert call("backends", "health-check", lab)[0] == 0


def test_health_check_without_any_server(call: Call) -> None:
    code, _, err = call("backends", "health-check")
    assert code == 78
    assert "add-environment" in err


def test_watch_goes_on_until_it_is_stopped(
    call: Call, lab: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = 0

    def slept(_: float) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", slept)
    code, out, _ = call("backends", "health-check", lab, "--watch", "--json")
    assert code == 130
    assert [json.loads(line)[0]["state"] for line in out.splitlines()] == ["ok"] * 3


def test_an_address_of_https_for_a_server_of_http(call: Call, url: str) -> None:
    wrong = url.replace("http://", "https://")
    call("config", "add-environment", "box", "--url", wrong, "--no-test")
    code, out, err = call("backends", "test", "box")
    assert code == 1
    assert "speaks no TLS" in out
    assert f"its address is {url}: cmdai-shell config edit box" in err


def test_a_server_that_has_tls_is_not_called_plain(call: Call) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with in_thread(FakeOpenAI().app(), context) as url:
        _, out, _ = call("backends", "test", url)
    assert "cannot be trusted" in out
    assert "no TLS" not in out


def test_a_server_that_hangs_is_not_one_that_does_not_listen(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake, "IDENTIFY_S", 0.3)
    monkeypatch.setattr(auto, "IDENTIFY_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as hung:
        begun = time.monotonic()
        code, out, err = call("backends", "test", f"http://127.0.0.1:{hung.getsockname()[1]}")
        assert time.monotonic() - begun < 5
    assert code == 1
    assert re.search(
        r"^  connect .*\n! answer .* accepts connections, and answers", out, re.MULTILINE
    )
    assert "restart it on 127.0.0.1" in err
    assert "does it run" not in err


def test_a_name_that_nobody_knows(call: Call) -> None:
    code, out, err = call("backends", "test", "http://gpubox.invalid:8000")
    assert code == 1
    assert re.search("^! name .* cannot be resolved", out, re.MULTILINE)
    assert "getent hosts gpubox.invalid" in err


def test_the_list_says_nothing_twice(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    call("config", "add-environment", "box", "--url", DEAD, "--no-test")
    call("config", "add-environment", "web", "--url", "https://127.0.0.1:2/v1", "--no-test")
    code, out, err = call("backends", "list")
    assert (code, out) == (0, "box/127.0.0.1:1\nweb/127.0.0.1:2  https://127.0.0.1:2/v1\n")
    assert "in use: auto" in err
    call("config", "use", "box")
    assert call("backends", "list", "--environment", "box")[1] == "box/127.0.0.1:1  in use\n"
    _, out, _ = call("backends", "list", "--verbose", "--environment", "box")
    assert out.startswith("box/127.0.0.1:1  in use  does not listen")


def test_one_that_cannot_be_connected_is_said_beside_the_others(
    call: Call, lab: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REMOTE, "triton", "a_package_that_is_not_here:Server")
    call("config", "add-environment", "far", "--url", DEAD, "--kind", "triton", "--no-test")
    why = "backend 'triton' needs the Python package a_package_that_is_not_here"
    code, out, err = call("backends", "test", "far")
    assert (code, "not-asked" in out, why in out) == (1, True, True)
    assert "pip install a_package_that_is_not_here" in err
    code, out, _ = call("backends", "health-check", "--all", "--json")
    states = {row["name"]: row["state"] for row in json.loads(out)}
    assert (code, states[lab], states["far/127.0.0.1:1"]) == (1, "ok", "not-asked")
    code, out, _ = call("backends", "list", "--verbose")
    assert (code, why in out.replace("\n    ", " ")) == (0, True)


def trusted(url: str, **more: Any) -> None:
    endpoint = Endpoint(id="spark:8000", url=url, source="mdns")
    found = Candidate(name="spark:8000", endpoint=endpoint, state="candidate")
    TrustStore(paths.data_dir()).approve(found, name="desk", **more)


def test_one_that_was_trusted_is_a_server_as_the_others(call: Call, url: str) -> None:
    trusted(url)
    assert call("backends", "list")[1].split() == ["desk", "trusted", url]
    (row,) = json.loads(call("backends", "list", "--json")[1])
    assert (row["name"], row["source"]) == ("desk", "mdns")
    assert "vllm 0.32.0" in call("backends", "list", "--verbose")[1]
    code, out, err = call("backends", "test", "desk")
    assert (code, out.splitlines()[0]) == (0, f"desk  {url}"), err
    assert call("backends", "health-check", "--all")[1].split()[:2] == ["desk", "ok"]
    assert call("backends", "health-check")[1].split()[:2] == ["desk", "ok"]
    code, _, err = call("backends", "test", "gone")
    assert "choose of: desk" in err


def test_one_that_was_trusted_in_another_network_is_asked_nothing(
    call: Call, fake: FakeOpenAI, url: str
) -> None:
    trusted(url, routers=["192.168.1.1 02:00:00:00:00:01"])
    code, out, err = call("backends", "test", "desk")
    assert code == 1
    assert "was trusted in another network" in out
    assert "if this is that network: cmdai-shell backends trust desk" in err
    assert call("backends", "health-check", "--all")[0] == 1
    call("backends", "list", "--verbose")
    assert fake.paths == []


def test_none_for_no_servers_is_none_of_those_that_were_trusted(
    call: Call, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    trusted(url)
    monkeypatch.setenv("CMDAI_ACTIVE_ENVIRONMENT", "none")
    code, _, err = call("backends", "health-check")
    assert (code != 0, "no servers to check" in err) == (True, True)
