"""The daemon under a service manager: systemd's user units, launchd's agent, as text."""

from __future__ import annotations

import plistlib
import sys
from pathlib import Path
from typing import NamedTuple

LABEL = "shell.cmdai.daemon"
RUN = ("-I", "-m", "cmdai_shell.daemon", "run")


class Unit(NamedTuple):
    """One file to install."""

    path: Path
    text: str


def systemd(python: str, folder: Path) -> list[Unit]:
    """A socket unit, so that nothing runs until the first press, and its service.

    ``folder`` is the user's unit folder (systemd.unit(5)).
    """
    command = " ".join(_quoted(word) for word in (python, *RUN))
    return [
        Unit(folder / "cmdai-shell.socket", _SOCKET),
        Unit(folder / "cmdai-shell.service", _SERVICE.replace("@COMMAND@", command)),
    ]


def launchd(python: str, home: Path, log_dir: Path) -> list[Unit]:
    """An agent that runs from login on, and again after a crash (launchd.plist(5))."""
    agent = {
        "Label": LABEL,
        "ProgramArguments": [python, *RUN],
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ProcessType": "Interactive",
        "StandardErrorPath": str(log_dir / "launchd.log"),
    }
    path = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
    return [Unit(path, plistlib.dumps(agent).decode())]


def here(*, config_home: Path, log_dir: Path) -> list[Unit]:
    """The units for this machine's service manager, with this interpreter."""
    if sys.platform == "darwin":
        return launchd(sys.executable, Path.home(), log_dir)
    return systemd(sys.executable, config_home / "systemd" / "user")


def _quoted(word: str) -> str:
    """A word of ExecStart: ``%`` is a specifier, ``$`` a variable, blanks separate."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    escaped = escaped.replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if any(c in word for c in " \t\"'\\;") else escaped


_SOCKET = """\
[Unit]
Description=cmdai-shell: the sockets of the suggestion daemon
Documentation=man:systemd.socket(5)

[Socket]
ListenStream=%t/cmdai-shell/hook.sock
ListenStream=%t/cmdai-shell/api.sock
SocketMode=0600
DirectoryMode=0700
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
"""

_SERVICE = """\
[Unit]
Description=cmdai-shell: plain words to a command at the prompt
Requires=cmdai-shell.socket
After=cmdai-shell.socket

[Service]
ExecStart=@COMMAND@
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
TimeoutStopSec=5
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
"""
