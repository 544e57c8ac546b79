from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cores import cores_allowed

PATTERN = Path("/proc/sys/kernel/core_pattern")
CRASH = "import os, sys; {}; os.abort()"
OURS = "from cmdai_shell.observe import cores; cores.none()"


def is_dumped(before: str, folder: Path) -> bool:
    """As the kernel says it, to who waits."""
    crashed = subprocess.Popen([sys.executable, "-I", "-c", CRASH.format(before)], cwd=folder)
    _, status = os.waitpid(crashed.pid, 0)
    crashed.returncode = status
    assert os.WTERMSIG(status) == signal.SIGABRT
    return os.WCOREDUMP(status)


@pytest.mark.skipif(sys.platform != "linux", reason="macOS keeps cores in /cores, if at all")
def test_a_crash_leaves_none(tmp_path: Path) -> None:
    if PATTERN.read_text().startswith("|"):
        pytest.skip("a crash on purpose would be kept by this machine's own program")
    (folder := tmp_path / "cores").mkdir()
    with cores_allowed():
        assert is_dumped("pass", folder), "otherwise it would prove nothing"
        for core in folder.iterdir():
            core.unlink()
        assert not is_dumped(OURS, folder)
    assert list(folder.iterdir()) == []


def test_also_one_that_would_be_piped_to_a_program() -> None:
    """Of which the kernel asks for no other limit."""
    show = f"{OURS}; import resource; print(resource.getrlimit(resource.RLIMIT_CORE))"
    with cores_allowed():
        out = subprocess.check_output([sys.executable, "-I", "-c", show], text=True)
    assert out.startswith("(1, ")


def test_where_cores_are_forbidden_they_stay_so() -> None:
    show = f"""
import resource
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
{OURS}
print(resource.getrlimit(resource.RLIMIT_CORE))
"""
    out = subprocess.check_output([sys.executable, "-I", "-c", show], text=True)
    assert out.strip() == "(0, 0)"
