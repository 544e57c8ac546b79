"""Options that several commands have."""

from __future__ import annotations

import click

as_json = click.option("--json", "json_", is_flag=True, help="As one JSON document.")
