"""Adapters that answer prompts: tables of them, each imported only when it is configured."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from cmdai_shell.backends.http import Settings
    from cmdai_shell.core import Endpoint, Server

BACKENDS: dict[str, str] = {
    "llama-cpp": "cmdai_shell.backends.embedded.engine:EmbeddedBackend",
    "llama-server": "cmdai_shell.backends.embedded.llama_server:LlamaServerBackend",
}
"""``embedded.engine`` in the TOML -> "module:Class"."""

_OPENAI = "cmdai_shell.backends.openai:OpenAIServer"

REMOTE: dict[str, str] = {
    "auto": "cmdai_shell.backends.auto:AutoServer",
    "vllm": _OPENAI,
    "nim": _OPENAI,
    "sglang": _OPENAI,
    "trtllm": _OPENAI,
    "llama.cpp": _OPENAI,
    "ollama": "cmdai_shell.backends.ollama:OllamaServer",
    "lmstudio": _OPENAI,
    "ray": _OPENAI,
    "triton-openai": _OPENAI,
    "azure": "cmdai_shell.backends.azure:AzureServer",
    "openai": _OPENAI,
    "tgi": "cmdai_shell.backends.tgi:TgiServer",
    "triton": "cmdai_shell.backends.triton:TritonServer",
    "sagemaker": "cmdai_shell.backends.sagemaker:SageMakerServer",
}
"""``kind`` of a server in the TOML -> "module:Class", made of an Endpoint and Settings."""

_DISTRIBUTIONS = {"llama_cpp": "llama-cpp-python"}
"""Modules that ``pip install`` knows by another name."""


def load(word: str) -> type[Any]:
    """The adapter's class. Raises ConfigError for an unknown word, or a package that is missing."""
    table = BACKENDS if word in BACKENDS else REMOTE
    try:
        module, _, name = table[word].partition(":")
    except KeyError:
        known = ", ".join(sorted({*BACKENDS, *REMOTE}))
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


def connect(endpoint: Endpoint, settings: Settings) -> Server:
    """The live server at an address; no byte is sent yet. Raises ConfigError."""
    server: Server = load(endpoint.kind)(endpoint, settings)
    return server
