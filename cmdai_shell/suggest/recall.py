"""Recipes near a request: what other people's words for such a thing led to (SQLite FTS5, BM25)."""

from __future__ import annotations

import re
import sqlite3
import tomllib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cmdai_shell.core import Shell

_TABLES = {
    "bash": ("any", "sh"),
    "zsh": ("any", "sh"),
    "fish": ("any", "fish"),
}
_STOP = frozenset(
    word
    for word in re.split(
        r"\s+",
        "a an and are as at be by do for from give have here how i if in into is it its like list "
        "make me my now of on only or our out please show so tell that the their them there these "
        "they this to up us use want was we what when where which who will with you your",
    )
)
"""Little words, and verbs that any request may begin with."""
_WORD = re.compile(r"[a-z]+")
_MOST_CHARACTERS = 1_000
_MOST_TERMS = 12
_COMMON = 200
"""Phrases: what stands in more of them ("files") does not tell by itself what is wanted."""
_CANDIDATES = 24
LONGEST = 160
"""Characters of a phrase and its command together: an example is paid for at every press."""


class Recall:
    """An index in memory. ``texts`` are TOML: tables ``any``, ``gnu`` or ``bsd``, ``sh`` (bash
    and zsh) or ``fish``, each with ``recipes``, lists of a command and the phrases that ask for it.

    Raises tomllib.TOMLDecodeError or KeyError for a file that is none.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._base = sqlite3.connect(":memory:", check_same_thread=False)
        self._base.execute(
            "create virtual table recipe using fts5("
            "words, phrase unindexed, command unindexed, kind unindexed, "
            "tokenize='porter unicode61')"
        )
        counts: Counter[str] = Counter()
        for text in texts:
            for kind, table in tomllib.loads(text).items():
                rows = [
                    (" ".join(terms(phrase)), phrase, command, kind)
                    for command, *phrases in table["recipes"]
                    for phrase in phrases
                    if len(phrase) + len(command) <= LONGEST
                ]
                for row in rows:
                    counts.update(set(row[0].split()))
                self._base.executemany("insert into recipe values (?, ?, ?, ?)", rows)
        self._common = {word for word, count in counts.items() if count > _COMMON}

    def near(
        self, words: str, shell: Shell, userland: str, most: int
    ) -> tuple[tuple[str, str], ...]:
        """At most ``most`` pairs of a phrase and its command, the nearest last."""
        wanted = list(dict.fromkeys(terms(words)))[:_MOST_TERMS]
        if self._common.issuperset(wanted) or most < 1:
            return ()
        kinds = (*_TABLES[shell], "bsd" if userland == "BSD" else "gnu")
        found = self._base.execute(
            "select phrase, command from recipe where recipe match ? and kind in (?, ?, ?) "
            "order by rank limit ?",
            (" OR ".join(f'"{term}"' for term in wanted), *kinds, _CANDIDATES),
        )
        chosen: dict[str, str] = {}
        for phrase, command in found:
            if command not in chosen:
                chosen[command] = phrase
            if len(chosen) == most:
                break
        return tuple((phrase, command) for command, phrase in reversed(chosen.items()))


def terms(text: str) -> list[str]:
    """The words that tell what a request is about: not the little ones and no numbers, of a name
    with a dot or a slash only its ending."""
    found: list[str] = []
    for part in text[:_MOST_CHARACTERS].lower().split():
        name = part.strip(".,;:!?()'\"")
        if "." in name or "/" in name:
            part = name.rpartition("/")[2].rpartition(".")[2]
        found += _WORD.findall(part)
    return [word for word in found if len(word) > 1 and word not in _STOP]
