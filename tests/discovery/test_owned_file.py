"""A file that nobody but us may have written."""

from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.discovery import owned_file
from cmdai_shell.discovery.owned_file import OwnedFile
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "own" / "file.json"


def written(path: Path, data: bytes = b"1") -> OwnedFile:
    file = OwnedFile(path)
    with file.held() as held:
        held.write(data)
    return file


def test_where_nothing_is_nothing_is_made(path: Path) -> None:
    assert OwnedFile(path).read() is None
    assert not path.parent.exists()


def test_it_is_ours_alone_whatever_the_umask(path: Path) -> None:
    before = os.umask(0o277)
    try:
        written(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert OwnedFile(path).read() == b"1"


def test_a_folder_that_others_can_read_is_closed(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.parent.chmod(0o755)
    written(path)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o702])
def test_a_folder_that_others_can_write_is_refused(path: Path, mode: int) -> None:
    written(path)
    path.parent.chmod(mode)
    with pytest.raises(ConfigError, match="others can write") as caught:
        OwnedFile(path).read()
    assert f"chmod 700 {path.parent}" in caught.value.hint


@pytest.mark.parametrize("mode", [0o660, 0o602, 0o666])
def test_a_file_that_others_can_write_is_refused(path: Path, mode: int) -> None:
    file = written(path)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=f"mode {mode:o}") as caught:
        file.read()
    assert f"chmod 600 {path}" in caught.value.hint
    with file.held() as held, pytest.raises(ConfigError, match="others can write"):
        held.read()


def test_links_are_refused(path: Path, tmp_path: Path) -> None:
    file = written(path)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="symbolic link") as caught:
        file.read()
    assert caught.value.hint == f"mv {path} {path}.old"


def test_a_link_in_place_of_the_folder_is_refused(path: Path, tmp_path: Path) -> None:
    file = written(path)
    path.parent.rename(tmp_path / "elsewhere")
    path.parent.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="symbolic link"):
        file.read()
    with pytest.raises(ConfigError, match="symbolic link"), file.held():
        pass


def test_a_link_in_place_of_the_lock_is_refused(path: Path, tmp_path: Path) -> None:
    file = written(path)
    lock = path.with_name("file.json.lock")
    lock.unlink()
    lock.symlink_to(tmp_path / "made-by-us")
    with pytest.raises(ConfigError, match="symbolic link"), file.held():
        pass
    assert not (tmp_path / "made-by-us").exists()


@needs_root
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_belongs_to_another_is_refused(path: Path, what: str) -> None:
    file = written(path)
    target = path if what == "file" else path.parent
    os.chown(target, 12345, 12345)
    with pytest.raises(ConfigError, match=r"belongs to another user \(12345\)") as caught:
        file.read()
    assert f"sudo chown {os.getuid()} {target}" in caught.value.hint


def test_a_pipe_does_not_hold_us_up(path: Path) -> None:
    file = written(path)
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(ConfigError, match="is no file"):
        file.read()


def test_of_a_long_file_one_byte_too_many_is_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(path, b"x" * 100)
    monkeypatch.setattr(owned_file, "LARGEST", 10)
    assert file.read() == b"x" * 11


def test_what_a_crash_left_is_swept_up(path: Path) -> None:
    written(path)
    (path.parent / ".file.json-dead").write_bytes(b"half")
    written(path, b"2")
    assert sorted(p.name for p in path.parent.iterdir()) == ["file.json", "file.json.lock"]


def test_a_write_that_fails_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(ConfigError, match="no space left on device; nothing was changed"),
        file.held() as held,
    ):
        held.write(b"2")
    assert file.read() == b"1"
    assert sorted(p.name for p in path.parent.iterdir()) == ["file.json", "file.json.lock"]


def test_set_aside_under_a_name_that_is_free(path: Path) -> None:
    for _ in range(2):
        file = written(path)
        with file.held() as held:
            held.set_aside("damaged")
    assert [p.name for p in file.aside()] == ["file.json.damaged", "file.json.damaged-2"]
    assert file.read() is None


def test_one_at_a_time(path: Path) -> None:
    file = written(path, b"0")

    def count() -> None:
        for _ in range(25):
            with OwnedFile(path).held() as held:
                held.write(str(int(held.read() or b"0") + 1).encode())

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.read() == b"100"


def test_one_that_is_held_for_ever_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owned_file, "PATIENCE", 0.05)
    file = written(path)
    with (
        file.held(),
        pytest.raises(ConfigError, match="another process has been writing") as caught,
        OwnedFile(path).held(),
    ):
        pass
    assert "fuser" in caught.value.hint
