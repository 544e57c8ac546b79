"""The table of backends."""

from __future__ import annotations

import importlib.util

import pytest

from cmdai_shell import backends
from cmdai_shell.errors import ConfigError


def test_every_word_leads_to_a_module_that_exists():
    for target in backends.BACKENDS.values():
        assert importlib.util.find_spec(target.partition(":")[0]), target


def test_unknown_word_names_the_known_ones():
    with pytest.raises(ConfigError) as caught:
        backends.load("lama-cpp")
    assert "lama-cpp" in caught.value.message
    assert "llama-cpp" in caught.value.hint


def test_loads_the_class(monkeypatch):
    monkeypatch.setitem(backends.BACKENDS, "router", "cmdai_shell.routing.router:Router")
    assert backends.load("router").__name__ == "Router"


def test_missing_package_names_the_pip_install(monkeypatch):
    monkeypatch.setitem(backends.BACKENDS, "absent", "absent_package_of_a_test.client:Backend")
    with pytest.raises(ConfigError) as caught:
        backends.load("absent")
    assert caught.value.hint == "pip install absent_package_of_a_test"
