"""Adapters that answer prompts: one table, each imported only when the configuration names it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cmdai_shell.errors import ConfigError

BACKENDS: dict[str, str] = {
    "llama-cpp": "cmdai_shell.backends.embedded.engine:EmbeddedBackend",
    "llama-server": "cmdai_shell.backends.embedded.llama_server:LlamaServerBackend",
}
"""The word in the TOML -> "module:Class"."""

_DISTRIBUTIONS = {"llama_cpp": "llama-cpp-python"}
"""Modules that ``pip install`` knows by another name."""


def load(word: str) -> type[Any]:
    """The adapter's class. Raises ConfigError for an unknown word, or a package that is missing."""
    try:
        module, _, name = BACKENDS[word].partition(":")
    except KeyError:
        known = ", ".join(sorted(BACKENDS))
        raise ConfigError(f"unknown backend '{word}'", hint=f"use one of: {known}") from None
    try:
        adapter: type[Any] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        missing = (error.name or module).partition(".")[0]
        package = _DISTRIBUTIONS.get(missing, missing)
        raise ConfigError(
            f"backend '{word}' needs the Python package {package}", hint=f"pip install {package}"
        ) from error
    return adapter
