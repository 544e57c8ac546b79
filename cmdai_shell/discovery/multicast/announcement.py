"""From a service that was announced to an endpoint. No I/O; all that it says is a claim."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from cmdai_shell.config.environment import Kind
from cmdai_shell.config.environments import checked_url
from cmdai_shell.core import Endpoint
from cmdai_shell.discovery.interfaces import Reach, usable
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmdai_shell.discovery.interfaces import Links

ORDINARY = "_inference._tcp"
"""The neutral kind of service; the others' names are part of an endpoint's id."""
USUAL_PRI = 10
"""``pri`` of a server that says nothing. Lower is better, and counts for nothing: nobody in the
network pushes forward by what he says. A higher one steps back by one tier."""

_SERVICES = {"_ollama._tcp": "ollama", "_vllm._tcp": "vllm", "_lmstudio._tcp": "lmstudio"}
_APIS = {"tgi": "tgi", "kserve2": "triton", "ollama": "ollama"}
"""Protocols that are not OpenAI's. Who speaks that one is asked which server it is (``auto``)."""
_KINDS = frozenset(get_args(Kind)) - {"azure", "sagemaker"}
_BASE = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_SPKI = re.compile(r"sha256/[A-Za-z0-9+/]{43}=")
_YES = frozenset({"1", "true", "yes"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """One service, as its records say."""

    instance: str
    """As it can be shown."""
    service: str
    """``_inference._tcp``."""
    host: str
    """``spark-1a2b.local``, or empty."""
    port: int
    txt: Mapping[str, str]
    addresses: tuple[str, ...]
    """With the scope of a link-local one, by number or by name; the latest first."""


def endpoint(
    heard: Announcement, links: Links, *, environment: str = "", priority: int = 0, before: str = ""
) -> Endpoint | None:
    """None if nothing of it can be used. Its ``id`` is not unique yet. ``before``: the URL that it
    had, whose address is kept among equally good ones."""
    scheme = _scheme(heard.txt)
    if not 0 < heard.port < 65_536:
        return None
    held = before.partition("://")[2].rpartition(":")[0].strip("[]")
    ways = usable(heard.addresses, links, is_secure=scheme == "https", before=held)
    if not ways:
        return None
    way = ways[0]
    try:
        url = checked_url(f"{scheme}://{way.host}:{heard.port}{_path(heard.txt)}")
    except ConfigError:
        return None
    return Endpoint(
        id=name(heard, way),
        url=url,
        kind=_kind(heard),
        source="mdns",
        environment=environment,
        priority=priority - _step_back(heard.txt),
        model=heard.txt.get("model", ""),
        labels=_labels(heard, ways),
    )


def name(heard: Announcement, way: Reach) -> str:
    """``mdns/spark-1a2b:8000``, for another kind of service ``mdns/spark-1a2b:11434#ollama``."""
    host = heard.host.removesuffix(".local")
    readable = host or _typeable(heard.instance) or way.text
    word = heard.service.partition(".")[0].lstrip("_").lower()
    tail = "" if heard.service.lower() == ORDINARY else f"#{word}"
    return f"mdns/{readable}:{heard.port}{tail}"


def _labels(heard: Announcement, ways: tuple[Reach, ...]) -> Mapping[str, str]:
    first = ways[0]
    spki = heard.txt.get("spki", "")
    found = {
        "host": heard.host,
        "addresses": " ".join(way.text for way in ways),
        "interface": first.link.name if first.link else "",
        "network": str(first.own) if first.own else "",
        "instance": heard.instance,
        "uuid": heard.txt.get("id", "")[:64],
        "spki": spki if _SPKI.fullmatch(spki) else "",
        "auth": heard.txt.get("auth", "").lower()[:32],
    }
    return {key: text for key, text in found.items() if text}


def _scheme(said: Mapping[str, str]) -> str:
    is_tls = (
        said.get("transport", "").lower() == "https"
        or said.get("tls", "").lower() in _YES
        or said.get("auth", "").lower() == "mtls"
    )
    return "https" if is_tls else "http"


def _path(said: Mapping[str, str]) -> str:
    """Below what the API is. The usual /v1 is the adapters' to add, and a base that is no plain
    path (another server's URL, a way up) is none."""
    base = said.get("base", "").rstrip("/")
    return base if base != "/v1" and len(base) <= 200 and _BASE.fullmatch(base) else ""


def _kind(heard: Announcement) -> str:
    said = heard.txt.get("kind", "").lower()
    if said in _KINDS:
        return said
    api = heard.txt.get("api", "").lower()
    by_service = _SERVICES.get(heard.service.lower(), "auto")
    return _APIS.get(api) or (api if api in _KINDS - {"openai", "auto"} else by_service)


def _step_back(said: Mapping[str, str]) -> int:
    pri = said.get("pri") or said.get("priority") or ""
    is_number = pri.isascii() and pri.isdigit() and len(pri) <= 9
    return int(is_number and int(pri) > USUAL_PRI)


def _typeable(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:40].strip("-._")
