"""The service manager's files."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cmdai_shell.daemon import units


def test_systemd_starts_the_daemon_at_the_first_press() -> None:
    socket, service = units.systemd("/opt/my python/bin/python", Path("/u"))
    assert socket.path == Path("/u/cmdai-shell.socket")
    assert "ListenStream=%t/cmdai-shell/hook.sock" in socket.text
    assert "ListenStream=%t/cmdai-shell/api.sock" in socket.text
    assert 'ExecStart="/opt/my python/bin/python" -I -m cmdai_shell.daemon run\n' in service.text


def test_percent_and_dollar_in_a_path_are_themselves() -> None:
    service = units.systemd("/a%b/$c/python", Path("/u"))[1]
    assert "ExecStart=/a%%b/$$c/python " in service.text


def test_the_daemon_gets_the_folders_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each would have its own, and every request would replace the daemon."""
    monkeypatch.setenv("CMDAI_DATA_DIR", '/my "100 %" $data')
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    monkeypatch.setenv("CMDAI_SECRET", "x")
    monkeypatch.setattr(sys, "platform", "linux")
    service = units.here(config_home=Path("/u"), log_dir=Path("/l"))[1]
    assert 'Environment="CMDAI_DATA_DIR=/my \\"100 %%\\" $data"\n' in service.text
    assert 'Environment="XDG_CACHE_HOME=/cache"\n' in service.text
    assert "SECRET" not in service.text
    monkeypatch.setattr(sys, "platform", "darwin")
    (agent,) = units.here(config_home=Path("/u"), log_dir=Path("/l"))
    given = plistlib.loads(agent.text.encode())["EnvironmentVariables"]
    assert given["CMDAI_DATA_DIR"] == '/my "100 %" $data'


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is missing")
def test_systemd_accepts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    written = []
    for unit in units.systemd(sys.executable, tmp_path, {"CMDAI_DATA_DIR": '/a "b" %'}):
        unit.path.write_text(unit.text)
        written.append(str(unit.path))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", *written],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "cmdai-shell" in line]
    assert ours == []


def test_launchd_agent_is_a_property_list(tmp_path: Path) -> None:
    (unit,) = units.launchd("/usr/bin/python <3> & co", Path("/Users/me"), tmp_path)
    assert unit.path == Path("/Users/me/Library/LaunchAgents/shell.cmdai.daemon.plist")
    agent = plistlib.loads(unit.text.encode())
    assert agent["ProgramArguments"] == [
        "/usr/bin/python <3> & co", "-I", "-m", "cmdai_shell.daemon", "run",
    ]  # fmt: skip
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
