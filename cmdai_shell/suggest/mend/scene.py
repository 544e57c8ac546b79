"""The failed line taken apart, and what may be looked up beside it: all that a rule sees."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from cmdai_shell.core import Place
from cmdai_shell.safety.script import names
from cmdai_shell.suggest.mend.line import Token, tokens

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from cmdai_shell.core import Look, Shell

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_MOST_PARTS = 12
"""Commands of a line that are looked at."""
_LEADERS = names("if then elif else while until do ! { time begin and or not")
_WRAPPERS: dict[str, frozenset[str]] = {
    "sudo": names("-u -g -h -p -C -r -t --user --group"),
    "doas": names("-u -C"),
    "env": names("-u -C --unset --chdir"),
    "nohup": names(""),
    "nice": names("-n"),
    "time": names("-f -o"),
    "command": names(""),
    "exec": names("-a"),
    "watch": names("-n --interval"),
    "xargs": names("-n -I -P -L -d -s"),
    "stdbuf": names("-i -o -e"),
    "setsid": names(""),
}
"""Programs that run the rest of their line, and their options that take a value."""


@dataclass(frozen=True, slots=True)
class Edit:
    """``text`` in the place of ``line[start:end]``."""

    start: int
    end: int
    text: str


Mend = tuple[Edit, ...]
"""Edits that belong together: one candidate."""


def swap(token: Token, text: str) -> Edit:
    return Edit(token.start, token.end, text)


def before(token: Token, text: str) -> Edit:
    return Edit(token.start, token.start, text)


def after(token: Token, text: str) -> Edit:
    return Edit(token.end, token.end, text)


def edited(line: str, mend: Mend) -> str:
    for edit in sorted(mend, key=lambda edit: (edit.start, edit.end), reverse=True):
        line = line[: edit.start] + edit.text + line[edit.end :]
    return line


@dataclass(frozen=True, slots=True)
class Part:
    """One simple command: ``words`` begin with its program, after wrappers and assignments."""

    words: tuple[Token, ...]
    redirects: tuple[tuple[Token, Token], ...] = ()
    wrappers: tuple[str, ...] = ()
    first: Token | None = None
    """Where it begins, wrappers and assignments included."""
    opens: str = ""
    """The operator before it."""
    elsewhere: bool = False
    """A ``cd`` came before: relative names cannot be looked up."""
    made: frozenset[str] = frozenset()
    """Folders that the line itself makes before it."""

    @property
    def program(self) -> str:
        return self.words[0].text if self.words[0].plain else ""

    @property
    def args(self) -> tuple[Token, ...]:
        return self.words[1:]

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(word.text for word in self.words[1:])

    @property
    def as_root(self) -> bool:
        return "sudo" in self.wrappers or "doas" in self.wrappers

    @property
    def start(self) -> Token:
        return self.first or self.words[0]

    @property
    def last(self) -> Token:
        ends = (*self.words, *(target for _, target in self.redirects))
        return max(ends, key=lambda token: token.end)

    def flags(self) -> str:
        """All letters of its short options."""
        return "".join(text[1:] for text in self.texts if re.fullmatch(r"-[A-Za-z0-9]+", text))

    def has(self, *options: str) -> bool:
        """One of these, long (``--recursive``) or a letter (``r``)."""
        letters = self.flags()
        return any(o in self.texts if o.startswith("-") else o in letters for o in options)


@dataclass(frozen=True)
class Scene:
    """One line at one moment. Of one that has been ``mended`` already nobody knows how it would
    end; ``status`` is that of the person's own."""

    line: str
    status: int
    mended: bool
    shell: Shell
    cwd: str
    path: str
    look: Look

    @cached_property
    def tokens(self) -> tuple[Token, ...] | None:
        return tokens(self.line)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        return tuple(islice(_parts(self.tokens or ()), _MOST_PARTS))

    def failed(self, *statuses: int) -> bool:
        return self.mended or self.status in statuses

    def where(self, part: Part, name: str) -> str:
        """The whole path of a name in that part, or empty when nobody can say."""
        if name == "~" or name.startswith(("/", "~/")):
            return name
        if part.elsewhere or not self.cwd or name.startswith("~"):
            return ""
        return f"{self.cwd.rstrip('/')}/{name}"

    def place(self, part: Part, name: str) -> Place:
        full = self.where(part, name)
        if not full or "\0" in full:
            return Place()
        return self.look.place(full)

    def is_folder(self, part: Part, name: str) -> bool:
        return self.place(part, name).kind == "folder"

    def is_file(self, part: Part, name: str) -> bool:
        return self.place(part, name).kind == "file"

    def exists(self, part: Part, name: str) -> bool:
        return bool(self.place(part, name).kind)

    def absent(self, part: Part, name: str) -> bool:
        """Surely not there, and not made by the line itself before."""
        if not name or not self.where(part, name) or self.exists(part, name):
            return False
        return not any(_inside(name, folder) for folder in part.made)

    def entries(self, part: Part, folder: str) -> Collection[str]:
        full = self.where(part, folder)
        return self.look.entries(full) if full else ()

    def which(self, program: str) -> bool:
        return bool(self.look.which(program, self.path))


def _inside(name: str, folder: str) -> bool:
    return name.rstrip("/") == folder or name.startswith(f"{folder}/")


def _parts(found: Sequence[Token]) -> Iterator[Part]:
    opens, elsewhere, made = "", False, frozenset[str]()
    for operator, piece in _pieces(found):
        part = _part(piece, opens, elsewhere, made)
        opens = operator
        if part is None:
            continue
        yield part
        elsewhere = elsewhere or part.program in ("cd", "pushd", "popd", "z")
        if part.program == "mkdir":
            made |= {word.text.rstrip("/") for word in part.args if word.text[:1] != "-"}


def _pieces(found: Sequence[Token]) -> Iterator[tuple[str, list[Token]]]:
    """Tokens up to each operator that ends a command, and that operator."""
    piece: list[Token] = []
    for token in found:
        if token.is_operator and not token.redirects and not token.is_copy:
            yield token.raw, piece
            piece = []
        else:
            piece.append(token)
    yield "", piece


def _part(piece: Sequence[Token], opens: str, elsewhere: bool, made: frozenset[str]) -> Part | None:
    words: list[Token] = []
    redirects: list[tuple[Token, Token]] = []
    operator: Token | None = None
    for token in piece:
        if token.is_copy:
            continue
        if token.is_operator:
            operator = token
        elif operator:
            redirects.append((operator, token))
            operator = None
        else:
            words.append(token)
    while words and words[0].text in _LEADERS:
        del words[0]
    first = words[0] if words else None
    wrappers = _unwrap(words)
    if not words:
        return None
    return Part(tuple(words), tuple(redirects), wrappers, first, opens, elsewhere, made)


def _unwrap(words: list[Token]) -> tuple[str, ...]:
    """Take assignments and wrappers off the front."""
    wrappers: list[str] = []
    while words:
        name = words[0].text
        if len(words) > 1 and _ASSIGNMENT.match(name):
            del words[0]
        elif name in _WRAPPERS and len(words) > 1:
            rest = _behind_options(words, _WRAPPERS[name])
            if not rest:
                break
            wrappers.append(name)
            words[:] = rest
        else:
            break
    return tuple(wrappers)


def _behind_options(words: Sequence[Token], valued: frozenset[str]) -> Sequence[Token]:
    at = 1
    while at < len(words) and words[at].text.startswith("-"):
        at += 2 if words[at].text in valued else 1
    return words[at:]
