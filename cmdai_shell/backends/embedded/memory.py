"""How much memory a model could take here: what the machine has to spare, or less, where a control
group (a container, a unit of systemd) has a limit. Over that the kernel ends the worker.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")


def available() -> int:
    """Bytes."""
    import psutil

    return min([psutil.virtual_memory().available, *room(OWN, GROUPS)])


def room(own: Path, groups: Path) -> Iterator[int]:
    """Bytes that are left in each control group that this process is in and that has a limit.

    Version 2 has memory.max and memory.current, version 1 memory.limit_in_bytes and
    memory.usage_in_bytes. Files that the kernel keeps in memory and can let go count as free
    (inactive_file), as Kubernetes counts them.
    https://docs.kernel.org/admin-guide/cgroup-v2.html, cgroups(7)
    """
    for line in _text(own).splitlines():
        _, kinds, name = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        root = groups / "memory" if kinds else groups
        for place in (Path(name), *Path(name).parents):
            folder = root / str(place).lstrip("/")
            limit = _number(folder, "memory.max", "memory.limit_in_bytes")
            used = _number(folder, "memory.current", "memory.usage_in_bytes")
            if limit is not None and used is not None:
                yield max(limit - used + _reclaimable(folder), 0)


def _number(folder: Path, *names: str) -> int | None:
    texts = (_text(folder / name).strip() for name in names)
    return next((int(text) for text in texts if text.isdecimal()), None)  # "max" is no limit


def _reclaimable(folder: Path) -> int:
    pairs = (line.split() for line in _text(folder / "memory.stat").splitlines())
    found = {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}
    return found.get("total_inactive_file", found.get("inactive_file", 0))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
