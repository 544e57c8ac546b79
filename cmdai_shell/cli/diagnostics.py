"""``cmdai-shell diagnostics``: pictures of the way to the models, and a bundle to show others."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import click

from cmdai_shell import __version__
from cmdai_shell.cli import output
from cmdai_shell.cli.client import Client
from cmdai_shell.cli.options import as_json
from cmdai_shell.cli.status import size
from cmdai_shell.config import environments, loading
from cmdai_shell.errors import CmdaiError, ConfigError, DaemonUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cmdai_shell.diagnose.bundle import Seen
    from cmdai_shell.diagnose.topology import Graph

Form: TypeAlias = Literal["tree", "svg", "mermaid", "dot", "html"]


@click.group(
    epilog="""\b
Examples:
  cmdai-shell diagnostics network-topology
  cmdai-shell diagnostics network-topology --format html -o topology.html
  cmdai-shell diagnostics bundle --anonymous
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
@as_json
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

        _put(json.dumps(asdict(graph), ensure_ascii=False, indent=2) + "\n", path)
    elif form == "tree":
        _show(graph, path)
    else:
        _put(drawn(graph, form), path)


@diagnostics.command()
@click.option("-o", "--output", "path", type=click.Path(dir_okay=False), help="The archive's name.")
@click.option("--anonymous", is_flag=True, help="Without names of hosts, addresses, your own name.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "json_", is_flag=True, help="What was written, as one JSON document.")
def bundle(*, path: str | None, anonymous: bool, yes: bool, json_: bool) -> None:
    """Put together what somebody who helps wants to see, without credentials.

    The daemon's status, what doctor finds, the settings, the end of the log, versions and the
    topology, in a .tar.gz that only you can read. What is to be in it is listed first. Works
    without a daemon, too.

    \b
    Examples:
      cmdai-shell diagnostics bundle
      cmdai-shell diagnostics bundle --anonymous -o help.tar.gz
      cmdai-shell diagnostics bundle --yes --json | jq -r .path
    """
    from cmdai_shell.diagnose import bundle as made

    now = time.time()
    folder = time.strftime("cmdai-shell-bundle-%Y%m%d-%H%M%S", time.localtime(now))
    file = Path(path or f"{folder}.tar.gz")
    if file.exists():
        raise CmdaiError(f"{file} is there already", "choose another name: -o FILE")
    pieces = made.pieces(_all_seen(), anonymous=anonymous)
    data = made.archive(pieces, folder, now)
    for piece in pieces:
        output.say(f"{size(len(piece.data)):>8}  {piece.name}")
    again = shlex.join(["cmdai-shell", *sys.argv[1:], "--yes"])
    if not yes and not _agreed(f"write {file} ({size(len(data))})?", again):
        output.say("nothing was written")
        return
    made.write(file, data)
    if json_:
        rows = [{"name": piece.name, "bytes": len(piece.data)} for piece in pieces]
        output.emit({"path": str(file), "bytes": len(data), "pieces": rows}, "json")
    else:
        output.say(f"wrote {file}; look through it before you give it away", "dim")


def _all_seen() -> Seen:
    """The daemon is asked, or why it cannot be is told; doctor takes seconds."""
    from cmdai_shell.diagnose import table
    from cmdai_shell.diagnose.bundle import Seen
    from cmdai_shell.diagnose.check import examine
    from cmdai_shell.diagnose.surroundings import here

    client, graph = Client(start=()), None
    try:
        status = {"running": True, **client.status()}
    except CmdaiError as error:
        status = {"running": False, "reason": str(error)}
    else:
        with suppress(CmdaiError):
            graph = seen(status)
    with output.LiveLine() as live:
        live.show("doctor looks at everything")
        findings = examine(table.CHECKS, here(client.status))
    return Seen(
        status=status,
        findings=findings,
        graph=graph,
        environ=dict(os.environ),
        home=str(Path.home()),
    )


def _agreed(question: str, otherwise: str) -> bool:
    """Ask on the terminal, if somebody is there."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CmdaiError(f"nobody to ask: {question}", otherwise)
    return click.confirm(question, default=True, err=True)


def drawn(graph: Graph, form: Form) -> str:
    """The picture, of any form but ``tree``, as the text of a file."""
    from cmdai_shell.diagnose import pictures

    match form:
        case "svg":
            return pictures.svg(graph)
        case "dot":
            return pictures.dot(graph)
        case "mermaid":
            return pictures.mermaid(graph)
    made = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    return pictures.page(graph, f"cmdai-shell {__version__}, {made}")


def seen(status: Mapping[str, Any]) -> Graph:
    """The graph of what the daemon says and of this machine's interfaces. Raises DaemonUnavailable
    where it says what only another version understands."""
    from cmdai_shell.diagnose import known_servers, routes, topology
    from cmdai_shell.discovery import interfaces

    urls = written()
    try:
        ways = routes.routes(known_servers.hosts(status, urls))
        return topology.graph(status, interfaces.read(()), urls=urls, routes=ways)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DaemonUnavailable(
            "the daemon says things that this version does not know", "cmdai-shell daemon restart"
        ) from error


def written() -> dict[str, str]:
    """Servers of the configuration with their addresses, none of a wrong one."""
    try:
        config = loading.load()
    except ConfigError:
        return {}
    known = config.environments.values()
    return {each.id: each.url for one in known for each in environments.endpoints(one)}


def _put(text: str, path: str | None) -> None:
    if path is None or path == "-":
        click.echo(text, nl=False)
        return
    Path(path).write_text(text, encoding="utf-8")
    output.say(f"wrote {path}", "dim")


def _show(graph: Graph, path: str | None) -> None:
    import io

    from rich.console import Console

    from cmdai_shell.diagnose.pictures.tree import tree

    if path is None and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        Console(no_color=bool(os.environ.get("NO_COLOR")), highlight=False).print(tree(graph))
        return
    # An encoding without lines and corners gets them made of | and -.
    lines = io.TextIOWrapper(io.BytesIO(), "utf-8" if path else sys.stdout.encoding, "replace")
    console = Console(file=lines, width=output.PIPE_COLUMNS, no_color=True, highlight=False)
    console.print(tree(graph))
    lines.seek(0)
    _put(lines.read(), path)
