"""Attacks on the folder, and two who write."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.auth.private_folder import PrivateFolder
from cmdai_shell.config.owned import LARGEST
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> PrivateFolder:
    return PrivateFolder(tmp_path / "data" / "credentials")


def test_only_we_can_read_what_is_written(folder: PrivateFolder) -> None:
    before = os.umask(0)
    try:
        folder.write("a", b"one")
        folder.write("a", b"two")
    finally:
        os.umask(before)
    assert folder.read("a") == b"two"
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder.path / "a").stat().st_mode) == 0o600
    assert [path.name for path in folder.path.iterdir()] == ["a"]
    folder.remove("a")
    folder.remove("a")
    assert folder.read("a") is None


def test_nothing_there_is_nothing(folder: PrivateFolder) -> None:
    assert folder.read("a") is None
    folder.remove("a")
    assert not folder.path.exists()


def test_a_folder_that_others_may_enter_is_closed(folder: PrivateFolder) -> None:
    folder.write("a", b"one")
    folder.path.chmod(0o755)
    assert folder.read("a") == b"one"
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_a_link_in_the_place_of_the_folder(folder: PrivateFolder, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder.path.parent.mkdir()
    folder.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="symbolic link") as caught:
        folder.write("a", b"one")
    assert "mv " in caught.value.hint
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("name", ["a", ".a-left", ".lock"])
def test_a_link_in_the_place_of_a_file(folder: PrivateFolder, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    folder.write("b", b"")
    (folder.path / name).symlink_to(victim)
    if name != ".a-left":  # which a crash left, as it seems
        with pytest.raises(ConfigError, match="symbolic link"):
            folder.read(name)
    with suppress(ConfigError), folder.held():
        folder.write("a", b"one")
    assert victim.read_bytes() == b"precious"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_file_that_others_can_read_is_refused(folder: PrivateFolder, mode: int) -> None:
    folder.write("a", b"one")
    (folder.path / "a").chmod(mode)
    with pytest.raises(ConfigError, match="no secret any more") as caught:
        folder.read("a")
    assert "rm " in caught.value.hint


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("which", ["folder", "file"])
def test_another_users(folder: PrivateFolder, which: str) -> None:
    folder.write("a", b"one")
    os.chown(folder.path if which == "folder" else folder.path / "a", 12345, -1)
    with pytest.raises(ConfigError, match="another user"):
        folder.read("a")


def test_a_pipe_does_not_hold_us_up(folder: PrivateFolder) -> None:
    folder.write("b", b"")
    os.mkfifo(folder.path / "a", 0o600)
    with pytest.raises(ConfigError, match="no file"):
        folder.read("a")


def test_something_huge_is_not_read(folder: PrivateFolder) -> None:
    folder.write("a", bytes(LARGEST + 1))
    with pytest.raises(ConfigError, match="too large"):
        folder.read("a")


def test_one_at_a_time(folder: PrivateFolder) -> None:
    with folder.held("x"):
        with pytest.raises(TimeoutError), folder.held("x", 0.05):
            pass
        with folder.held("y", 0.05):
            pass
    with folder.held("x", 0.05):
        pass


def test_a_disk_that_is_full_leaves_the_old_one(
    folder: PrivateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("a", b"one")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="no space left on device; nothing was changed"):
        folder.write("a", b"two")
    assert folder.read("a") == b"one"
