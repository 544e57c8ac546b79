"""``cmdai-shell diagnostics``: pictures of the way to the models, and a bundle to show others."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import click

from cmdai_shell.cli import output
from cmdai_shell.cli.client import Client
from cmdai_shell.config import environments, loading
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cmdai_shell.diagnose.topology import Graph

Form: TypeAlias = Literal["tree", "svg", "mermaid", "dot", "html"]

PIPE_COLUMNS = 1_000
"""A line on a pipe is one fact, whatever its length."""


@click.group(
    epilog="""\b
Examples:
  cmdai-shell diagnostics network-topology
  cmdai-shell diagnostics network-topology --format html -o topology.html
"""
)
def diagnostics() -> None:
    """What to look at, and what to show others, when something is not as it should be."""


@diagnostics.command("network-topology")
@click.option(
    "--format",
    "form",
    type=click.Choice(get_args(Form)),
    default="tree",
    show_default=True,
    help="What to make of it.",
)
@click.option(
    "-o", "--output", "path", type=click.Path(dir_okay=False, writable=True), help="Into a file."
)
@click.option("--json", "json_", is_flag=True, help="As one JSON document.")
def network_topology(*, form: Form, path: str | None, json_: bool) -> None:
    """Show the way from the shell to the models, and why the last request went where it went.

    Servers with their state, latency, trust and who found them. Nothing is sent to any of them;
    names are looked up. Starts nothing: exit code 69 when no daemon is running.

    \b
    Examples:
      cmdai-shell diagnostics network-topology
      cmdai-shell diagnostics network-topology --format svg -o topology.svg
      cmdai-shell diagnostics network-topology --format dot | dot -Tpng > topology.png
      cmdai-shell diagnostics network-topology --json | jq '.nodes[] | select(.kind == "server")'
    """
    graph = seen(Client(start=()).status())
    if json_:
        from dataclasses import asdict

        output.emit(asdict(graph), "json")
    elif form == "tree":
        _show(graph)


def seen(status: Mapping[str, Any]) -> Graph:
    """The graph of what the daemon says and of this machine's interfaces."""
    from cmdai_shell.diagnose import routes, topology
    from cmdai_shell.discovery import interfaces

    urls = written()
    return topology.graph(
        status,
        interfaces.read(()),
        urls=urls,
        routes=routes.routes(topology.hosts(status, urls)),
    )


def written() -> dict[str, str]:
    """Servers of the configuration with their addresses, none of a wrong one."""
    try:
        config = loading.load()
    except ConfigError:
        return {}
    known = config.environments.values()
    return {each.id: each.url for one in known for each in environments.endpoints(one)}


def _show(graph: Graph) -> None:
    from rich.console import Console

    from cmdai_shell.diagnose.pictures.tree import tree

    is_live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    console = Console(
        width=None if is_live else PIPE_COLUMNS,
        force_terminal=is_live,
        no_color=not is_live or bool(os.environ.get("NO_COLOR")),
        highlight=False,
    )
    console.print(tree(graph))
