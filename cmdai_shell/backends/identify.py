"""What software answers at an address, found in few requests and without a prompt.

One request, ``GET /v1/models``, settles most: its ``owned_by`` is a constant of the software. What
that leaves open, six more at a time do, in the order in which their answers can be trusted: proxies
pass ``/version`` and the like through, and several servers answer the same paths.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cmdai_shell.backends.exchange import Reply, is_gateways, parsed
from cmdai_shell.backends.models import Model, clean, listed
from cmdai_shell.config.environment import OWNERS
from cmdai_shell.core import Probe
from cmdai_shell.errors import BackendError, BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cmdai_shell.backends.http import HttpClient

_ALIVE = "/health/liveliness", "I'm alive!"
"""LiteLLM's proxy alone says that there, and says it without a key. Its list of models is like
OpenAI's own, and bears none of the headers that its other answers do."""

_VERSIONS = {
    "vllm": "/version",
    "trtllm": "/version",
    "llama.cpp": "/props",
    "ollama": "/api/version",
    "nim": "/v1/version",
}
"""Kind -> where its version is."""


_ASKED = re.compile(
    r"/(chat/completions|completions|responses|models|embeddings|api/(chat|generate|tags))/?$"
)
"""Ends of addresses that belong to one request: OpenAI's, Ollama's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    probe: Probe
    models: tuple[Model, ...]


def split(url: str) -> tuple[str, str]:
    """(the server's root, where the OpenAI API begins below it). A path that a person wrote is the
    API's whole base, as in OpenAI's own clients; without one it is /v1. Of an address that was
    copied with what is asked there, that is left out."""
    url = _ASKED.sub("", url)
    if url.endswith("/v1"):
        return url[: -len("/v1")], "/v1"
    has_path = "/" in url.partition("://")[2]
    return url, "" if has_path else "/v1"


async def identify(client: HttpClient, api: str, timeout: float, *, kind: str = "auto") -> Found:
    """With a ``kind`` that is known only its models and its version are asked for.

    Raises BackendError: whoever does not let us in is not asked further.
    """
    deadline = client.settings.clock() + timeout
    reply = await client.get(f"{api}/models", timeout, any_status=True)
    document = None
    if reply.status == 200:
        document = parsed(reply.body, server=client.name)
    elif reply.status not in (404, 405, 501) or kind not in ("auto", "triton", "tgi"):
        await client.get(f"{api}/models", deadline - client.settings.clock())  # raises what it is
    models = listed(document)
    version = ""
    if kind == "auto":
        kind = _by_owner(models)
        if not kind:
            kind, version = await _by_asking(client, deadline - client.settings.clock())
        if not kind and document is None:
            raise BackendUnavailable(
                f"{client.name} answers, but nothing that we know is at {client.url}{api}",
                _correct(client.name),
                "status",
            )
    is_gateway = is_gateways(reply.headers)
    if kind in ("", "openai") and not is_gateway:
        is_gateway = await _is_litellm(client, deadline - client.settings.clock())
    if not version and (path := _VERSIONS.get(kind)):
        version = await _version(client, path, deadline - client.settings.clock())
    probe = Probe(
        kind=kind or "openai",
        version=version,
        models=tuple(model.id for model in models),
        latency=reply.seconds,
        via_gateway=is_gateway,
    )
    return Found(probe=probe, models=models)


def _correct(name: str) -> str:
    """What to type about a server's address."""
    if "://" in name:
        return "is that its port, and its path? most need no path"
    edit = f"cmdai-shell config edit {shlex.quote(name.partition('/')[0])}"
    return f"correct its url, most need no path, or name its kind: {edit}"


def _by_owner(models: tuple[Model, ...]) -> str:
    for model in models:
        if kind := OWNERS.get(model.owner):
            return kind
        if model.owner == model.id:  # TGI, router/src/server.rs: owned_by is the model's id
            return "tgi"
    return ""


async def _by_asking(client: HttpClient, timeout: float) -> tuple[str, str]:
    """(kind, version), both empty if nothing answers that we know."""
    documents: dict[str, Any] = {}

    async def ask(path: str) -> None:
        try:
            reply = await client.get(path, timeout, is_anonymous=True, any_status=True)
            documents[path] = _document(reply)
        except BackendError:
            documents[path] = None

    async with asyncio.TaskGroup() as group:
        for path, *_ in _SIGNS:
            group.create_task(ask(path))
    for path, kind, is_it, key in _SIGNS:
        document = documents[path]
        if isinstance(document, dict) and is_it(document):
            return kind, clean(str(document.get(key) or ""))
    return "", ""


def _document(reply: Reply) -> Any:
    try:
        return reply.json() if reply.status == 200 else None
    except BackendUnavailable:
        return None


_SIGNS: tuple[tuple[str, str, Callable[[Mapping[str, Any]], bool], str], ...] = (
    ("/v2", "triton", lambda d: d.get("name") == "triton", "version"),
    ("/info", "tgi", lambda d: d.get("router") == "text-generation-router", "version"),
    ("/v1/metadata", "nim", lambda d: "modelInfo" in d or "assetInfo" in d, "version"),
    ("/props", "llama.cpp", lambda d: "default_generation_settings" in d, "build_info"),
    ("/-/routes", "ray", lambda d: any(str(k).startswith("/") for k in d), ""),
    ("/api/version", "ollama", lambda d: isinstance(d.get("version"), str), "version"),
    ("/version", "vllm", lambda d: isinstance(d.get("version"), str), "version"),
)
"""(path, kind, is it that, key of the version), the most trustworthy first: Triton's server
metadata, TGI's info, NIM's metadata, llama.cpp's properties, Ray Serve's routes. A KServe build of
TGI answers /v2/health too, but not /v2 with Triton's name."""


async def _version(client: HttpClient, path: str, timeout: float) -> str:
    try:
        reply = await client.get(path, timeout, is_anonymous=True, any_status=True)
    except BackendError:
        return ""
    document = _document(reply)
    found = document if isinstance(document, dict) else {}
    named = (found.get(key) for key in ("version", "release", "build_info"))
    return clean(str(next(filter(None, named), "")))


async def _is_litellm(client: HttpClient, timeout: float) -> bool:
    path, words = _ALIVE
    try:
        reply = await client.get(path, timeout, is_anonymous=True, any_status=True)
    except BackendError:
        return False
    return bool(_document(reply) == words)
