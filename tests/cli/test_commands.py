from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import click
import pytest

from cmdai_shell.cli.commands import COMMANDS, REQUEST, cmdai

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import Call


def commands(
    command: click.Command = cmdai, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command by its words, groups included."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name="cmdai-shell")
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner
            yield from commands(inner, (*path, name))


EVERY = dict(commands())
every_command = pytest.mark.parametrize("path", EVERY, ids=" ".join)


def examples(text: str) -> list[list[str]]:
    """The arguments of each example in a help text, without the shell around it."""
    _, _, after = text.partition("Example")
    calls = re.findall(r"^ .*?\bcmdai-shell ([^|>)\n]+)", after, re.MULTILINE)
    return [shlex.split(call) for call in calls]


def parse(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """What click does with the words, down to the last command, without calling it."""
    context = command.make_context("cmdai-shell", words, parent)
    if isinstance(command, click.Group):
        _name, inner, rest = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert inner
        parse(inner, rest, context)


@every_command
def test_help_has_examples_that_work(path: tuple[str, ...], call: Call, tmp_path: Path) -> None:
    code, out, err = call(*path, "--help")
    assert (code, err) == (0, "")
    found = examples(out)
    assert found, out
    weights = tmp_path / "model.gguf"
    weights.touch()
    for words in found:
        assert words[: len(path)] == list(path)
        words = [str(weights) if word.endswith(".gguf") else word for word in words]
        parse(cmdai, words)


@every_command
def test_help_says_what_every_option_does(path: tuple[str, ...]) -> None:
    for parameter in EVERY[path].params:
        assert not isinstance(parameter, click.Option) or parameter.help, parameter.name
    assert EVERY[path].help


def test_the_summary_of_each_command_is_shown(call: Call) -> None:
    _, out, _ = call("--help")
    for name, (_, summary) in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(summary)}", out, re.MULTILINE)
    assert REQUEST not in re.findall(r"^  (.*?)  ", out, re.MULTILINE)


class TestSlips:
    """A single word that is nearly a command is one; it costs no model's time."""

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["statsu"], "did you mean status?"),
            (["docter"], "did you mean doctor?"),
            (["--json", "status"], "options go after the command: cmdai-shell status"),
        ],
    )
    def test_slips(self, call: Call, words: list[str], said: str) -> None:
        code, out, err = call(*words)
        assert (code, out) == (2, "")
        assert said in err

    def test_words_that_begin_like_a_command(self, call: Call) -> None:
        code, _, err = call("install", "the", "newest", "node")
        assert code == 2
        assert "cmdai-shell -- install the newest node" in err

    def test_a_file_that_is_not_there_is_no_word_of_a_request(self, call: Call) -> None:
        code, _, err = call("model", "import", "/nope")
        assert code == 2
        assert "/nope" in err
        assert "words of a request" not in err
        assert "see cmdai-shell model import --help" in err

    def test_help_after_a_command_s_own_error(self, call: Call) -> None:
        assert "see cmdai-shell model --help" in call("model", "--bogus")[2]
        found = call("config", "add-environment", "x", "--bogus")[2]
        assert "see cmdai-shell config add-environment --help" in found


def test_nothing_typed_is_a_question_for_help(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    code, out, err = call()
    assert (code, out) == (2, "")
    assert err.startswith("Usage: cmdai-shell")


def test_a_group_alone_too(call: Call) -> None:
    code, out, err = call("model")
    assert (code, out) == (2, "")
    assert err.startswith("Usage: cmdai-shell model")


class TestCompletion:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_the_script(self, call: Call, shell: str) -> None:
        code, out, err = call("completion", shell)
        assert (code, err) == (0, "")
        assert "_CMDAI_SHELL_COMPLETE" in out

    @pytest.mark.parametrize(
        ("line", "word", "wanted"),
        [
            ("cmdai-shell sta", 1, {"status"}),
            ("cmdai-shell --sa", 1, {"--safety"}),
            ("cmdai-shell model p", 2, {"pull"}),
            ("cmdai-shell init z", 2, {"zsh"}),
        ],
    )
    def test_what_it_completes(
        self, shell_out: Call, line: str, word: int, wanted: set[str]
    ) -> None:
        _, out, _ = shell_out(
            _CMDAI_SHELL_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(word)
        )
        assert {entry.partition(",")[2] for entry in out.splitlines()} == wanted
