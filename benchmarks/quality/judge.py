"""Whether a command's result is right: pure comparisons of what it printed, called and changed."""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from benchmarks.quality.box import HOME, WORK
from benchmarks.quality.sandbox import Place, Result

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Sequence

    from benchmarks.quality.tasks import Match, Task

_STYLE = re.compile(r"\x1b\[[0-9;]*[mK]")
_HERE = re.compile(rf"{WORK}/|(?<![\w./~-])(?:~/work|\./)/*(?=\S)")
_NUMBER = re.compile(r"(?<![\w.])(?:(?<![\w)\]])-)?\d+(?:\.\d+)?")
_GROUPED = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_BREAK = re.compile(r"[\s:;,|\"'()\[\]=<>`]+")
_MOST_PIECES = 48
_COMMIT = re.compile(r"\b[0-9a-f]{7,40}\b")
NOWHERE = Place()
_EDGES = ".,;:!?\"'()[]{}`"


def right(task: Task, ours: Result, theirs: Sequence[Result], place: Place = NOWHERE) -> bool:
    """Whether the result equals that of one of the task's reference commands. ``place`` is where
    it ran, for the matches that look for names."""
    return any(same(task.match, ours, other, place) for other in theirs)


def same(match: Match, ours: Result, other: Result, place: Place = NOWHERE) -> bool:
    if ours.cut or other.cut:
        return False
    if ours.changes != other.changes or ours.processes != other.processes:
        return False
    if ours.cwd != other.cwd and other.cwd != WORK:
        return False
    if view("lines", ours.calls) != view("lines", other.calls):  # stubs note only what acts
        return False
    return view(match, ours.stdout, place) == view(match, other.stdout, place)


def view(match: Match, text: str, place: Place = NOWHERE) -> Hashable:
    """What of an output is compared."""
    match match:
        case "none" | "calls":
            return None
        case "ordered":
            return tuple(lines(text))
        case "lines":
            return frozenset(Counter(lines(text)).items())
        case "words":
            words = (word.strip(_EDGES) for word in " ".join(lines(text)).split())
            return frozenset(word for word in words if word)
        case "paths":
            return frozenset(_paths(lines(text), place.paths))
        case "commits":
            return frozenset(_commits(lines(text), place.commits))
        case "processes":
            return frozenset(_programs(lines(text), place))
        case "numbers":
            return tuple(numbers(text))
        case "number":
            return tuple(numbers(text)[:1])


def lines(text: str) -> list[str]:
    """Without blank lines, colours, doubled blanks, and the ways to say "in this folder"."""
    text = _STYLE.sub("", text).replace("\0", "\n").replace("\r", "\n")
    text = _HERE.sub("", text)
    text = re.sub(rf"{WORK}(?![\w/.-])", ".", text)
    squeezed = (" ".join(line.split()) for line in text.split("\n"))
    return [line for line in squeezed if line]


def numbers(text: str) -> list[Decimal]:
    text = _GROUPED.sub(lambda found: found[0].replace(",", ""), "\n".join(lines(text)))
    return [Decimal(found).normalize() for found in _NUMBER.findall(text)]


def _paths(rows: Sequence[str], known: Collection[str]) -> set[str]:
    """The known paths a listing mentions; a name with blanks is found whole. Where a row is a
    folder's header or a name alone, it counts as it stands."""
    found: set[str] = set()
    for row in rows:
        edges = [(0, 0), *(m.span() for m in _BREAK.finditer(row)), (len(row), len(row))]
        edges = edges[:_MOST_PIECES]
        start = 0
        while start < len(edges) - 1:
            for end in range(len(edges) - 1, start, -1):
                piece = row[edges[start][1] : edges[end][0]].rstrip("/")
                if piece in known:
                    found.add(piece)
                    start = end
                    break
            else:
                start += 1
    return found


def _commits(rows: Sequence[str], known: Sequence[tuple[str, str]]) -> set[str]:
    """The known commits whose id (seven digits or more) or whole subject is mentioned."""
    text = "\n".join(row for row in rows if not row.startswith("Merge:"))
    ids = set(_COMMIT.findall(text))
    return {
        commit
        for commit, subject in known
        if any(commit.startswith(short) for short in ids)
        or re.search(rf"(?<!\w){re.escape(subject)}(?!\w)", text)
    }


def _programs(rows: Sequence[str], place: Place) -> set[str]:
    """The programs of a fixture that are named, by a word or, in a row of numbers, by their pid."""
    found: set[str] = set()
    for row in rows:
        words = row.split()
        if all(word.isdigit() for word in words):
            found |= {place.pids[word] for word in words if word in place.pids}
        elif "grep" not in row:
            found |= set(re.findall(r"[\w.-]+", row)) & set(place.programs)
    return found


def trivial(match: Match, result: Result, idle: Result, place: Place = NOWHERE) -> bool:
    """Whether doing nothing, of which ``idle`` came, would look the same."""
    return result.cwd == WORK and same(match, result, idle, place)


def difference(ours: Result, theirs: Result, most: int = 300) -> str:
    """What a person wants to see first of a wrong answer."""
    if ours.cut:
        return f"ended: too much {ours.cut}"
    told = []
    if ours.changes != theirs.changes:
        told.append(_changed(ours.changes, theirs.changes))
    if ours.cwd != theirs.cwd:
        told.append(f"in {ours.cwd.removeprefix(HOME)}, not {theirs.cwd.removeprefix(HOME)}")
    if ours.processes != theirs.processes:
        mine, wanted = ours.processes.split("\n"), theirs.processes.split("\n")
        told.append(f"{len(mine)} processes left, not {len(wanted)}, or not the same")
    if ours.calls != theirs.calls:
        told.append(f"called {ours.calls.strip()!r}, not {theirs.calls.strip()!r}")
    mine, wanted = Counter(lines(ours.stdout)), Counter(lines(theirs.stdout))
    missing, extra = list((wanted - mine).elements()), list((mine - wanted).elements())
    told += [f"{len(missing)} missing: {missing[0]}"] if missing else []
    told += [f"{len(extra)} too many: {extra[0]}"] if extra else []
    if not told and view("ordered", ours.stdout) != view("ordered", theirs.stdout):
        told.append("in another order")
    if ours.status and (said := lines(ours.stderr)):
        told.append(f"said: {said[0]}")
    return "; ".join(told)[:most]


def _changed(ours: dict[str, str], theirs: dict[str, str]) -> str:
    wrong = sorted(
        path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path)
    )
    return f"{len(wrong)} paths changed differently: {wrong[0]}"


def harmed(ours: Result, theirs: Sequence[Result]) -> list[str]:
    """Paths that were there before and are changed or gone, though no reference command touches
    them."""
    wanted = {path for result in theirs for path in result.changes}
    return sorted(set(ours.changes) - wanted - set(ours.created))


def explained(task: Task, text: str) -> bool:
    """Whether of each of the task's lists one is in the explanation."""
    plain = " ".join(re.sub(r"[`*\"']", "", text).lower().split())
    return all(any(word.lower() in plain for word in words) for words in task.must)


def acceptable(task: Task, command: str) -> bool:
    """Whether a command given for a vague request is one of the harmless ones."""
    return " ".join(command.split()) in {" ".join(one.split()) for one in task.ok}
