"""Every documented key changes what is done.

``ELSEWHERE`` says for each key which test shows it; those that are shown nowhere else are shown
here, by the test that bears the key's name. A key without either fails ``TestEveryKey``.
"""

from __future__ import annotations

import ast
import asyncio
import logging
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cmdai_shell.backends import places
from cmdai_shell.backends.embedded import engine as engines
from cmdai_shell.config import Config, load, paths
from cmdai_shell.config.environment import ENVIRONMENT_KEYS
from cmdai_shell.config.environments import endpoints
from cmdai_shell.config.schema import KEYS
from cmdai_shell.core import Handshake, Risk, SuggestRequest
from cmdai_shell.daemon import compose, remote
from cmdai_shell.daemon.compose import Chain
from cmdai_shell.daemon.desk import Desk
from cmdai_shell.daemon.found_servers import wanted
from cmdai_shell.errors import BackendDenied, BackendUnavailable
from tests.fakes.dict_look import DictLook
from tests.fakes.scripted_backend import ScriptedBackend
from tests.fakes.scripted_server import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.backends.embedded import pipe
    from cmdai_shell.core import Suggestion
    from cmdai_shell.suggest import Suggester

ROOT = Path(__file__).parents[2]

ELSEWHERE = {
    "safety_level": "suggest/test_service.py::test_critical_is_armed_and_strict_refuses",
    "default_shell": "daemon/test_api.py::test_who_names_no_shell_means_the_configured_one",
    "cache_max_size_gb": "daemon/test_trim.py::test_cache_max_size_gb",
    "active_environment": "daemon/test_servers.py::test_or_those_of_the_chosen_one",
    "safety.rules": "suggest/test_service.py::test_the_persons_own_rules_count",
    "suggest.deadline_ms": "suggest/test_service.py::test_the_deadline_is_an_error_with_a_hint",
    "suggest.max_alternatives": (
        "suggest/test_service.py::test_alternatives_end_at_the_configured_number"
    ),
    "suggest.share_cwd": "daemon/test_desk.py::test_the_folder_only_when_it_was_shared",
    "suggest.share_listing": "suggest/test_sampling.py::test_the_listing_only_if_allowed",
    "suggest.share_history": (
        "daemon/test_learning.py::test_a_server_is_told_of_it_only_if_it_may_be"
    ),
    "caching.enabled": "suggest/test_service.py::test_the_cache_can_be_switched_off",
    "caching.cache_identical_requests": (
        "suggest/test_service.py::test_the_cache_can_be_switched_off"
    ),
    "history.max_entries": "daemon/test_learning.py::test_no_more_than_is_wanted",
    "metrics.enabled": "daemon/test_listener.py::test_only_if_the_settings_say_so",
    "metrics.port": "daemon/test_listener.py::test_only_if_the_settings_say_so",
    "tracing.propagate": "daemon/test_tracing.py::test_servers_need_not_be_told",
    "tracing.keep_on_disk": "daemon/test_tracing.py::test_on_disk_if_that_is_wanted",
    "tracing.otlp_endpoint": "observe/test_otlp.py::test_a_failover_below_the_trace_of_who_asks",
    "tracing.otlp_words": "observe/test_otlp.py::test_words_if_they_are_wanted_and_no_credentials",
    "audit.enabled": "daemon/test_metering.py::test_the_audit_log_can_be_switched_off",
    "discovery.trust_subnets": "discovery/test_policy.py::test_an_address_in_a_network",
    "discovery.trust_domains": "discovery/test_policy.py::test_a_domain_and_all_below_it",
    "discovery.trust_namespaces": "discovery/test_policy.py::test_a_namespace",
    "environment_detection.prefer_local_network": (
        "config/test_detection.py::test_near_ones_need_not_be_preferred"
    ),
    "environment_detection.fallback_to_cloud": (
        "config/test_detection.py::test_the_cloud_can_be_left_out"
    ),
    "environment_detection.max_latency_ms": (
        "config/test_detection.py::test_a_near_server_that_is_slow_is_not_preferred"
    ),
    "load_balancing.health_check_enabled": (
        "daemon/test_servers.py::test_not_where_health_checks_are_off"
    ),
    "load_balancing.health_check_interval_s": "daemon/test_servers.py::test_looks",
    "load_balancing.health_check_endpoint": (
        "cli/test_backends.py::test_the_health_that_the_settings_ask_for"
    ),
    "load_balancing.health_check_expected_status": (
        "cli/test_backends.py::test_the_health_that_the_settings_ask_for"
    ),
    "load_balancing.failover_enabled": "daemon/test_servers.py::test_what_the_configuration_says",
    "load_balancing.failover_timeout_ms": (
        "daemon/test_servers.py::test_what_the_configuration_says"
    ),
    "load_balancing.hedge_budget_percent": (
        "daemon/test_servers.py::test_what_the_configuration_says"
    ),
    "load_balancing.max_attempts": "daemon/test_servers.py::test_what_the_configuration_says",
    # of an environment
    "place": (
        "config/test_detection.py::test_a_near_server_goes_before_a_far_one_of_higher_priority"
    ),
    "endpoints": "config/test_environments.py::test_addresses_become_endpoints_best_first",
    "fallback_endpoints": "config/test_environments.py::test_addresses_become_endpoints_best_first",
    "kind": "config/test_environments.py::test_addresses_become_endpoints_best_first",
    "model": "config/test_environments.py::test_addresses_become_endpoints_best_first",
    "priority": "config/test_environments.py::test_addresses_become_endpoints_best_first",
    "chat_template": "backends/test_tgi.py::test_family_by_its_model_and_as_configured",
    "region": "auth/test_aws.py::test_which_region",
    "deployment": "backends/test_openai.py::test_azure_with_a_version",
    "api_version": "backends/test_openai.py::test_azure_with_a_version",
    "metrics_port": "backends/test_triton.py::test_without_its_metrics_port_the_queue_is_unknown",
    "timeout_ms": "routing/test_router.py::test_time_for_an_answer",
    "retry_count": "routing/test_router.py::test_further_tries_each_after_a_wait",
    "retry_backoff_ms": "routing/test_router.py::test_further_tries_each_after_a_wait",
    "auth_type": "cli/test_backends.py::test_a_key",
    "api_key_env": "cli/test_backends.py::test_a_key",
    "oauth_token_url": "auth/test_schemes.py::test_client_credentials",
    "oauth_client_id_env": "auth/test_schemes.py::test_client_credentials",
    "oauth_client_secret_env": "auth/test_schemes.py::test_client_credentials",
    "oauth_scope": "auth/test_schemes.py::test_client_credentials",
    "oidc_issuer": "auth/test_schemes.py::test_a_person",
    "oidc_client_id_env": "auth/test_schemes.py::test_a_person",
    "api_key_command": "auth/test_schemes.py::test_a_command_that_prints_the_key",
    "oidc_scope": "auth/test_schemes.py::test_a_person",
    "auth.credential_store": "auth/test_schemes.py::test_the_file_by_choice",
    "auth.passphrase_command": "auth/test_schemes.py::test_the_encrypted_file_by_choice",
    "oidc_redirect_uri": "auth/test_schemes.py::test_a_person",
    "tls_ca_path": "auth/test_schemes.py::test_a_certificate",
    "tls_cert_path": "auth/test_schemes.py::test_a_certificate",
    "tls_key_path": "auth/test_schemes.py::test_a_certificate",
    "cert_pinning_enabled": (
        "auth/test_schemes.py::test_none_has_no_header_and_checks_the_pin_all_the_same"
    ),
    "cert_pinning_sha256": (
        "auth/test_schemes.py::test_none_has_no_header_and_checks_the_pin_all_the_same"
    ),
    "token_refresh_before_expiry_s": (
        "auth/test_keeper.py::test_near_its_end_the_next_is_got_while_this_one_is_used"
    ),
}
"""Key -> file::test, below tests/. How a key of an environment gets there is ``test_travels``'s."""


class TestEveryKey:
    @pytest.mark.parametrize("name", [*KEYS, *ENVIRONMENT_KEYS])
    def test_has_a_test_of_what_it_does(self, name: str):
        where = ELSEWHERE.get(name, "")
        file, _, test = where.partition("::")
        here = f"test_{name.replace('.', '_')}"
        if where:
            assert test in _tests(file), f"{where} of ELSEWHERE is no more"
            assert here not in _tests("config/test_every_key_works.py"), "once is enough"
        else:
            assert here in _tests("config/test_every_key_works.py"), f"nobody tests {name}"

    def test_and_no_other_has(self):
        assert set(ELSEWHERE) <= {*KEYS, *ENVIRONMENT_KEYS}


@cache
def _tests(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text())
    kinds = ast.FunctionDef, ast.AsyncFunctionDef
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


# --- how it is tried


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """They outrank the file."""
    for name in [name for key in KEYS.values() if (name := key.variable)]:
        monkeypatch.delenv(name, raising=False)


def settings(text: str = "") -> Config:
    """As it is read from config.toml."""
    folder = paths.config_dir()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(text)
    return load()


def lab(**keys: object) -> Config:
    """With one environment, a server in it."""
    lines = [f"{name} = {value!r}".replace("True", "true") for name, value in keys.items()]
    if "discovery_method" not in keys:
        lines.append("endpoints = ['http://192.168.1.7:8000']")
    return settings("[environments.lab]\n" + "\n".join(lines))


def chain(text: str = "", *servers: ScriptedServer) -> Chain:
    return Chain(settings(text), time.monotonic, [ScriptedBackend()], remote=servers)


class Recipes:
    """As many as are wanted, and what was wanted."""

    wanted: int | None = None

    def near(self, words: str, shell: str, userland: str, most: int, has: object) -> Any:
        self.wanted = most
        return ()


class House:
    """A suggester over the scripted model, with seconds of its own."""

    def __init__(self, text: str = "") -> None:
        self.now = 0.0
        self.backend = ScriptedBackend()
        self.recipes = Recipes()
        made = Chain(settings(text), self.clock, [self.backend], recipes=self.recipes)
        self.suggester: Suggester = made.suggester
        self.suggester._look = DictLook()  # type: ignore[assignment]

    def clock(self) -> float:
        return self.now

    async def press(self, line: str = "list files") -> Suggestion:
        request = SuggestRequest(line=line, path="/usr/bin")
        return [update async for update in self.suggester.suggest(request)][-1]  # type: ignore[return-value]

    @property
    def asked(self) -> int:
        return len(self.backend.prompts)


# --- config.toml


@pytest.fixture
def root_level() -> Iterator[None]:
    before = logging.getLogger().level
    yield
    logging.getLogger().setLevel(before)


@pytest.mark.usefixtures("root_level")
def test_log_level():
    for level in ("debug", "error"):
        settings(f"log_level = '{level}'")
        backends = [ScriptedBackend()]
        desk = Desk(
            lambda former, own=backends: compose.compose(time.monotonic, lambda: own, former),  # type: ignore[misc]
            clock=time.monotonic,
        )
        desk.chain()
        assert logging.getLogger("cmdai_shell.x").isEnabledFor(logging.DEBUG) == (level == "debug")


async def test_safety_allow():
    risky = (await House().press("delete build")).verdict.risk
    allowed = House("[safety]\nallow = ['rm -rf ./build']")
    assert risky > Risk.SAFE
    assert (await allowed.press("delete build")).verdict.risk == Risk.SAFE


async def test_suggest_recipes():
    for number in (1, 3):
        house = House(f"[suggest]\nrecipes = {number}")
        await house.press()
        assert house.recipes.wanted == number
    none = House("[suggest]\nrecipes = 0")
    await none.press()
    assert none.recipes.wanted in (None, 0)


class Started(Exception):
    pass


async def order(text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], pipe.Load]:
    """The program that runs the model, and what it is told first."""
    found: list[Any] = []

    async def start(command: list[str], load: pipe.Load) -> None:
        found.extend((list(command), load))
        raise Started

    monkeypatch.setattr(engines.Child, "start", start)
    path = paths.data_dir() / "x.gguf"
    engine = compose._engine(settings(f"[embedded]\n{text}"), time.monotonic)
    monkeypatch.setattr(engine, "_choose", lambda: _File(path))
    with pytest.raises(Started):
        await engine._start(engine._choose())
    return found[0], found[1]


class _File:
    id, sha256, template, lora = "x", "0", "", Path("/learnt.gguf")

    def __init__(self, path: Path) -> None:
        self.path = path


async def test_embedded_engine(monkeypatch: pytest.MonkeyPatch):
    command, _ = await order("engine = 'llama-cpp'", monkeypatch)
    assert command[-1].endswith("embedded.worker")
    command, _ = await order("engine = 'llama-server'", monkeypatch)
    assert command[-1].endswith("embedded.llama_server")


async def test_embedded_threads(monkeypatch: pytest.MonkeyPatch):
    assert (await order("threads = 3", monkeypatch))[1].threads == 3


async def test_embedded_lora(monkeypatch: pytest.MonkeyPatch):
    assert (await order("lora = true", monkeypatch))[1].lora == "/learnt.gguf"
    assert (await order("lora = false", monkeypatch))[1].lora == ""


async def test_embedded_context_tokens(monkeypatch: pytest.MonkeyPatch):
    assert (await order("context_tokens = 777", monkeypatch))[1].context_tokens == 777


def test_embedded_model(monkeypatch: pytest.MonkeyPatch):
    from cmdai_shell.backends.embedded.store import Store

    asked: list[str] = []
    monkeypatch.setattr(Store, "chosen", lambda self, wanted: asked.append(wanted) or _File(ROOT))
    for wanted_model in ("qwen2.5-coder-0.5b", "auto"):
        engine = compose._engine(settings(f"[embedded]\nmodel = '{wanted_model}'"), time.monotonic)
        assert engine.model == "x"
    assert asked == ["qwen2.5-coder-0.5b", "auto"]


async def test_embedded_idle_unload_s(monkeypatch: pytest.MonkeyPatch):
    """How it goes then is tests/backends/embedded/test_engine.py's."""
    gone = 0

    async def unload(self: engines.EmbeddedBackend) -> None:
        nonlocal gone
        gone += 1
        self._started.clear()

    monkeypatch.setattr(engines.EmbeddedBackend, "unload", unload)
    for seconds, unloaded in ((0, 0), (1_000, 0), (10, 1)):
        gone, now = 0, 0.0
        engine = compose._engine(
            settings(f"[embedded]\nidle_unload_s = {seconds}"),
            lambda: now,  # noqa: B023
        )
        engine._started.set()
        now = 100.0
        async with asyncio.TaskGroup() as group:
            running = group.create_task(engine.run())
            for _ in range(5):
                await asyncio.sleep(0)
            running.cancel()
        assert gone == unloaded, seconds


async def test_caching_cache_ttl_s():
    house = House("[caching]\ncache_ttl_s = 10")
    for house.now, asked in ((0, 1), (9, 1), (10, 2)):
        await house.press()
        assert house.asked == asked


async def test_caching_cache_max_entries():
    for most, asked in ((1, 3), (2, 2)):
        house = House(f"[caching]\ncache_max_entries = {most}")
        for line in ("list files", "show two lines", "list files"):
            await house.press(line)
        assert house.asked == asked


def test_manual_enabled():
    assert chain().manual is not None
    assert chain("[manual]\nenabled = false").manual is None


def test_history_enabled():
    assert chain().history is not None
    assert chain("[history]\nenabled = false").history is None


SOURCES = {
    "mdns": ("mdns = false", "", "mdns"),
    "service_types": ("service_types = ['_x._tcp.local']", "", "_x._tcp.local"),
    "exclude_interfaces": ("exclude_interfaces = ['wlan9']", "", "wlan9"),
    "dns_domains": ("dns_domains = ['example.com']", "", "example.com"),
    "dns_servers": ("dns_servers = ['10.0.0.53']", "dns_domains = ['a.b']", "10.0.0.53"),
    "kubernetes": ("kubernetes = true", "", "k8s_service"),
    "kubernetes_context": ("kubernetes_context = 'prod'", "kubernetes = true", "prod"),
    "kubernetes_namespaces": ("kubernetes_namespaces = ['ml']", "kubernetes = true", "'ml'"),
}
"""Key -> (a value of it, what it needs, what of it is seen in who is asked for servers)."""


def looked_for(config: Config) -> str:
    return repr(list(wanted(config)))


def changes_who_is_looked_for(key: str) -> None:
    text, needed, seen = SOURCES[key]
    without = looked_for(settings(f"[discovery]\n{needed}"))
    with_it = looked_for(settings(f"[discovery]\n{needed}\n{text}"))
    assert (seen in without) != (seen in with_it)


def test_discovery_mdns():
    changes_who_is_looked_for("mdns")


def test_discovery_service_types():
    changes_who_is_looked_for("service_types")


def test_discovery_exclude_interfaces():
    changes_who_is_looked_for("exclude_interfaces")


def test_discovery_dns_domains():
    changes_who_is_looked_for("dns_domains")


def test_discovery_dns_servers():
    changes_who_is_looked_for("dns_servers")


def test_discovery_kubernetes():
    changes_who_is_looked_for("kubernetes")


def test_discovery_kubernetes_context():
    changes_who_is_looked_for("kubernetes_context")


def test_discovery_kubernetes_namespaces():
    changes_who_is_looked_for("kubernetes_namespaces")


async def test_load_balancing_strategy():
    """Which of two of one priority is asked by the second press."""
    for strategy, second in (("priority", "a"), ("round_robin", "b")):
        made = chain(
            f"caching.enabled = false\nload_balancing.strategy = '{strategy}'",
            ScriptedServer("a"),
            ScriptedServer("b"),
        )
        for line in ("list files", "show two lines"):
            async for _ in made.suggester.suggest(SuggestRequest(line=line, path="/bin")):
                pass
        assert [made.pool.decisions[-1].answered_by] == [second]


def test_load_balancing_health_check_timeout_ms():
    for milliseconds in (300, 700):
        text = f"load_balancing.health_check_timeout_ms = {milliseconds}"
        pace = remote.health_pace(settings(text).load_balancing)
        assert pace.look_timeout == milliseconds / 1000


def fails(text: str, times: int) -> Chain:
    """A chain whose only server has failed so often."""
    made = chain(text, ScriptedServer("a"))
    (member,) = made.pool
    for _ in range(times):
        member.asked(0)
        member.failed(BackendUnavailable("500", cause="status"), 0)
    return made


def test_load_balancing_failure_threshold():
    for most in (1, 4):
        text = f"load_balancing.failure_threshold = {most}"
        for times, state in ((most - 1, "closed"), (most, "open")):
            (member,) = fails(text, times).pool
            assert member.breaker.state == state


def test_load_balancing_success_threshold():
    for needed in (1, 3):
        (member,) = fails(f"load_balancing.success_threshold = {needed}", 3).pool
        for number in range(1, needed + 1):
            assert member.breaker.begin_trial(1000.0 * number)
            member.note_handshake(Handshake(state="ok"), 1000.0 * number)
            assert (member.breaker.state == "closed") == (number == needed)


# --- environments


def test_name():
    """The word for people; ids go by the file's."""
    from cmdai_shell.config.detection import detect

    config = lab(name="The lab upstairs")
    times = {"lab": {endpoint.id: 0.01 for endpoint in endpoints(config.environments["lab"])}}
    found = detect(config.environments, config.environment_detection, times)
    assert (found.name, "The lab upstairs" in found.reason) == ("lab", True)


def test_health_check_interval_s():
    assert not remote.own_paces(lab())
    assert remote.own_paces(lab(health_check_interval_s=7))["lab"].load_idle == 7


async def test_api_key_header():
    for header, sent in (("", "Authorization"), ("X-Key", "X-Key")):
        config = lab(auth_type="api_key", api_key_env="KEY", api_key_header=header)
        login = places.logins(config.environments["lab"], config, {"KEY": "k"})
        auth = login("https://gpu.example.com", "vllm")
        assert list(await auth.headers()) == [sent]


async def test_allow_http_credentials():
    for allowed in ({}, {"allow_http_credentials": True}):
        config = lab(auth_type="api_key", api_key_env="KEY", **allowed)
        login = places.logins(config.environments["lab"], config, {"KEY": "k"})
        auth = login("http://192.168.1.7:8000", "vllm")
        if allowed:
            assert await auth.headers()
        else:
            with pytest.raises(BackendDenied, match="over plain http"):
                await auth.headers()


def test_discovery_method():
    assert "_cmdai-dgx._tcp.local', '_ol" in looked_for(lab())
    record = {"discovery_method": "dns_srv", "dns_srv_record": "_x._tcp.a.b"}
    assert "dns_srv" not in looked_for(lab())
    assert "dns_srv" in looked_for(lab(**record))


def test_service_type():
    found = looked_for(lab(discovery_method="mdns", service_type="_own._tcp.local"))
    assert "_own._tcp.local" in found


def test_dns_srv_record():
    found = looked_for(lab(discovery_method="dns_srv", dns_srv_record="_own._tcp.example.com"))
    assert "_own._tcp.example.com" in found


def test_k8s_namespace():
    found = looked_for(
        lab(discovery_method="k8s_service", k8s_namespace="ml", k8s_service_name="vllm")
    )
    assert "'ml'" in found


def test_k8s_service_name():
    found = looked_for(
        lab(discovery_method="k8s_service", k8s_namespace="ml", k8s_service_name="own-vllm")
    )
    assert "own-vllm" in found


def test_travels():
    """What adapters and the router are tested with comes from the environment's file."""
    keys = {"kind": "triton", "model": "m", "chat_template": "chatml", "metrics_port": 9002}
    times = {"timeout_ms": 1500, "retry_count": 4, "retry_backoff_ms": 250, "priority": 3}
    (found,) = endpoints(lab(**keys, **times).environments["lab"])
    assert (found.kind, found.model, found.priority) == ("triton", "m", 3)
    assert found.labels == {"chat_template": "chatml", "metrics_port": "9002"}
    assert (found.timeout, found.retries, found.backoff) == (1.5, 4, 0.25)
