"""``cmdai-shell daemon``: the background process, by hand and under a service manager."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cmdai_shell.cli import output
from cmdai_shell.config import paths
from cmdai_shell.daemon import start as daemon_start
from cmdai_shell.daemon import units
from cmdai_shell.errors import CmdaiError, DaemonUnavailable
from cmdai_shell.observe import logs as log_file
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLLOW_S = 0.2
"""Seconds between two looks at the log with ``-f``."""


@click.group(
    epilog="""\b
Examples:
  cmdai-shell daemon restart
  cmdai-shell daemon logs -f
  cmdai-shell daemon install --print
"""
)
def daemon() -> None:
    """Start, stop and watch the background process.

    The key and every request start it by themselves; these commands are for when you want to.
    """


@daemon.command()
def start() -> None:
    """Start the daemon in the background; nothing happens if one runs.

    \b
    Example:
      cmdai-shell daemon start
    """
    _start()
    output.say("the daemon listens", "dim")


@daemon.command()
def stop() -> None:
    """Stop the daemon. Requests in flight get a second to finish.

    \b
    Example:
      cmdai-shell daemon stop
    """
    output.say("stopped" if daemon_start.stop() else "no daemon was running", "dim")


@daemon.command()
def restart() -> None:
    """Stop the daemon and start it anew.

    \b
    Example:
      cmdai-shell daemon restart
    """
    daemon_start.stop()
    _start()
    output.say("the daemon listens, started anew", "dim")


@daemon.command()
def run() -> None:
    """Be the daemon, in the foreground, with its log on stderr. Ctrl-C ends it.

    \b
    Example:
      cmdai-shell daemon run
    """
    os.execv(sys.executable, [sys.executable, *units.RUN])  # noqa: S606


@daemon.command()
@click.option("-n", "count", default=20, show_default=True, help="Lines from the end.")
@click.option("-f", "--follow", is_flag=True, help="Go on showing what is added. Ctrl-C ends it.")
def logs(*, count: int, follow: bool) -> None:
    """Show what the daemon did last. The log holds no request and no command, only their sizes.

    \b
    Examples:
      cmdai-shell daemon logs -n 50
      cmdai-shell daemon logs -f
    """
    path = paths.log_dir() / log_file.FILE
    if not path.exists() and not follow:
        raise CmdaiError(f"there is no log at {path}", "cmdai-shell daemon start")
    for line in _last(path, count):
        click.echo(visible(log_file.to_text(line)))
    if follow:
        for line in _added(path):
            click.echo(visible(log_file.to_text(line)))


@daemon.command()
@click.option("--print", "print_", is_flag=True, help="Only show the files, write nothing.")
def install(*, print_: bool) -> None:
    """Let the service manager start the daemon: systemd at the first press, launchd at login.

    \b
    Example:
      cmdai-shell daemon install --print
    """
    wanted = _units()
    for unit in wanted:
        if print_:
            click.echo(f"# {unit.path}\n{unit.text}")
    if print_:
        return
    daemon_start.stop()
    for unit in wanted:
        unit.path.parent.mkdir(parents=True, exist_ok=True)
        unit.path.write_text(unit.text, encoding="utf-8")
        output.say(f"wrote {unit.path}", "dim")
    for command in _enable(wanted[0].path):
        _tell_manager(command)


@daemon.command()
def uninstall() -> None:
    """Take the service manager's files away again. The key still starts a daemon.

    \b
    Example:
      cmdai-shell daemon uninstall
    """
    wanted = _units()
    there = [unit.path for unit in wanted if unit.path.exists()]
    if not there:
        output.say("nothing is installed", "dim")
        return
    _tell_manager(_disable(wanted[0].path))
    for path in there:
        path.unlink()
        output.say(f"removed {path}", "dim")
    if sys.platform != "darwin":
        _tell_manager(["systemctl", "--user", "daemon-reload"])


def _start() -> None:
    """In a process of its own: the daemon must not carry what this command has imported."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("READLINE_")}
    command = [*daemon_start.REAL.command, "start"]
    done = subprocess.run(command, env=environ, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2].removeprefix("cmdai-shell: ")
        raise DaemonUnavailable(said or "the daemon could not be started", "cmdai-shell daemon run")


def _units() -> list[units.Unit]:
    chosen = os.environ.get("XDG_CONFIG_HOME")
    home = Path(chosen) if chosen else Path.home() / ".config"
    return units.here(config_home=home, log_dir=paths.log_dir())


def _enable(first: Path) -> list[list[str]]:
    if sys.platform == "darwin":
        return [["launchctl", "bootstrap", f"gui/{os.getuid()}", str(first)]]
    return [
        ["systemctl", "--user", "daemon-reload"],
        ["systemctl", "--user", "enable", "--now", first.name],
    ]


def _disable(first: Path) -> list[str]:
    if sys.platform == "darwin":
        return ["launchctl", "bootout", f"gui/{os.getuid()}", str(first)]
    return ["systemctl", "--user", "disable", "--now", first.name, "cmdai-shell.service"]


def _tell_manager(command: list[str]) -> None:
    """Run it, or leave it to the person: the files are in place either way."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        why = done.stderr.strip().rpartition("\n")[2] if done.returncode else ""
    except FileNotFoundError:
        why = f"{command[0]} is not installed"
    if why:
        output.say(f"not done: {why}", "yellow")
        output.say(f"  later, type: {' '.join(command)}")


def _last(path: Path, count: int) -> deque[str]:
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return deque(lines, maxlen=max(count, 0))
    except FileNotFoundError:
        return deque()


def _added(path: Path) -> Iterator[str]:
    """Lines as they come, through rotation, for ever."""
    at = path.stat() if path.exists() else None
    inode, position = (at.st_ino, at.st_size) if at else (0, 0)
    while True:
        time.sleep(FOLLOW_S)
        if not path.exists():
            continue
        now = path.stat()
        if now.st_ino != inode or now.st_size < position:
            inode, position = now.st_ino, 0
        with path.open("rb") as file:
            file.seek(position)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        position += len(whole)
        yield from whole.decode(errors="replace").splitlines()
