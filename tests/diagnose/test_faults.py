"""Faults, injected one at a time: the doctor names each, and its cure; a healthy system has none.
Where the surroundings can be really broken, and the cure really typed: ``real``.

``docs/troubleshooting-dgx.md`` is read from symptom to cure: each symptom there is a fault here,
and the fault produces that line.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from cmdai_shell.diagnose import dgx, network, resolver, servers, table
from cmdai_shell.diagnose.check import examine
from cmdai_shell.diagnose.echo import Echo
from cmdai_shell.diagnose.questions import Reply
from cmdai_shell.diagnose.routes import Route
from cmdai_shell.discovery.trust import TrustStore
from cmdai_shell.errors import ConfigError
from cmdai_shell.hooks.install import hook_file, uninstall
from tests.diagnose import gpu
from tests.diagnose.conftest import look, only, put_model, status
from tests.diagnose.test_cluster import asking
from tests.diagnose.test_network import link
from tests.diagnose.test_resolver import ONE, judged, replies
from tests.fakes.in_thread import in_thread
from tests.fakes.openai_server import FakeOpenAI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import NoReturn

    from cmdai_shell.diagnose.check import Finding
    from cmdai_shell.diagnose.surroundings import Said as SaidType
    from cmdai_shell.diagnose.surroundings import Surroundings

PAGE = Path(__file__).parents[2] / "docs" / "troubleshooting-dgx.md"
DAY = timedelta(days=1)


@dataclass
class Bench:
    """What a fault is made with."""

    healthy: Surroundings
    tmp_path: Path
    patch: pytest.MonkeyPatch
    stack: contextlib.ExitStack
    others: list[tuple[str, Finding]]
    """Whatever else was found of the server."""

    def at(self, name: str, url: str, environ: Mapping[str, str] = {}, **more: Any) -> Finding:
        around = replace(
            self.healthy,
            config=gpu.settings(url, **more),
            environ={**self.healthy.environ, **environ},
        )
        found = examine(servers.checks(around), around)
        self.others = [(c.name, f) for c, f in found if f.severity != "ok" and c.name != name]
        return next(finding for check, finding in found if check.name == name)

    def of(self, name: str, app: web.Application, **more: Any) -> Finding:
        return self.at(name, self.stack.enter_context(in_thread(app)), **more)

    def tls(
        self, *names: str, with_authority: bool = True, pins: Any = (), **dates: Any
    ) -> Finding:
        context, file = gpu.certificate(self.tmp_path, *names, **dates)
        url = self.stack.enter_context(in_thread(gpu.vllm(), context))
        more = {"tls_ca_path": file} if with_authority else {}
        return self.at("server-tls", url, cert_pinning_sha256=pins, **more)


@pytest.fixture
def bench(
    healthy: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    with contextlib.ExitStack() as stack:
        yield Bench(healthy, tmp_path, monkeypatch, stack, [])


# --- of servers


def no_such_name(b: Bench) -> Finding:
    def resolve(*_: Any, **__: Any) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    b.patch.setattr(dgx.socket, "getaddrinfo", resolve)
    return b.at("server-name", "http://spark.lan:8000")


def resolver_dead(b: Bench) -> Finding:
    b.patch.setattr(dgx, "STEP_S", 0.2)
    b.patch.setattr(dgx.socket, "getaddrinfo", lambda *_, **__: time.sleep(1))
    return b.at("server-name", "http://spark.lan:8000")


def no_route(b: Bench) -> Finding:
    b.patch.setattr(dgx, "routes", lambda hosts: {host: Route(host) for host in hosts})
    return b.at("server-route", gpu.closed_port())


def port_closed(b: Bench) -> Finding:
    return b.at("server-connect", gpu.closed_port())


def firewall(b: Bench) -> Finding:
    b.patch.setattr(dgx, "STEP_S", 0.4)
    return b.at("server-connect", b.stack.enter_context(gpu.deaf()))


def expired(b: Bench) -> Finding:
    now = datetime.now(UTC)
    return b.tls(begins=now - 9 * DAY, ends=now - 2 * DAY)


def ends_soon(b: Bench) -> Finding:
    return b.tls(ends=datetime.now(UTC) + 3 * DAY)


def not_yet(b: Bench) -> Finding:
    now = datetime.now(UTC)
    return b.tls(begins=now + DAY, ends=now + 9 * DAY)


def unknown_authority(b: Bench) -> Finding:
    return b.tls(with_authority=False)


def wants_a_certificate(b: Bench) -> Finding:
    """It takes any handshake, and closes where no certificate came: so do llama.cpp's server and
    others that check it by themselves."""

    async def close(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", close)
    context, file = gpu.certificate(b.tmp_path)
    url = b.stack.enter_context(in_thread(app, context))
    return b.at("server-answers", url, tls_ca_path=file)


def others_certificate(b: Bench) -> Finding:
    return b.tls("other.example")


def no_tls(b: Bench) -> Finding:
    url = b.stack.enter_context(in_thread(gpu.vllm()))
    return b.at("server-tls", url.replace("http:", "https:"))


def other_key(b: Bench) -> Finding:
    return b.tls(pins=(f"sha256/{'A' * 43}=",))


def clock_off(b: Bench) -> Finding:
    fake = FakeOpenAI(headers={"Date": formatdate(time.time() + 3600, usegmt=True)})
    app = fake.app()

    async def root(_: web.Request) -> web.Response:
        return web.Response()

    app.router.add_get("/", root)
    return b.of("server-clock", app)


def key_missing(b: Bench) -> Finding:
    app = gpu.vllm(api_key="sk-right-key-of-test")
    return b.of("server-login", app, auth_type="api_key", api_key_env="GPU_KEY")


def key_wrong(b: Bench) -> Finding:
    return b.of(
        "server-login",
        gpu.vllm(api_key="sk-right-key-of-test"),
        auth_type="api_key",
        api_key_env="GPU_KEY",
        environ={"GPU_KEY": "sk-wrong-key-of-test"},
    )


def model_missing(b: Bench) -> Finding:
    return b.of("server-model", gpu.vllm(), model="some-other-model")


def loading(b: Bench) -> Finding:
    body = '{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'
    return b.of("server-answers", gpu.always(503, body))


def wrong_sums(b: Bench) -> Finding:
    return b.of("server-answers", gpu.vllm(is_canned=True))


def wedged(b: Bench) -> Finding:
    b.patch.setattr(dgx, "SHAKE_S", 1.0)
    return b.of("server-answers", gpu.vllm(token_s=5.0))


def hung(b: Bench) -> Finding:
    b.patch.setattr(dgx, "SHAKE_S", 0.5)
    listening = b.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    return b.at("server-answers", f"http://127.0.0.1:{listening.getsockname()[1]}")


def not_a_server(b: Bench) -> Finding:
    return b.of("server-answers", gpu.always(200, "<html>It works!</html>"))


def slow(b: Bench) -> Finding:
    b.patch.setattr(servers, "TARGETS", {"local": (9.0, 0.1)})
    return b.of("server-latency", gpu.vllm(token_s=0.2))


def far(b: Bench) -> Finding:
    b.patch.setattr(servers, "TARGETS", {"local": (0.000001, 9.0)})
    return b.of("server-latency", gpu.vllm())


def no_metrics(b: Bench) -> Finding:
    class Quiet(FakeOpenAI):
        async def _metrics(self, _: web.Request) -> web.Response:
            return web.Response(status=404)

    other = b.stack.enter_context(in_thread(gpu.vllm()))  # else there is no choice
    return b.of("server-metrics", Quiet().app(), fallback_endpoints=(other,))


def behind_a_proxy(b: Bench) -> Finding:
    return b.at("server-proxy", gpu.closed_port(), environ={"HTTPS_PROXY": "http://proxy:3128"})


def proxy_in_the_way(b: Bench) -> Finding:
    return b.of("server-proxy", gpu.always(407, "Proxy Authentication Required"))


# --- of the network


def no_multicast(b: Bench) -> Finding:
    around = replace(b.healthy, which=only("iptables"))
    return network.judged_echoes({"eth0": Echo("silent")}, around)


def multicast_refused(b: Bench) -> Finding:
    around = replace(b.healthy, which=only("iptables"))
    return network.judged_echoes({"eth0": Echo("refused", "operation not permitted")}, around)


def port_5353_held(b: Bench) -> Finding:
    return network.held(["dnsmasq (process 812)"], b.healthy)


def only_a_vpn(_: Bench) -> Finding:
    from cmdai_shell.discovery.interfaces import Links

    return network.judged_interfaces(Links(heard=(), excluded=(link("wg0"),)), ("wg*",))


def wrong_resolver(_: Bench) -> Finding:
    return resolver.judged_servers({ONE: replies(Reply("silent"), "silent")}, ("10.0.0.1",))


def no_srv(_: Bench) -> Finding:
    return judged(replies(Reply("absent")))


def servfail(_: Bench) -> Finding:
    return judged(replies(Reply("servfail"), "servfail"))


def no_kubeconfig(b: Bench) -> Finding:
    environ = {"KUBECONFIG": str(b.tmp_path / "none")}
    return look("kubeconfig", b.healthy, config=asking(), environ=environ)


def trust_open(b: Bench) -> Finding:
    path = TrustStore(b.healthy.data_dir).path
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_text('{"version": 1}')
    path.chmod(0o666)
    return look("trust-store", b.healthy)


# --- of this machine


def wrong_settings(b: Bench) -> Finding:
    def wrong() -> NoReturn:
        raise ConfigError("config.toml, line 3: no key 'sugest'", "did you mean suggest?")

    return look("config", b.healthy, config=wrong)


def no_hook(b: Bench) -> Finding:
    uninstall()
    return look("hooks", b.healthy)


def stale_hook(b: Bench) -> Finding:
    hook_file("zsh").write_text("# of an older version\n")
    return look("hook-zsh", b.healthy)


def key_conflict(b: Bench) -> Finding:
    from cmdai_shell.diagnose.surroundings import Said

    def answer(*_: Any) -> SaidType:
        return Said(0, "noise\x1eatuin-search\x1e")

    return look("key-zsh", b.healthy, ask=answer)


def full_disk(b: Bench) -> Finding:
    (b.healthy.data_dir / "models/tiny/tiny.gguf").unlink()
    return look("disk", b.healthy, free_disk=lambda _: 10**8)


def low_memory(b: Bench) -> Finding:
    put_model(b.healthy.data_dir, size=10**9)
    with (b.healthy.data_dir / "models/tiny/tiny.gguf").open("ab") as file:
        file.truncate(10**9)
    return look("memory", b.healthy, available_memory=3 * 10**8)


def dead_socket(b: Bench) -> Finding:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(b.healthy.runtime_dir / "hook.sock"))
    return look("sockets", b.healthy)


def open_folder(b: Bench) -> Finding:
    b.healthy.runtime_dir.chmod(0o755)
    return look("runtime-folder", b.healthy)


def old_daemon(b: Bench) -> Finding:
    return look("daemon", b.healthy, daemon=lambda: {**status(), "version": "0.0.1"})


def crashed_model(b: Bench) -> Finding:
    return look("last-error", b.healthy, daemon=lambda: status(last_error="out of memory"))


FAULTS: dict[str, tuple[str, Callable[[Bench], Finding], str]] = {
    "no-such-name": ("server-name", no_such_name, "getent hosts spark.lan"),
    "resolver-dead": ("server-name", resolver_dead, "getent hosts spark.lan"),
    "no-route": ("server-route", no_route, "ip route get 127.0.0.1"),
    "port-closed": ("server-connect", port_closed, "ss -ltn"),
    "firewall": ("server-connect", firewall, "sudo ufw allow"),
    "certificate-expired": ("server-tls", expired, "openssl s_client"),
    "certificate-ends-soon": ("server-tls", ends_soon, "openssl s_client"),
    "certificate-not-yet": ("server-tls", not_yet, "timedatectl set-ntp true"),
    "unknown-authority": ("server-tls", unknown_authority, "tls_ca_path /path/ca.pem"),
    "others-certificate": ("server-tls", others_certificate, "a name that its certificate has"),
    "no-tls": ("server-tls", no_tls, "its address is http://127.0.0.1"),
    "other-key": ("server-tls", other_key, "only then set cert_pinning_sha256"),
    "clock-off": ("server-clock", clock_off, "timedatectl set-ntp true"),
    "key-missing": ("server-login", key_missing, "export GPU_KEY="),
    "key-wrong": ("server-login", key_wrong, "export GPU_KEY="),
    "model-missing": ("server-model", model_missing, "set model"),
    "loading": ("server-answers", loading, "wait until its model is loaded"),
    "wrong-sums": ("server-answers", wrong_sums, "another model"),
    "wedged": ("server-answers", wedged, "restart it"),
    "wants-a-certificate": ("server-answers", wants_a_certificate, "tls_cert_path"),
    "hung": ("server-answers", hung, "restart it"),
    "no-inference-server": ("server-answers", not_a_server, "correct the url"),
    "slow": ("server-latency", slow, "nvidia-smi"),
    "far": ("server-latency", far, "ping -c 5"),
    "no-metrics": ("server-metrics", no_metrics, "--disable-log-stats"),
    "behind-a-proxy": ("server-proxy", behind_a_proxy, "ssh -N -L"),
    "proxy-in-the-way": ("server-proxy", proxy_in_the_way, "ssh -N -L"),
    "no-multicast": ("multicast", no_multicast, "udp --dport 5353 -j ACCEPT"),
    "multicast-refused": ("multicast", multicast_refused, "OUTPUT"),
    "port-held": ("multicast", port_5353_held, "kill 812"),
    "only-a-vpn": ("interfaces", only_a_vpn, "discovery.dns_domains"),
    "wrong-resolver": ("name-servers", wrong_resolver, "discovery.dns_servers"),
    "no-srv-record": ("dns-records", no_srv, "IN SRV"),
    "servfail": ("dns-records", servfail, "dig +cd"),
    "no-kubeconfig": ("kubeconfig", no_kubeconfig, ""),
    "trust-open": ("trust-store", trust_open, "chmod"),
    "wrong-settings": ("config", wrong_settings, "suggest"),
    "no-hook": ("hooks", no_hook, "cmdai-shell install"),
    "stale-hook": ("hook-zsh", stale_hook, "cmdai-shell install --shell zsh"),
    "key-conflict": ("key-zsh", key_conflict, "Ctrl-X Ctrl-G"),
    "full-disk": ("disk", full_disk, "CMDAI_DATA_DIR"),
    "low-memory": ("memory", low_memory, "cmdai-shell"),
    "dead-socket": ("sockets", dead_socket, "cmdai-shell daemon start"),
    "open-folder": ("runtime-folder", open_folder, "chmod 700"),
    "old-daemon": ("daemon", old_daemon, "cmdai-shell daemon restart"),
    "crashed-model": ("last-error", crashed_model, "cmdai-shell daemon logs"),
}
"""Fault -> the check that names it, how it is made, and what the cure has in it."""
ALSO = {"behind-a-proxy": {"server-connect"}}
"""What else is then true, and found."""


@pytest.mark.parametrize("name", FAULTS)
def test_it_is_named_with_its_cure(bench: Bench, name: str) -> None:
    check, make, cure = FAULTS[name]
    found = make(bench)
    print(f"{name}\t{check}: {found.what}\t{found.cure}")
    assert found.severity != "ok", found
    assert found.cure
    assert cure in found.cure
    assert {other for other, _ in bench.others} <= ALSO.get(name, set()), bench.others
    row = rows()[name]
    assert row[1] == check
    symptom = re.escape(row[0].strip("`")).replace("…", ".*")
    assert re.fullmatch(symptom, f"{check}: {found.what}"), found.what


def rows() -> dict[str, list[str]]:
    """Fault -> symptom, check, cure of the page."""
    found = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `") and len(cells) == 4:
            found[cells[3].strip("` ")] = [cells[0], cells[1].strip("`"), cells[2]]
    return found


def test_the_page_has_every_fault_and_no_other() -> None:
    assert list(rows()) == list(FAULTS)
    assert len(FAULTS) >= 25
    known = {check.name for check in (*table.CHECKS, *table.ON_REQUEST)}
    assert {check for check, *_ in FAULTS.values()} <= known


@pytest.mark.parametrize("is_tls", [False, True])
def test_a_healthy_system_has_no_finding(bench: Bench, *, is_tls: bool) -> None:
    context, file = gpu.certificate(bench.tmp_path)
    app = gpu.vllm(api_key="sk-right-key-of-test")
    url = bench.stack.enter_context(in_thread(app, context if is_tls else None))
    key = {"auth_type": "api_key", "api_key_env": "GPU_KEY"}
    around = replace(
        bench.healthy,
        config=gpu.settings(url, **key, **({"tls_ca_path": file} if is_tls else {})),
        environ={**bench.healthy.environ, "GPU_KEY": "sk-right-key-of-test"},
    )
    # A machine that is busy with other tests is no network that is slow; by the targets that there
    # are, and on a network of its own: ``real``.
    bench.patch.setattr(servers, "TARGETS", {"local": (1.0, 9.0)})
    found = examine([*table.CHECKS, *servers.checks(around)], around)
    assert [(c.name, f) for c, f in found if f.severity != "ok" or f.cure] == []
    assert len(found) == len(table.CHECKS) + len(servers.NAMES)
    assert "sk-right" not in str(found)
