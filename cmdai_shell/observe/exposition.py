"""The numbers in Prometheus' text form, and as JSON. Imported when somebody asks for them."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from cmdai_shell.observe.metrics import Distribution

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cmdai_shell.observe.metrics import Family, Labels, Spec


def prometheus(families: Sequence[Family]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Snapshot(families))
    return generate_latest(registry)


def as_json(families: Sequence[Family]) -> dict[str, Any]:
    """Names to type, help and series; of a histogram the counts up to each bound."""
    return {
        _name(family.spec): {
            "type": family.spec.kind,
            "help": family.spec.help,
            "series": [
                {
                    "labels": dict(zip(family.spec.labels, labels, strict=True)),
                    **_value(family, value),
                }
                for labels, value in sorted(family.series.items())
            ],
        }
        for family in sorted(families, key=lambda family: family.spec.name)
    }


class _Snapshot(Collector):
    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return map(_metric, sorted(self._families, key=lambda family: family.spec.name))


def _metric(family: Family) -> Metric:
    spec, found = family.spec, sorted(family.series.items())
    match spec.kind:
        case "histogram":
            histogram = HistogramMetricFamily(spec.name, spec.help, labels=spec.labels)
            for labels, value in found:
                if isinstance(value, Distribution):
                    histogram.add_metric(labels, list(_buckets(spec, value)), value.sum)
            return histogram
        case "counter":
            return _filled(CounterMetricFamily(spec.name, spec.help, labels=spec.labels), found)
        case "gauge":
            return _filled(GaugeMetricFamily(spec.name, spec.help, labels=spec.labels), found)


def _filled(
    metric: CounterMetricFamily | GaugeMetricFamily,
    found: Iterable[tuple[Labels, float | Distribution]],
) -> Metric:
    for labels, value in found:
        if not isinstance(value, Distribution):
            metric.add_metric(labels, value)
    return metric


def _buckets(spec: Spec, value: Distribution) -> Iterator[tuple[str, float]]:
    bounds = [*(f"{bound:g}" for bound in spec.buckets), "+Inf"]
    return zip(bounds, accumulate(value.counts), strict=True)


def _value(family: Family, value: float | Distribution) -> dict[str, Any]:
    if isinstance(value, Distribution):
        buckets = dict(_buckets(family.spec, value))
        return {"count": value.count, "sum": round(value.sum, 6), "buckets": buckets}
    return {"value": value}


def _name(spec: Spec) -> str:
    return f"{spec.name}_total" if spec.kind == "counter" else spec.name
