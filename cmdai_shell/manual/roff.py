"""man(7) and mdoc(7) source to pieces: sections, tags (what a list explains), paragraphs.

No formatter: only what is needed to find a page's parts. Unknown requests are passed over, macros
that a page defines for itself are not run, and of ``.if`` the branch for a terminal is taken.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from cmdai_shell.manual.escapes import CONTINUED, LONGEST_LINE, LONGEST_STRING, plain, unescaped
from cmdai_shell.manual.escapes import ITALIC as _ITALIC
from cmdai_shell.manual.escapes import UPRIGHT as _UPRIGHT
from cmdai_shell.manual.mdoc import INLINE, Line

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["section", "tag", "text", "line", "deeper", "back"]


class Piece(NamedTuple):
    """``line`` is a line of an example or a table; ``deeper`` and ``back`` have no text. Texts of
    tags keep the marks of ``escapes``."""

    kind: Kind
    text: str = ""


Pieces: TypeAlias = "list[Piece]"

_REQUEST = re.compile(r"[.'][ \t]*(\\?[^\s\\]+)?[ \t]*(.*)", re.DOTALL)
_ARGUMENT = re.compile(r'"((?:[^"]|"")*)"?|((?:\\.|[^\s\\])+)')
_MOST_ARGUMENTS = 64
_MOST_JOINED = 40
"""Lines that one line may go on for."""
_DEFINES = frozenset(("de", "de1", "dei", "am", "am1", "ig"))
_BREAKS = frozenset(("PP", "P", "LP", "Pp", "Lp", "sp", "Sp", "bp", "YS", "SY", "Sy"))
_LITERAL_ON = frozenset(("nf", "EX", "Vb", "Bd", "TS", "DS"))
_LITERAL_OFF = frozenset(("fi", "EE", "Ve", "Ed", "TE", "DE"))
_FONTS = {
    "B": "B",
    "I": "I",
    "R": "R",
    "SM": "R",
    "SB": "B",
    **{one + two: one + two for one in "BIR" for two in "BIR" if one != two},
}
_SECTIONS = frozenset(("SH", "Sh", "SS", "Ss"))


def pieces(source: str) -> Pieces:
    """Never raises; linear in the length of ``source``."""
    reader = _Reader(source.split("\n"))
    reader.run()
    return reader.found


class _Reader:
    def __init__(self, lines: list[str]) -> None:
        self.found: Pieces = []
        self._lines = lines
        self._at = 0
        self._strings: dict[str, str] = {}
        self._paragraph: list[str] = []
        self._wanted: Kind | None = None
        """What the next line of text is, after .TP, .SH or .HP without words."""
        self._held = ""
        """Text that the next line goes on with."""
        self._is_literal = False
        self._branch = True
        self._name = ""
        self._spaced = True
        self._open_tag: str | None = None
        """A tag that goes on over lines, from ``Xo`` to ``Xc``."""
        self._tagged: list[bool] = []
        """For each open mdoc list: whether its items have tags."""

    def run(self) -> None:
        while (line := self._next()) is not None:
            self._line(line)
        self._flush()

    def _next(self) -> str | None:
        """The next line, with those that a backslash joins to it."""
        if self._at >= len(self._lines):
            return None
        line = self._lines[self._at]
        self._at += 1
        for following in self._lines[self._at : self._at + _MOST_JOINED]:
            if not line.endswith("\\") or line.endswith("\\\\"):
                break
            line = line[:-1] + following
            self._at += 1
        return line[:LONGEST_LINE].rstrip("\r")

    def _line(self, line: str) -> None:
        if line[:1] in (".", "'") and (request := _REQUEST.match(line)):
            self._request(request[1] or "", request[2])
        elif not line.strip():
            self._flush()
        else:
            self._text(unescaped(line, self._strings))

    def _text(self, text: str) -> None:
        if text.endswith(CONTINUED) and len(self._held) < LONGEST_LINE:
            self._held += text[:-1]
            return
        if self._held:
            text, self._held = self._held + text, ""
        if self._wanted:
            wanted, self._wanted = self._wanted, None
            self._emit(wanted, text)
        elif self._is_literal:
            self._flush()
            shown = text.rstrip().replace("\t", "  ")
            if plain(shown):
                self.found.append(Piece("line", shown))
        else:
            if text[:1] == " ":
                self._flush()  # such a line begins on a line of its own
            self._paragraph.append(text)

    def _emit(self, kind: Kind, text: str = "") -> None:
        self._flush()
        text = text.strip()
        if text or kind in ("deeper", "back"):
            self.found.append(Piece(kind, plain(text) if kind == "section" else text))

    def _flush(self) -> None:
        if self._paragraph:
            text = " ".join(self._paragraph).strip()
            self._paragraph = []
            if text:
                self.found.append(Piece("text", text))

    def _request(self, name: str, rest: str) -> None:
        if name.startswith('\\"') or not name:
            return
        if name in _DEFINES:
            self._skip_definition(rest)
        elif name in ("if", "ie", "el"):
            self._condition(name, rest)
        elif name in ("ds", "ds1"):
            self._define(rest)
        elif name in _SECTIONS:
            self._section(rest)
        elif name in _BREAKS:
            self._flush()
            self._wanted = None
        elif name in _LITERAL_ON:
            self._flush()
            self._is_literal = name != "Bd" or "-literal" in rest or "-unfilled" in rest
        elif name in _LITERAL_OFF:
            self._flush()
            self._is_literal = False
        elif name in _FONTS:
            self._text(self._set_in(_FONTS[name], self._arguments(rest)))
        elif name in INLINE:
            self._inline([name, *self._arguments(rest)])
        elif act := _ACTS.get(name):
            act(self, rest)

    def _arguments(self, rest: str) -> list[str]:
        """The words of a macro line. A comment ends them."""
        rest = rest.partition('\\"')[0]
        found = []
        for match in _ARGUMENT.finditer(rest):
            quoted, bare = match[1], match[2]
            word = bare if quoted is None else quoted.replace('""', '"')
            found.append(unescaped(word, self._strings))
            if len(found) == _MOST_ARGUMENTS:
                break
        return found

    def _set_in(self, fonts: str, words: list[str]) -> str:
        """``.B`` sets its words in one font and parts them, ``.BI`` alternates and joins them."""
        marked = []
        for place, word in enumerate(words):
            font = fonts[place % len(fonts)]
            marked.append(f"{_ITALIC}{word}{_UPRIGHT}" if font == "I" else word)
        return (" " if len(fonts) == 1 else "").join(marked)

    def _inline(self, words: list[str]) -> None:
        line = Line(self._name, self._spaced)
        text = line.read(words)
        self._name, self._spaced = line.name, line.spaced
        if self._open_tag is not None:
            is_glued = not self._spaced and words[0] != "Sm"
            self._open_tag += text if is_glued else f" {text}"
            if words[0] == "Xc":
                tag, self._open_tag = self._open_tag, None
                self._emit("tag", tag)
        elif text:
            self._text(text)

    def _section(self, rest: str) -> None:
        self._is_literal = False
        self._wanted = None
        words = " ".join(self._arguments(rest))
        self._emit("section", words)
        if not words:
            self._wanted = "section"

    def tag_follows(self, rest: str) -> None:
        self._flush()
        self._is_literal = False
        self._wanted = "tag"

    def indented(self, rest: str) -> None:
        """``.IP tag 4``; without a tag, one more paragraph."""
        self._is_literal = False
        self._wanted = None
        words = self._arguments(rest)
        self._emit("tag", words[0] if words else "")

    def hanging(self, rest: str) -> None:
        """``.HP``: a paragraph whose first line stands out, a tag where an option is in it."""
        self._flush()
        self._is_literal = False

    def list_begins(self, rest: str) -> None:
        self._tagged.append(any(kind in rest for kind in ("-tag", "-hang", "-inset", "-diag")))
        self._emit("deeper")

    def list_ends(self, rest: str) -> None:
        if self._tagged:
            self._tagged.pop()
        self._emit("back")

    def item(self, rest: str) -> None:
        words = self._arguments(rest)
        self._flush()
        if self._tagged and self._tagged[-1]:
            line = Line(self._name, self._spaced)
            tag = line.read(words)
            if "Xo" in words:
                self._flush()
                self._open_tag = tag
            else:
                self._emit("tag", tag)

    def deeper(self, rest: str) -> None:
        self._wanted = None
        self._emit("deeper")

    def back(self, rest: str) -> None:
        self._emit("back")

    def _define(self, rest: str) -> None:
        name, _, value = rest.partition(" ")
        value = unescaped(value.lstrip(" ").removeprefix('"'), self._strings)
        self._strings[name] = value[:LONGEST_STRING]

    def _skip_definition(self, rest: str) -> None:
        words = rest.split()
        end = f".{words[1]}" if len(words) > 1 else ".."
        while self._at < len(self._lines):
            line = self._lines[self._at].rstrip()
            self._at += 1
            if line.replace(" ", "") == end:
                return

    def _condition(self, name: str, rest: str) -> None:
        if name == "el":
            holds = not self._branch
        else:
            holds, rest = _holds(rest)
            if name == "ie":
                self._branch = holds
        rest = rest.lstrip()
        if holds:
            if rest := rest.removeprefix("\\{").lstrip().removesuffix("\\}"):
                self._line(rest.removeprefix("\\"))
        else:
            self._skip_block(rest)

    def _skip_block(self, rest: str) -> None:
        depth = rest.count("\\{") - rest.count("\\}")
        while depth > 0 and self._at < len(self._lines):
            line = self._lines[self._at]
            self._at += 1
            depth += line.count("\\{") - line.count("\\}")


def _holds(rest: str) -> tuple[bool, str]:
    """Whether a condition is true of a terminal, and what follows it."""
    rest = rest.lstrip()
    negated = rest.startswith("!")
    rest = rest.removeprefix("!")
    if rest[:1] in ("n", "t", "o", "e") and not rest[1:2].isalnum():
        holds, rest = rest[0] == "n", rest[1:]
    else:
        condition, _, rest = rest.partition(" ")
        holds = condition.lstrip("(").startswith(("\\n(.g", "\\n[.g]")) and ":" not in condition
    return holds is not negated, rest


_ACTS: dict[str, Callable[[_Reader, str], None]] = {
    "TP": _Reader.tag_follows,
    "TQ": _Reader.tag_follows,
    "IP": _Reader.indented,
    "HP": _Reader.hanging,
    "Bl": _Reader.list_begins,
    "El": _Reader.list_ends,
    "It": _Reader.item,
    "RS": _Reader.deeper,
    "RE": _Reader.back,
}
