"""A daemon's life between listening and ending: signals, upgrade, the log."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cmdai_shell
from cmdai_shell import __version__
from cmdai_shell.auth import blocking
from cmdai_shell.config import paths
from cmdai_shell.daemon import trim
from cmdai_shell.daemon.shortage import Shortage, ask_for_more
from cmdai_shell.daemon.start import API, HOOK
from cmdai_shell.errors import CmdaiError
from cmdai_shell.observe import logs

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from cmdai_shell.daemon.desk import Desk
    from cmdai_shell.daemon.start import Listeners, Program

log = logging.getLogger(__name__)


def live(listeners: Listeners, program: Program, *, foreground: bool) -> None:
    """Serve until told to stop. Does not return after an upgrade: it becomes the new version."""
    os.environ.pop("CMDAI_SAFETY_LEVEL", None)  # it comes with each request, from that shell
    ask_for_more()
    daemon = Daemon(listeners, program)
    try:
        with logs.written(paths.log_dir(), foreground=foreground):
            asyncio.run(daemon.serve())
            log.info("upgraded" if daemon.upgraded else "stopped")
    except Exception:  # the log has it; nobody must find sockets that do not answer
        _remove(listeners)
        raise
    if daemon.upgraded:
        blocking.finish()  # a login that is being renewed would be lost
        _become_the_new_version(listeners, program)
    _remove(listeners)


class Daemon:
    """Both servers and the desk, in one task group."""

    def __init__(self, listeners: Listeners, program: Program) -> None:
        self._listeners = listeners
        self._program = program
        self._stopping = asyncio.Event()
        self._installed = Installed()
        self.upgraded = False

    async def serve(self) -> None:
        """Return after ``stop``, or when an upgrade was found and nothing is in flight."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(partial(_note, Shortage(time.monotonic)))
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self.stop)
        log.info("started", extra={"fields": {"version": __version__, "pid": os.getpid()}})
        from cmdai_shell.daemon import compose
        from cmdai_shell.daemon.api import ApiDoor
        from cmdai_shell.daemon.desk import Desk
        from cmdai_shell.daemon.hookserver import HookServer

        clock = time.monotonic
        backends = self._program.backends
        desk = Desk(lambda former: compose.compose(clock, backends, former), clock=clock)
        loop.add_signal_handler(signal.SIGHUP, _reload, desk)
        hooks = HookServer(
            desk,
            folder=self._listeners.folder,
            clock=clock,
            may_accept=lambda: self._may_accept(desk.in_flight == 0),
        )
        door = ApiDoor(desk, clock=clock, stop=self.stop)
        gc.freeze()  # what is imported stays: a press need not wait while it is looked through
        async with asyncio.TaskGroup() as group:
            life = group.create_task(_beside_the_hooks(desk.live()))
            trimmed = group.create_task(_beside_the_hooks(trimming(desk)))
            api = group.create_task(_beside_the_hooks(door.serve(self._listeners.api)))
            await hooks.serve(self._listeners.hook, self._stopping)
            api.cancel()
            life.cancel()
            trimmed.cancel()

    def stop(self) -> None:
        self._stopping.set()
        if not self._listeners.inherited:
            _unlink(self._listeners)  # a press from now on starts our successor

    def _may_accept(self, idle: bool) -> bool:
        if idle and self._installed.is_newer():
            self.upgraded = not self._listeners.inherited  # else its owner starts the new one
            self._stopping.set()
        return not self._stopping.is_set()


class Installed:
    """The package's files on disk, watched by one stat at a press."""

    SETTLED = 2.0
    """Seconds since the last change: an installer may still be writing the other files."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or Path(cmdai_shell.__file__)
        self._seen: tuple[int, int, int] | None = None  # the files may change while we import

    def is_newer(self) -> bool:
        """Whether another version than the running one has been installed."""
        stamp = self._stamp()
        if stamp == self._seen or stamp is None:
            return False
        if 0 <= time.time() - stamp[2] / 1e9 < self.SETTLED:
            return False
        self._seen = stamp
        return f'"{__version__}"' not in self._path.read_text(encoding="utf-8")

    def _stamp(self) -> tuple[int, int, int] | None:
        with suppress(OSError):
            found = self._path.stat()
            return found.st_ino, found.st_size, found.st_ctime_ns
        return None


async def trimming(desk: Desk) -> None:
    """For ever: the cache folder keeps to what the configuration in force allows it."""
    await trim.keep(paths.cache_dir(), lambda: desk.chain().config.cache_max_size_gb)


async def _beside_the_hooks(work: Coroutine[Any, Any, None]) -> None:
    """Should it fail, presses go on being answered."""
    try:
        await work
    except Exception:
        log.exception("a part of the daemon failed")


def _reload(desk: Desk) -> None:
    try:
        desk.reload()
    except CmdaiError as error:
        log.warning("not reloaded", extra={"fields": {"code": error.code}})
    except Exception:
        log.exception("not reloaded")


def _note(shortage: Shortage, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """asyncio's own words may quote the objects at hand, and with them what was typed."""
    error = context.get("exception")
    if not shortage.notes(error):
        log.error("an error nobody awaited", exc_info=error)


def _become_the_new_version(listeners: Listeners, program: Program) -> None:
    """Execute the program anew with our sockets and lock, as a service manager would pass them: a
    press that arrives meanwhile waits in the socket's queue."""
    kept = [listeners.hook.fileno(), listeners.api.fileno(), listeners.lock]
    high = [os.dup2(fd, 100 + n) for n, fd in enumerate(kept)]
    for n, fd in enumerate(high):
        os.dup2(fd, 3 + n, inheritable=True)
        os.close(fd)
    passed = {"LISTEN_FDS": str(len(kept)), "LISTEN_PID": str(os.getpid())}
    os.execve(program.command[0], [*program.command, "run"], {**os.environ, **passed})  # noqa: S606


def _unlink(listeners: Listeners) -> None:
    for name in (HOOK, API):
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=listeners.folder)


def _remove(listeners: Listeners) -> None:
    """The sockets' files, then the lock: nobody else's are there while we hold it."""
    if not listeners.inherited:
        _unlink(listeners)
    os.ftruncate(listeners.lock, 0)
    os.close(listeners.lock)
