"""``active_environment = "auto"``: which environment to use, decided from what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmdai_shell.config.environments import place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmdai_shell.config.environment import Environment, Place
    from cmdai_shell.config.schema import EnvironmentDetection


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """The environment to use, and a sentence that says why; ``name`` is empty for none."""

    name: str
    reason: str
    place: Place | None = None
    ranking: tuple[str, ...] = ()
    """All that answered and may be used, best first: after it, the next ones to ask."""


_PLACES: Mapping[Place, int] = {"local": 0, "enterprise": 1, "cloud": 2}


def detect(
    environments: Mapping[str, Environment],
    detection: EnvironmentDetection,
    answered: Mapping[str, Mapping[str, float]],
    current: str = "",
) -> Detected:
    """Decide. ``answered``: environment -> endpoint -> seconds until it answered a small request;
    what did not answer is not in it. ``current`` stays among equals, so that two that are as good
    do not take turns.

    A server in the own network goes first, unless it is slower than ``max_latency_ms``; then what
    has the higher priority, the company's before the cloud's, the faster one. The cloud's are left
    out without ``fallback_to_cloud``.
    """
    fastest = {
        name: min(times.values())
        for name in environments
        if (times := answered.get(name)) and not _is_barred(environments[name], detection)
    }

    def rank(name: str) -> tuple[bool, int, int, bool, float]:
        environment = environments[name]
        where = place(environment)
        is_first = where == "local" and fastest[name] * 1000 <= detection.max_latency_ms
        return (
            not (is_first and detection.prefer_local_network),
            -environment.priority,
            _PLACES[where],
            name != current,
            fastest[name],
        )

    ranking = tuple(sorted(fastest, key=rank))
    if not ranking:
        return Detected(name="", reason=_nobody(environments, detection, answered))
    name = ranking[0]
    where = place(environments[name])
    reason = f"{environments[name].title} answered in {fastest[name] * 1000:.0f} ms ({where})"
    if len(ranking) > 1:
        reason += f", before {', '.join(ranking[1:])}"
    return Detected(name=name, reason=reason, place=where, ranking=ranking)


def _is_barred(environment: Environment, detection: EnvironmentDetection) -> bool:
    return place(environment) == "cloud" and not detection.fallback_to_cloud


def _nobody(
    environments: Mapping[str, Environment],
    detection: EnvironmentDetection,
    answered: Mapping[str, Mapping[str, float]],
) -> str:
    barred = [n for n in environments if answered.get(n) and _is_barred(environments[n], detection)]
    if barred:
        names = ", ".join(barred)
        return f"only {names} answered, in the cloud, and fallback_to_cloud is off"
    return "no server answered" if environments else "no environment is configured"
