"""The daemon's part: it notes what was offered, hears what became of it, and writes that behind."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cmdai_shell.core import Suggestion
from cmdai_shell.history.entry import Entry
from cmdai_shell.history.nearest import Nearest
from cmdai_shell.history.outcome import judged
from cmdai_shell.history.private import private

if TYPE_CHECKING:
    from collections.abc import Callable

    from cmdai_shell.core import Shell, SuggestRequest
    from cmdai_shell.history.store import Store

log = logging.getLogger(__name__)


_OFFERS = ("insert", "arm")


class Memory:
    """``core.History``. ``now`` tells the time (seconds since 1970). Nothing here waits but ``run``
    and ``flush``: what is noted counts at once, and is in the file a moment later."""

    def __init__(
        self, store: Store, *, most: int, share_cwd: bool, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._most = most
        self._share_cwd = share_cwd
        self._now = now
        self._nearest = Nearest((), most)
        self._unsaved: list[Entry] = []
        self._saving = asyncio.Event()
        self._writing = threading.Lock()
        self._problem = ""
        self._is_read = False

    # --- what suggest sees

    def own(self, words: str, shell: Shell) -> str:
        return self._nearest.own(words, shell)

    def near(
        self, words: str, shell: Shell, most: int, fits: Callable[[str], bool]
    ) -> tuple[tuple[str, str], ...]:
        return self._nearest.near(words, shell, most, fits)

    # --- what happens

    def heard(self, request: SuggestRequest) -> None:
        """Before a press is answered: what it says of the suggestion before it."""
        if request.offered:
            self._judge(request)
        if request.op == "next":
            words, _ = private(request.line)
            former = self._nearest.of_words(request.shell, words)
            if former and former.outcome == "offered":
                self._put(replace(former, outcome="rejected"))

    def answered(self, request: SuggestRequest, final: object) -> None:
        """After it was, by a ``Suggestion`` or otherwise: what was offered. Of words with a blank
        before them nothing is kept, as a shell does with commands; and nothing of those who cannot
        tell what became of it."""
        keeps = request.shell_version and not request.private
        if keeps and isinstance(final, Suggestion) and final.action in _OFFERS:
            self._note(request, final)
        if self._unsaved:
            self._saving.set()

    def _note(self, request: SuggestRequest, final: Suggestion) -> None:
        words, secrets = private(request.line)
        suggested, _ = private(final.command, secrets)
        if not words or not suggested or request.line.startswith(" "):
            return
        known = self._nearest.of_suggestion(request.shell, suggested)
        cwd, _ = private(request.cwd) if self._share_cwd else ("", {})
        offered = Entry(
            time=self._now(),
            shell=request.shell,
            words=words,
            suggested=suggested,
            backend=final.backend,
            cwd=cwd,
        )
        if known and known.words == words and known.outcome in ("accepted", "edited"):
            offered = replace(known, time=offered.time)  # until something else is known
        self._put(offered)

    def _judge(self, request: SuggestRequest) -> None:
        suggested, secrets = private(request.offered)
        entry = self._nearest.of_suggestion(request.shell, suggested)
        if entry is None:
            return
        ran, _ = private(request.ran, secrets)
        outcome = judged(suggested, ran)
        if outcome == "rejected" and entry.outcome in ("accepted", "edited"):
            return  # what was right once is not wrong because something else was wanted today
        status = None if outcome == "rejected" or request.ran_status < 0 else request.ran_status
        edited = ran if outcome == "edited" else ""
        self._put(replace(entry, outcome=outcome, ran=edited, status=status))

    def _put(self, entry: Entry) -> None:
        self._nearest.put(entry)
        self._unsaved.append(entry)

    # --- its life

    async def run(self) -> None:
        """Read the file, then write to it whenever there is something; for ever."""
        try:
            read = await asyncio.to_thread(self._read)
        except (OSError, sqlite3.Error) as error:
            self._is_read = True
            self._failed(error)
        else:
            self._is_read = True
            for entry in self._nearest.entries():  # noted meanwhile
                read.put(entry)
            self._nearest.close()
            self._nearest = read
        while True:
            await self._saving.wait()
            self._saving.clear()
            await self.flush()

    async def flush(self) -> None:
        """What has been noted is in the file then, or it is said in the log why not."""
        if not (self._unsaved or self._writing.locked()):
            return
        try:
            await asyncio.to_thread(self._write)
        except (OSError, sqlite3.Error) as error:
            self._failed(error)
        else:
            self._problem = ""

    def status(self) -> dict[str, Any]:
        """For ``status``: how many are kept and where; files set aside; what went wrong last."""
        return {
            "kept": len(self._nearest),
            "reading": not self._is_read,
            "path": str(self._store.path),
            "aside": [str(path) for path in self._store.aside()],
            "problem": self._problem,
        }

    def _read(self) -> Nearest:
        return Nearest(self._store.entries(), self._most)

    def _write(self) -> None:
        """In a thread, which goes on when who waits for it is cancelled, or is then never begun."""
        with self._writing:
            entries, self._unsaved = self._unsaved, []
            try:
                if entries:
                    self._store.keep(entries, self._most)
            except BaseException:
                self._unsaved[:0] = entries  # for the next time
                del self._unsaved[: -self._most]
                raise

    def _failed(self, error: Exception) -> None:
        self._problem = type(error).__name__
        log.warning("no history", extra={"fields": {"error": self._problem}})
