from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from cmdai_shell.discovery.trust import TrustStore
from tests.diagnose.conftest import look

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.diagnose.surroundings import Surroundings


@pytest.fixture
def path(healthy: Surroundings) -> Path:
    found = TrustStore(healthy.data_dir).path
    found.parent.mkdir(parents=True, mode=0o700)
    approval = {"name": "spark", "url": "http://10.0.0.2:8000"}
    found.write_bytes(msgspec.json.encode({"version": 1, "approvals": [approval]}))
    found.chmod(0o600)
    return found


def test_nobody_was_approved(healthy: Surroundings) -> None:
    found = look("trust-store", healthy)
    assert (found.severity, "no server" in found.what) == ("ok", True)
    assert not TrustStore(healthy.data_dir).path.parent.exists()


def test_how_many(healthy: Surroundings, path: Path) -> None:
    assert f"servers approved: 1, in {path}" in look("trust-store", healthy).what


@pytest.mark.parametrize("which", ["file", "folder"])
def test_others_could_have_written_it(healthy: Surroundings, path: Path, which: str) -> None:
    open_one = path if which == "file" else path.parent
    open_one.chmod(0o777)
    found = look("trust-store", healthy)
    assert (found.severity, "others can write" in found.what) == ("fail", True)
    assert "chmod" in found.cure


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_it_is_another_user_s(healthy: Surroundings, path: Path) -> None:
    os.chown(path, 4_321, -1)
    found = look("trust-store", healthy)
    assert (found.severity, "belongs to another user (4321)" in found.what) == ("fail", True)


def test_a_link(healthy: Surroundings, path: Path, tmp_path: Path) -> None:
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    found = look("trust-store", healthy)
    assert (found.severity, "symbolic link" in found.what) == ("fail", True)


def test_one_that_cannot_be_read_is_set_aside(healthy: Surroundings, path: Path) -> None:
    path.write_bytes(b"{")
    found = look("trust-store", healthy)
    assert found.severity == "warn"
    assert found.cure.endswith(f"rm {path}.damaged")
