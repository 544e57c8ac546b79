"""Where both sockets bring their requests: the chain in force, and an account of what it did."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from contextlib import aclosing, suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from cmdai_shell import __version__
from cmdai_shell.config import paths
from cmdai_shell.config.environment_files import FOLDER
from cmdai_shell.config.loading import config_file, load, sources
from cmdai_shell.core import Explanation, Hint, Suggestion, SuggestRequest, Update
from cmdai_shell.daemon import tracing
from cmdai_shell.daemon.noted import Sent, sent
from cmdai_shell.errors import CmdaiError, ConfigError
from cmdai_shell.observe.traces import present

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from cmdai_shell.core import Clock
    from cmdai_shell.daemon.compose import Chain
    from cmdai_shell.daemon.finder import Finder
    from cmdai_shell.observe.metrics import Family
    from cmdai_shell.observe.traces import Trace

log = logging.getLogger(__name__)

DECISIONS_SHOWN = 10
MOST_SHELLS = 32
"""Kinds of shells remembered, those seen last."""
LONGEST_VERSION = 80
"""Characters kept of what a shell says of itself."""

Stamp: TypeAlias = tuple[int, int, int]


class Desk:
    """One per daemon. ``compose`` builds a chain, given the one before, or raises ConfigError; then
    every answer is that error, and each press tries again: editing the file is all a person has to
    do."""

    def __init__(self, compose: Callable[[Chain | None], Chain], *, clock: Clock) -> None:
        self._compose = compose
        self._clock = clock
        self._started = clock()
        self._started_at = time.time()
        self._chain: Chain | None = None
        self._file = config_file()
        self._files: tuple[Path, ...] = ()
        """What the chain's configuration was read from, and"""
        self._read: tuple[Stamp | None, ...] = ()
        """when each had last changed then."""
        self._begun: asyncio.Queue[Chain] = asyncio.Queue()
        """Chains whose background life ``live`` has yet to start."""
        self._hurried = asyncio.Event()
        self._shells: dict[tuple[str, str], dict[str, Any]] = {}
        self._last: dict[str, Any] | None = None
        self.in_flight = 0

    # --- answering

    async def answer(self, request: SuggestRequest) -> AsyncGenerator[Update | CmdaiError, None]:
        """The updates of one request, an error as the last of them. Closing it cancels the work."""
        began = self._clock()
        note = Sent()
        sent.set(note)
        final: Update | CmdaiError | None = None
        chain: Chain | None = None
        trace: Trace | None = None
        is_sent = False
        self.in_flight += 1
        try:
            if request.op == "ping":
                yield Hint(text=f"cmdai-shell {__version__}")
                return
            self._see(request)
            chain = self.chain()
            trace = chain.meter.begin(chain.config, request, began)
            present.set(trace)
            request = chain.addressed(request)
            self._hurried.set()
            chain.hear(request)
            with chain.in_use() as suggester:
                await chain.stocked()
                trace.ready_at = self._clock()
                async with aclosing(suggester.suggest(request)) as updates:
                    async for final in updates:
                        yield _with_news(chain, request, final)
            is_sent = True
        except CmdaiError as error:
            final = error
            yield error
        except Exception as error:
            log.exception("a request failed")
            what = f"the daemon met an error of its own ({type(error).__name__})"
            final = CmdaiError(what, "cmdai-shell daemon logs")
            yield final
        finally:
            self.in_flight -= 1
            if chain:
                chain.note(request, final if is_sent else None)
            if request.op != "ping":
                last = self._record(request, note, final, self._clock() - began)
                if chain and trace:
                    chain.meter.end(
                        chain,
                        trace,
                        final,
                        last,
                        line=request.line,
                        is_private=request.private,
                    )

    def chain(self) -> Chain:
        """The chain in force; another one when a file of the configuration has changed.

        Raises ConfigError for a wrong configuration.
        """
        if self._chain is None or self._read != _stamps(self._files):
            self.reload()
        return cast("Chain", self._chain)

    def finder(self) -> Finder:
        """Raises ConfigError where nobody is looked for."""
        finder = self.chain().finder
        if finder is None:
            what = "no server is looked for: active_environment is none"
            raise ConfigError(what, "cmdai-shell config use auto")
        return finder

    def drain(self, name: str, *, is_drained: bool = True) -> dict[str, Any]:
        """A server gets no new request from now on, or gets them again. Raises ConfigError."""
        return self.chain().active.drain(name, is_drained=is_drained)

    def maker(self, backend: str) -> str:
        """A backend's name as a person reads it."""
        return self._chain.maker(backend) if self._chain else backend

    # --- its life

    async def live(self) -> None:
        """Keep each chain's background life going; ends when cancelled."""
        try:
            self.chain()
        except CmdaiError as error:
            log.error("no chain", extra={"fields": {"code": error.code}})  # noqa: TRY400
        except Exception:  # each press tries again, and says what it met
            log.exception("no chain")
        async with asyncio.TaskGroup() as group:
            while True:
                chain = await self._begun.get()
                group.create_task(chain.live(self._hurried))

    def reload(self) -> None:
        """Read the configuration again. Raises ConfigError, and then changes nothing."""
        # The folder's own time changes with what is put in or taken out.
        files = (*sources(self._file), self._file.parent / FOLDER)
        stamps, former = _stamps(files), self._chain
        self._chain = chain = self._compose(former)
        self._files, self._read = files, stamps
        self._hurried.clear()
        self._begun.put_nowait(chain)
        logging.getLogger().setLevel(chain.config.log_level.upper())
        if former:
            former.retire(chain)
            log.info("reloaded")

    # --- the account

    def status(self) -> dict[str, Any]:
        """What ``GET /v1/status`` answers; no request's words are in it."""
        import psutil

        problem = self._problem()
        engine = self._chain.engine if self._chain else None
        now = self._clock()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "started_at": self._started_at,
            "uptime_s": round(now - self._started, 3),
            "rss_bytes": psutil.Process().memory_info().rss,
            "program": sys.executable,
            "data_dir": str(paths.data_dir()),
            "config_dir": str(paths.config_dir()),
            "config_path": str(self._file) if self._file.exists() else "",
            "environment_files": [
                str(file)
                for file in self._files or sources(self._file)
                if file != self._file and file.is_file()
            ],
            "config_problem": problem,
            "hooks_seen": [
                {**seen, "last_seen_s": round(now - seen["last_seen_s"], 3)}
                for seen in self._shells.values()
            ],
            "model": _model(engine),
            "manual": self._chain.manual.status() if self._chain and self._chain.manual else None,
            "history": self._chain.history.status()
            if self._chain and self._chain.history
            else None,
            **_servers(self._chain, now),
            "discovery": self._chain.finder.status()
            if self._chain and self._chain.finder
            else None,
            "metrics": self._chain.meter.shown(self._chain.config) if self._chain else None,
            "traces": self._chain.meter.exported(self._chain.config) if self._chain else None,
            "last_request": self._last,
            "in_flight": self.in_flight,
        }

    def _problem(self) -> dict[str, Any] | None:
        """What is wrong with the settings as they are now, and whether each press says so or it is
        in an environment that is not in use."""
        stops = True
        try:
            self.chain()
            stops = False
            load(self._file)
        except CmdaiError as error:
            return {"message": error.message, "hint": error.hint, "stops": stops}
        return None

    def families(self) -> list[Family]:
        """The numbers there are. Raises ConfigError while there was no right configuration yet."""
        chain = self._chain or self.chain()
        return chain.meter.families(chain, self.in_flight)

    def traces(self, trace_id: str = "", most: int = 0) -> list[dict[str, Any]]:
        """Of the last requests, the newest last; with an id those of it alone. No words."""
        kept = list(self._chain.meter.traces) if self._chain else []
        chosen = [trace for trace in kept if trace_id in ("", trace.id)]
        return [tracing.document(trace) for trace in chosen[-most:]]

    def _see(self, request: SuggestRequest) -> None:
        if not request.shell_version:
            return  # the command line, not a hook
        key = (request.shell, request.shell_version[:LONGEST_VERSION])
        presses = self._shells.pop(key, {"presses": 0})["presses"]
        self._shells[key] = {
            "shell": key[0],
            "version": key[1],
            "presses": presses + 1,
            "last_seen_s": self._clock(),
        }
        if len(self._shells) > MOST_SHELLS:
            del self._shells[next(iter(self._shells))]

    def _record(
        self,
        request: SuggestRequest,
        note: Sent,
        final: Update | CmdaiError | None,
        elapsed: float,
    ) -> dict[str, Any]:
        risk = backend = ""
        if isinstance(final, Suggestion | Explanation):
            risk = final.verdict.risk.word
        if isinstance(final, Suggestion):
            backend = final.backend
        self._last = {
            "op": request.op,
            "shell": request.shell,
            "backend": backend,
            "elapsed_ms": round(elapsed * 1000, 1),
            "risk": risk,
            "outcome": _outcome(final),
            "sent": note.account(),
        }
        log.info("request", extra={"fields": self._last})
        return self._last


def _with_news(chain: Chain, request: SuggestRequest, update: Update) -> Update:
    """A server that waits for the person's word: the press with nothing to work on offers the
    command for that, and the first suggestion after it was found, or changed, says so, if that has
    room: it is said once, and not beside a warning."""
    if not chain.finder or not request.shell_version:
        return update
    if isinstance(update, Hint) and request.op == "suggest" and not request.line.strip():
        return chain.finder.notices.offer() or chain.lacks() or update
    if isinstance(update, Suggestion) and update.action == "insert" and _has_room(update):
        return replace(update, explanation=chain.finder.notices.next())
    return update


def _has_room(update: Suggestion) -> bool:
    is_told_why = update.is_fallback and bool(update.remedy)
    return not (update.explanation or update.verdict.risk or is_told_why)


def _stamps(files: tuple[Path, ...]) -> tuple[Stamp | None, ...]:
    return tuple(map(_stamp, files))


def _stamp(file: Path) -> Stamp | None:
    """What a change of a file changes; None while there is no file."""
    with suppress(OSError):
        found = file.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
    return None


def _outcome(final: Update | CmdaiError | None) -> str:
    match final:
        case CmdaiError():
            return final.code
        case Suggestion():
            return final.action
        case Hint() | Explanation():
            return type(final).__name__.lower()
    return "cancelled"


def _servers(chain: Chain | None, now: float) -> dict[str, Any]:
    """How the servers do, and what was decided of late, the newest last."""
    if chain is None:
        return {"environment": None, "servers": [], "decisions": []}
    decisions = [asdict(decision) for decision in chain.pool.decisions][-DECISIONS_SHOWN:]
    for decision in decisions:
        decision["ago_s"] = round(now - decision.pop("at"), 3)
    return {
        "environment": chain.active.status(),
        "servers": [asdict(standing) for standing in chain.pool.snapshot(now)],
        "decisions": decisions,
    }


def _model(engine: Any) -> dict[str, Any]:
    if engine is None:
        return {"id": "", "state": "none"}
    found = asdict(engine.status())
    return {"id": found.pop("model"), **found}
