from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.config import Config
from cmdai_shell.config.environment import Environment
from cmdai_shell.config.schema import Discovery
from cmdai_shell.diagnose import dgx, servers
from cmdai_shell.diagnose.check import examine
from cmdai_shell.discovery.trust import TrustStore
from tests.diagnose import gpu
from tests.diagnose.conftest import look, status
from tests.fakes.in_thread import in_thread
from tests.fakes.openai_server import FakeOpenAI

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.diagnose.check import Finding
    from cmdai_shell.diagnose.surroundings import Surroundings


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no slow network."""
    monkeypatch.setattr(servers, "TARGETS", dict.fromkeys(("local", "enterprise", "cloud"), (1, 9)))


def approve(around: Surroundings, **approval: Any) -> Path:
    path = TrustStore(around.data_dir).path
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_bytes(msgspec.json.encode({"version": 1, "approvals": [approval]}))
    path.chmod(0o600)
    return path


def bad(around: Surroundings) -> dict[str, Finding]:
    found = examine(servers.checks(around), around)
    return {check.name: finding for check, finding in found if finding.severity != "ok"}


def test_without_servers(healthy: Surroundings) -> None:
    (found,) = examine(servers.checks(healthy), healthy)
    assert (found[1].severity, "no server is written down" in found[1].what) == ("ok", True)


class TestApproved:
    def test_plain_http(self, healthy: Surroundings) -> None:
        with in_thread(gpu.vllm()) as url:
            path = approve(healthy, name="spark", url=url)
            before = path.read_bytes()
            assert bad(healthy) == {}
        assert path.read_bytes() == before

    def test_plain_http_in_another_network(self, healthy: Surroundings) -> None:
        """Who has its address here is somebody else, and gets no login."""
        server = FakeOpenAI("vllm")
        with in_thread(server.app()) as url:
            approve(healthy, name="spark", url=url, routers=["192.168.1.1 02:00:00:00:00:01"])
            (found,) = bad(healthy).values()
        assert "in another network" in found.what
        assert set(server.paths) <= {"/"}  # a HEAD, of nothing

    def test_known_by_its_key_alone(self, healthy: Surroundings, tmp_path: Path) -> None:
        context, _ = gpu.certificate(tmp_path)
        with in_thread(gpu.vllm(), context) as url:
            path = approve(healthy, name="spark", url=url, is_key_alone=True)
            before = path.read_bytes()
            assert bad(healthy) == {}
        assert path.read_bytes() == before  # looking learns nothing

    def test_another_key_is_not_one_to_accept(self, healthy: Surroundings, tmp_path: Path) -> None:
        context, _ = gpu.certificate(tmp_path)
        with in_thread(gpu.vllm(), context) as url:
            pin = f"sha256/{'A' * 43}="
            approve(healthy, name="spark", url=url, is_key_alone=True, pin=pin)
            found = bad(healthy)
        assert list(found) in (["server-tls"], ["server-login"])
        assert "cmdai-shell backends forget spark" in next(iter(found.values())).cure

    def test_a_file_that_others_could_have_written(self, healthy: Surroundings) -> None:
        approve(healthy, name="spark", url="http://10.0.0.2:8000").chmod(0o666)
        found = bad(healthy)
        assert "others can write" in found["server-answers"].what


class TestTheDaemonsOwnKey:
    """It has the variables of whoever started it."""

    KEY = "sk-right-key-of-test"

    def seen(
        self, around: Surroundings, state: str, environ: dict[str, str], why: str = ""
    ) -> dict[str, Finding]:
        with in_thread(gpu.vllm(api_key=self.KEY)) as url:
            config = gpu.settings(url, api_key_env="GPU_KEY")
            member = {"id": f"lab/{url.partition('//')[2]}", "state": state, "why": why}
            told = {**status(), "servers": [member]}
            return bad(
                replace(
                    around,
                    config=config,
                    daemon=lambda: told,
                    environ={**around.environ, **environ},
                )
            )

    def test_it_was_started_without(self, healthy: Surroundings) -> None:
        why = "the daemon was started without $GPU_KEY"
        found = self.seen(healthy, "login", {"GPU_KEY": self.KEY}, why)["server-login"]
        assert (found.severity, found.cure) == ("fail", "cmdai-shell daemon restart")
        assert why in found.what

    def test_it_has_one_and_this_shell_has_not(self, healthy: Surroundings) -> None:
        assert "server-login" not in self.seen(healthy, "ok", {})

    def test_both_have_the_right_one(self, healthy: Surroundings) -> None:
        assert self.seen(healthy, "ok", {"GPU_KEY": self.KEY}) == {}


def test_one_by_its_name_tells_the_worst(healthy: Surroundings) -> None:
    urls = (gpu.closed_port(), gpu.closed_port())
    lab = Environment(id="lab", endpoints=urls)
    settings = Config(environments={"lab": lab}, discovery=Discovery(mdns=False))
    found = look("server-connect", healthy, config=lambda: settings)
    assert (found.severity, found.what.endswith("(and 1 more)")) == ("fail", True)
    assert look("server-connect", healthy).severity == "ok"


def test_servers_are_looked_at_beside_each_other(
    healthy: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dgx, "STEP_S", 1.0)
    with gpu.deaf() as url:
        lab = Environment(id="lab", endpoints=(url,) * 8)
        settings = Config(environments={"lab": lab}, discovery=Discovery(mdns=False))
        begun = time.monotonic()
        found = bad(replace(healthy, config=lambda: settings))
        assert time.monotonic() - begun < 5
    assert list(found) == ["server-connect"]


def test_no_more_than_there_are_threads_for(
    healthy: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "MOST", 1)
    lab = Environment(id="lab", endpoints=("http://10.0.0.1:1", "http://10.0.0.2:1"))
    settings = Config(environments={"lab": lab})
    checks = servers.checks(replace(healthy, config=lambda: settings))
    assert len(checks) == len(servers.NAMES) + 1
    assert checks[-1].run(healthy).what == "1 of 2 servers were not looked at"


class TestHead:
    def test_status_and_date(self) -> None:
        head = b"HTTP/1.1 404 Not Found\r\nDate: Thu, 01 Jan 1970 00:01:40 GMT\r\n\r\n"
        assert dgx.read_head(head, 40.0) == (404, 60.0)

    @given(
        st.binary(max_size=300) | st.binary(max_size=60).map(lambda b: b"HTTP/1.1 2\r\nDate:" + b)
    )
    def test_whatever_comes(self, head: bytes) -> None:
        status, skew = dgx.read_head(head, 0.0)
        assert status >= 0
        assert skew is None or isinstance(skew, float)


def test_of_this_machine_nobody_is_told_to_open_a_server_to_all(healthy: Surroundings) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]"):
        around = replace(healthy, config=gpu.settings(f"http://{host}:1"))
        found = servers.together("server-connect", around)
        assert "ss -ltn" in found.cure
        assert "0.0.0.0" not in found.cure


def test_of_one_that_is_not_reached_no_login_is_praised(healthy: Surroundings) -> None:
    around = replace(healthy, config=gpu.settings(gpu.closed_port()))
    assert "not looked at" in servers.together("server-login", around).what


def test_a_single_server_need_not_tell_its_queue(healthy: Surroundings) -> None:
    class Quiet(FakeOpenAI):
        async def _metrics(self, _: web.Request) -> web.Response:
            return web.Response(status=404)

    with in_thread(Quiet().app()) as url:
        around = replace(healthy, config=gpu.settings(url))
        assert servers.together("server-metrics", around).severity == "ok"


@pytest.mark.parametrize(
    ("keys", "says", "cure"),
    [
        (
            {"kind": "sagemaker", "region": "eu-central-1"},
            "no AWS credentials here",
            "aws sso login",
        ),
        (
            {"kind": "azure", "deployment": "d", "auth_type": "azure"},
            "nobody is logged in to Azure here",
            "az login",
        ),
    ],
)
def test_a_clouds_own_login_is_missing_in_the_words_of_auth_status(
    healthy: Surroundings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    keys: dict[str, Any],
    says: str,
    cure: str,
) -> None:
    pytest.importorskip("azure.identity")
    pytest.importorskip("botocore")
    for name, value in {
        "PATH": str(tmp_path),
        "AZURE_TOKEN_CREDENTIALS": "dev",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    with in_thread(FakeOpenAI("openai").app()) as url:
        lab = Environment(id="lab", endpoints=(f"{url}/endpoints/llm-1",), **keys)
        settings = Config(environments={"lab": lab}, discovery=Discovery(mdns=False))
        found = look("server-login", healthy, config=lambda: settings)
    assert found.severity == "fail"
    assert says in found.what
    assert found.cure.startswith(cure)
