"""Noticing that another version has been installed. (Processes: tests/integration.)"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from cmdai_shell import __version__
from cmdai_shell.daemon import folder, lifecycle, start

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(lifecycle.Installed, "SETTLED", 0.0)
    path = tmp_path / "__init__.py"
    path.write_text(f'__version__ = "{__version__}"\n')
    return path


def test_the_same_version_is_not_newer_however_often_it_is_written(package: Path) -> None:
    installed = lifecycle.Installed(package)
    assert not installed.is_newer()
    package.write_text(f'"""Edited."""\n__version__ = "{__version__}"\n')
    assert not installed.is_newer()


def test_another_version_is_noticed(package: Path) -> None:
    installed = lifecycle.Installed(package)
    package.write_text('__version__ = "99.0"\n')
    assert installed.is_newer()


def test_one_that_came_while_we_were_starting_is_noticed(package: Path) -> None:
    package.write_text('__version__ = "99.0"\n')
    assert lifecycle.Installed(package).is_newer()


def test_half_an_installation_is_none(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = lifecycle.Installed(package)
    package.unlink()
    assert not installed.is_newer()
    monkeypatch.setattr(lifecycle.Installed, "SETTLED", 60.0)
    package.write_text('__version__ = "99.0"\n')
    assert not installed.is_newer()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert installed.is_newer()


def test_a_file_from_the_future_is_settled(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock was set back after the installation."""
    monkeypatch.setattr(lifecycle.Installed, "SETTLED", 60.0)
    package.write_text('__version__ = "99.0"\n')
    monkeypatch.setattr(time, "time", lambda: package.stat().st_ctime - 3600)
    assert lifecycle.Installed(package).is_newer()


def test_a_daemon_that_cannot_live_says_why_and_frees_its_place(
    runtime_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the background the log is all a person has to go by."""

    async def broken(self: lifecycle.Daemon) -> None:
        raise ImportError("no module named 'msgspec'")

    monkeypatch.setattr(lifecycle.Daemon, "serve", broken)
    monkeypatch.chdir(tmp_path)
    at = folder.open_folder(runtime_dir)
    lock = folder.take_lock(at)
    assert lock is not None
    listeners = start._bind(at, lock)
    with listeners.hook, listeners.api, pytest.raises(ImportError):
        lifecycle.live(listeners, start.REAL, foreground=False)
    assert "ImportError" in (tmp_path / "log" / "daemon.log").read_text()
    assert sorted(path.name for path in runtime_dir.iterdir()) == [folder.LOCK]
    assert folder.holder(at) == 0
    os.close(at)
