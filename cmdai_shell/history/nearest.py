"""What was kept, in memory, and found by its words: a press never waits for the file."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING

from cmdai_shell.history.private import private, same_words, spaceless
from cmdai_shell.suggest.recall import LONGEST, features

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cmdai_shell.core import Shell
    from cmdai_shell.history.entry import Entry

ALIKE = 0.5
"""Of all telling words of two requests: so many in common make them neighbours. One word in common
("folder") makes none, and a wrong example is worse than none."""

_CANDIDATES = 24
_PLACEHOLDER = re.compile(r"SECRET_\d+")

Key = tuple[str, str, str]


class Nearest:
    """At most ``most`` entries, the oldest go first. Not for two threads at once."""

    def __init__(self, entries: Iterable[Entry], most: int) -> None:
        self._most = most
        self._entries: dict[Key, Entry] = {}
        """The oldest first."""
        self._offers: dict[tuple[str, str], Key] = {}
        """The newest entry of a shell's suggestion."""
        self._latest: dict[tuple[str, str], Key] = {}
        """The newest entry of a shell's words."""
        self._own: dict[tuple[str, str], Entry] = {}
        """The newest good one of a shell's words."""
        self._rows: dict[int, tuple[Entry, frozenset[str]]] = {}
        self._row_of: dict[Key, int] = {}
        self._count = 0
        self._base = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        self._base.execute("create virtual table kept using fts5(words, pairs, content='')")
        for entry in entries:
            self.put(entry)

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> list[Entry]:
        """The oldest first."""
        return list(self._entries.values())

    def close(self) -> None:
        self._base.close()

    def put(self, entry: Entry) -> None:
        """Add it as the newest, or in place of the same pair."""
        key = (entry.shell, entry.words, entry.suggested)
        self._drop(key)
        self._entries[key] = entry
        self._offers[entry.shell, spaceless(entry.suggested)] = key
        self._latest[entry.shell, same_words(entry.words)] = key
        if _is_good(entry):
            self._own[entry.shell, same_words(entry.words)] = entry
            self._index(key, entry)
        while len(self._entries) > self._most:
            self._drop(next(iter(self._entries)))

    def of_suggestion(self, shell: Shell, suggested: str) -> Entry | None:
        """The entry that was last offered with this command."""
        return self._find(self._offers.get((shell, spaceless(suggested))))

    def of_words(self, shell: Shell, words: str) -> Entry | None:
        """The entry that was last offered for these words."""
        return self._find(self._latest.get((shell, same_words(words))))

    def own(self, words: str, shell: Shell) -> str:
        """``core.History``: the command that the person last ran for just these words."""
        if not self._own:
            return ""
        words, secrets = private(words)
        entry = self._own.get((shell, same_words(words)))
        if entry is None or len(words) + len(entry.command) > LONGEST:
            return ""
        needed = set(_PLACEHOLDER.findall(entry.command))
        return entry.command if needed <= secrets.keys() else ""

    def near(
        self, words: str, shell: Shell, most: int, fits: Callable[[str], bool]
    ) -> tuple[tuple[str, str], ...]:
        """``core.History``: at most ``most`` pairs of other words and the command that the person
        made of the suggestion, the nearest last."""
        if most < 1 or not self._rows:
            return ()
        words, _ = private(words)
        asked, pairs = features(words)
        telling = _telling(asked)
        if not telling:
            return ()
        query = " OR ".join(f'"{term}"' for term in {*asked.split(), *pairs.split()})
        found = self._base.execute(
            "select rowid from kept where kept match ? order by rank limit ?",
            (query, _CANDIDATES),
        )
        chosen: dict[str, str] = {}
        for entry in self._alike(telling, [row for (row,) in found]):
            if len(chosen) == most:
                break
            if entry.shell != shell or same_words(entry.words) == same_words(words):
                continue
            if entry.command not in chosen and _is_example(entry) and fits(entry.command):
                chosen[entry.command] = entry.words
        return tuple((phrase, command) for command, phrase in reversed(chosen.items()))

    def _alike(self, telling: frozenset[str], rows: list[int]) -> list[Entry]:
        """The most alike first; of equals the newest."""
        scored = []
        for row in rows:
            entry, theirs = self._rows[row]
            score = len(telling & theirs) / len(telling | theirs)
            if score >= ALIKE:
                scored.append((score, row, entry))
        return [entry for _, _, entry in sorted(scored, key=lambda one: one[:2], reverse=True)]

    def _find(self, key: Key | None) -> Entry | None:
        return self._entries.get(key) if key else None

    def _index(self, key: Key, entry: Entry) -> None:
        words, pairs = features(entry.words)
        self._count += 1
        row = (self._count, words, pairs)
        self._base.execute("insert into kept (rowid, words, pairs) values (?, ?, ?)", row)
        self._rows[self._count] = entry, _telling(words)
        self._row_of[key] = self._count

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        place = (entry.shell, same_words(entry.words))
        if self._own.get(place) == entry:
            del self._own[place]
        if row := self._row_of.pop(key, 0):
            del self._rows[row]
            words, pairs = features(entry.words)
            self._base.execute(
                "insert into kept (kept, rowid, words, pairs) values ('delete', ?, ?, ?)",
                (row, words, pairs),
            )
        if self._offers.get(offer := (entry.shell, spaceless(entry.suggested))) == key:
            del self._offers[offer]
        if self._latest.get(place) == key:
            del self._latest[place]


def _is_good(entry: Entry) -> bool:
    """What was run, and did not fail."""
    return entry.outcome in ("accepted", "edited") and entry.status == 0


def _is_example(entry: Entry) -> bool:
    """It may be shown for other words: short, and nothing in it is missing."""
    return len(entry.words) + len(entry.command) <= LONGEST and not (
        _PLACEHOLDER.search(entry.command) or _PLACEHOLDER.search(entry.words)
    )


def _telling(words: str) -> frozenset[str]:
    """Of ``features`` those that are words: shapes begin with a digit."""
    return frozenset(term for term in words.split() if not term.startswith("0"))
