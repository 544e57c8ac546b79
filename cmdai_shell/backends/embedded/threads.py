"""How many threads to calculate with: real cores, and only those this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def choose(wanted: int, *, physical: int, allowed: int, quota: float | None) -> int:
    """``wanted`` if it is not 0, else one per physical core within affinity and cgroup quota.

    Two hyperthreads of one core share the arithmetic units that decoding waits for, so counting
    them only adds synchronisation. Never more than ``allowed``, never less than one.
    """
    most = max(1, allowed)
    if wanted > 0:
        return min(wanted, most)
    count = min(physical or most, most)
    if quota is not None:
        count = min(count, math.floor(quota))
    return max(1, count)


def default(wanted: int = 0) -> int:
    """``choose`` with the facts of this machine."""
    import psutil

    return choose(
        wanted,
        physical=psutil.cpu_count(logical=False) or 0,
        allowed=_allowed(),
        quota=cgroup_quota(),
    )


def _allowed() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cgroup_quota(root: Path = CGROUP, own: Path = Path("/proc/self/cgroup")) -> float | None:
    """CPUs this cgroup (v2), or the tightest above it, may use; None: no limit (cgroups(7))."""
    try:
        line = next(x for x in own.read_text().splitlines() if x.startswith("0::"))
    except (OSError, StopIteration):
        return None
    folder = root / line.removeprefix("0::").lstrip("/")
    limits = [
        limit
        for place in (folder, *folder.parents)
        if place.is_relative_to(root) and (limit := _cpu_max(place / "cpu.max")) is not None
    ]
    return min(limits, default=None)


def _cpu_max(file: Path) -> float | None:
    try:
        quota, period = file.read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
