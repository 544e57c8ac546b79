from __future__ import annotations

import msgspec
import pytest

from cmdai_shell.config import Config
from cmdai_shell.config.schema import KEYS, Discovery


def test_defaults_are_the_documented_ones() -> None:
    """The table of the README: a changed default is a change people must be told of."""
    assert {name: key.default for name, key in KEYS.items()} == {
        "safety_level": "moderate",
        "log_level": "info",
        "default_shell": "bash",
        "cache_max_size_gb": 10,
        "active_environment": "auto",
        "safety.allow": (),
        "safety.rules": (),
        "suggest.deadline_ms": 30_000,
        "suggest.max_alternatives": 3,
        "suggest.share_cwd": False,
        "suggest.share_listing": False,
        "suggest.share_history": False,
        "suggest.recipes": 2,
        "embedded.engine": "llama-cpp",
        "embedded.model": "auto",
        "embedded.lora": True,
        "embedded.threads": 0,
        "embedded.context_tokens": 2048,
        "embedded.idle_unload_s": 900,
        "caching.enabled": True,
        "caching.cache_identical_requests": True,
        "caching.cache_ttl_s": 300,
        "caching.cache_max_entries": 100,
        "manual.enabled": True,
        "history.enabled": True,
        "history.max_entries": 2_000,
        "discovery.mdns": True,
        "discovery.service_types": (
            "_inference._tcp.local",
            "_cmdai-dgx._tcp.local",
            "_ollama._tcp.local",
            "_openai._tcp.local",
            "_vllm._tcp.local",
            "_llm._tcp.local",
            "_lmstudio._tcp.local",
            "_saturn._tcp.local",
        ),
        "discovery.exclude_interfaces": Discovery().exclude_interfaces,
        "discovery.dns_domains": (),
        "discovery.dns_servers": (),
        "discovery.kubernetes": False,
        "discovery.kubernetes_context": "",
        "discovery.kubernetes_namespaces": (),
        "discovery.trust_subnets": (),
        "discovery.trust_domains": (),
        "discovery.trust_namespaces": (),
        "metrics.enabled": False,
        "metrics.port": 9464,
        "tracing.propagate": True,
        "tracing.keep_on_disk": False,
        "tracing.otlp_endpoint": "",
        "tracing.otlp_words": False,
        "audit.enabled": True,
        "auth.credential_store": "auto",
        "auth.passphrase_command": "",
        "environment_detection.prefer_local_network": True,
        "environment_detection.fallback_to_cloud": True,
        "environment_detection.max_latency_ms": 100,
        "load_balancing.strategy": "adaptive",
        "load_balancing.health_check_enabled": True,
        "load_balancing.health_check_interval_s": 60,
        "load_balancing.health_check_timeout_ms": 2_000,
        "load_balancing.health_check_endpoint": "auto",
        "load_balancing.health_check_expected_status": 200,
        "load_balancing.failure_threshold": 3,
        "load_balancing.success_threshold": 1,
        "load_balancing.failover_enabled": True,
        "load_balancing.failover_timeout_ms": 4_500,
        "load_balancing.hedge_budget_percent": 5,
        "load_balancing.max_attempts": 3,
    }


def test_every_key_has_a_sentence() -> None:
    for key in KEYS.values():
        assert len(key.description) > 10, key.name


def test_environment_variables_follow_one_rule() -> None:
    """Pinned: a new key that would rename somebody's variable fails here."""
    assert {key.variable for key in KEYS.values()} == {
        "",  # lists and tables have none
        "CMDAI_SAFETY_LEVEL",
        "CMDAI_LOG_LEVEL",
        "CMDAI_DEFAULT_SHELL",
        "CMDAI_CACHE_MAX_SIZE_GB",
        "CMDAI_ACTIVE_ENVIRONMENT",
        "CMDAI_DEADLINE_MS",
        "CMDAI_MAX_ALTERNATIVES",
        "CMDAI_MDNS",
        "CMDAI_CREDENTIAL_STORE",
        "CMDAI_PASSPHRASE_COMMAND",
        "CMDAI_KUBERNETES",
        "CMDAI_KUBERNETES_CONTEXT",
        "CMDAI_SHARE_CWD",
        "CMDAI_SHARE_LISTING",
        "CMDAI_SHARE_HISTORY",
        "CMDAI_RECIPES",
        "CMDAI_ENGINE",
        "CMDAI_MODEL",
        "CMDAI_THREADS",
        "CMDAI_LORA",
        "CMDAI_CONTEXT_TOKENS",
        "CMDAI_IDLE_UNLOAD_S",
        "CMDAI_CACHING_ENABLED",
        "CMDAI_CACHE_IDENTICAL_REQUESTS",
        "CMDAI_CACHE_TTL_S",
        "CMDAI_CACHE_MAX_ENTRIES",
        "CMDAI_MANUAL_ENABLED",
        "CMDAI_HISTORY_ENABLED",
        "CMDAI_HISTORY_MAX_ENTRIES",
        "CMDAI_METRICS_ENABLED",
        "CMDAI_METRICS_PORT",
        "CMDAI_TRACING_PROPAGATE",
        "CMDAI_TRACING_KEEP_ON_DISK",
        "CMDAI_OTLP_ENDPOINT",
        "CMDAI_OTLP_WORDS",
        "CMDAI_AUDIT_ENABLED",
        "CMDAI_PREFER_LOCAL_NETWORK",
        "CMDAI_FALLBACK_TO_CLOUD",
        "CMDAI_MAX_LATENCY_MS",
        "CMDAI_LOAD_BALANCING_STRATEGY",
        "CMDAI_HEALTH_CHECK_ENABLED",
        "CMDAI_HEALTH_CHECK_INTERVAL_S",
        "CMDAI_HEALTH_CHECK_TIMEOUT_MS",
        "CMDAI_HEALTH_CHECK_ENDPOINT",
        "CMDAI_HEALTH_CHECK_EXPECTED_STATUS",
        "CMDAI_FAILURE_THRESHOLD",
        "CMDAI_SUCCESS_THRESHOLD",
        "CMDAI_FAILOVER_ENABLED",
        "CMDAI_FAILOVER_TIMEOUT_MS",
        "CMDAI_HEDGE_BUDGET_PERCENT",
        "CMDAI_MAX_ATTEMPTS",
    }


def test_a_configuration_cannot_change_under_its_reader() -> None:
    config = Config()
    with pytest.raises(AttributeError):
        config.safety_level = "strict"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        config.embedded.threads = 2  # type: ignore[misc]


def test_it_can_be_described_to_an_editor() -> None:
    schema = msgspec.json.schema(Config)
    threads = schema["$defs"]["Embedded"]["properties"]["threads"]
    assert (threads["minimum"], threads["maximum"]) == (0, 512)
