"""Which recipes and fixed examples repeat a task: pure, on normalised words and commands."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.quality.tasks import HERE
from cmdai_shell.suggest.context import Facts
from cmdai_shell.suggest.examples import examples

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.quality.tasks import Task

FIXED = "examples.py"
RECIPES = HERE.parents[1] / "cmdai_shell" / "suggest" / "recipes"


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_STOP = _set(
    "a all an and any anywhere are as at be below by can could current do does everything file "
    "files for from get give have here how i in inside into is it its list me my of on one only "
    "or please see show tell than that the their them there these they this to under was what "
    "when where which who with you"
)
_NAME = re.compile(r"\S*[\w~*][./~*:@]\S*|[./~*]\S*|\S*\d\S*")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_WITH_SUBCOMMAND = _set(
    "git docker kubectl systemctl journalctl apt apt-get dnf pacman brew pip npm cargo go ip gh "
    "podman docker-compose"
)


@dataclass(frozen=True)
class Example:
    """A command and a phrase that asks for it, and where it is written."""

    command: str
    phrase: str
    where: str


def known_examples(folder: Path = RECIPES) -> list[Example]:
    """The fixed examples, and the recipes if there are any."""
    found: list[Example] = []
    for shell in ("bash", "fish"):
        for userland in ("GNU", "BSD", "busybox"):
            for phrase, command in examples(shell, Facts(userland=userland)):  # type: ignore[arg-type]
                found.append(Example(command, phrase, FIXED))
    for path in sorted(folder.glob("*.toml")):
        for table in tomllib.loads(path.read_text("utf-8")).values():
            for command, *phrases in table["recipes"]:
                found += [Example(command, phrase, path.name) for phrase in phrases]
    return list(dict.fromkeys(found))


def words(request: str, command: str = "") -> tuple[str, ...]:
    """A request's words, sorted, without stop words, names, numbers and endings."""
    text = _NAME.sub(" ", _QUOTED.sub(" ", request.lower()))
    plain = (word.strip("?!,;()-") for word in text.split())
    names = _shared(command, request)
    return tuple(sorted(word.rstrip("s") for word in plain if word and word not in _STOP | names))


def shape(command: str, request: str = "") -> str:
    """A command with NAME for each of its names, numbers and quoted texts."""
    known = _shared(command, request)
    out: list[str] = []
    for word, is_argument in _parts(command):
        is_name = is_argument and (word.lower() in known or _is_name(word))
        if not (is_name and out and out[-1] == "NAME"):
            out.append("NAME" if is_name else word)
    return " ".join(out)


def _parts(command: str) -> Iterator[tuple[str, bool]]:
    """A command's words, and whether each is an argument: no program, subcommand or operator."""
    before = "|"
    command = re.sub(r"\b(head|tail) (?:-n ?|-)(?=\d)", r"\1 ", command)
    for word in re.findall(r"[|&;<>()]+|[^\s|&;<>()]+", _QUOTED.sub(" NAME ", command)):
        yield word, before[-1] not in "|&;(" and before not in _WITH_SUBCOMMAND and word != "|"
        before = word


def _programs(command: str) -> list[str]:
    parts = _parts(command)
    return [word for word, is_argument in parts if not is_argument and word[0] not in "|&;<>()"]


def _shared(command: str, request: str) -> set[str]:
    """Words of the request that are arguments of the command: names, whatever they look like."""
    asked = set(re.findall(r"[\w-]+", request.lower()))
    return {word.lower() for word, is_argument in _parts(command) if is_argument} & asked


def _is_name(word: str) -> bool:
    return not word.startswith("-") and bool(_NAME.fullmatch(word) or word.isupper())


@dataclass(frozen=True)
class Repeat:
    """``exact``: the same words, or the same command to the letter; else alike but for names."""

    task: str
    example: Example
    why: str
    exact: bool


def repeats(tasks: Sequence[Task], known: Sequence[Example]) -> Iterator[Repeat]:
    """Each (task, example) that is the same request or the same command."""
    by_words: dict[tuple[str, ...], list[Example]] = {}
    by_command: dict[str, list[Example]] = {}
    by_shape: dict[str, list[Example]] = {}
    for example in known:
        by_words.setdefault(words(example.phrase, example.command), []).append(example)
        by_command.setdefault(_squeezed(example.command), []).append(example)
        by_shape.setdefault(shape(example.command, example.phrase), []).append(example)
    for task in tasks:
        commands = [*task.references, task.fish, *task.ok, task.line, task.last_command]
        asked = words(task.request, task.expert) if task.request else ()
        programs = {word for command in commands for word in _programs(command)}
        alike = by_words.get(asked, ()) if asked else ()
        same = [one for one in alike if programs & set(_programs(one.command))]
        for one in same:
            yield Repeat(task.id, one, f"asks the same: {task.request}", True)
        same = [one for command in commands for one in by_command.get(_squeezed(command), ())]
        for one in same:
            yield Repeat(task.id, one, "the same command", True)
        if same:
            continue
        for command in commands:
            if command and (same := by_shape.get(shape(command, task.asked))):
                yield Repeat(task.id, same[0], f"but for names: {command}", False)
                break


def withheld(tasks: Sequence[Task], known: Sequence[Example]) -> frozenset[str]:
    """Commands of recipes that repeat a task: people have them, the bench is asked without them."""
    exact = (repeat.example for repeat in repeats(tasks, known) if repeat.exact)
    return frozenset(example.command for example in exact if example.where != FIXED)


def shown(texts: Iterable[str], without: frozenset[str]) -> Iterator[str]:
    """The recipes' texts but for some commands. (A list in JSON is one in TOML too.)"""
    for text in texts:
        for table, content in tomllib.loads(text).items():
            left = [recipe for recipe in content["recipes"] if recipe[0] not in without]
            yield f"[{table}]\nrecipes = {json.dumps(left, ensure_ascii=False)}\n"


def _squeezed(command: str) -> str:
    return " ".join(command.split())
