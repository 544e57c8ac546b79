"""The simulator: it runs, is the same each time, and shows what the default is for."""

from __future__ import annotations

from benchmarks.routing.run import SETTINGS, Setting, simulate

NAMED = {setting.name: setting for setting in SETTINGS}
DEFAULT = NAMED["adaptive + hedge (default)"]


def test_queues_and_hedges_beat_taking_turns():
    turns = simulate(NAMED["round robin"], 4, 400, seed=3)
    default = simulate(DEFAULT, 4, 400, seed=3)
    assert default.p99 < turns.p99 / 2
    assert default.p95 < turns.p95 / 2
    assert (default.late, turns.extra) == (0, 0)
    assert default.extra < 0.08


def test_the_same_seed_gives_the_same_figures():
    setting = Setting(name="any")
    assert simulate(setting, 2, 60, seed=1) == simulate(setting, 2, 60, seed=1)
    assert simulate(setting, 2, 60, seed=1) != simulate(setting, 2, 60, seed=2)


def test_names_are_unique():
    assert len(NAMED) == len(SETTINGS)
