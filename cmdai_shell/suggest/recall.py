"""Recipes near a request: what other people's words for such a thing led to (SQLite FTS5, BM25).

Words alone find the wrong tool as often as the right one ("log", "image", "web"). So the request's
shape counts too (its first word, neighbouring words, a number, the ending of a name), and the
nearest recipes vote for a program before the best are chosen.
"""

from __future__ import annotations

import re
import string
import tomllib
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence

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
_ENDING = re.compile(r"\.([a-z0-9]{1,4})\b")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_STARTED = re.compile(r"(?:^|[|;&(])\s*(?:sudo\s+)?([a-z][\w.+-]*)(?=\s|$)")
_SUFFIXES = ("ings", "ing", "edly", "ed", "es", "s", "ly")
_MOST_CHARACTERS = 1_000
_MOST_WORDS = 12
_SHORTEST_TYPO = 4
_KNOWN = "select word, count from known where word in "
_COMMON = 0.15
"""Of all commands: what is asked for in words that more of them have tells nothing by itself."""
_FEW = 50
_VOTERS = 40
_PAIR_WEIGHT = 0.5
_VOTE_WEIGHT = 2.0
"""All three: of a few values tried on the development half of benchmarks/quality."""
LONGEST = 160
"""Characters of a phrase and its command together: an example is paid for at every press."""


class Recall:
    """The recipes of an index that ``fill`` made, by its connection."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base
        ((count,),) = base.execute("select count(*) from recipe")
        self._most = max(count * _COMMON, _FEW)

    def near(
        self, words: str, shell: Shell, userland: str, most: int, has: Callable[[str], bool]
    ) -> tuple[tuple[str, str], ...]:
        """At most ``most`` pairs of a phrase and its command, the nearest last; only of programs
        that ``has`` knows."""
        asked = self._spelled(words[:_MOST_CHARACTERS])
        telling = self._telling(" ".join(features(asked)).split())
        if most < 1 or not telling:
            return ()
        kinds = (*_TABLES[shell], "bsd" if userland == "BSD" else "gnu")
        found = self._base.execute(
            "select -bm25(recipe, 1.0, ?) as score, phrases, command from recipe "
            "where recipe match ? and kind in (?, ?, ?) order by score desc limit ?",
            (_PAIR_WEIGHT, " OR ".join(telling), *kinds, _VOTERS),
        ).fetchall()
        chosen: dict[str, str] = {}
        for phrases, command in _elected(found):
            if len(chosen) == most:
                break
            if command not in chosen and all(has(program) for program in programs(command)):
                chosen[command] = _likest(phrases.split("\n"), asked)
        return tuple((phrase, command) for command, phrase in reversed(chosen.items()))

    def _telling(self, wanted: list[str]) -> list[str]:
        """Those that some recipes have, but not so many that they tell nothing and cost much."""
        counts = self._counts("select term, doc from counted where term in ", wanted)
        return [term for term in dict.fromkeys(wanted) if 0 < counts.get(term, 0) < self._most]

    def _counts(self, query: str, words: Sequence[str]) -> dict[str, int]:
        return dict(self._base.execute(f"{query}({','.join('?' * len(words))})", words))

    def _spelled(self, words: str) -> str:
        """``words``, a word that no recipe knows replaced by its neighbour that most do."""
        asked = words.split()
        able = [word.lower() for word in asked if word.isascii() and word.isalpha()]
        unsure = {word for word in able if len(word) >= _SHORTEST_TYPO and word not in _STOP}
        unsure -= self._counts(_KNOWN, [*unsure]).keys()
        return " ".join(self._neighbour(word, unsure) for word in asked)

    def _neighbour(self, word: str, unsure: set[str]) -> str:
        if word.lower() not in unsure:
            return word
        near = self._counts(_KNOWN, [*set(_one_slip(word.lower()))])
        return max(near, key=near.__getitem__, default=word)


def fill(base: sqlite3.Connection, texts: Iterable[str]) -> None:
    """Make the index in an empty database. ``texts`` are TOML: tables ``any``, ``gnu`` or ``bsd``,
    ``sh`` (bash and zsh) or ``fish``, each with ``recipes``, lists of a command and the phrases
    that ask for it. Raises tomllib.TOMLDecodeError or KeyError for a text that is none.

    One row for each command: a request often has some words of one phrase and some of another.
    """
    base.execute(
        "create virtual table recipe using fts5("
        "words, pairs, phrases unindexed, command unindexed, kind unindexed)"
    )
    base.execute("create virtual table counted using fts5vocab(recipe, row)")
    base.execute("create table known (word text primary key, count integer) without rowid")
    known: Counter[str] = Counter()
    for text in texts:
        for kind, table in tomllib.loads(text).items():
            for command, *phrases in table["recipes"]:
                short = [phrase for phrase in phrases if len(phrase) + len(command) <= LONGEST]
                if short:
                    words, pairs = zip(*map(features, short), strict=True)
                    row = (" ".join(words), " ".join(pairs), "\n".join(short), command, kind)
                    base.execute("insert into recipe values (?, ?, ?, ?, ?)", row)
                for phrase in short:
                    known.update(terms(phrase))
    base.executemany("insert into known values (?, ?)", known.items())
    base.commit()


def _likest(phrases: list[str], asked: str) -> str:
    """The phrase that has most in common with what is asked, for its length."""
    wanted = set(" ".join(features(asked)).split())

    def likeness(phrase: str) -> float:
        has = set(" ".join(features(phrase)).split())
        return len(has & wanted) / (len(has) + 1)

    return max(phrases, key=likeness)


def _elected(found: list[tuple[float, str, str]]) -> list[tuple[str, str]]:
    """(phrases, command), best first: those whose program the others use too move up."""
    votes: Counter[str] = Counter()
    for score, _, command in found:
        votes[_program(command)] += score * score  # type: ignore[assignment]  # typeshed: int only
    total = sum(votes.values()) or 1

    def standing(row: tuple[float, str, str]) -> float:
        return row[0] * (1 + _VOTE_WEIGHT * votes[_program(row[2])] / total)

    return [(phrases, command) for _, phrases, command in sorted(found, key=standing, reverse=True)]


def _program(command: str) -> str:
    return command.removeprefix("sudo ").partition(" ")[0]


def programs(command: str) -> list[str]:
    """Nearly all that a command starts: good enough to see that one is missing."""
    return _STARTED.findall(_QUOTED.sub("''", command))


def features(text: str) -> tuple[str, str]:
    """(words, pairs of neighbours) as a text is indexed and asked for."""
    text = text[:_MOST_CHARACTERS].lower()
    raw = _WORD.findall(text)[: 2 * _MOST_WORDS]
    words = [_stem(word) for word in terms(text)[:_MOST_WORDS]]
    words += _shape(text, raw)
    return " ".join(words), " ".join(f"{one}0{other}" for one, other in pairwise(raw))


def _shape(text: str, raw: list[str]) -> Iterator[str]:
    """What can be told of a request without its words; a 0 in front makes it no word."""
    if raw:
        yield f"0first{raw[0]}"
    if any(digit in text for digit in string.digits):
        yield "0number"
    if "/" in text:
        yield "0path"
    if "@" in text:
        yield "0at"
    for ending in _ENDING.findall(text):
        yield f"0dot{ending}"


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


def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word.removesuffix(suffix)
    return word


def _one_slip(word: str) -> Iterator[str]:
    """Every word that is one letter too many, too few, wrong or swapped away (Damerau)."""
    for place in range(len(word) + 1):
        head, tail = word[:place], word[place:]
        if tail:
            yield head + tail[1:]
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        for letter in string.ascii_lowercase:
            yield head + letter + tail
            if tail:
                yield head + letter + tail[1:]
