"""Write the parts of the documentation that the code already knows.

    python docs/generate.py

``docs/cli.md`` is every ``--help``; the tables in ``docs/configuration.md`` are the schema's keys,
the one in ``docs/observability.md`` the metrics.
``tests/test_docs.py`` fails while they differ from the code.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cmdai_shell.cli.commands import cmdai
from cmdai_shell.config.edit import literal
from cmdai_shell.config.environment import ENVIRONMENT_KEYS
from cmdai_shell.config.schema import KEYS
from cmdai_shell.observe.metrics import SPECS

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parent
COLUMNS = 100


def cli() -> str:
    """The whole of cli.md."""
    parts = ["# The command line\n", "By `docs/generate.py`, from every command's `--help`.\n"]
    for name, text in helps(cmdai, "cmdai-shell", None):
        parts.append(f"## {name}\n\n```\n{text}\n```\n")
    return "\n".join(parts)


def helps(
    command: click.Command, name: str, parent: click.Context | None
) -> Iterator[tuple[str, str]]:
    """(the command as typed, its help), depth first."""
    context = click.Context(
        command, parent, info_name=name, terminal_width=COLUMNS, max_content_width=COLUMNS
    )
    context.help_option_names = cmdai.context_settings["help_option_names"]
    yield context.command_path, "\n".join(map(str.rstrip, command.get_help(context).splitlines()))
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            if found := command.get_command(context, sub):
                yield from helps(found, sub, context)


def configuration(before: str) -> str:
    """configuration.md with its tables as the schema has them; the rest of ``before`` as it was."""
    return _filled(_filled(before, "keys", keys()), "environment keys", environment_keys())


def _filled(page: str, mark: str, table: str) -> str:
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->\n"
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(end)
    return head + begin + table + end + tail


def keys() -> str:
    rows = ["| key | default | variable | meaning |", "|---|---|---|---|"]
    for key in KEYS.values():
        variable = f"`{key.variable}`" if key.variable else ""
        default = literal(key.default)
        rows.append(f"| `{key.name}` | `{default}` | {variable} | {key.description} |")
    return "\n".join(rows) + "\n"


def environment_keys() -> str:
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for key in ENVIRONMENT_KEYS.values():
        rows.append(f"| `{key.name}` | `{literal(key.default)}` | {key.description} |")
    return "\n".join(rows) + "\n"


def observability(before: str) -> str:
    """observability.md with its table as the metrics are; the rest of ``before`` as it was."""
    rows = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for spec in SPECS.values():
        name = f"{spec.name}_total" if spec.kind == "counter" else spec.name
        labels = ", ".join(f"`{label}`" for label in spec.labels)
        rows.append(f"| `{name}` | {spec.kind} | {labels} | {spec.help} |")
    return _filled(before, "metrics", "\n".join(rows) + "\n")


if __name__ == "__main__":
    (DOCS / "cli.md").write_text(cli(), encoding="utf-8")
    page = DOCS / "configuration.md"
    page.write_text(configuration(page.read_text(encoding="utf-8")), encoding="utf-8")
    page = DOCS / "observability.md"
    page.write_text(observability(page.read_text(encoding="utf-8")), encoding="utf-8")
