"""The pages of docs/ say what the code says."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from cmdai_shell.cli.commands import cmdai
from cmdai_shell.config.environment import ENVIRONMENT_KEYS
from cmdai_shell.config.loading import parse
from cmdai_shell.config.schema import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")])


@pytest.fixture(scope="module")
def generate() -> Any:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(group: click.Group, name: str) -> Iterator[str]:
    for sub in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), sub)
        yield f"{name} {sub}"
        if isinstance(found, click.Group):
            yield from commands(found, f"{name} {sub}")


def test_the_command_line_page_is_every_help_text() -> None:
    # In a process of its own: click keeps a command's --help as whoever asked first had it.
    program = "import runpy; print(runpy.run_path('docs/generate.py')['cli'](), end='')"
    command = [sys.executable, "-c", program]
    made = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert (ROOT / "docs" / "cli.md").read_text() == made, "run: python docs/generate.py"


def test_the_command_line_page_names_every_command() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "docs" / "cli.md").read_text(), re.MULTILINE)
    assert headings == ["cmdai-shell", *commands(cmdai, "cmdai-shell")]


def test_the_page_of_metrics_names_them_all(generate: Any) -> None:
    page = (ROOT / "docs" / "observability.md").read_text()
    assert page == generate.observability(page), "run: python docs/generate.py"


def test_the_settings_page_is_the_schema(generate: Any) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert page == generate.configuration(page), "run: python docs/generate.py"


def test_the_settings_page_has_every_key_and_no_other() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    documented = re.findall(r"^\| `([a-z_0-9.]+)` \|", page, re.MULTILINE)
    assert documented == [*KEYS, *ENVIRONMENT_KEYS]


@pytest.mark.parametrize(
    "text",
    re.findall(r"```toml\n(.+?)```", (ROOT / "docs/configuration.md").read_text(), re.DOTALL),
)
def test_examples_of_settings_are_valid(text: str) -> None:
    assert parse(text)


def test_the_example_file_is_valid_and_changes_something() -> None:
    values = parse((ROOT / "examples" / "config.toml").read_text())
    assert any(value != KEYS[name].default for name, value in values.items())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target
