"""Recipes near a request: what other people's words for such a thing led to (BM25).

Words alone find the wrong tool as often as the right one ("log", "image", "web"). So the request's
shape counts too (its first word, neighbouring words, a number, the ending of a name). A recipe is
found by all the ways to ask for it together, judged also by the likest one of them, and the nearest
vote for a program before the best are chosen.

A press waits for this, so what a word adds to a recipe's score is in the index: to find is to add.
"""

from __future__ import annotations

import math
import re
import string
import tomllib
from array import array
from collections import Counter
from heapq import nlargest
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

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
_TABLES_MADE = """
create table recipe (id integer primary key, phrases text, shapes text, lengths blob, command text);
create table term (
    term text primary key, count integer, recipes blob, scores blob
) without rowid;
create table known (word text primary key, count integer) without rowid;
"""
_KNOWN = "select word, count from known"
_TERMS = "select term, count, recipes, scores from term where term in "
_RECIPES = "select id, phrases, shapes, lengths, command from recipe"
_KINDS = ("any", "gnu", "bsd", "sh", "fish")
"""The kind is in the recipe's id, its remainder by 8: only those that are chosen are read."""
_K1, _B = 1.2, 0.75
"""Of BM25, as SQLite's FTS5 has them."""
_COMMON = 0.06
"""Of all commands: what is asked for in words that more of them have tells nothing by itself."""
_FEW = 50
_LEAST_RARITY = 1e-6
_VOTERS = 60
_PAIR_WEIGHT = 0.5
_VOTE_WEIGHT = 2.0
_PAIR_TELLS = 0.3
"""A pair beside a word, in the likeness of two phrases."""
# All four: of a few values tried on the development half of benchmarks/quality.
LONGEST = 160
"""Characters of a phrase and its command together: an example is paid for at every press."""


class Recall:
    """The recipes of an index that ``fill`` made, by its connection. They are held in memory, some
    10 MB; what their words tell is several times that, and looked up."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base
        self._recipes = {
            number: (*row, _program(row[-1])) for number, *row in base.execute(_RECIPES)
        }
        self._known: dict[str, int] = dict(base.execute(_KNOWN))
        self._count = len(self._recipes)

    def near(
        self, words: str, shell: Shell, userland: str, most: int, has: Callable[[str], bool]
    ) -> tuple[tuple[str, str], ...]:
        """At most ``most`` pairs of a phrase and its command, the nearest last; only of programs
        that ``has`` knows."""
        asked = " ".join(features(self._spelled(words[:_MOST_CHARACTERS]))).split()
        asked = list(dict.fromkeys(asked))
        query = f"{_TERMS}({','.join('?' * len(asked))})"
        known = {term: row for term, *row in self._base.execute(query, asked)}
        kinds = {*map(_KINDS.index, (*_TABLES[shell], "bsd" if userland == "BSD" else "gnu"))}
        scores = _best(_summed(known[term] for term in asked if term in known), kinds)
        if most < 1 or not scores:
            return ()
        weights = {term: _tells(term, known.get(term, (0,))[0], self._count) for term in asked}
        whole = math.sqrt(sum(weights.values()) or 1.0)
        sought = [(f" {term} ", weights[term] / whole) for term in known]
        best = max(scores.values())
        found = [
            (score / best + likeness, place, phrases, command, program)
            for number, score in scores.items()
            for phrases, shapes, lengths, command, program in [self._recipes[number]]
            for likeness, place in [_likest(sought, shapes, lengths)]
        ]
        chosen: dict[str, str] = {}
        for _, place, phrases, command, _ in _elected(found):
            if len(chosen) == most:
                break
            if command not in chosen and all(has(program) for program in programs(command)):
                chosen[command] = phrases.split("\n")[place]
        return tuple((phrase, command) for command, phrase in reversed(chosen.items()))

    def _spelled(self, words: str) -> str:
        """``words``, a word that no recipe knows replaced by its neighbour that most do."""
        asked = words.split()
        able = [w.lower() for w in asked if w.isascii() and w.isalpha() and w.lower() not in _STOP]
        sized = [word for word in able if _SHORTEST_TYPO <= len(word) <= _LONGEST_TYPO]
        unsure = {*[word for word in sized if word not in self._known][:_MOST_WORDS]}
        return " ".join(self._neighbour(word, unsure) for word in asked)

    def _neighbour(self, word: str, unsure: set[str]) -> str:
        if word.lower() not in unsure:
            return word
        near = self._known.keys() & _one_slip(word.lower())
        return max(near, key=lambda other: (self._known[other], other), default=word)


def fill(base: sqlite3.Connection, texts: Iterable[str]) -> None:
    """Make the index in an empty database. ``texts`` are TOML: tables ``any``, ``gnu`` or ``bsd``,
    ``sh`` (bash and zsh) or ``fish``, each with ``recipes``, lists of a command and the phrases
    that ask for it. Raises tomllib.TOMLDecodeError or KeyError for a text that is none.

    One row for each command: a request often has some words of one phrase and some of another.
    Beside each phrase stands what ``near`` would have to compute of it: its features, their weight.
    """
    base.executescript(_TABLES_MADE)
    rows = list(_rows(texts))
    has = Counter(term for *_, shapes in rows for term in {*" ".join(shapes).split()})
    known = Counter(word for *_, phrases, _ in rows for phrase in phrases for word in terms(phrase))
    tells = {term: _tells(term, count, len(rows)) for term, count in has.items()}
    for number, command, phrases, shapes in rows:
        norms = (sum(tells[term] for term in {*shape.split()}) for shape in shapes)
        lengths = array("d", [math.sqrt(norm or 1.0) for norm in norms]).tobytes()
        row = (number, "\n".join(phrases), "\n".join(shapes), lengths, command)
        base.execute("insert into recipe values (?, ?, ?, ?, ?)", row)
    base.executemany("insert into known values (?, ?)", sorted(known.items()))
    scores = _scores([(number, " ".join(shapes)) for number, *_, shapes in rows], has)
    base.executemany("insert into term values (?, ?, ?, ?)", scores)
    base.commit()


def _rows(texts: Iterable[str]) -> Iterator[tuple[int, str, list[str], list[str]]]:
    """(id, command, phrases, the terms of each)."""
    number = 0
    for text in texts:
        for kind, table in tomllib.loads(text).items():
            for command, *phrases in table["recipes"]:
                short = [phrase for phrase in phrases if len(phrase) + len(command) <= LONGEST]
                if short:
                    shapes = [f" {' '.join(features(phrase))} " for phrase in short]
                    yield 8 * number + _KINDS.index(kind), command, short, shapes
                    number += 1


def _scores(
    recipes: Sequence[tuple[int, str]], has: Mapping[str, int]
) -> Iterator[tuple[str, int, array[int], array[int] | array[float]]]:
    """(term, how many recipes have it, which ones, what it adds to the score of each: BM25, as
    SQLite's FTS5 has it); without the latter two where there are too many."""
    counted = [(number, Counter(shapes.split())) for number, shapes in recipes]
    mean = sum(counts.total() for _, counts in counted) / max(len(counted), 1)
    most = max(len(recipes) * _COMMON, _FEW)
    telling = [term for term, count in has.items() if count < most]
    which: dict[str, array[int]] = {term: array("I") for term in telling}
    scores: dict[str, array[float]] = {term: array("d") for term in telling}
    rarity = {
        term: math.log((len(recipes) - has[term] + 0.5) / (has[term] + 0.5)) for term in which
    }
    for number, counts in counted:
        spread = _K1 * (1 - _B + _B * counts.total() / mean)
        for term in which.keys() & counts.keys():
            times = counts[term] * (1.0 if term.isalpha() or term[0] == "0" else _PAIR_WEIGHT)
            score = max(rarity[term], _LEAST_RARITY) * (times * (_K1 + 1.0) / (times + spread))
            which[term].append(number)
            scores[term].append(score)
    nothing = array("I")
    for term, count in sorted(has.items()):
        yield term, count, which.get(term, nothing), scores.get(term, nothing)


def _tells(term: str, count: int, of: int) -> float:
    """How much it says that two phrases share what ``count`` commands ``of`` so many have."""
    tells = math.log(1 + of / (1 + count))
    return tells * _PAIR_TELLS if "0" in term[1:] else tells


def _summed(known: Iterable[Sequence[Any]]) -> dict[int, float]:
    """Recipe -> score."""
    scores: dict[int, float] = {}
    before = scores.get
    for _, recipes, added in known:
        for number, score in zip(
            memoryview(recipes).cast("I"), memoryview(added).cast("d"), strict=True
        ):
            scores[number] = before(number, 0.0) + score
    return scores


def _best(scores: dict[int, float], kinds: Collection[int]) -> dict[int, float]:
    """Of these kinds, the best first; of equals the earlier."""
    fit = {number: score for number, score in scores.items() if number % 8 in kinds}
    least = min(nlargest(_VOTERS, fit.values()), default=0.0)
    best = sorted((-score, number) for number, score in fit.items() if score >= least)
    return {number: -score for score, number in best[:_VOTERS]}


def _likest(sought: Iterable[tuple[str, float]], shapes: str, lengths: bytes) -> tuple[float, int]:
    """How much the phrase that is most like the request is so (the cosine, at most 1), and which it
    is. ``sought`` are the request's terms, a blank on both sides, and the weight of each."""
    there = [one for one in sought if one[0] in shapes]
    likest, where = -1.0, 0
    for place, (shape, length) in enumerate(
        zip(shapes.split("\n"), memoryview(lengths).cast("d"), strict=True)
    ):
        shared = 0.0
        for term, weight in there:
            if term in shape:
                shared += weight
        if shared > likest * length:
            likest, where = shared / length, place
    return likest, where


_Found: TypeAlias = tuple[float, int, str, str, str]
"""(score, which of the phrases, these, command, its program)"""


def _elected(found: Sequence[_Found]) -> list[_Found]:
    """Best first: those whose program the others use too move up."""
    votes = dict.fromkeys([row[4] for row in found], 0.0)
    for score, *_, program in found:
        votes[program] += score * score
    total = sum(votes.values()) or 1.0
    standing = [row[0] * (1 + _VOTE_WEIGHT * votes[row[4]] / total) for row in found]
    order = sorted(range(len(found)), key=standing.__getitem__, reverse=True)
    return [found[place] for place in order]


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
