from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from cmdai_shell.backends.embedded import memory

V1 = Path("/sys/fs/cgroup/memory")
GB = 10**9


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / f"memory.{name}").write_text(f"{value}\n")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "own"


def test_the_narrowest_of_the_groups_above(tmp_path: Path, own: Path) -> None:
    own.write_text("0::/user.slice/app.scope\n")
    group(tmp_path, stat="anon 5")
    group(tmp_path / "user.slice", max=3 * GB, current=GB, stat="inactive_file 500000000\nx")
    group(tmp_path / "user.slice/app.scope", max="max", current=GB)
    assert list(memory.room(own, tmp_path)) == [int(2.5 * GB)]


def test_of_a_container_whose_group_is_the_root_of_what_it_sees(tmp_path: Path, own: Path) -> None:
    own.write_text("0::/\n")
    group(tmp_path, max=GB, current=2 * GB)
    assert list(memory.room(own, tmp_path)) == [0]


def test_of_the_old_version(tmp_path: Path, own: Path) -> None:
    own.write_text("4:cpu,cpuacct:/x\n3:memory:/docker/1a\n1:name=systemd:/\n")
    limit = {"limit_in_bytes": 2 * GB, "usage_in_bytes": GB}
    group(tmp_path / "memory/docker/1a", stat="inactive_file 1\ntotal_inactive_file 7", **limit)
    assert list(memory.room(own, tmp_path)) == [GB + 7]


@pytest.mark.parametrize("text", ["", "0::/gone\n"])
def test_without_a_limit(tmp_path: Path, own: Path, text: str) -> None:
    own.write_text(text)
    assert list(memory.room(own, tmp_path)) == []


def test_here_it_is_at_most_what_the_machine_has() -> None:
    assert 0 < memory.available() <= psutil.virtual_memory().total


@pytest.mark.real
def test_in_a_real_group() -> None:
    here = V1 / f"cmdai-test-{psutil.Process().pid}"
    try:
        here.mkdir()
        (here / "memory.limit_in_bytes").write_text("300000000")
    except OSError:
        pytest.skip("no control group of version 1 can be made here")
    program = "from cmdai_shell.backends.embedded.memory import available; print(available())"
    try:
        line = f'echo $$ >{here}/cgroup.procs && exec {sys.executable} -I -c "{program}"'
        said = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
        assert 200_000_000 < int(said.stdout) < 300_000_000
    finally:
        here.rmdir()
