from __future__ import annotations

import sys
from subprocess import run
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config import Config, load
from cmdai_shell.config.loading import config_file, load_with_origins, nearest, parse
from cmdai_shell.config.schema import KEYS
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

OTHER: dict[str, tuple[str, object]] = {
    "safety_level": ('"strict"', "strict"),
    "log_level": ('"debug"', "debug"),
    "default_shell": ('"fish"', "fish"),
    "cache_max_size_gb": ("20", 20),
    "active_environment": ('"none"', "none"),
    "safety.allow": ('["git push"]', ("git push",)),
    "suggest.deadline_ms": ("5000", 5000),
    "suggest.max_alternatives": ("1", 1),
    "suggest.share_cwd": ("true", True),
    "suggest.share_listing": ("true", True),
    "suggest.share_history": ("true", True),
    "suggest.recipes": ("0", 0),
    "embedded.engine": ('"llama-server"', "llama-server"),
    "embedded.model": ('"qwen2.5-coder-0.5b"', "qwen2.5-coder-0.5b"),
    "embedded.lora": ("false", False),
    "embedded.threads": ("3", 3),
    "embedded.context_tokens": ("4096", 4096),
    "embedded.idle_unload_s": ("0", 0),
    "caching.enabled": ("false", False),
    "caching.cache_identical_requests": ("false", False),
    "caching.cache_ttl_s": ("60", 60),
    "caching.cache_max_entries": ("5", 5),
    "manual.enabled": ("false", False),
    "history.enabled": ("false", False),
    "history.max_entries": ("5", 5),
    "discovery.mdns": ("false", False),
    "discovery.service_types": ('["_x._tcp.local"]', ("_x._tcp.local",)),
    "discovery.exclude_interfaces": ('["eth*"]', ("eth*",)),
    "discovery.dns_domains": ('["example.org"]', ("example.org",)),
    "discovery.dns_servers": ('["192.0.2.1:5353"]', ("192.0.2.1:5353",)),
    "discovery.kubernetes": ("true", True),
    "discovery.kubernetes_context": ('"office"', "office"),
    "discovery.kubernetes_namespaces": ('["dgx"]', ("dgx",)),
    "discovery.trust_subnets": ('["10.1.2.0/24"]', ("10.1.2.0/24",)),
    "discovery.trust_domains": ('["example.org"]', ("example.org",)),
    "discovery.trust_namespaces": ('["dgx"]', ("dgx",)),
    "metrics.enabled": ("true", True),
    "metrics.port": ("9500", 9500),
    "tracing.propagate": ("false", False),
    "tracing.keep_on_disk": ("true", True),
    "tracing.otlp_endpoint": ('"http://127.0.0.1:4318"', "http://127.0.0.1:4318"),
    "tracing.otlp_words": ("true", True),
    "audit.enabled": ("false", False),
    "auth.credential_store": ('"file"', "file"),
    "auth.passphrase_command": ('"pass show x"', "pass show x"),
    "environment_detection.prefer_local_network": ("false", False),
    "environment_detection.fallback_to_cloud": ("false", False),
    "environment_detection.max_latency_ms": ("20", 20),
    "load_balancing.strategy": ('"sticky"', "sticky"),
    "load_balancing.health_check_enabled": ("false", False),
    "load_balancing.health_check_interval_s": ("30", 30),
    "load_balancing.health_check_timeout_ms": ("500", 500),
    "load_balancing.health_check_endpoint": ('"/health"', "/health"),
    "load_balancing.health_check_expected_status": ("204", 204),
    "load_balancing.failure_threshold": ("5", 5),
    "load_balancing.success_threshold": ("2", 2),
    "load_balancing.failover_enabled": ("false", False),
    "load_balancing.failover_timeout_ms": ("5000", 5000),
    "load_balancing.hedge_budget_percent": ("0", 0),
    "load_balancing.max_attempts": ("1", 1),
}
"""For each key a value that is not its default: as TOML, and loaded."""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


def value(config: Config, name: str) -> object:
    section, _, key = name.rpartition(".")
    return getattr(getattr(config, section) if section else config, key)


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as error:
        load(written(tmp_path, text), {})
    return str(error.value).replace(str(tmp_path), "")


def test_every_key_is_tried_here() -> None:
    assert set(OTHER) | {"safety.rules"} == set(KEYS)


@pytest.mark.parametrize("name", OTHER)
def test_each_key_of_the_file_is_loaded(tmp_path: Path, name: str) -> None:
    text, expected = OTHER[name]
    config = load(written(tmp_path, f"{name} = {text}\n"), {})
    assert value(config, name) == expected != KEYS[name].default
    others = {other: value(config, other) for other in KEYS if other != name}
    assert others == {other: KEYS[other].default for other in others}


def test_rules_are_loaded(tmp_path: Path) -> None:
    text = """
    [[safety.rules]]
    match = "\\\\bterraform apply\\\\b"
    risk = "critical"
    reason = "changes production"
    """
    (rule,) = load(written(tmp_path, text), {}).safety.rules
    assert (rule.match, rule.risk, rule.reason) == (
        r"\bterraform apply\b",
        "critical",
        "changes production",
    )


@pytest.mark.parametrize("name", [name for name, key in KEYS.items() if key.variable])
def test_each_variable_outranks_the_file(tmp_path: Path, name: str) -> None:
    text, expected = OTHER[name]
    default = KEYS[name].default
    shown = str(default).lower() if isinstance(default, bool) else repr(default)
    path = written(tmp_path, f"{name} = {shown}\n")
    assert value(load(path, {}), name) == default
    assert value(load(path, {KEYS[name].variable: text.strip('"')}), name) == expected


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    path = written(tmp_path, "embedded.threads = 2\n")
    assert load(path, {"CMDAI_THREADS": ""}).embedded.threads == 2


def test_no_file_is_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path / "absent.toml", {}) == Config()


def test_the_user_s_own_file_is_found() -> None:
    config_file().parent.mkdir()
    config_file().write_text("log_level = 'error'\n")
    assert load().log_level == "error"


def test_origins_tell_which_of_the_three(tmp_path: Path) -> None:
    path = written(tmp_path, "# one\nlog_level = 'debug'\n\n[embedded]\nthreads = 2\nmodel = 'a'\n")
    loaded = load_with_origins(path, {"CMDAI_MODEL": "b"})
    assert loaded.origins["log_level"] == f"{path}:2"
    assert loaded.origins["embedded.threads"] == f"{path}:5"
    assert loaded.origins["embedded.model"] == "$CMDAI_MODEL"
    assert loaded.origins["caching.enabled"] == "default"
    assert set(loaded.origins) == set(KEYS)  # no environment, no key of one


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[embedded]\n\n# more\nthread = 3\n",
            "/config.toml:4: unknown key embedded.thread: did you mean embedded.threads?",
        ),
        ("threads = 3", "/config.toml:1: unknown key threads: did you mean embedded.threads?"),
        (
            "[embeded]\nthreads = 3",
            "/config.toml:2: unknown key embeded.threads: did you mean embedded.threads?",
        ),
        (
            "colour = 'red'",
            "/config.toml:1: unknown key colour: cmdai-shell config show lists the keys",
        ),
        (
            "embedded = 3",
            "/config.toml:1: embedded is a section: write [embedded], keys below it",
        ),
        (
            "safety_level = 'loose'",
            '/config.toml:1: safety_level = "loose": choose strict, moderate, permissive',
        ),
        (
            "[embedded]\nthreads = '3'",
            '/config.toml:2: embedded.threads = "3": expected a whole number, got text',
        ),
        (
            "[embedded]\nthreads = -3",
            "/config.toml:2: embedded.threads = -3: expected a whole number >= 0",
        ),
        (
            "[caching]\nenabled = 1",
            "/config.toml:2: caching.enabled = 1: expected true or false, got a whole number",
        ),
        (
            "[safety]\nallow = [\n  'ls',\n  '',\n]",
            "/config.toml:2: safety.allow[1]: expected text of length >= 1",
        ),
        (
            "[[safety.rules]]\nmatch = 'a'\nrisk = 'safe'\nreason = 'r'\n"
            "[[safety.rules]]\nmatch = 'b'\nrisk = 'bad'\nreason = 'r'",
            "/config.toml:7: safety.rules[1].risk: choose safe, caution, dangerous, critical",
        ),
        (
            "[[safety.rules]]\nmatch = 'a'\nrisk = 'safe'\nreason = 'r'\nlevel = 1",
            "/config.toml:5: safety.rules[0].level: unknown key",
        ),
        (
            "[[safety.rules]]\nmatch = '('\nrisk = 'safe'\nreason = 'r'",
            "/config.toml:2: safety.rules[0].match: not a regular expression: ",
        ),
        ("log_level = 'info'\nsafety_level = strict\n", "/config.toml:2: not valid TOML: "),
        ("[embedded\nthreads = 1", "/config.toml:1: not valid TOML: "),
        ("log_level = 'info'\n\nx = [\n1,\n", "/config.toml:"),
    ],
)
def test_a_refusal_names_file_line_key_and_cure(tmp_path: Path, text: str, sentence: str) -> None:
    assert refusal(tmp_path, text).startswith(sentence)


def test_a_bad_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path / "absent.toml", {"CMDAI_THREADS": "many"})
    assert str(error.value) == (
        '$CMDAI_THREADS: embedded.threads = "many": expected a whole number, got text'
    )


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"# caf\xc3\xa9\n# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"config.toml:2: not UTF-8"):
        load(path, {})


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*: is a directory"):
        load(tmp_path, {})


def test_an_empty_section_is_nothing() -> None:
    assert parse("[embedded]\n") == {}
    with pytest.raises(ConfigError, match="unknown key embeded"):
        parse("[embeded]\n")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("saftey_level", "safety_level"), ("cache_ttl", "caching.cache_ttl_s"), ("zzz", "")],
)
def test_the_nearest_key(typed: str, meant: str) -> None:
    assert nearest(typed) == meant


def test_importing_it_is_cheap() -> None:
    """A keypress may have to start the daemon: no editor of TOML, no platformdirs, no click."""
    code = (
        "import sys, cmdai_shell.config; "
        "print([m for m in ('tomlkit', 'platformdirs', 'click', 'rich') if m in sys.modules])"
    )
    ended = run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
