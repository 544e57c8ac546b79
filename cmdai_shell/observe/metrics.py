"""Numbers of what the program does: counters, gauges and histograms with a bound on their series.

Standard library only, and a microsecond for each number: requests count here, and what writes the
numbers down for somebody else (``exposition``) is imported when somebody asks. Labels are words of
our own and names of servers and models; never an address, a person or what was asked.

Where OpenTelemetry's conventions for clients of generative models have a name, it is used in the
form Prometheus gives it (still "in development" there: all of them stand in this one table).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

OTHER = "other"
MOST_NAMES = 50
"""Names of servers, and of models, that have series of their own; what comes later is "other"."""
MOST_SERIES = 500
"""Of one metric; what would be more is counted with all its labels "other"."""

Kind = Literal["counter", "gauge", "histogram"]
Labels: TypeAlias = tuple[str, ...]

_DURATIONS = tuple(0.01 * 2**n for n in range(14))
"""Seconds, 0.01 to 81.92: OpenTelemetry's."""
_TOKENS = tuple(float(4**n) for n in range(9))
_SHORT = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
_FAILOVER = (0.005, 0.02, 0.05, 0.1, 0.3, 0.6, 1.1, 1.6, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Spec:
    name: str
    """As Prometheus has it; a counter's without ``_total``."""
    kind: Kind
    help: str
    labels: Labels = ()
    buckets: tuple[float, ...] = ()


_MODEL = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "backend")

SPECS = {
    spec.name: spec
    for spec in (
        Spec(
            "gen_ai_client_operation_duration_seconds",
            "histogram",
            "One server or the embedded model asked once, to the end of its answer.",
            (*_MODEL, "error_type"),
            _DURATIONS,
        ),
        Spec(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "histogram",
            "From asking to the first piece of the answer.",
            _MODEL,
            _DURATIONS,
        ),
        Spec(
            "gen_ai_client_operation_time_per_output_chunk_seconds",
            "histogram",
            "Mean time between two pieces of an answer.",
            _MODEL,
            _DURATIONS,
        ),
        Spec(
            "gen_ai_client_token_usage",
            "histogram",
            "Tokens of one answer, one for each piece that came.",
            (*_MODEL, "gen_ai_token_type"),
            _TOKENS,
        ),
        Spec(
            "cmdai_key_to_reply_seconds",
            "histogram",
            "From a request's arrival to its final answer.",
            ("op", "outcome", "origin"),
            _DURATIONS,
        ),
        Spec(
            "cmdai_requests",
            "counter",
            "Requests answered, by what came of them and where the answer is from.",
            ("op", "shell", "outcome", "origin"),
        ),
        Spec(
            "cmdai_suggestions",
            "counter",
            "Commands suggested, by risk and what the shell does with them.",
            ("risk", "action"),
        ),
        Spec(
            "cmdai_cache_requests",
            "counter",
            "Suggestions that the cache had, or had not.",
            ("result",),
        ),
        Spec(
            "cmdai_checks_repeated",
            "counter",
            "Answers that failed a check, so that a model was asked once more.",
        ),
        Spec(
            "cmdai_router_overhead_seconds",
            "histogram",
            "From the router's start to the first member asked.",
            ("strategy",),
            _SHORT,
        ),
        Spec(
            "cmdai_route_decisions",
            "counter",
            "Members asked, by why they were and what came of it.",
            ("backend", "reason", "outcome"),
        ),
        Spec(
            "cmdai_failover_seconds",
            "histogram",
            "What a failed member cost: from asking it until the next one was asked.",
            ("backend", "cause"),
            _FAILOVER,
        ),
        Spec(
            "cmdai_hedges",
            "counter",
            "Second servers asked for a late first one: first, not first, or no budget.",
            ("outcome",),
        ),
        Spec("cmdai_panics", "counter", "Requests for which no member was well."),
        Spec(
            "cmdai_embedded_fallbacks",
            "counter",
            "Answers by the embedded model though servers were configured.",
            ("reason",),
        ),
        Spec(
            "cmdai_breaker_changes",
            "counter",
            "Times a member's breaker was seen to have changed.",
            ("backend", "state"),
        ),
        Spec(
            "cmdai_handshake_seconds",
            "histogram",
            "Real-compute checks of servers, by what they found.",
            ("backend", "result"),
            _DURATIONS,
        ),
        Spec("cmdai_build_info", "gauge", "The program's version.", ("version",)),
        Spec("cmdai_start_time_seconds", "gauge", "When the daemon started, in Unix time."),
        Spec("cmdai_resident_memory_bytes", "gauge", "The daemon's memory."),
        Spec("cmdai_requests_in_flight", "gauge", "Requests being answered now."),
        Spec(
            "cmdai_backend_up",
            "gauge",
            "1 where a member is well.",
            ("backend", "environment", "state"),
        ),
        Spec(
            "cmdai_backend_drained",
            "gauge",
            "1 where a member gets no new request, by the person's word.",
            ("backend",),
        ),
        Spec(
            "cmdai_breaker_state",
            "gauge",
            "A member's breaker: 0 closed, 1 half-open, 2 open.",
            ("backend",),
        ),
        Spec(
            "cmdai_backend_in_flight",
            "gauge",
            "Requests a member is answering for us.",
            ("backend",),
        ),
        Spec(
            "cmdai_backend_expected_seconds",
            "gauge",
            "Seconds to the first token that are expected of a member.",
            ("backend",),
        ),
        Spec(
            "cmdai_backend_queue",
            "gauge",
            "Requests that wait at a server, by its own account.",
            ("backend",),
        ),
        Spec(
            "cmdai_discovered_backends",
            "gauge",
            "Servers that were found, by source and what is done with them.",
            ("source", "state"),
        ),
        Spec("cmdai_discovery_up", "gauge", "1 where a source is being listened to.", ("source",)),
        Spec("cmdai_embedded_loaded", "gauge", "1 while the embedded model is in memory."),
        Spec("cmdai_embedded_memory_bytes", "gauge", "The embedded model's memory."),
        Spec(
            "cmdai_names_dropped",
            "counter",
            "Numbers that were counted as other, since there are too many names.",
        ),
    )
}


@dataclass(slots=True)
class Distribution:
    """A histogram's one series. ``counts`` are of each bucket alone, the last for what is more."""

    counts: list[int]
    sum: float = 0.0

    @property
    def count(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class Family:
    """A metric's series as they were at one moment."""

    spec: Spec
    series: dict[Labels, float | Distribution]


class Metrics:
    """Belongs to one thread."""

    def __init__(self, *, names: int = MOST_NAMES, series: int = MOST_SERIES) -> None:
        self._most_names = names
        self._most_series = series
        self._names: dict[str, set[str]] = {}
        self._series: dict[str, dict[Labels, float]] = {}
        self._distributions: dict[str, dict[Labels, Distribution]] = {}

    def bounded(self, kind: str, name: str) -> str:
        """The name, or "other" if too many of its kind are known."""
        known = self._names.setdefault(kind, set())
        if name in known:
            return name
        if len(known) < self._most_names:
            known.add(name)
            return name
        self.add("cmdai_names_dropped")
        return OTHER

    def add(self, name: str, *labels: str, amount: float = 1.0) -> None:
        series = self._series.setdefault(name, {})
        labels = self._kept(series, labels)
        series[labels] = series.get(labels, 0.0) + amount

    def observe(self, name: str, value: float, *labels: str) -> None:
        series = self._distributions.setdefault(name, {})
        labels = self._kept(series, labels)
        buckets = SPECS[name].buckets
        found = series.get(labels)
        if found is None:
            found = series[labels] = Distribution([0] * (len(buckets) + 1))
        found.counts[bisect_left(buckets, value)] += 1
        found.sum += value

    def families(self) -> list[Family]:
        """A copy that another thread may read."""
        found = [Family(SPECS[name], dict(series)) for name, series in self._series.items()]
        for name, several in self._distributions.items():
            copies = {key: Distribution([*d.counts], d.sum) for key, d in several.items()}
            found.append(Family(SPECS[name], dict(copies)))
        return found

    def _kept(
        self, series: dict[Labels, float] | dict[Labels, Distribution], key: Labels
    ) -> Labels:
        if key in series or len(series) < self._most_series:
            return key
        return (OTHER,) * len(key)


def gauge(name: str, values: Iterable[tuple[Labels, float]]) -> Family:
    """A gauge as it is now; of several with the same labels the sum."""
    series: dict[Labels, float | Distribution] = {}
    for labels, value in values:
        before = series.get(labels, 0.0)
        series[labels] = value + (before if isinstance(before, float | int) else 0.0)
    return Family(SPECS[name], series)
