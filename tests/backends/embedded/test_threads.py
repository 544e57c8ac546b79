from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cmdai_shell.backends.embedded import threads

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("wanted", "physical", "allowed", "quota", "count"),
    [
        (0, 4, 8, None, 4),  # hyperthreads are not cores
        (0, 8, 2, None, 2),  # affinity
        (0, 8, 8, 1.5, 1),  # a container's quota
        (0, 8, 8, 0.5, 1),  # less than one CPU is still one thread
        (0, 0, 3, None, 3),  # nobody knows the cores
        (6, 4, 8, 1.0, 6),  # the person knows better
        (64, 4, 8, None, 8),  # but not than the kernel
    ],
)
def test_choose(wanted: int, physical: int, allowed: int, quota: float | None, count: int) -> None:
    assert threads.choose(wanted, physical=physical, allowed=allowed, quota=quota) == count


def test_the_tightest_quota_on_the_way_up_counts(tmp_path: Path) -> None:
    inner = tmp_path / "user.slice" / "daemon.service"
    inner.mkdir(parents=True)
    (inner / "cpu.max").write_text("max 100000\n")
    (inner.parent / "cpu.max").write_text("150000 100000\n")
    own = tmp_path / "cgroup"
    own.write_text("0::/user.slice/daemon.service\n")
    assert threads.cgroup_quota(tmp_path, own) == 1.5


@pytest.mark.parametrize("text", ["", "1:cpu:/old\n"])
def test_no_cgroup_is_no_limit(tmp_path: Path, text: str) -> None:
    own = tmp_path / "cgroup"
    own.write_text(text)
    assert threads.cgroup_quota(tmp_path, own) is None
    assert threads.cgroup_quota(tmp_path, tmp_path / "absent") is None


def test_this_machine_gets_at_least_one() -> None:
    assert threads.default() >= 1
    assert threads.default(1) == 1
