from __future__ import annotations

import fcntl
import socket
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from cmdai_shell.diagnose.mending import mend
from cmdai_shell.discovery.trust import TrustStore
from cmdai_shell.hooks.install import hook_file, rc_file, uninstall
from cmdai_shell.manual import store as manual
from tests.diagnose.conftest import look

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.diagnose.surroundings import Surroundings


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_healthy_machine_is_left_alone(healthy: Surroundings) -> None:
    assert mend(healthy) == []


def test_what_is_private_is_shut(healthy: Surroundings, tmp_path: Path) -> None:
    kept = healthy.data_dir / "history"
    kept.mkdir(mode=0o755, parents=True)
    (kept / "history.sqlite").touch(0o644)
    other = tmp_path / "other"
    other.touch(0o644)
    (kept / "link").symlink_to(other)
    healthy.runtime_dir.chmod(0o755)
    done = mend(healthy)
    assert [mode(p) for p in (kept, kept / "history.sqlite", other)] == [0o700, 0o600, 0o644]
    assert look("runtime-folder", healthy).severity == "ok"
    assert len(done) == 3
    assert mend(healthy) == []


def test_what_others_may_have_written_is_no_credential_again(healthy: Surroundings) -> None:
    kept = healthy.data_dir / "credentials"
    kept.mkdir(mode=0o700, parents=True)
    for name, rights in (("credentials.json", 0o666), ("lock", 0o644)):
        (kept / name).touch()
        (kept / name).chmod(rights)
    kept.chmod(0o755)
    assert mend(healthy) == []
    assert mode(kept) == 0o755
    assert mode(kept / "credentials.json") == 0o666


class TestSockets:
    def left(self, around: Surroundings) -> Path:
        (around.runtime_dir / "daemon.lock").touch(0o600)
        path = around.runtime_dir / "hook.sock"
        with socket.socket(socket.AF_UNIX) as found:
            found.bind(str(path))
        return path

    def test_of_a_killed_daemon(self, healthy: Surroundings) -> None:
        path = self.left(healthy)
        assert mend(healthy) == [f"{path} was left by a killed daemon, and is gone"]
        assert not path.exists()

    def test_one_that_just_starts_has_the_lock(self, healthy: Surroundings) -> None:
        path = self.left(healthy)
        with (healthy.runtime_dir / "daemon.lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert mend(healthy) == []
        assert path.exists()

    def test_one_that_listens(self, healthy: Surroundings) -> None:
        path = self.left(healthy)
        path.unlink()
        with socket.socket(socket.AF_UNIX) as found:
            found.bind(str(path))
            found.listen()
            assert mend(healthy) == []
        assert path.exists()


def test_a_stale_hook_and_no_rc_file(healthy: Surroundings) -> None:
    hook_file("zsh").write_text("# old\n")
    rc_file("zsh").write_text("# mine\n")
    (said,) = mend(healthy)
    assert str(hook_file("zsh")) in said
    assert rc_file("zsh").read_text() == "# mine\n"


def test_a_hook_that_is_not_wanted_stays_away(healthy: Surroundings) -> None:
    uninstall()
    assert mend(healthy) == []
    assert not hook_file("bash").exists()


def test_damaged_indexes(healthy: Surroundings) -> None:
    healthy.cache_dir.mkdir(parents=True, exist_ok=True)
    broken = healthy.cache_dir / manual.NAME
    broken.write_bytes(b"no database at all" * 400)
    well = healthy.cache_dir / "recipes-4-abc.sqlite"
    with closing(sqlite3.connect(well)) as base:
        base.execute("create table x (y)")
    (said,) = mend(healthy)
    assert str(broken) in said
    assert (broken.exists(), well.exists()) == (False, True)


def test_settings_and_trust_are_never_touched(healthy: Surroundings) -> None:
    trust = TrustStore(healthy.data_dir).path
    trust.parent.mkdir(parents=True, mode=0o777)
    trust.write_text("{")
    trust.chmod(0o666)
    healthy.config_dir.mkdir(parents=True, exist_ok=True)
    config = healthy.config_dir / "config.toml"
    config.write_text("x = [")
    config.chmod(0o644)
    assert mend(healthy) == []
    assert (mode(trust), trust.read_text()) == (0o666, "{")
    assert (mode(config), config.read_text()) == (0o644, "x = [")
