"""Starting and stopping the daemon. Runs inside a keypress: the caller waits for every import here.

The parent binds and listens, forks, and is done; the child imports the rest while the first request
waits in the socket's queue. Whoever holds the lock is the daemon; sockets are removed and made only
under it, so of any number of starters exactly one wins and the others find it listening.
"""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from cmdai_shell.config import paths
from cmdai_shell.daemon import folder
from cmdai_shell.errors import CmdaiError, DaemonUnavailable
from cmdai_shell.observe import cores

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from cmdai_shell.core import Backend

HOOK, API = "hook.sock", "api.sock"
BACKLOG = 256
"""Presses that may wait while the child imports, or while an upgraded daemon replaces itself."""
PATIENCE = 5.0
"""Seconds a start waits for another starter, and a stop for the daemon to end."""
USAGE = "usage: python -I -m cmdai_shell.daemon start|run|stop"


class Listeners(NamedTuple):
    """The two listening sockets, the lock, and the folder they are in."""

    hook: socket.socket
    api: socket.socket
    lock: int
    folder: int
    inherited: bool
    """A service manager made the sockets: their files are not ours to remove."""


class Program(NamedTuple):
    """What a daemon is made of, so that tests run the real one with a scripted model."""

    command: tuple[str, ...]
    """The words that start it: it runs them again when it has been upgraded."""
    backends: Callable[[], Sequence[Backend]] | None = None
    """Instead of the ones the configuration names."""


REAL = Program((sys.executable, "-I", "-m", "cmdai_shell.daemon"))


def main(arguments: Sequence[str], program: Program = REAL) -> int:
    """Run one of the three words; an exit code. What went wrong is one line on stderr."""
    words: dict[str, Callable[[Program], object]] = {
        "start": start,
        "run": run,
        "stop": lambda _: stop(),
    }
    if len(arguments) != 1 or arguments[0] not in words:
        sys.stderr.write(USAGE + "\n")
        return 2
    try:
        words[arguments[0]](program)
    except CmdaiError as error:
        sys.stderr.write(f"cmdai-shell: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"cmdai-shell: {error.filename or 'daemon'}: {error.strerror}\n")
        return 1
    return 0


def start(program: Program = REAL) -> None:
    """Return when a daemon listens: one that was there, or a new one in the background.

    Raises DaemonUnavailable when neither can be.
    """
    _without_the_line(program)
    at = folder.open_folder(paths.runtime_dir())
    listeners = _listen_or_join(at)
    if listeners is None:
        os.close(at)
        return
    if pid := os.fork():
        folder.sign_lock(listeners.lock, pid)
        for opened in (listeners.hook, listeners.api):
            opened.close()
        os.close(listeners.lock)
        os.close(at)
        return
    _detach(keep=(listeners.hook.fileno(), listeners.api.fileno(), listeners.lock, at))
    _live(listeners, program)
    sys.exit()  # the caller's own work is the parent's to go on with


def run(program: Program = REAL) -> None:
    """Be the daemon, in the foreground, until told to stop.

    Takes the sockets a service manager, or the daemon before an upgrade, left open for us.
    Raises DaemonUnavailable when another daemon runs.
    """
    passed = _passed()
    at = folder.open_folder(paths.runtime_dir())
    handed_over = folder.LOCK in passed
    lock = passed[folder.LOCK] if handed_over else _lock_of_my_own(at)
    if HOOK in passed and API in passed:
        hook, api = (socket.socket(fileno=passed[name]) for name in (HOOK, API))
        listeners = Listeners(hook, api, lock, at, inherited=not handed_over)
    else:
        listeners = _bind(at, lock)
    _live(listeners, program, foreground=True)


def _lock_of_my_own(at: int) -> int:
    """Raises DaemonUnavailable when another daemon has it; one that only looks has it for a
    moment."""
    deadline = time.monotonic() + PATIENCE
    while (lock := folder.take_lock(at)) is None:
        if pid := folder.holder(at):
            running = f"a daemon is already running (process {pid})"
            raise DaemonUnavailable(running, "cmdai-shell daemon stop")
        if time.monotonic() > deadline:
            raise DaemonUnavailable("another daemon is starting", "try again in a moment")
        time.sleep(0.01)
    return lock


def stop() -> bool:
    """End the daemon: asked first, forced after PATIENCE seconds. False when none was running.

    Raises DaemonUnavailable when one is, and cannot be ended.
    """
    at = folder.open_folder(paths.runtime_dir())
    try:
        pid = folder.holder(at)
        if not pid:
            return False
        for sign in (signal.SIGTERM, signal.SIGKILL):
            _signal(pid, sign)
            if _until(lambda: folder.holder(at) != pid):
                return True
    finally:
        os.close(at)
    raise DaemonUnavailable(f"process {pid} does not end", f"kill -9 {pid}")


def _listen_or_join(at: int) -> Listeners | None:
    """New sockets under the lock, or None as soon as somebody else's accept."""
    deadline = time.monotonic() + PATIENCE
    while not _accepts(at):
        if (lock := folder.take_lock(at)) is not None:
            return _bind(at, lock)
        if time.monotonic() > deadline:
            pid = folder.holder(at)
            raise DaemonUnavailable(
                f"the daemon (process {pid or '?'}) holds the lock and does not listen",
                f"kill {pid}" if pid else "try again in a moment",
            )
        time.sleep(0.01)
    return None


def _accepts(at: int) -> bool:
    """Whether anybody listens on the hook socket; a service manager's socket counts."""
    os.fchdir(at)
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(HOOK)
        except (TimeoutError, BlockingIOError):
            return True  # its queue is full, so it exists; Linux does not even wait (connect(2))
        except OSError:
            return False
    return True


def _bind(at: int, lock: int) -> Listeners:
    """Both sockets, bound by name inside the open folder: no path can be swapped beneath us, and
    none is too long."""
    os.fchdir(at)
    return Listeners(_listener(HOOK, at), _listener(API, at), lock, at, inherited=False)


def _listener(name: str, at: int) -> socket.socket:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=at)
    made = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        made.bind(name)
    finally:
        os.umask(before)
    made.listen(BACKLOG)
    return made


def _passed() -> dict[str, int]:
    """Descriptors handed over by exec (sd_listen_fds(3)): sockets by file name, and the lock.

    One systemd unit gives all its sockets one name, so they are known by their address instead.
    """
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()):
        return {}
    passed = {}
    for fd in range(3, 3 + int(os.environ.pop("LISTEN_FDS", "0"))):
        os.set_inheritable(fd, False)
        if stat.S_ISSOCK(os.fstat(fd).st_mode):
            opened = socket.socket(fileno=fd)
            name = os.path.basename(opened.getsockname())  # noqa: PTH119
            passed[name] = opened.detach()
        else:
            passed[folder.LOCK] = fd
    return passed


def _without_the_line(program: Program) -> None:
    """bash exports the person's line to what a key starts; only exec removes it from /proc."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("READLINE_")}
    if len(clean) != len(os.environ):
        os.execve(program.command[0], [*program.command, "start"], clean)  # noqa: S606


def _detach(keep: Collection[int]) -> None:
    """Leave the terminal, and everything the shell had open but ``keep``: a lock that a script
    holds (``exec 9>file``) must end with the script."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    for fd in _descriptors():
        if fd > 2 and fd not in keep:
            with suppress(OSError):  # the one that listed them
                os.close(fd)


def _descriptors() -> Sequence[int]:
    try:
        return [int(name) for name in os.listdir("/dev/fd")]  # noqa: PTH208
    except OSError:
        return range(256)  # a bare chroot


def _live(listeners: Listeners, program: Program, *, foreground: bool = False) -> None:
    folder.sign_lock(listeners.lock)
    os.chdir("/")
    cores.none()
    from cmdai_shell.daemon.lifecycle import live

    live(listeners, program, foreground=foreground)


def _signal(pid: int, sign: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, sign)


def _until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
