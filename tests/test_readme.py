"""What README.md promises is what the code does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from cmdai_shell.backends.embedded.catalog import ROOMY, catalog
from cmdai_shell.backends.embedded.partial import megabytes
from cmdai_shell.cli.commands import cmdai
from cmdai_shell.config.paths import resource
from cmdai_shell.config.schema import KEYS, Config
from cmdai_shell.core import Risk
from cmdai_shell.diagnose.shells import OLDEST
from cmdai_shell.hooks.render import SHELLS
from cmdai_shell.safety import decide

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = [block.strip() for block in re.findall(r"^```sh\n(.+?)^```", README, re.DOTALL | re.M)]
PROSE = re.sub(r"^```.+?^```", "", README, flags=re.DOTALL | re.M)
LITERALS = re.findall(r"`([^`\n]+)`", PROSE)


def calls() -> list[list[str]]:
    """The arguments of every ``cmdai-shell ...`` that a person may copy."""
    lines = [line for block in BLOCKS for line in block.splitlines()]
    found = []
    for line in lines + LITERALS:
        line = re.sub(r'^eval "\$\((.+)\)"$', r"\1", line)
        for part in re.split(r" (?:\||&&) ", line):
            words = shlex.split(part, comments=True)
            if words and words[0] in ("cmdai-shell", ".venv/bin/cmdai-shell"):
                found.append(words[1:])
    return found


def table(heading: str) -> list[list[str]]:
    """The cells, row by row, of the table whose head begins with that."""
    text = README.partition(f"\n| {heading} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in text.split("\n")[2:]]


def resolve(arguments: list[str]) -> None:
    """Parse as ``main`` would, down to the last command, and run nothing."""
    group: click.Command = cmdai
    context: click.Context | None = None
    name = "cmdai-shell"
    while True:
        context = group.make_context(name, list(arguments), parent=context)
        if not isinstance(group, click.Group):
            return
        rest = [*context._protected_args, *context.args]
        found, command, arguments = group.resolve_command(context, rest)
        assert command, arguments
        group, name = command, found or name


@pytest.mark.parametrize("arguments", calls(), ids=shlex.join)
def test_every_command_line_parses(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for word in arguments:
        if word.endswith(".gguf"):
            Path(word).touch()
    if arguments:
        resolve(arguments)


@pytest.mark.parametrize(
    "wrong", [["model", "puul"], ["install", "--nope"], ["daemon", "stop", "x"]]
)
def test_a_command_line_that_is_wrong_is_noticed(wrong: list[str]) -> None:
    with pytest.raises(click.UsageError):
        resolve(wrong)


def test_the_first_command_does_everything() -> None:
    setup, install, request = BLOCKS[0].split(" && ")
    assert setup == "python3 -m venv .venv"
    assert install == ".venv/bin/pip install ."
    program, *arguments = shlex.split(request)
    assert program == ".venv/bin/cmdai-shell"
    assert arguments == ["--yes", "list the ten largest files under this folder"]


def test_the_second_command_is_what_continuous_integration_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    assert script[-1] == BLOCKS[1]
    assert BLOCKS[0].split(" && ")[0] in script


def test_levels_do_what_the_table_says() -> None:
    meaning = {
        "on the line": "insert",
        "on the line, with a warning": "insert",
        "refused": "refuse",
        "shown; a second press puts it on the line": "arm",
    }
    rows = table("risk")
    assert [row[0] for row in rows] == [risk.word for risk in Risk]
    for risk, row in zip(Risk, rows, strict=True):
        strict, moderate, permissive = (meaning[cell] for cell in row[1:])
        assert strict == decide(risk, "strict")
        assert moderate == decide(risk, "moderate")
        assert permissive == decide(risk, "permissive")
        warned = any("warning" in cell for cell in row[1:])
        assert warned == (risk > Risk.SAFE)
    assert "| risk | strict | moderate (default) | permissive |" in README
    assert Config().safety_level == "moderate"


def test_models_are_those_of_the_catalog() -> None:
    usable = [entry for entry in catalog().models if not entry.only_for_tests]
    rows = table("id")
    assert [row[:2] for row in rows] == [[f"`{m.id}`", megabytes(m.size)] for m in usable]
    assert rows[0][3] == f"from {ROOMY // 10**9} GB of free memory on"
    elsewhere = (ROOT / "models" / "README.md").read_text()
    assert all(f"| {row[0]} | {row[1]} | {row[2]} |" in elsewhere for row in rows)


def test_keys_are_those_of_the_hooks() -> None:
    pressed = {row[0] for row in table("press")}
    assert pressed == {"Ctrl-G", "Ctrl-C", "Alt-G", "Ctrl-_ (fish: Ctrl-Z)"}
    switches = set(re.findall(r"\bCMDAI_\w+", README))
    for shell in SHELLS:
        hook = resource(f"shell-hooks/cmdai.{shell}").read_text()
        assert "^G" in hook
        assert "^[g" in hook
        assert all(switch in hook for switch in switches)


def test_versions_of_the_shells() -> None:
    said = ", ".join(f"{shell} {a}.{b}" for shell, (a, b) in OLDEST.items())
    assert f"Oldest versions: {said}." in README


def test_times_are_the_defaults() -> None:
    config = Config()
    assert f"lets go of it after {config.embedded.idle_unload_s // 60} minutes" in README
    assert f"no answer within {config.suggest.deadline_ms // 1000} s" in README


def test_names_of_settings_and_files_exist() -> None:
    for literal in LITERALS:
        if "=" in literal and " = " in literal:
            assert any(key.rpartition(".")[2] == literal.split(" = ")[0] for key in KEYS)
        if literal.startswith(".ci/"):
            assert (ROOT / literal).exists()
