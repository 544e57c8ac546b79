"""What a word of the syntax tree stands for, as far as it can be known without running anything.

A word under evaluation is a ``str`` in which *quoted* characters that would otherwise mean
something (``*``, ``{``, ``~`` …) are moved into a private range, so that brace expansion, tilde and
globs look at active characters only.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, product
from typing import TYPE_CHECKING, TypeAlias

from cmdai_shell.safety.folding import output_of
from cmdai_shell.safety.quoting import (
    SPLIT,
    active,
    ansi_c,
    braces,
    double_quoted,
    inert,
    is_glob,
    matched,
    plain,
    unescaped,
)
from cmdai_shell.safety.script import HOME, MAYBE, SOME, Call, Word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tree_sitter import Node

Option: TypeAlias = "tuple[str, tuple[Call, ...]]"
"""One possible text of a piece of a word, and the calls it comes from."""

_MOST_VALUES = 24
_LONGEST = 512
"""Characters of a value; a longer one counts as unknown."""

MOST = 64
"""Possible values of one word that are looked at; beyond them it counts as unknown."""

_SET_BY_SHELL = {
    "HOME": HOME,
    "PWD": ".",
    "OLDPWD": MAYBE,
    "TMPDIR": "/tmp",  # noqa: S108 - where it points by default, nothing is opened
    "IFS": SPLIT,
    "ROOT": MAYBE,
}
_NEVER_EMPTY = frozenset({"USER", "LOGNAME", "HOSTNAME", "SHELL", "PATH", "UID", "EUID", "RANDOM"})
_NEVER_EMPTY_SPECIAL = frozenset("?$#!0_-")
_ROOTED = frozenset({"HOME", "PATH", "PWD", "SHELL"})
_SUBSTITUTIONS = ("command_substitution", "process_substitution")


class Evaluator:
    """Evaluates words against the variables assigned so far on the same line.

    ``variables`` holds every value a name was given anywhere on the line: branches and loops are
    not followed, all their values count. ``run`` visits a substitution and returns its calls.
    """

    def __init__(
        self,
        shell: str,
        run: Callable[[Node], tuple[Call, ...]],
        variables: dict[str, list[Word]],
    ) -> None:
        self.shell = shell
        self.variables = variables
        self._run = run

    def assign(self, name: str, values: Iterable[Word], expanded: bool = False) -> None:
        """``expanded``: globs among the values were replaced by names before (``for``, arrays)."""
        known = self.variables.setdefault(name, [])
        for value in values:
            if expanded and value.glob:
                value = replace(value, text=matched(value.text))
            if len(value.text) > _LONGEST:
                value = replace(value, text=MAYBE)
            if len(known) == _MOST_VALUES:
                value = Word(MAYBE)
            if value not in known and len(known) <= _MOST_VALUES:
                known.append(value)

    def appended(self, name: str, values: Sequence[Word]) -> list[Word]:
        """The values of ``name`` after ``name+=value``."""
        before = self.variables.get(name) or [Word("")]
        return [
            Word(old.text + new.text, old.glob or new.glob, (*old.sources, *new.sources)[:MOST])
            for old, new in islice(product(before, values), MOST)
        ]

    def words(self, node: Node) -> list[Word]:
        """Every word that ``node`` may become: braces, lists and word splitting make several."""
        found = [word for reading in self.readings(node) for word in reading]
        return found if len(found) <= MOST else [*found[:MOST], Word(MAYBE)]

    def readings(self, node: Node) -> list[list[Word]]:
        """The words ``node`` becomes, for each of the values its variables may have."""
        options = self._options(node)
        found = [
            [
                self._finish(part, sources)
                for expanded in braces(text, MOST)
                for part in expanded.split(SPLIT)
                if part or not expanded
            ]
            for text, sources in options[:MOST]
        ]
        return found if len(options) <= MOST else [*found, [Word(MAYBE)]]

    def _finish(self, text: str, sources: tuple[Call, ...]) -> Word:
        if text.startswith("~"):
            head, slash, rest = text.partition("/")
            text = {"~+": ".", "~-": MAYBE}.get(head, HOME) + slash + rest
        elif self.shell == "zsh" and text.startswith("=") and len(text) > 1:
            text = text[1:]
        return Word(plain(text), is_glob(text), sources)

    def _options(self, node: Node) -> list[Option]:
        kind = node.type
        if kind in ("word", "extglob_pattern", "regex", "number") and not node.named_child_count:
            return [(unescaped(_text(node)), ())]
        if kind == "raw_string":
            return [(inert(_text(node)[1:-1]), ())]
        if kind == "ansi_c_string":
            return [(inert(ansi_c(_text(node)[2:-1])), ())]
        if kind in ("string", "translated_string"):
            return self._string(node)
        if kind == "simple_expansion":
            return self._split(self._variable(_text(node)[1:]))
        if kind == "expansion":
            return self._split(self._expansion(node))
        if kind in _SUBSTITUTIONS:
            return self._split(self._substitution(node))
        if kind == "arithmetic_expansion":
            for child in node.named_children:
                self._options(child)
            return [(SOME, ())]
        if node.child_count and kind != "brace_expression":
            return self._joined([self._options(child) for child in node.children])
        return [(unescaped(_text(node)), ())]

    def _joined(self, pieces: list[list[Option]]) -> list[Option]:
        size = 1
        for options in pieces:
            size *= len(options)
            if size > MOST:
                return [(MAYBE, tuple(call for p in pieces for _, calls in p for call in calls))]
        return [
            ("".join(text for text, _ in chosen), tuple(c for _, calls in chosen for c in calls))
            for chosen in product(*pieces)
        ]

    def _string(self, node: Node) -> list[Option]:
        """A double-quoted string. Blanks between expansions belong to no child: fill the gaps."""
        source = node.text or b""
        pieces: list[list[Option]] = []
        at = 0
        for child in node.children:
            start, end = child.start_byte - node.start_byte, child.end_byte - node.start_byte
            if start > at:
                pieces.append([(inert(source[at:start].decode(errors="replace")), ())])
            if child.type == "string_content":
                pieces.append([(inert(double_quoted(_text(child))), ())])
            elif child.is_named:
                pieces.append([(inert(text, SPLIT), s) for text, s in self._options(child)])
            at = max(at, end)
        return self._joined(pieces) if pieces else [("", ())]

    def _split(self, options: list[Option]) -> list[Option]:
        """An unquoted expansion: its blanks part words (in fish its lines), its globs are live."""
        parts = str.splitlines if self.shell == "fish" else str.split
        options = [*options, *self._by_ifs(options)]
        return [(active(SPLIT.join(parts(text)) or text), sources) for text, sources in options]

    def _by_ifs(self, options: list[Option]) -> list[Option]:
        """The readings of the texts that the line's own ``IFS=`` parts elsewhere."""
        parting = {ord(c): " " for word in self.variables.get("IFS", ()) for c in word.text}
        for mark in (HOME, MAYBE, SOME):
            parting.pop(ord(mark), None)
        return [(text.translate(parting), sources) for text, sources in options if parting]

    def _variable(self, name: str) -> list[Option]:
        values = self.variables.get(name)
        if values:
            return [(word.text, word.sources) for word in values]
        if name in _SET_BY_SHELL:
            return [(_SET_BY_SHELL[name], ())]
        return [(SOME if name in _NEVER_EMPTY or name in _NEVER_EMPTY_SPECIAL else MAYBE, ())]

    def _expansion(self, node: Node) -> list[Option]:
        children = node.children[1:-1]
        names = [c for c in children if c.type in ("variable_name", "special_variable_name")]
        for child in children:
            if child.type == "subscript" and child.named_children:
                names.append(child.named_children[0])
        if not names or children[0].type in ("!", "#") or not children[0].is_named:
            for child in node.named_children:  # a substitution in it runs all the same
                self._options(child)
            return [(SOME if children and children[0].type == "#" else MAYBE, ())]
        name = _text(names[0])
        values = self._variable(name)
        if len(children) == 1:
            return values
        operator = children[1].type
        operand = self._joined([self._options(c) for c in children[2:]]) if children[2:] else []
        if operator in (":-", "-", ":=", "="):
            if operator.endswith("="):
                self.assign(name, [Word(plain(text), sources=s) for text, s in operand])
            set_here = name in self.variables or values[0][0] not in (MAYBE, SOME)
            return [*values, *operand] if set_here else [(SOME, ()), *operand]
        if operator in (":?", "?"):
            return [(SOME if text == MAYBE else text, s) for text, s in values]
        if operator in (":+", "+"):
            return [("", ()), *operand]
        if operator in ("%", "%%", "#", "##") and operand:
            return [_trimmed(value, operator, operand[0][0]) for value in values]
        if (
            operator == ":"
            and name in _ROOTED
            and [_text(c) for c in children[2:]] == ["0", ":", "1"]
        ):
            return [("/", ())]  # ${HOME:0:1}, a known way to write the root
        return [(MAYBE, sources) for _, sources in values]

    def _substitution(self, node: Node) -> list[Option]:
        calls = self._run(node)
        if node.type == "process_substitution":
            return [(SOME, calls)]
        output = output_of(calls)
        return [(MAYBE if output is None else output.rstrip("\n"), calls)]


def _trimmed(value: Option, operator: str, pattern: str) -> Option:
    text, sources = value
    if text in (MAYBE, SOME) or is_glob(pattern):
        return (MAYBE, sources)
    pattern = plain(pattern)
    kept = text.removesuffix(pattern) if "%" in operator else text.removeprefix(pattern)
    return (kept, sources)


def _text(node: Node) -> str:
    return (node.text or b"").decode(errors="replace")
