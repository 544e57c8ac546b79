"""``cmdai-shell daemon``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cmdai_shell.cli.daemon import daemon
from cmdai_shell.daemon import folder
from cmdai_shell.errors import CmdaiError


def call(*words: str) -> Result:
    return CliRunner().invoke(daemon, words, catch_exceptions=False)


def running(runtime_dir: Path) -> int:
    at = folder.open_folder(runtime_dir)
    try:
        return folder.holder(at)
    finally:
        os.close(at)


def test_start_restart_stop(runtime_dir: Path) -> None:
    try:
        assert "listens" in call("start").stderr
        first = running(runtime_dir)
        assert first
        assert call("start").exit_code == 0
        assert running(runtime_dir) == first
        assert call("restart").exit_code == 0
        assert running(runtime_dir) not in (0, first)
    finally:
        assert "stopped" in call("stop").stderr
    assert not running(runtime_dir)
    assert "no daemon was running" in call("stop").stderr


def test_run_shows_its_log_and_ends_with_ctrl_c(runtime_dir: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "cmdai_shell.daemon", "run"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "started" in process.stderr.readline()
    process.send_signal(2)
    _, said = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "stopped" in said
    assert "Traceback" not in said


def test_a_start_that_fails_says_why(runtime_dir: Path) -> None:
    runtime_dir.chmod(0o777)
    with pytest.raises(CmdaiError, match="others can write"):
        call("start")
    runtime_dir.chmod(0o700)


def write_log(tmp_path: Path, count: int) -> Path:
    path = tmp_path / "log" / "daemon.log"
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        for number in range(count):
            entry = {"time": "T", "level": "info", "event": "request", "number": number}
            file.write(json.dumps(entry) + "\n")
    return path


def test_logs_shows_the_last_lines_for_a_person(tmp_path: Path) -> None:
    write_log(tmp_path, 30)
    assert call("logs", "-n", "2").stdout == (
        "T info    request  number=28\nT info    request  number=29\n"
    )


def test_logs_of_a_daemon_that_never_ran(tmp_path: Path) -> None:
    with pytest.raises(CmdaiError, match="there is no log"):
        call("logs")


def test_logs_follows_through_rotation(tmp_path: Path) -> None:
    path = write_log(tmp_path, 1)
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", "from cmdai_shell.cli.daemon import daemon; daemon()",
         "logs", "-f"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert "number=0" in process.stdout.readline()
        time.sleep(0.3)
        path.rename(path.with_suffix(".log.1"))
        write_log(tmp_path, 2)
        assert "number=0" in process.stdout.readline()
        assert "number=1" in process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform == "darwin", reason="systemd")
class TestSystemd:
    def test_print_writes_nothing(self, tmp_path: Path) -> None:
        shown = call("install", "--print").stdout
        assert "# " + str(Path.home() / ".config/systemd/user/cmdai-shell.socket") in shown
        assert f"ExecStart={sys.executable} -I -m cmdai_shell.daemon run" in shown
        assert not (Path.home() / ".config").exists()

    def test_install_and_uninstall_leave_nothing_behind(
        self, tmp_path: Path, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = tmp_path / "asked"
        fake = tmp_path / "bin" / "systemctl"
        fake.parent.mkdir()
        fake.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", str(fake.parent), prepend=os.pathsep)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
        units = tmp_path / "xdg" / "systemd" / "user"
        call("install")
        assert {path.name for path in units.iterdir()} == {
            "cmdai-shell.socket", "cmdai-shell.service",
        }  # fmt: skip
        call("uninstall")
        assert list(units.iterdir()) == []
        assert asked.read_text().splitlines() == [
            "--user daemon-reload",
            "--user enable --now cmdai-shell.socket",
            "--user disable --now cmdai-shell.socket cmdai-shell.service",
            "--user daemon-reload",
        ]
        assert "nothing is installed" in call("uninstall").stderr

    def test_without_systemctl_it_says_what_to_type_later(
        self, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        said = call("install").stderr
        assert "systemctl is not installed" in said
        assert "systemctl --user enable --now cmdai-shell.socket" in said
