"""The numbers: bounded, and in a form that Prometheus' own linter accepts."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.observe import exposition
from cmdai_shell.observe.metrics import SPECS, Distribution, Metrics, gauge


def filled() -> Metrics:
    """Each metric with a number in it."""
    metrics = Metrics()
    for spec in SPECS.values():
        labels = [f"a {label}" for label in spec.labels]
        if spec.kind == "histogram":
            metrics.observe(spec.name, 0.02, *labels)
        else:
            metrics.add(spec.name, *labels)
    return metrics


def value(text: str, name: str) -> float:
    return next(float(line.rpartition(" ")[2]) for line in text.splitlines() if name in line)


@pytest.mark.real
@pytest.mark.skipif(not shutil.which("promtool"), reason="there is no promtool")
def test_promtool_finds_nothing_to_say():
    text = exposition.prometheus(filled().families())
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_each_metric_is_written_with_its_labels():
    text = exposition.prometheus(filled().families()).decode()
    for spec in SPECS.values():
        assert f"# HELP {spec.name}" in text
        for label in spec.labels:
            assert f'{label}="a {label}"' in text


def test_buckets_are_cumulative():
    metrics = Metrics()
    for seconds in (0.005, 0.02, 0.02, 1000.0):
        metrics.observe("cmdai_key_to_reply_seconds", seconds, "suggest", "insert", "cache")
    text = exposition.prometheus(metrics.families()).decode()
    assert value(text, 'le="0.01"') == 1
    assert value(text, 'le="0.02"') == 3
    assert value(text, 'le="81.92"') == 3
    assert value(text, 'le="+Inf"') == 4
    assert value(text, "seconds_count") == 4
    assert value(text, "seconds_sum") == pytest.approx(1000.045)


def test_the_same_as_json():
    metrics = Metrics()
    metrics.add("cmdai_hedges", "won", amount=2)
    metrics.observe("cmdai_failover_seconds", 0.25, "spark", "refused")
    found = exposition.as_json(metrics.families())
    assert found["cmdai_hedges_total"]["series"] == [{"labels": {"outcome": "won"}, "value": 2.0}]
    (series,) = found["cmdai_failover_seconds"]["series"]
    assert (series["count"], series["sum"], series["buckets"]["0.3"]) == (1, 0.25, 1)


def test_a_label_cannot_break_out_of_its_quotes():
    metrics = Metrics()
    metrics.add("cmdai_route_decisions", 'a"} 1\nevil_total 9\\', "first", "answered")
    text = exposition.prometheus(metrics.families()).decode()
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        'cmdai_route_decisions_total{backend="a\\"} 1\\nevil_total 9\\\\",'
        'outcome="answered",reason="first"} 1.0'
    ]


def test_names_beyond_the_bound_are_others():
    metrics = Metrics(names=2)
    assert [metrics.bounded("backend", name) for name in "abca"] == ["a", "b", "other", "a"]
    assert metrics.bounded("model", "c") == "c"
    (dropped,) = metrics.families()
    assert (dropped.spec.name, dropped.series) == ("cmdai_names_dropped", {(): 1.0})


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=60))
def test_no_labels_make_more_series_than_the_bound(several: list[tuple[str, str, str]]):
    metrics = Metrics(series=5)
    for labels in several:
        metrics.add("cmdai_route_decisions", *labels)
        metrics.observe("cmdai_key_to_reply_seconds", 1.0, *labels)
    for family in metrics.families():
        assert len(family.series) <= 6
        counted = family.series.values()
        assert len(several) == sum(v.count if isinstance(v, Distribution) else v for v in counted)


def test_what_is_read_does_not_change_any_more():
    metrics = filled()
    before = metrics.families()
    text = exposition.prometheus(before)
    for _ in range(3):
        metrics.observe("cmdai_failover_seconds", 1.0, "a backend", "a cause")
        metrics.add("cmdai_panics")
    assert exposition.prometheus(before) == text


def test_a_gauge_of_the_same_labels_is_their_sum():
    family = gauge("cmdai_discovered_backends", [(("mdns", "candidate"), 1.0)] * 3)
    assert family.series == {("mdns", "candidate"): 3.0}


def test_counting_imports_nothing_for_prometheus():
    code = "import sys, cmdai_shell.daemon.compose; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
