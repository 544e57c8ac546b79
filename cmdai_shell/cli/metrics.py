"""``cmdai-shell metrics``: the daemon's numbers."""

from __future__ import annotations

import json
import sys

import click

from cmdai_shell.cli import output
from cmdai_shell.cli.client import Client


@click.group(
    epilog="""\b
Examples:
  cmdai-shell metrics export
"""
)
def metrics() -> None:
    """The daemon's numbers, for Prometheus and other tools. No words of a request are in them."""


@metrics.command(
    epilog="""\b
Examples:
  cmdai-shell metrics export > /var/lib/node_exporter/cmdai.prom
  cmdai-shell metrics export --format json | jq '.cmdai_requests_total.series'

To have Prometheus read them itself: `config set metrics.enabled true`.
"""
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["prometheus", "json"]),
    default="prometheus",
    help="How to print them.",
    show_default=True,
)
@click.option("--json", "json_", is_flag=True, help="The same as --format json.")
def export(*, form: str, json_: bool) -> None:
    """Print the numbers as they are now, counted since the daemon started. Starts nothing."""
    if json_ or form == "json":
        output.emit(json.loads(Client(start=()).metrics("json"))["metrics"], "json")
        return
    sys.stdout.write(Client(start=()).metrics("prometheus").decode())
    sys.stdout.flush()
