"""``cmdai-shell backends drain`` and ``undrain``: a server that is to be left alone for a while."""

from __future__ import annotations

import click

from cmdai_shell.cli import output
from cmdai_shell.cli.client import Client
from cmdai_shell.cli.options import as_json
from cmdai_shell.routing.member import undrain_hint


@click.command()
@click.argument("name")
@as_json
def drain(*, name: str, json_: bool) -> None:
    """Send a server no new request; those that it has go on to their end.

    Before an upgrade of it, say. Its health is looked after as before, and it is drained until
    `backends undrain`, or until the daemon ends.

    \b
    Example:
      cmdai-shell backends drain home-lab/spark:8000
    """
    found = Client().decide("drain", name=name)
    if json_:
        output.emit(found, "json")
        return
    left = found["in_flight"]
    rest = f", and finishes the {left} that it has" if left else ""
    output.say(f"{found['name']} gets no new request{rest}", "green")
    output.say(f"until the daemon ends, or: {undrain_hint(found['name'])}", "dim")


@click.command()
@click.argument("name")
@as_json
def undrain(*, name: str, json_: bool) -> None:
    """Send requests again to a server that `backends drain` took out.

    \b
    Example:
      cmdai-shell backends undrain home-lab/spark:8000
    """
    found = Client().decide("undrain", name=name)
    if json_:
        output.emit(found, "json")
        return
    output.say(f"{found['name']} gets requests again", "green")
