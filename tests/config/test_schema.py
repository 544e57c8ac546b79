from __future__ import annotations

import msgspec
import pytest

from cmdai_shell.config import Config
from cmdai_shell.config.schema import KEYS


def test_defaults_are_the_documented_ones() -> None:
    """The table of the README: a changed default is a change people must be told of."""
    assert {name: key.default for name, key in KEYS.items()} == {
        "safety_level": "moderate",
        "log_level": "info",
        "default_shell": "bash",
        "safety.allow": (),
        "safety.rules": (),
        "suggest.deadline_ms": 30_000,
        "suggest.max_alternatives": 3,
        "suggest.share_cwd": False,
        "suggest.share_listing": False,
        "suggest.recipes": 3,
        "embedded.engine": "llama-cpp",
        "embedded.model": "auto",
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
        "CMDAI_DEADLINE_MS",
        "CMDAI_MAX_ALTERNATIVES",
        "CMDAI_SHARE_CWD",
        "CMDAI_SHARE_LISTING",
        "CMDAI_RECIPES",
        "CMDAI_ENGINE",
        "CMDAI_MODEL",
        "CMDAI_THREADS",
        "CMDAI_CONTEXT_TOKENS",
        "CMDAI_IDLE_UNLOAD_S",
        "CMDAI_CACHING_ENABLED",
        "CMDAI_CACHE_IDENTICAL_REQUESTS",
        "CMDAI_CACHE_TTL_S",
        "CMDAI_CACHE_MAX_ENTRIES",
        "CMDAI_MANUAL_ENABLED",
        "CMDAI_HISTORY_ENABLED",
        "CMDAI_HISTORY_MAX_ENTRIES",
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
