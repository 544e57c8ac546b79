"""What each part of a command line does, from this machine's manual. Pure, and no model asked.

One line for a part, "part: meaning", in the line's own order. What nobody knows is said to be so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cmdai_shell.safety.prefixes import PREFIXES
from cmdai_shell.safety.script import names
from cmdai_shell.suggest import flags, operands, tokens, usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cmdai_shell.core import Manual, Option
    from cmdai_shell.suggest.tokens import Simple

UNKNOWN = "not in this machine's manual"
MOST = 16
"""Lines; a longer command is explained up to there."""
_AIRY = 8
"""Lines that may take two rows of the terminal each."""
_NARROWEST = 60
"""Columns that a line may have, however narrow the terminal."""
_DEEPEST = 4
"""Commands inside ``$(…)`` inside ``$(…)``, or behind ``sudo env nice …``."""

_BUILTINS = {
    "cd": "goes to another folder",
    "export": "sets variables for every program started from here",
    "source": "runs a file's commands in this shell",
    ".": "runs a file's commands in this shell",
    "alias": "gives a command another name",
    "unalias": "forgets such a name",
    "set": "changes options of the shell",
    "unset": "forgets variables",
    "read": "reads a line into variables",
    "exit": "ends the shell",
    "exec": "replaces the shell by the program",
    "eval": "runs its words as a command",
    "wait": "waits for jobs in the background",
    "jobs": "lists the jobs of this shell",
    "fg": "brings a job to the foreground",
    "bg": "lets a stopped job go on in the background",
    "disown": "lets a job go on when the shell ends",
    "history": "lists the commands typed before",
    "type": "tells what a name stands for",
    "ulimit": "shows or sets limits of programs",
    "umask": "shows or sets the rights new files do not get",
    "trap": "runs a command when a signal arrives",
    "pushd": "goes to a folder and remembers this one",
    "popd": "goes back to the folder remembered last",
    "declare": "sets variables and their kind",
    "local": "sets variables of a function",
    "return": "ends a function",
    "break": "leaves the loop",
    "continue": "goes on with the next turn of the loop",
    "shopt": "changes options of bash",
    "command": "runs a program, not an alias or function of its name",
    "builtin": "runs the shell's own command of that name",
    ":": "does nothing",
    "sudo": "does it as the administrator, or another user",
    "doas": "does it as the administrator, or another user",
    "test": "checks a condition",
    "[": "checks a condition",
    "[[": "checks a condition",
}
_KEYWORDS = names("then else do done fi esac { } in ;; begin end")
_CONDITIONS = {
    "if": "what follows is done only if this works",
    "elif": "else, if this works",
    "while": "again and again, as long as this works",
    "until": "again and again, until this works",
    "!": "turned round: success is failure",
    "not": "turned round: success is failure",
    "time": "tells how long it takes",
}
_JOINTS = {
    "|": "takes that output: ",
    "|&": "takes that output and its errors: ",
    "&&": "only if that worked: ",
    "||": "only if that failed: ",
}
_EACH = "runs this for each, {} being its name"
_SCRIPTED = names("sed awk gawk mawk jq perl python python3 ruby node bash sh zsh")
"""Programs whose first operand (or -c, -e) is a script, of which the manual says nothing."""
_TARGETED = names("cp mv ln scp rsync install")
_PATTERNED = names("grep egrep fgrep rg zgrep pgrep pkill")
_MODES = names("chmod")
_SIGNALS = names("kill pkill killall")
_ASSIGNMENT = re.compile(r"(\w+)\+?=")
_META = re.compile(r"<[\w -]+>|[A-Z][A-Z0-9_-]+")
_JOINT = re.compile(r"\A(?:\|&?|&&|\|\|) ")
_GLOB = re.compile(r"(?<!\\)[*?\[]")


@dataclass(frozen=True, slots=True)
class Line:
    """``meaning`` is empty where the manual has none."""

    part: str
    meaning: str
    level: int = 0
    """Of how much weight: the higher, the sooner it is left out of too many."""


@dataclass(frozen=True, slots=True)
class Explained:
    """Without lines: of a line that nothing is known of."""

    lines: tuple[Line, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Nothing is left to ask."""
        return bool(self.lines) and all(line.meaning for line in self.lines)

    @property
    def is_of_use(self) -> bool:
        """There is something in it that a manual says, a program's line not being missing."""
        return any(line.meaning for line in self.lines)

    def text(self, width: int, spoken: Iterable[str] = ()) -> str:
        """For a terminal of that many columns. ``spoken`` are lines of a model, "part: meaning",
        that fill in what the manual does not have."""
        said = [line.partition(":") for line in spoken]
        filled = []
        for line in self._shown():
            meaning = line.meaning or _said_of(line.part, said) or UNKNOWN
            filled.append((line.part, meaning))
        room = max(width, _NARROWEST) - 1
        if len(filled) <= _AIRY:
            room += room * 3 // 4
        return "\n".join(fitted(part, meaning, room) for part, meaning in filled)

    def _shown(self) -> tuple[Line, ...]:
        kept = self.lines
        for level in (2, 1):
            if len(kept) > MOST:
                kept = tuple(line for line in kept if line.level < level)
        return kept[:MOST]


def read(line: str, manual: Manual) -> Explained:
    """Never raises; a few milliseconds."""
    lines = _Reading(manual, 0).of(tokens.commands(line))
    return Explained(tuple(dict.fromkeys(lines)))


def guessed(programs: Iterable[str]) -> str:
    """What is said before a model's explanation of programs that are not here, and in no manual;
    empty if there are none."""
    listed = " and ".join(dict.fromkeys(programs))
    return f"{listed}: not here, and in no manual; a guess:" if listed else ""


def fitted(part: str, meaning: str, width: int) -> str:
    """One line, cut at the end of a clause if need be, else after a word."""
    part = part if len(part) <= width // 2 else part[: width // 2 - 1] + "…"
    room = width - len(part) - 2
    if len(meaning) <= room:
        return f"{part}: {meaning}"
    head = meaning[:room]
    clause = max(head.rfind(mark) for mark in ("; ", " (", ", ", ": "))
    if clause >= room // 2 and head.count("(", 0, clause) == head.count(")", 0, clause):
        return f"{part}: {head[:clause]}"
    return f"{part}: {meaning[: room - 1].rpartition(' ')[0]}…"


def _said_of(part: str, said: Sequence[tuple[str, str, str]]) -> str:
    """What a model says of a part: of its own words, or of those that hold it."""
    bare = _JOINT.sub("", part).strip("'\" ")
    for wanted in (str.__eq__, str.__contains__):
        for name, colon, meaning in said:
            if colon and bare and wanted(name.strip("'\"` "), bare):
                return meaning.strip()
    return ""


class _Reading:
    """``depth`` counts the commands around this one: ``sudo``, ``sh -c``, ``$(…)``."""

    def __init__(self, manual: Manual, depth: int) -> None:
        self._manual = manual
        self._depth = depth

    def of(self, simples: Sequence[Simple]) -> Iterator[Line]:
        if self._depth > _DEEPEST:
            return
        for simple in simples:
            before = _JOINTS.get(simple.joint, "")
            for line in self.simple(simple.words):
                yield _joined(simple.joint, line) if before else line
                before = ""
            for redirection in simple.redirections:
                yield Line(
                    redirection.text, operands.redirected(redirection.operator, redirection.target)
                )
            if simple.after == "&":
                yield Line("&", "in the background: the prompt comes back at once")
            for word in simple.words:
                for inner in tokens.substitutions(word):
                    yield from self._deeper().of(tokens.commands(inner))

    def _deeper(self) -> _Reading:
        return _Reading(self._manual, self._depth + 1)

    def simple(self, words: Sequence[str]) -> Iterator[Line]:
        """The lines of one simple command, keywords and assignments before it included."""
        for place, first in enumerate(words):
            if first in _KEYWORDS:
                continue
            if first in _CONDITIONS:
                yield Line(first, _CONDITIONS[first])
            elif first in ("for", "foreach", "select") and len(words) > place + 1:
                yield _loop(words[place:])
                return
            elif assigned := _ASSIGNMENT.match(first):
                alone = place == len(words) - 1
                yield Line(first, f"sets {assigned[1]}{'' if alone else ' for this command'}", 1)
            else:
                yield from self._program(words[place:])
                return

    def _program(self, words: Sequence[str]) -> Iterator[Line]:
        """A program with its options, and the one that it runs."""
        if self._depth > _DEEPEST:
            return
        parts = usage.read([tokens.unquoted(word) for word in words], self._manual)
        commands = [part for part in parts if part.kind == "command"]
        operands_seen = 0
        yield Line(_named(commands, words[0]), _summary(commands[-1], words[0]))
        for part in parts:
            if part.kind == "option":
                yield from self._option(parts, part, words)
            elif part.kind == "inner":
                yield from self._inner(parts, words[part.at :])
            elif part.kind == "operand":
                last = part.at == len(words) - 1
                if self._is_script(parts, operands_seen):
                    yield from self._deeper().of(tokens.commands(tokens.unquoted(words[part.at])))
                else:
                    yield from _operand(parts, words[part.at], operands_seen, last)
                operands_seen += 1

    def _is_script(self, parts: Sequence[usage.Part], place: int) -> bool:
        """``sh -c 'words'``: the words are commands."""
        return (
            place == 0
            and parts[0].name in ("sh", "bash", "zsh", "dash", "fish")
            and any(part.name == "-c" for part in parts)
        )

    def _inner(self, parts: Sequence[usage.Part], words: Sequence[str]) -> Iterator[Line]:
        if parts[0].name in PREFIXES:
            yield from self._deeper().simple(words)
        else:
            yield from (Line(w, operands.pattern(w), 2) for w in words if _is_glob(w))

    def _option(
        self, parts: Sequence[usage.Part], part: usage.Part, words: Sequence[str]
    ) -> Iterator[Line]:
        shown = _written(parts, part, words)
        if part.name in usage.EXECUTES and part.at + 1 < len(words):
            yield Line(f"{part.name} … {words[part.at + len(part.value.split())]}", _EACH)
            yield from self._deeper().simple(part.value.split()[:-1])
            return
        if part.option is None:
            yield Line(shown, _unheard_of(parts))
        elif not part.option.text:
            yield Line(shown, "")
        else:
            exact = operands.amount(part.name, part.value) if parts[0].name == "find" else ""
            yield Line(shown, exact or meaning(part.option, part.value))
            scripted = parts[0].name == "sed" and part.name in ("-e", "--expression")
            if scripted and (told := operands.sed(part.value)):
                yield Line(part.value, told)


def _joined(joint: str, line: Line) -> Line:
    """With what stands before the command, and what that means for it."""
    told = _JOINTS[joint] + line.meaning if line.meaning else ""
    return replace(line, part=f"{joint} {line.part}", meaning=told)


def _loop(words: Sequence[str]) -> Line:
    over = " ".join(words[3:]) if words[2:3] == ["in"] else "the arguments"
    return Line(" ".join(words), f"does what follows for each of {over}, as ${words[1]}")


def _named(commands: Sequence[usage.Part], written: str) -> str:
    return " ".join((written, *(part.name for part in commands[1:])))


def _summary(part: usage.Part, written: str) -> str:
    if not part.at and part.name in _BUILTINS:
        return _BUILTINS[part.name]
    if part.page and part.page.summary:
        return _lowered(part.page.summary)
    return "the program in this file" if "/" in written and not part.at else ""


def _unheard_of(parts: Sequence[usage.Part]) -> str:
    """What the manual's silence on an option means."""
    if flags.are_known(parts):
        return f"{parts[0].name} has no such option, by its manual"
    return ""


def _written(parts: Sequence[usage.Part], part: usage.Part, words: Sequence[str]) -> str:
    """The option as the line has it, where its word is its own; its value in the line's quotes."""
    alone = sum(other.at == part.at for other in parts) == 1
    if part.joined == " " and part.at + 1 < len(words):
        value = words[part.at + 1]
        return f"{words[part.at] if alone else part.name} {value}"
    return words[part.at] if alone else f"{part.name}{part.joined}{part.value}"


def meaning(option: Option, value: str) -> str:
    """The manual's sentence, with the value in the place of the argument's name."""
    text = _lowered(option.text)
    name = option.argument.split(",")[0].strip("[]=")
    if value and len(value) <= 40 and _META.fullmatch(name):
        bare = re.escape(name)
        text = re.sub(rf"(?<![\w<-]){bare}(?![\w>-])", lambda _: value, text)
    return text


def _lowered(text: str) -> str:
    """As the middle of a sentence begins; names in capitals stay."""
    first = text.split(" ", 1)[0]
    if first[:1].isupper() and (len(first) == 1 or first[1:].islower()):
        return text[0].lower() + text[1:]
    return text


def _operand(parts: Sequence[usage.Part], word: str, place: int, is_last: bool) -> Iterator[Line]:
    program = parts[0].name
    bare = tokens.unquoted(word)
    if program in _SIGNALS and bare.startswith("-"):
        yield Line(word, operands.signalled(bare))
    elif told := operands.counted(program, bare):
        yield Line(word, told)
    elif program in _MODES and (place == 0 or bare.startswith("-")):
        yield Line(word, operands.mode(bare.removeprefix("-") if bare[:1] != "-" else f"a{bare}"))
    elif program in _SCRIPTED and place == 0 and not _scripted_elsewhere(parts):
        yield from _script(program, word, bare)
    elif program in _PATTERNED and place == 0 and not _scripted_elsewhere(parts):
        yield Line(word, "what is looked for")
    elif verb := _verb(parts, bare, place):
        yield Line(word, _lowered(verb.text))
    elif program == "find" and not bare.startswith(("(", "!", ")")):
        yield Line(word, "where to look" if bare != "." else "where to look: this folder", 1)
    elif program in _TARGETED and is_last and place:
        yield Line(word, "where it goes", 1)
    elif _is_glob(word):
        yield Line(word, operands.pattern(word), 2)


def _script(program: str, word: str, bare: str) -> Iterator[Line]:
    told = ""
    if program == "sed":
        told = operands.sed(bare)
    elif program.endswith("awk"):
        told = operands.awk(bare)
    elif program == "jq" and bare == ".":
        told = "all of it, laid out"
    elif " " not in bare and re.fullmatch(r"[\w./-]+", bare):
        told = "the script that is run"
    yield Line(word, told)


def _scripted_elsewhere(parts: Sequence[usage.Part]) -> bool:
    """The pattern or script is an option's value."""
    return any(part.name in ("-e", "-f", "--regexp", "--file", "--expression") for part in parts)


def _verb(parts: Sequence[usage.Part], word: str, place: int) -> Option | None:
    """ "restart" of systemctl: a word that the page explains like an option."""
    page = next((p.page for p in reversed(parts) if p.kind == "command" and p.page), None)
    if page is None or place:
        return None
    return next((c for c in page.commands if word in c.names and c.text), None)


def _is_glob(word: str) -> bool:
    if "`" in word or "$(" in word:
        return False
    return bool(_GLOB.search(re.sub(r"'[^']*'|\"[^\"]*\"|\$\{[^}]*\}", "", word)))
