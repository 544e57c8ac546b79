"""The runtime folder: ours alone, or a clear refusal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cmdai_shell.daemon import folder
from cmdai_shell.errors import DaemonUnavailable

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")


def test_it_is_made_with_its_parents(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    os.close(folder.open_folder(path))
    assert path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o500])
def test_one_that_we_did_not_make_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    """A person's own folder, named in CMDAI_RUNTIME_DIR, may be somebody else's to read."""
    path = tmp_path / "run"
    path.mkdir()
    path.chmod(mode)
    with pytest.raises(DaemonUnavailable, match=f"mode {mode:o}") as caught:
        folder.open_folder(path)
    assert caught.value.hint == f"chmod 700 {path}"
    assert path.stat().st_mode & 0o777 == mode


def test_one_made_inside_a_folder_that_hands_on_its_group_is_taken_again(tmp_path: Path) -> None:
    tmp_path.chmod(0o2755)
    for _ in range(2):
        os.close(folder.open_folder(tmp_path / "run"))


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_one_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "run"
    path.mkdir()
    path.chmod(mode)
    with pytest.raises(DaemonUnavailable, match="others can write") as caught:
        folder.open_folder(path)
    assert caught.value.hint == f"chmod 700 {path}"


@needs_root
def test_another_users_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir(mode=0o700)
    os.chown(path, 12345, 12345)
    with pytest.raises(DaemonUnavailable, match=r"belongs to another user \(12345\)") as caught:
        folder.open_folder(path)
    assert "CMDAI_RUNTIME_DIR" in caught.value.hint


def test_a_link_is_refused_even_to_a_good_folder(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("good")
    with pytest.raises(DaemonUnavailable, match="symbolic link"):
        folder.open_folder(tmp_path / "link")


def test_a_dangling_link_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "file").touch()
    for name, why in (("link", "symbolic link"), ("file", "not a directory")):
        with pytest.raises(DaemonUnavailable, match=why):
            folder.open_folder(tmp_path / name)


def test_a_place_where_nothing_can_be_made_is_said() -> None:
    with pytest.raises(DaemonUnavailable, match="cannot make /proc/cmdai") as caught:
        folder.open_folder(Path("/proc/cmdai"))
    assert caught.value.hint


def test_looking_leaves_nothing(tmp_path: Path) -> None:
    at = folder.open_folder(tmp_path / "run")
    try:
        assert folder.holder(at) == 0
        assert list((tmp_path / "run").iterdir()) == []
    finally:
        os.close(at)


def test_a_dead_daemons_number_is_never_taken_for_the_living_ones(tmp_path: Path) -> None:
    at = folder.open_folder(tmp_path / "run")
    try:
        (tmp_path / "run" / folder.LOCK).write_text("1\n")
        lock = folder.take_lock(at)
        assert lock is not None
        assert folder.holder(at) == 0  # not yet signed
        folder.sign_lock(lock)
        assert folder.holder(at) == os.getpid()
        os.close(lock)
    finally:
        os.close(at)


def test_only_one_holds_the_lock_and_the_others_learn_who(tmp_path: Path) -> None:
    at = folder.open_folder(tmp_path / "run")
    try:
        assert folder.holder(at) == 0
        lock = folder.take_lock(at)
        assert lock is not None
        folder.sign_lock(lock)
        assert folder.take_lock(at) is None
        assert folder.holder(at) == os.getpid()
        os.close(lock)
        assert folder.holder(at) == 0
    finally:
        os.close(at)
