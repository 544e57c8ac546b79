"""What our messages tell people to type or to read is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from cmdai_shell.cli.commands import cmdai

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "cmdai_shell").rglob("*.py"))
FILLED = "NAME"
"""Where a name is filled in."""
_COMMAND = re.compile(r"cmdai-shell ((?:[a-z][a-z-]*\b ?)+)((?:[^,;:()`\n]| , )*)")
_OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*\b")
_PAGE = re.compile(r"\b[Ss]ee ((?:docs|examples|shell-hooks|models)/[\w./-]+\.\w+)")


def _text(node: ast.AST) -> str:
    """A string's text, filled in; empty of anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or FILLED for part in node.values)
    return ""


def texts(source: Path) -> list[str]:
    """Whole strings of a module, docstrings included: help texts are."""
    tree = ast.parse(source.read_text())
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    return [text for node in ast.walk(tree) if id(node) not in inside and (text := _text(node))]


def wrong(text: str) -> list[str]:
    """Of the command lines in a text: subcommands and options that are not there."""
    found = []
    for words, rest in _COMMAND.findall(text):
        command: click.Command = cmdai
        context = click.Context(cmdai, info_name="cmdai-shell")
        path = words.split()
        if isinstance(command, click.Group) and not command.get_command(context, path[0]):
            continue  # a request, or "cmdai-shell is not on PATH"
        while path and isinstance(command, click.Group):
            inner = command.get_command(context, path[0])
            if inner is None:
                found.append(f"cmdai-shell {words}{rest}: {path[0]}")
                break
            command = inner
            context = click.Context(command, parent=context, info_name=path.pop(0))
        known = {name for p in command.get_params(context) for name in (*p.opts, *p.secondary_opts)}
        line = re.split(r"\|| &&| >| then | or (?:add )?", rest)[0]
        unknown = [option for option in _OPTION.findall(line) if option not in known]
        found += [f"cmdai-shell {words}{rest}: {option}" for option in unknown]
    return found


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_to_be_typed_or_read_is_there(source: Path) -> None:
    for text in texts(source):
        assert not wrong(text)
        for page in _PAGE.findall(text):
            assert (ROOT / page).exists(), page


@pytest.mark.parametrize("page", ["README.md", "SECURITY.md", "docs"])
def test_so_it_is_in_what_we_wrote(page: str) -> None:
    path = ROOT / page
    for file in [path] if path.is_file() else sorted(path.glob("*.md")):
        assert not wrong(file.read_text()), file


def test_a_hint_that_is_a_command_line_parses() -> None:
    """Not only its names: what it needs and takes."""
    lines = {hint for source in SOURCES for hint in _hints(source)}
    assert len(lines) > 15
    for line in sorted(lines):
        command: click.Command = cmdai
        context = click.Context(cmdai)
        words = line.split()[1:]
        while words and isinstance(command, click.Group) and "--help" not in words[:1]:
            inner = command.get_command(context, words.pop(0))
            assert inner, line
            command = inner
        if not isinstance(command, click.Group) and "--help" not in words:
            command.make_context(line, words)


def _hints(source: Path) -> list[str]:
    """Of errors, those that are one command line and nothing else."""
    found = []
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Call):
            given = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "hint")]
            found += [_text(one) for one in given]
    return [hint for hint in found if re.fullmatch(r"cmdai-shell( (?:[\w-]|{|})+)+", hint)]


def test_it_would_be_noticed() -> None:
    assert wrong("run cmdai-shell config shew --origin")
    assert wrong("cmdai-shell config show --orign")
    assert wrong("cmdai-shell doctor --only NAME --nope")
    assert not wrong("cmdai-shell config show --origin, then cmdai-shell model list")
    assert not wrong("cmdai-shell is not on PATH")
