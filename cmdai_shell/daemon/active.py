"""Which environment is in use, and whom a request means: names of the configuration, members."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cmdai_shell.config import environments
from cmdai_shell.config.detection import Detected, detect
from cmdai_shell.config.environments import AUTO, NONE
from cmdai_shell.core import EMBEDDED
from cmdai_shell.discovery.trust import trust_hint
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cmdai_shell.config import Config
    from cmdai_shell.core import Clock, SuggestRequest
    from cmdai_shell.daemon.finder import Finder
    from cmdai_shell.routing import Pool
    from cmdai_shell.routing.member import Member

log = logging.getLogger(__name__)

EVERY_S = 5.0
"""Between two decisions, unless a member comes, goes, fails or recovers."""
GRACE_S = 3.0
"""So long a member that nobody has heard of yet counts as one that answers: the near one that is
just being asked is not passed over for a far one that was faster to say who it is."""
ASSUMED_S = 0.05


class Active:
    """Keeps ``pool.active`` right. ``look`` as often as there may be news: it is cheap."""

    def __init__(self, config: Config, pool: Pool, clock: Clock) -> None:
        self._config = config
        self._pool = pool
        self._clock = clock
        self._begun = clock()
        self._states: tuple[object, ...] = ()
        self._next = float("-inf")
        mode = config.active_environment
        self.mode = mode if config.environments or mode == NONE else ""
        self.reason = ""
        if self.mode == AUTO:
            self.look()
        elif self.mode:
            is_none = self.mode == NONE
            self.reason = "no server is asked" if is_none else "the settings name it"
            pool.use(self.mode)
        else:
            pool.use(None)  # there are no names

    @property
    def name(self) -> str:
        """Empty while there is none."""
        return self._pool.active or ""

    def look(self) -> None:
        """Decide anew, if it is time to, or what is known has changed."""
        if self.mode != AUTO:
            return
        now = self._clock()
        is_new = now < self._begun + GRACE_S
        states = (is_new, *((m.id, m.state, m.breaker.state, m.is_drained) for m in self._pool))
        if states == self._states and now < self._next:
            return
        self._states, self._next = states, now + EVERY_S
        found = self._decided(is_new=is_new)
        self.reason = found.reason
        # If nobody answers: as before; at first those that belong to no environment, if there are.
        name = found.name or self._pool.active or ""
        if name != self._pool.active:
            log.info("environment", extra={"fields": {"active": name, "before": self.name}})
            self._pool.use(name)

    def drain(self, name: str, *, is_drained: bool) -> dict[str, Any]:
        """The id of the server that is called so, and how many requests it has yet. What is
        drained is so until it is taken back, or the daemon ends. Raises ConfigError for a name
        that is not there."""
        server = _named(name, _known(self._config, self._pool), "")
        self._pool.drain(server, is_drained=is_drained)
        self.look()
        left = sum(member.in_flight for member in self._pool if member.id == server)
        return {"name": server, "is_drained": is_drained, "in_flight": left}

    def status(self) -> dict[str, str]:
        self.look()
        active = "" if self.name == NONE else self.name
        reason = f"{self.reason}{self._others(active)}"
        return {"active": active, "configured": self.mode, "reason": reason}

    def _others(self, active: str) -> str:
        """Of servers that are written down and were never meant nobody tells anything else."""
        if self.mode == NONE:
            return ""
        known = {active, *(member.environment for member in self._pool)}
        number = len(self._config.environments.keys() - known)
        return f"; {number} more environment{'s' * (number > 1)} not asked yet" if number else ""

    def _decided(self, *, is_new: bool) -> Detected:
        members = [m for m in self._pool if m.environment and not m.is_drained]
        answered = [m for m in members if m.is_candidate and (is_new or m.state != "new")]
        found = self._detected(answered)
        if found.name:
            return found
        now = self._clock()  # where nobody looks after members, requests have to
        others = [m for m in members if m.state == "new" or m.is_due(now)]
        tried = self._detected(others)
        return tried if tried.name else found

    def _detected(self, answered: Sequence[Member]) -> Detected:
        times: dict[str, dict[str, float]] = {}
        for member in answered:
            seconds = ASSUMED_S if member.latency is None else member.latency
            times.setdefault(member.environment, {})[member.id] = seconds
        known, settings = self._config.environments, self._config.environment_detection
        found = detect(known, settings, times, self.name)
        if any(m.environment == found.name and m.latency is not None for m in answered):
            return found
        if not found.name:
            return found
        return replace(found, reason=f"{known[found.name].title} goes first; it is being asked")


def meant(
    request: SuggestRequest,
    config: Config,
    active: Active,
    pool: Pool,
    finder: Finder | None = None,
) -> SuggestRequest:
    """The request with the names that it means: of the environment, in use or asked for, and of
    the server; and of the shell. Raises ConfigError for a name that is not there, or is of a server
    that was found and is not used."""
    if request.any_shell:
        request = replace(request, shell=config.default_shell, any_shell=False)
    if request.backend == EMBEDDED:
        return replace(request, environment=NONE)
    environment = request.environment
    if environment in ("", AUTO):
        environment = ""
    elif environment != NONE and environment not in config.environments:
        raise environments.unknown_environment(environment, config.environments)
    if not request.backend:
        return replace(request, environment=environment or active.name)
    known = _known(config, pool)
    name = request.backend
    if name in config.environments and name not in known and environment in ("", name):
        return replace(request, environment=name, backend="")  # all that it has
    if name not in known and finder:
        _used(name, finder)
    backend = _named(name, known, environment)
    return replace(request, environment=known[backend], backend=backend)


def _used(name: str, finder: Finder) -> None:
    """Raises ConfigError for one that was found, and is none of the pool's."""
    for one in finder.status()["found"]:
        if one["name"] == name:
            why = one["story"] or "it was found, and is not used yet"
            raise ConfigError(f"{name}: {why}", one["hint"] or trust_hint(name))


def _known(config: Config, pool: Pool) -> dict[str, str]:
    """Servers' ids, and the environments that they are of."""
    known = {member.id: member.environment for member in pool}
    for there in config.environments.values():
        known |= {endpoint.id: there.id for endpoint in environments.endpoints(there)}
    return known


def _named(name: str, known: Mapping[str, str], environment: str) -> str:
    """The id of the one server that is called so, with or without its environment before it, or is
    the only one of the environment that is."""
    within = [id_ for id_, there in known.items() if environment in ("", there)]
    found = [id_ for id_ in within if name == id_] or [
        id_ for id_ in within if name in (known[id_], id_.partition("/")[2])
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"{name} can be {' or '.join(found)}", "name it whole")
    raise environments.unknown_server(name, [*within, EMBEDDED], environment)
