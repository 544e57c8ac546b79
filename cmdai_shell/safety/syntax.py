"""bash and zsh text to the calls in it, by tree-sitter.

Nothing is followed as a shell would: both branches of an ``if``, every ``case`` and every loop
body count once, and a variable has all the values the line gives it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from cmdai_shell.safety.finders import handed
from cmdai_shell.safety.script import MAYBE, Call, Redirect, Word, names
from cmdai_shell.safety.targets import joined
from cmdai_shell.safety.words import Evaluator
from cmdai_shell.safety.wrappers import innermost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tree_sitter import Node, Parser, Tree

LONGEST = 8192
"""Characters that are parsed; a longer text is only looked through word by word. The parser's
time grows with the square of the length for some inputs (measured: 160 ms for 2000 pipes)."""

DEEPEST = 60
"""Nesting of the syntax tree that is followed; deeper counts as broken."""

_MOST_OF = {
    "|": 200,
    "(": 200,
    "<<": 40,
    "{": 400,
    ";": 400,
    "&": 200,
    "\n": 400,
    "=": 200,
    "$": 400,
}

_SKIPPED = frozenset({"comment", "heredoc_start", "heredoc_end", "variable_name", "word", "number"})
_LITERAL = frozenset({"string", "concatenation", "raw_string", "ansi_c_string", "array"})
_RESERVED = names("{ } for while until if then else elif fi do done case esac select function")
_MOST_FOLDERS = 8
_CHANGES_FOLDER = frozenset({"cd", "pushd", "chdir"})


@cache
def _parser() -> Parser:
    """Made at the first press that needs it: importing tree-sitter costs milliseconds."""
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))


def parsable(text: str) -> bool:
    return len(text) <= LONGEST and all(text.count(c) <= most for c, most in _MOST_OF.items())


def read(text: str, shell: str, outer: Call | None, variables: dict[str, list[Word]]) -> Reader:
    """Parse and walk. ``outer`` is the call that starts the text: what it reads and where it runs
    holds for the text's own calls. ``variables`` are those of the whole line so far.

    A line that assigns or defines something is walked twice, so that a function or a loop body
    sees what comes to stand further right.
    """
    fed_by = outer.fed_by if outer else ()
    tree: Tree = _parser().parse(text.encode(errors="replace"))
    reader = Reader(shell, variables, outer)
    reader.walk(tree.root_node, fed_by)
    if variables or reader.functions:
        second = Reader(shell, variables, outer, reader.functions)
        second.walk(tree.root_node, fed_by)
        reader = second
    reader.broken = reader.broken or tree.root_node.has_error
    return reader


class Reader:
    """One walk over a syntax tree. Afterwards ``calls`` holds every simple command, wrappers still
    on, ``bombs`` the names of functions that start themselves twice."""

    def __init__(
        self,
        shell: str,
        variables: dict[str, list[Word]],
        outer: Call | None = None,
        functions: dict[str, Node] | None = None,
    ) -> None:
        self.calls: list[Call] = []
        self.broken = False
        self.bombs: set[str] = set()
        self.functions: dict[str, Node] = functions or {}
        self.words = Evaluator(shell, self._substitution, variables)
        self._cwd = outer.cwd if outer else (".",)
        self._entered = self._cwd
        self._depth = 0

    def walk(self, root: Node, fed_by: tuple[Call, ...] = ()) -> None:
        self._visit(root, fed_by, ())

    def _visit(
        self, node: Node, fed_by: tuple[Call, ...], redirects: tuple[Redirect, ...]
    ) -> tuple[Call, ...]:
        """Record the calls below ``node``; return those that write to its output."""
        if self._depth > DEEPEST:
            self.broken = True
            return ()
        self._depth += 1
        try:
            return self._dispatch(node, fed_by, redirects)
        finally:
            self._depth -= 1

    def _dispatch(
        self, node: Node, fed_by: tuple[Call, ...], redirects: tuple[Redirect, ...]
    ) -> tuple[Call, ...]:
        kind = node.type
        if kind == "command":
            return self._command(node, fed_by, redirects)
        if kind == "redirected_statement":
            return self._redirected(node, fed_by, redirects)
        if kind == "pipeline":
            return self._pipeline(node, fed_by, redirects)
        if kind in ("variable_assignment", "for_statement"):
            self._assignment(node)
        elif kind in ("declaration_command", "unset_command"):
            return self._declaration(node, fed_by, redirects)
        elif kind == "function_definition":
            self._function(node)
        elif kind == "list":
            return self._list(node, fed_by, redirects)
        elif kind in _LITERAL or kind.endswith(("expansion", "substitution")):
            self.words.words(node)
            return ()
        elif kind in _SKIPPED:
            return ()
        return self._children(node, fed_by, redirects)

    def _children(
        self, node: Node, fed_by: tuple[Call, ...], redirects: tuple[Redirect, ...]
    ) -> tuple[Call, ...]:
        before = self._cwd
        found: list[Call] = []
        for child in node.named_children:
            if node.type != "for_statement" or child.type == "do_group":
                found += self._visit(child, fed_by, redirects)
        if node.type == "subshell":
            self._cwd = before
        return tuple(found)

    def _list(
        self, node: Node, fed_by: tuple[Call, ...], redirects: tuple[Redirect, ...]
    ) -> tuple[Call, ...]:
        """``cd x && …`` runs in x for certain; after any other ``cd`` it may not have worked."""
        found: list[Call] = []
        for child in node.named_children:
            calls = self._visit(child, fed_by, redirects)
            found += calls
            after = child.next_sibling
            if calls and calls[-1].program in _CHANGES_FOLDER and after and after.type == "&&":
                self._cwd = self._entered
        return tuple(found)

    def _pipeline(
        self, node: Node, fed_by: tuple[Call, ...], redirects: tuple[Redirect, ...]
    ) -> tuple[Call, ...]:
        last: tuple[Call, ...] = ()
        for child in node.named_children:
            last = self._visit(child, fed_by, redirects)
            fed_by = (*fed_by, *last)
        return last

    def _redirected(
        self, node: Node, fed_by: tuple[Call, ...], redirects: tuple[Redirect, ...]
    ) -> tuple[Call, ...]:
        own: list[Redirect] = []
        rest: list[Node] = []
        body = node.child_by_field_name("body")
        for child in node.named_children:
            if child != body:
                found, more = self._redirect(child)
                own += found
                rest += more
        redirects = (*redirects, *own)
        calls: tuple[Call, ...] = ()
        if body is not None:
            calls = self._visit(body, fed_by, redirects)
        if not calls:
            calls = self._record([], fed_by, redirects)
        for later in rest:  # what stands after <<EOF on the same line
            piped = later.type == "pipeline" or (
                later.prev_sibling is not None and later.prev_sibling.type in ("|", "|&")
            )
            calls = self._visit(later, (*fed_by, *calls) if piped else (), ())
        return calls

    def _redirect(self, node: Node) -> tuple[list[Redirect], list[Node]]:
        """The redirections in one redirect node, and commands that a here-document swallowed."""
        if node.type == "herestring_redirect":
            texts = [w for child in node.named_children for w in self.words.words(child)]
            return [Redirect("<<<", word) for word in texts[:4]], []
        if node.type == "heredoc_redirect":
            return self._heredoc(node)
        operator = next((c.type for c in node.children if not c.is_named), ">")
        targets = [
            word
            for child in node.named_children
            if child.type != "file_descriptor"
            for word in self.words.words(child)
        ]
        return [Redirect(operator, word) for word in targets], []

    def _heredoc(self, node: Node) -> tuple[list[Redirect], list[Node]]:
        found: list[Redirect] = []
        rest: list[Node] = []
        quoted = False
        for child in node.named_children:
            if child.type == "heredoc_start":
                quoted = any(mark in (child.text or b"") for mark in (b"'", b'"', b"\\"))
            elif child.type == "heredoc_body":
                text = (child.text or b"").decode(errors="replace")
                if not quoted:
                    for part in child.named_children:
                        if part.type not in ("heredoc_content", "heredoc_end"):
                            values = self.words.words(part)
                            source = (part.text or b"").decode(errors="replace")
                            text = text.replace(source, values[0].text if values else "")
                found.append(Redirect("<<", Word(text)))
            elif child.type in ("file_redirect", "herestring_redirect"):
                found += self._redirect(child)[0]
            elif child.type not in ("file_descriptor", "heredoc_end"):
                rest.append(child)
        return found, rest

    def _command(
        self, node: Node, fed_by: tuple[Call, ...], redirects: tuple[Redirect, ...]
    ) -> tuple[Call, ...]:
        programs: list[list[Word]] = []
        words: list[Word] = []
        own: list[Redirect] = []
        for child in node.children:
            if child.type == "command_name":
                for part in child.named_children:
                    programs += self.words.readings(part)
            elif child.type == "variable_assignment":
                self._assignment(child)
            elif child.type.endswith("_redirect"):
                own += self._redirect(child)[0]
            elif child.type == "subshell":  # time (…)
                self._visit(child, fed_by, redirects)
            elif child.is_named or child.type in ("$", "==", "=~", "!"):
                words += self.words.words(child)
        calls: list[Call] = []
        for program in programs or [[]]:
            calls += self._record([*program, *words], fed_by, (*redirects, *own))
        return tuple(calls)

    def _record(
        self, words: list[Word], fed_by: tuple[Call, ...], redirects: tuple[Redirect, ...]
    ) -> tuple[Call, ...]:
        call = Call(tuple(words), redirects, fed_by, cwd=self._cwd)
        self.calls.append(call)
        if call.program in _RESERVED and self.words.shell != "fish":
            self.broken = True  # the grammar lost its way: no program is called so
        if words and words[0].text in self.functions:
            self._positional(call.args)
        stripped = innermost(call)
        if stripped[-1].program in _CHANGES_FOLDER:
            self._change_folder(stripped[-1])
        elif call.program == "read":
            values = [replace(word, sources=fed_by) for word in handed(call)]
            for word in call.args:
                self.words.assign(word.text, values, expanded=True)
        elif call.program == "set" and self.words.shell == "fish":
            self._set(call)
        elif call.program == "set":
            texts = [word.text for word in call.args]
            self._positional(call.args[texts.index("--") + 1 :] if "--" in texts else ())
        return stripped

    def _change_folder(self, call: Call) -> None:
        """What comes next may run where it ran before, or, if that worked, in the new folder."""
        goal = next((w.text for w in call.args if not w.text.startswith("-")), "~")
        self._entered = tuple(joined(folder, goal) for folder in self._cwd)
        self._cwd = tuple(dict.fromkeys((*self._cwd, *self._entered)))[-_MOST_FOLDERS:]

    def _set(self, call: Call) -> None:
        """fish's ``set -gx name value…``; ``set -q`` and ``set -e`` give no value."""
        options = "".join(w.text for w in call.args if w.text.startswith("-"))
        given = [w for w in call.args if not w.text.startswith("-")]
        if given and not set(options) & set("qeSnL"):
            self.words.assign(given[0].text.partition("[")[0], given[1:] or [Word("")], True)

    def _positional(self, words: Sequence[Word]) -> None:
        """``f() { rm -rf "$1"; }; f /`` and ``set -- /; rm -rf "$1"``."""
        for position, word in enumerate(words, 1):
            for name in (str(position), "@", "*", "argv"):
                self.words.assign(name, [word])

    def _declaration(
        self, node: Node, fed_by: tuple[Call, ...], redirects: tuple[Redirect, ...]
    ) -> tuple[Call, ...]:
        words = [Word(node.children[0].type)]
        for child in node.named_children:
            if child.type == "variable_assignment":
                self._assignment(child)
                words.append(Word((child.text or b"").decode(errors="replace")))
            else:
                words += self.words.words(child)
        return self._record(words, fed_by, redirects)

    def _assignment(self, node: Node) -> None:
        """``x=value``, or the list of a ``for``."""
        named = node.named_children
        if not named:
            return
        name = (named[0].text or b"").decode(errors="replace").partition("[")[0]
        if named[0].type == "subscript":
            for index in named[0].named_children[1:]:
                self.words.words(index)
        values: list[Word] = []
        expanded = node.type == "for_statement"
        for child in named[1:]:
            if child.type == "do_group":
                continue
            if child.type == "array":
                expanded = True
                values += [w for item in child.named_children for w in self.words.words(item)]
            else:
                values += self.words.words(child)
        if "+=" in _kinds(node) and not expanded:
            values = self.words.appended(name, values)
        self.words.assign(name, values or [Word("" if "=" in _kinds(node) else MAYBE)], expanded)

    def _function(self, node: Node) -> None:
        name = next((c for c in node.named_children if c.type == "word"), None)
        body = node.child_by_field_name("body")
        if name is None or body is None:
            return
        self.functions[(name.text or b"").decode(errors="replace")] = body
        if _forks(body, name.text or b""):
            self.bombs.add((name.text or b"").decode(errors="replace"))

    def _substitution(self, node: Node) -> tuple[Call, ...]:
        before = self._cwd
        calls: tuple[Call, ...] = ()
        if self._depth > DEEPEST:
            self.broken = True
            return ()
        self._depth += 1
        for child in node.named_children:
            calls = self._visit(child, (), ())
        self._depth -= 1
        self._cwd = before
        return calls


def _kinds(node: Node) -> set[str]:
    return {child.type for child in node.children}


def _forks(body: Node, name: bytes) -> bool:
    """The body calls its own function in the background or in a pipeline."""
    todo = [body]
    while todo:
        node = todo.pop()
        if node.type == "command_name" and node.text == name:
            above = node.parent.parent if node.parent else None
            after = node.parent.next_sibling if node.parent else None
            if (above and above.type == "pipeline") or (after and after.type == "&"):
                return True
        todo += node.children
    return False
