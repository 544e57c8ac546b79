"""From the configuration to sources, and from an approved candidate to its live server."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cmdai_shell import discovery
from cmdai_shell.config.environment import Environment
from cmdai_shell.config.environments import belonging
from cmdai_shell.daemon.whereabouts import Here, asked_here, seen_from
from cmdai_shell.discovery.policy import Policy, refusal
from cmdai_shell.discovery.trust import forget_hint, trust_hint
from cmdai_shell.errors import CmdaiError, ConfigError, DiscoveryError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping

    from cmdai_shell.auth.authenticator import Authenticator
    from cmdai_shell.config import Config
    from cmdai_shell.core import Added, Clock, Endpoint, Removed, Server, Source
    from cmdai_shell.discovery.candidate import Candidate
    from cmdai_shell.discovery.pins import LearnedIdentity
    from cmdai_shell.discovery.trust import TrustStore
    from cmdai_shell.discovery.watching import Watched

PRIORITY = {"mdns": 30, "probe": 30, "kubernetes": 20, "dns": 10}
"""Of servers that belong to no environment: what is in the own network goes before the cluster,
that before a name server's, and all before the addresses that are written down (0, unless their
environment says otherwise)."""
MOST_SHOWN = 5
LOWEST = -9
"""Below that, by its own word: a source's last is still before the next source's first."""


class Missing:
    """A source that cannot be made: it says why each time it is begun."""

    def __init__(self, name: str, error: CmdaiError) -> None:
        self.name = name
        self._error = error

    async def watch(self) -> AsyncGenerator[Added | Removed, None]:
        raise DiscoveryError(self._error.message, self._error.hint)
        yield  # type: ignore[unreachable]  # a generator, as the others


def sources(config: Config) -> list[Source]:
    """Slow where packages have to be imported."""
    return [source(way, **arguments) for way, arguments in wanted(config)]


def wanted(config: Config) -> Iterator[tuple[str, dict[str, Any]]]:
    """(word of ``discovery.SOURCES``, arguments) of those that the configuration asks for: first
    the ones of no environment."""
    found = config.discovery
    listening = {"exclude_interfaces": found.exclude_interfaces}
    asking = {
        "servers": found.dns_servers,
        "clock": time.monotonic,
        "random": random.random,
    }
    cluster = {"context": found.kubernetes_context}
    if found.mdns:
        yield "mdns", {"service_types": found.service_types, **listening}
    if found.dns_domains:
        yield "dns_srv", {"domains": found.dns_domains, **asking}
    if found.kubernetes:
        yield "k8s_service", {"namespaces": found.kubernetes_namespaces, **cluster}
    for environment in config.environments.values():
        common = {"environment": environment.id, "priority": environment.priority}
        match environment.discovery_method:
            case "mdns":
                yield "mdns", {"service_types": (environment.service_type,), **listening, **common}
            case "dns_srv":
                yield "dns_srv", {"domains": (environment.dns_srv_record,), **asking, **common}
            case "k8s_service":
                place = {
                    "namespaces": (environment.k8s_namespace,),
                    "service": environment.k8s_service_name,
                }
                yield "k8s_service", {**place, **cluster, **common}


def source(way: str, **arguments: Any) -> Source:
    """One that says why, where it cannot be made."""
    try:
        made: Source = discovery.load(way)(**arguments)
    except CmdaiError as error:
        return Missing(way, error)
    return made


def policy(config: Config) -> Policy:
    """Whom the settings trust. Raises ConfigError for a bad ``trust_`` entry."""
    logins = {each.id for each in config.environments.values() if each.scheme != "none"}
    return Policy.of(config.discovery, logins)


class Logins:
    """Those of the environments, one each: its servers have their tokens in common. That of none
    asks nobody who they are."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._made: dict[str, Callable[[str, str], Authenticator]] = {}

    def of(self, endpoint: Endpoint) -> Authenticator:
        """Asks nobody, and reads no file. From any thread."""
        from cmdai_shell.backends import places

        environment = environment_of(endpoint, self._config)
        if environment.id not in self._made:
            made = places.logins(environment, self._config, by_daemon=True)
            self._made.setdefault(environment.id, made)
        return self._made[environment.id](endpoint.url, endpoint.kind)

    def forget(self, environment: str) -> None:
        self._made.pop(environment, None)


def environment_of(endpoint: Endpoint, config: Config) -> Environment:
    """The one that its source fills; without one all is as an environment has it by default."""
    return config.environments.get(endpoint.environment) or Environment()


def connected(
    candidate: Candidate,
    config: Config,
    logins: Logins,
    store: TrustStore,
    clock: Clock,
    on_other_key: Callable[[str], None],
    may_ask: Callable[[Here], bool],
) -> Server:
    """No byte is sent. ``on_other_key`` is told which key it showed instead of the one it is known
    by; ``may_ask`` is asked before each request over http where we are then. Where its URL has a
    name, connections go only to addresses that it could have been trusted at. Raises ConfigError.
    """
    from cmdai_shell import backends
    from cmdai_shell.backends import places

    endpoint = candidate.endpoint
    auth = logins.of(endpoint)
    if endpoint.url.startswith("https:"):
        auth = _pinned(candidate, auth, store, on_other_key)
    environment = environment_of(endpoint, config)
    if environment.id:
        priority = endpoint.priority or environment.priority
    else:
        word = endpoint.source.partition(":")[0]
        priority = PRIORITY.get(word, 0) + max(LOWEST, min(endpoint.priority, 0))
    model = environment.model or endpoint.model
    endpoint = belonging(replace(endpoint, priority=priority, model=model), environment)
    asked = places.settings(auth, config.load_balancing, clock=clock)
    asked = replace(asked, reach=reach(candidate, config))
    if candidate.approval and endpoint.url.startswith("http:"):
        asked = replace(asked, gate=asked_here(candidate.name, may_ask))
    return backends.connect(endpoint, asked)


def reach(candidate: Candidate, config: Config) -> Callable[[str], bool]:
    """Whether a connection to it may go to an address."""
    endpoint, sources = candidate.endpoint, candidate.sources
    if candidate.state != "by-policy":
        return lambda text: not refusal(endpoint.source, endpoint.url, (text,))
    trusting = policy(config)
    return lambda text: any(trusting.why(source, endpoint, (text,)) for source in sources)


async def keep_key(store: TrustStore, candidate: Candidate, key: str, *, is_alone: bool) -> None:
    """What it is known by from now on. Raises ConfigError."""
    if approval := candidate.approval:
        await asyncio.to_thread(store.note_pin, approval.name, key, is_key_alone=is_alone)
    else:
        await asyncio.to_thread(store.note_key, candidate.endpoint.url, key)


def _pinned(
    candidate: Candidate,
    inner: Authenticator,
    store: TrustStore,
    on_other_key: Callable[[str], None],
) -> Authenticator:
    from cmdai_shell.discovery.pins import PinnedAtFirstUse

    approval = candidate.approval

    async def remember(seen: LearnedIdentity) -> None:
        await keep_key(store, candidate, seen.spki, is_alone=not seen.is_chain_valid)

    return PinnedAtFirstUse(
        inner,
        candidate.endpoint.url,
        remember=remember,
        pin=candidate.pin,
        is_key_alone=approval.is_key_alone if approval else candidate.is_key_alone,
        on_mismatch=on_other_key,
        name=candidate.name,
        hint=forget_hint(candidate.name),
    )


def alone(candidate: Candidate, known: Iterable[Candidate]) -> None:
    """Raises ConfigError for a stranger if another one calls itself the same: which of them the
    person has in mind, only an address says."""
    host = candidate.endpoint.labels.get("host", "")
    if not host or candidate.state != "candidate":
        return
    new = [each.endpoint for each in known if each.state == "candidate"]
    urls = [each.url for each in new if each.labels.get("host", "") == host]
    if len({urlsplit(url).hostname for url in urls}) > 1:
        what = f"several call themselves {host}: {', '.join(urls[:MOST_SHOWN])}"
        raise ConfigError(what, f"the one that you mean: {trust_hint(candidate.endpoint.url)}")


def is_as_asked(candidate: Candidate, called: str, environment: str) -> bool:
    """It is approved, by that name and for that environment (empty: any). Raises ConfigError for
    one that stands in the configuration and is to be otherwise."""
    if candidate.state != "approved":
        return False
    there = candidate.endpoint.environment
    if called in ("", candidate.name) and environment in ("", there):
        return True
    if candidate.approval is None:
        what = f"{candidate.name} stands in your configuration: its name and login do, too"
        raise ConfigError(what, "cmdai-shell config edit")
    return False


def listened_to(one: Watched) -> dict[str, Any]:
    """As ``status`` has it. Nothing wrong with a name server that knows of no record, but with the
    name of the record, perhaps."""
    has_failed = one.state == "failed"
    asked = getattr(one.source, "questions", ())
    problem = one.problem if has_failed else ""
    if asked and all(question.state == "absent" for question in asked):
        problem = f"no SRV record {' or '.join(question.owner.name for question in asked)}"
    return {
        "name": one.name,
        "state": one.state,
        "problem": problem,
        "hint": one.hint if has_failed else "",
        "known": len(one.known),
    }


def shown(candidate: Candidate, now: Here, problem: str) -> Mapping[str, Any]:
    """As ``status`` has it. ``problem``: why it is no member, though it is approved."""
    candidate = seen_from(candidate, now)
    if problem and candidate.state in ("approved", "by-policy"):
        candidate = replace(candidate, story=f"not used yet: {problem}")
    endpoint = candidate.endpoint
    return {
        "name": candidate.name,
        "url": endpoint.url,
        "kind": endpoint.kind,
        "model": endpoint.model,
        "environment": endpoint.environment,
        "state": candidate.state,
        "sources": list(candidate.sources),
        "story": candidate.story,
        "hint": candidate.hint,
        "also": list(candidate.also),
    }
