"""The daemon under a service manager: systemd's user units, launchd's agent, as text."""

from __future__ import annotations

import os
import plistlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

LABEL = "shell.cmdai.daemon"
RUN = ("-I", "-m", "cmdai_shell.daemon", "run")
FOLDERS = tuple(f"CMDAI_{kind}_DIR" for kind in ("CONFIG", "DATA", "CACHE", "LOG")) + tuple(
    f"XDG_{kind}_HOME" for kind in ("CONFIG", "DATA", "CACHE", "STATE")
)
"""Variables that say where our folders are. A service manager does not hand them on, and a daemon
with other folders than the command line's would be replaced by each request."""


class Unit(NamedTuple):
    """One file to install."""

    path: Path
    text: str


def systemd(python: str, folder: Path, environ: Mapping[str, str] | None = None) -> list[Unit]:
    """A socket unit, so that nothing runs until the first press, and its service.

    ``folder`` is the user's unit folder (systemd.unit(5)); ``environ`` what the daemon is given.
    """
    given = "".join(f"Environment={_assignment(*pair)}\n" for pair in (environ or {}).items())
    command = " ".join(_quoted(word) for word in (python, *RUN))
    return [
        Unit(folder / "cmdai-shell.socket", _SOCKET),
        Unit(folder / "cmdai-shell.service", _SERVICE.format(command=command, given=given)),
    ]


def launchd(
    python: str, home: Path, log_dir: Path, environ: Mapping[str, str] | None = None
) -> list[Unit]:
    """An agent that runs from login on, and again after a crash (launchd.plist(5))."""
    agent = {
        "Label": LABEL,
        "ProgramArguments": [python, *RUN],
        "EnvironmentVariables": dict(environ or {}),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ProcessType": "Interactive",
        "StandardErrorPath": str(log_dir / "launchd.log"),
    }
    path = home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
    return [Unit(path, plistlib.dumps(agent).decode())]


def here(*, config_home: Path, log_dir: Path) -> list[Unit]:
    """The units for this machine's service manager, with this interpreter."""
    environ = {name: value for name in FOLDERS if (value := os.environ.get(name))}
    if sys.platform == "darwin":
        return launchd(sys.executable, Path.home(), log_dir, environ)
    return systemd(sys.executable, config_home / "systemd" / "user", environ)


def _quoted(word: str) -> str:
    """A word of ExecStart: ``%`` is a specifier, ``$`` a variable, blanks separate."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    escaped = escaped.replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if any(c in word for c in " \t\"'\\;") else escaped


def _assignment(name: str, value: str) -> str:
    """One of Environment (systemd.exec(5)): ``%`` is a specifier, ``$`` is itself."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{name}={escaped}"'


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
{given}ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
TimeoutStopSec=5
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
"""
