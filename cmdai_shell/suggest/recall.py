"""Recipes near a request: what other people's words for such a thing led to (SQLite FTS5, BM25).

Words alone find the wrong tool as often as the right one ("log", "image", "web"). So the request's
shape counts too (its first word, neighbouring words, a number, the ending of a name). A recipe is
found by all the ways to ask for it together, judged also by the likest one of them, and the nearest
vote for a program before the best are chosen.
"""

from __future__ import annotations

import math
import re
import string
import tomllib
from collections import Counter
from itertools import pairwise
from operator import itemgetter
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
_LONGEST_TYPO = 20
_KNOWN = "select word, count from known where word in "
_INSERT = (
    "insert into recipe(rowid, words, pairs, phrases, shapes, norms, command) "
    "values (?, ?, ?, ?, ?, ?, ?)"
)
_KINDS = ("any", "gnu", "bsd", "sh", "fish")
_FIND = """
select score, phrases, shapes, norms, command
from (
  select rowid as id, -bm25(recipe, 1.0, ?) as score from recipe
  where recipe match ? and rowid % 8 in (?, ?, ?) order by score desc limit ?
) join recipe on recipe.rowid = id order by score desc
"""
"""The kind is in the row's number: so only rows that are chosen are read."""
_COMMON = 0.06
"""Of all commands: what is asked for in words that more of them have tells nothing by itself."""
_FEW = 50
_VOTERS = 60
_PAIR_WEIGHT = 0.5
_VOTE_WEIGHT = 2.0
_PAIR_TELLS = 0.3
"""A pair beside a word, in the likeness of two phrases."""
# All four: of a few values tried on the development half of benchmarks/quality.
LONGEST = 160
"""Characters of a phrase and its command together: an example is paid for at every press."""


class Recall:
    """The recipes of an index that ``fill`` made, by its connection."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base
        ((self._count,),) = base.execute("select count(*) from recipe")
        self._most = max(self._count * _COMMON, _FEW)

    def near(
        self, words: str, shell: Shell, userland: str, most: int, has: Callable[[str], bool]
    ) -> tuple[tuple[str, str], ...]:
        """At most ``most`` pairs of a phrase and its command, the nearest last; only of programs
        that ``has`` knows."""
        asked = " ".join(features(self._spelled(words[:_MOST_CHARACTERS]))).split()
        counts = self._counts("select term, doc from counted where term in ", asked)
        telling = [term for term in dict.fromkeys(asked) if 0 < counts.get(term, 0) < self._most]
        if most < 1 or not telling:
            return ()
        tables = (*_TABLES[shell], "bsd" if userland == "BSD" else "gnu")
        numbers = map(_KINDS.index, tables)
        wanted = (_PAIR_WEIGHT, " OR ".join(telling), *numbers, _VOTERS)
        found = self._base.execute(_FIND, wanted).fetchall()
        weights = {term: _tells(term, counts.get(term, 0), self._count) for term in asked}
        best = found[0][0] if found else 1.0
        likest = [
            (score / best + likeness, phrase, command)
            for score, *phrases, command in found
            for likeness, phrase in [_likest(weights, *phrases)]
        ]
        chosen: dict[str, str] = {}
        for phrase, command in _elected(likest):
            if len(chosen) == most:
                break
            if command not in chosen and all(has(program) for program in programs(command)):
                chosen[command] = phrase
        return tuple((phrase, command) for command, phrase in reversed(chosen.items()))

    def _counts(self, query: str, words: Sequence[str]) -> dict[str, int]:
        return dict(self._base.execute(f"{query}({','.join('?' * len(words))})", words))

    def _spelled(self, words: str) -> str:
        """``words``, a word that no recipe knows replaced by its neighbour that most do."""
        asked = words.split()
        able = [w.lower() for w in asked if w.isascii() and w.isalpha() and w.lower() not in _STOP]
        sized = [word for word in able if _SHORTEST_TYPO <= len(word) <= _LONGEST_TYPO]
        known = self._counts(_KNOWN, sized)
        unsure = {*[word for word in sized if word not in known][:_MOST_WORDS]}
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
    Beside each phrase stands what ``near`` would have to compute of it: its features, their weight.
    """
    base.execute(
        "create virtual table recipe using fts5(words, pairs, phrases unindexed, "
        "shapes unindexed, norms unindexed, command unindexed)"
    )
    base.execute("create virtual table counted using fts5vocab(recipe, row)")
    base.execute("create table known (word text primary key, count integer) without rowid")
    rows = list(_rows(texts))
    has: Counter[str] = Counter()
    known: Counter[str] = Counter()
    for _, _, phrases, shapes in rows:
        has.update({term for shape in shapes for term in " ".join(shape).split()})
        known.update(word for phrase in phrases for word in terms(phrase))
    for number, (kind, command, phrases, shapes) in enumerate(rows):
        words, pairs = (" ".join(column) for column in zip(*shapes, strict=True))
        told = [" ".join(shape) for shape in shapes]
        norms = [sum(_tells(term, has[term], len(rows)) for term in set(t.split())) for t in told]
        joined = map("\n".join, (phrases, told, map(str, norms)))
        row = (8 * number + _KINDS.index(kind), words, pairs, *joined, command)
        base.execute(_INSERT, row)
    base.executemany("insert into known values (?, ?)", known.items())
    base.execute("insert into recipe(recipe) values ('optimize')")
    base.commit()


def _rows(
    texts: Iterable[str],
) -> Iterator[tuple[str, str, list[str], list[tuple[str, str]]]]:
    """(kind, command, phrases, their features)."""
    for text in texts:
        for kind, table in tomllib.loads(text).items():
            for command, *phrases in table["recipes"]:
                short = [phrase for phrase in phrases if len(phrase) + len(command) <= LONGEST]
                if short:
                    yield kind, command, short, [features(phrase) for phrase in short]


def _tells(term: str, count: int, of: int) -> float:
    """How much it says that two phrases share what ``count`` commands ``of`` so many have."""
    tells = math.log(1 + of / (1 + count))
    return tells * _PAIR_TELLS if "0" in term[1:] else tells


def _likest(weights: dict[str, float], phrases: str, shapes: str, norms: str) -> tuple[float, str]:
    """The phrase that is most like the request, and how much: the cosine, at most 1."""
    whole = sum(weights.values()) or 1.0

    def likeness(row: tuple[str, str, str]) -> float:
        shared = weights.keys() & row[1].split()
        return sum(weights[term] for term in shared) / math.sqrt(whole * float(row[2]) or 1.0)

    rows = zip(*(column.split("\n") for column in (phrases, shapes, norms)), strict=True)
    return max(((likeness(row), row[0]) for row in rows), key=itemgetter(0))


def _elected(found: list[tuple[float, str, str]]) -> list[tuple[str, str]]:
    """(phrase, command), best first: those whose program the others use too move up."""
    votes: Counter[str] = Counter()
    for score, _, command in found:
        votes[_program(command)] += score * score  # type: ignore[assignment]  # typeshed: int only
    total = sum(votes.values()) or 1

    def standing(row: tuple[float, str, str]) -> float:
        return row[0] * (1 + _VOTE_WEIGHT * votes[_program(row[2])] / total)

    return [(phrase, command) for _, phrase, command in sorted(found, key=standing, reverse=True)]


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
