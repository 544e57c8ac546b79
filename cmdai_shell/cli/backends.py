"""``cmdai-shell backends``: the servers of the configuration, and how they do."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlsplit

import click

from cmdai_shell.cli import members, output
from cmdai_shell.cli.advertise import advertise
from cmdai_shell.cli.discover import discover
from cmdai_shell.cli.drain import drain, undrain
from cmdai_shell.cli.options import as_json
from cmdai_shell.cli.trust import forget, ignore, trust
from cmdai_shell.config import environments, loading
from cmdai_shell.config.environment import Kind
from cmdai_shell.core import Handshake
from cmdai_shell.errors import BackendError, ConfigError
from cmdai_shell.text import model_name, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cmdai_shell.cli.members import Member
    from cmdai_shell.core import Endpoint


_TEST_S, _CHECK_S, _LOOK_S = 30.0, 10.0, 5.0
_STYLES: dict[str, output.Style] = {"ok": "green", "slow": "yellow", "loading": "yellow"}
_USABLE = ("ok", "slow")
_ADVICE = {
    "name": "getent hosts {host}; or put its address into the url in place of its name",
    "connect": "on that host: does it run, and listen on that port, on more than 127.0.0.1?",
    "answer": "restart it on {host}: it hangs",
    "identify": "check its url; kind in its environment's file says what it is",
    "health": "load_balancing.health_check_endpoint in config.toml says where to look",
}
_WHOLE_WORDS: Any = {"break_long_words": False, "break_on_hyphens": False}
_STUCK = "restart it: it accepts requests and does not finish them"


@click.group(
    epilog="""\b
Examples:
  cmdai-shell backends list --verbose
  cmdai-shell backends test home-lab
  cmdai-shell backends test http://192.168.1.100:8000
  cmdai-shell backends health-check --all --watch
  cmdai-shell backends discover
  cmdai-shell backends trust spark-1a2b:8000
"""
)
def backends() -> None:
    """The servers: those written down, those found, and whether they really compute."""


for _command in (advertise, discover, drain, forget, ignore, trust, undrain):
    backends.add_command(_command)


@backends.command("list")
@click.option("--verbose", is_flag=True, help="Ask each what it is and which models it has.")
@click.option("--environment", "name", default="", help="Only those of this one.")
@as_json
def list_(*, verbose: bool, name: str, json_: bool) -> None:
    """List the servers that are written down, and those that you trusted, best first.

    Without --verbose nobody is asked anything. With it each server tells its software, version
    and models; nothing is computed. A priority stands where one of them has any.

    \b
    Examples:
      cmdai-shell backends list
      cmdai-shell backends list --verbose --json
    """
    found = members.of(name) if name else members.everyone()
    rows = [_row(member) for member in found]
    if verbose:
        for row, more in zip(rows, asyncio.run(_look(found)), strict=True):
            row.update(more)
    if json_:
        output.emit(rows, "json")
        return
    active = loading.load().active_environment
    has_priority = any(row["priority"] for row in rows)
    cells = [_cells(row, active, has_priority=has_priority) for row in rows]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else output.PIPE_COLUMNS
    for line in _columns(cells):
        click.echo("\n".join(wrap(line, width, subsequent_indent="    ", **_WHOLE_WORDS)))
    if not rows:
        output.say("no servers yet: cmdai-shell config add-environment --help")
    elif active == environments.AUTO:
        output.say("in use: auto, the environment that answers (cmdai-shell status says which)")


@backends.command()
@click.argument("name")
@click.option("--timeout", default=_TEST_S, type=click.FloatRange(0.1, 600), help="Seconds.")
@click.option("--kind", type=click.Choice(get_args(Kind)), help="For a URL: its software.")
@click.option("--model", default="", help="For a URL: the model to ask for.")
@click.option("--api-key-env", default="", help="For a URL: the variable that holds its key.")
@as_json
@click.pass_context
def test(ctx: click.Context, /, *, name: str, timeout: float, json_: bool, **more: Any) -> None:
    """Test one server, step by step: connect, identify, choose the model, compute.

    NAME is a server's or an environment's, as `backends list` has them, or any URL. What is
    computed are two small sums; exit code 1 when they are wrong or never come. A path that
    load_balancing.health_check_endpoint names has to be well, too.

    \b
    Examples:
      cmdai-shell backends test home-lab/spark:8000
      cmdai-shell backends test http://192.168.1.100:8000
      cmdai-shell backends test https://gpu.example.com --api-key-env GPU_KEY
    """
    found = members.named(name, **more)
    with output.LiveLine() as live:
        live.show(f"asking {name} …")
        results = asyncio.run(_shake(found, timeout))
    if json_:
        rows = [_tested(member, result) for member, result in zip(found, results, strict=True)]
        output.emit(rows if len(rows) > 1 else rows[0], "json")
    else:
        for member, result in zip(found, results, strict=True):
            _tell(member.endpoint, result)
    if not all(result.state in _USABLE for result in results):
        ctx.exit(1)


@backends.command("health-check")
@click.argument("names", nargs=-1)
@click.option("--all", "everyone", is_flag=True, help="Those of every environment.")
@click.option("--watch", is_flag=True, help="Again and again, until Ctrl-C.")
@click.option("--interval", default=10.0, type=click.FloatRange(1, 3600), help="Seconds between.")
@click.option("--timeout", default=_CHECK_S, type=click.FloatRange(0.1, 600), help="Seconds.")
@as_json
@click.pass_context
def health_check(
    ctx: click.Context,
    /,
    *,
    names: Sequence[str],
    everyone: bool,
    watch: bool,
    interval: float,
    timeout: float,
    json_: bool,
) -> None:
    """Let servers compute, all at a time, and show how they do.

    Without NAMES those of the environment in use. Exit code 1 when one of them cannot answer.
    With --watch and --json, one document a round on a line of its own.

    \b
    Examples:
      cmdai-shell backends health-check --all
      cmdai-shell backends health-check home-lab --watch
    """
    chosen = [member for name in names for member in members.named(name)]
    found = chosen or (members.everyone() if everyone else members.active())
    if not found:
        raise ConfigError("no servers to check", "cmdai-shell config add-environment --help")
    while True:
        begun = time.monotonic()
        results = asyncio.run(_shake(found, timeout))
        _show(found, results, json_=json_, watch=watch)
        if not watch:
            break
        time.sleep(max(0.0, interval - (time.monotonic() - begun)))
    if not all(result.state in _USABLE for result in results):
        ctx.exit(1)


# --- asking


async def _shake(found: Sequence[Member], timeout: float) -> list[Handshake]:
    async def one(member: Member) -> Handshake:
        try:
            server = member.connect()
        except ConfigError as error:
            return Handshake(state="not-asked", detail=error.message, hint=error.hint)
        try:
            return await server.handshake(timeout)
        finally:
            await server.aclose()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(member)) for member in found]
    return [task.result() for task in tasks]


async def _look(found: Sequence[Member]) -> list[dict[str, Any]]:
    async def one(member: Member) -> dict[str, Any]:
        try:
            server = member.connect()
        except ConfigError as error:
            return {"problem": error.message, "hint": error.hint}
        try:
            probe = await server.identify(_LOOK_S)
            load = await server.load(_LOOK_S)
        except BackendError as error:
            return {"problem": error.message, "hint": error.hint}
        finally:
            await server.aclose()
        return {
            "software": f"{probe.kind} {probe.version}".strip(),
            "models": list(probe.models),
            "via_gateway": probe.via_gateway,
            "latency_ms": round(probe.latency * 1000, 1),
            "in_use": server.model,
            "abilities": sorted(server.abilities),
            "load": asdict(load),
        }

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(member)) for member in found]
    return [task.result() for task in tasks]


# --- showing


def _row(member: Member) -> dict[str, Any]:
    endpoint = member.endpoint
    return {
        "name": endpoint.id,
        "environment": endpoint.environment,
        "url": endpoint.url,
        "kind": endpoint.kind,
        "model": endpoint.model,
        "priority": endpoint.priority,
        "source": endpoint.source,
        "auth_type": member.environment.scheme,
    }


def _cells(row: dict[str, Any], active: str, *, has_priority: bool) -> tuple[str, ...]:
    """What the name says already, and what is as for all, is left out."""
    is_told = row["url"] == f"http://{row['name'].partition('/')[2]}"
    first: tuple[str, ...] = (
        row["name"],
        "in use"
        if row["environment"] == active
        else ""
        if row["source"] == "static"
        else "trusted",
        "" if is_told else row["url"],
        f"priority {row['priority']}" if has_priority else "",
    )
    if "problem" in row:
        return (*first, row["problem"].removeprefix(row["name"]).lstrip(": "))
    if "software" not in row:
        kind = "" if row["kind"] == "auto" else row["kind"]
        return (*first, kind, model_name(row["model"]))
    models = len(row["models"])
    more = f" (of {models})" if models > 1 else ""
    waiting = row["load"]["waiting"]
    queue = "" if waiting is None else f"{waiting} waiting"
    return (
        *first,
        row["software"],
        f"{model_name(row['in_use'])}{more}",
        f"{row['latency_ms']} ms",
        queue,
    )


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths: dict[int, int] = {}
    for row in rows:
        for at, cell in enumerate(row[:-1]):
            widths[at] = max(widths.get(at, 0), len(cell))
    for row in rows:
        shown = (cell.ljust(widths[at]) for at, cell in enumerate(row[:-1]) if widths[at])
        cells = [*shown, row[-1]]
        yield visible("  ".join(cells)).replace("\n", " ").rstrip()


def _tested(member: Member, result: Handshake) -> dict[str, Any]:
    return {"name": member.endpoint.id, "url": member.endpoint.url, **asdict(result)}


def _tell(endpoint: Endpoint, result: Handshake) -> None:
    from cmdai_shell.backends.faults import CLIENT_CERTIFICATE

    click.echo(endpoint.id if endpoint.id == endpoint.url else f"{endpoint.id}  {endpoint.url}")
    for step in result.steps:
        mark = " " if step.is_ok else "!"
        line = f"{mark} {step.name:<9} {_milliseconds(step.seconds):>9}  {step.detail}"
        click.echo(visible(line).replace("\n", " ").rstrip())
    _verdict(result)
    if result.state == "unreachable" and result.hint != CLIENT_CERTIFICATE:
        advice = _ADVICE.get(result.steps[-1].name, _STUCK)
        output.say(f"  {advice.format(host=urlsplit(endpoint.url).hostname)}")
    elif result.hint:
        output.say(f"  {result.hint}")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 10 else f"{seconds:.1f} s"


def _verdict(result: Handshake) -> None:
    words: str = result.state
    if result.state in _USABLE:
        rest = result.elapsed - result.ttft
        pace = f", then {(result.tokens - 1) / rest:.0f} a second" if result.tokens > 2 else ""
        words += f": first token after {result.ttft:.2f} s{pace if rest > 0 else ''}"
    elif result.detail:
        words += f": {result.detail}"
    words = visible(words).replace("\n", " ")
    click.echo(output.styled(words, _STYLES.get(result.state, "red"), sys.stdout))


def _show(
    found: Sequence[Member], results: Sequence[Handshake], *, json_: bool, watch: bool
) -> None:
    rows = [_tested(member, result) for member, result in zip(found, results, strict=True)]
    if json_:
        if watch:
            click.echo(json.dumps(rows, ensure_ascii=False))
        else:
            output.emit(rows, "json")
        return
    if watch and sys.stdout.isatty():
        click.clear()
    if watch:
        click.echo(time.strftime("%H:%M:%S"))
    cells = []
    for member, result in zip(found, results, strict=True):
        is_usable = result.state in _USABLE
        told = f"{result.ttft:.2f} s" if is_usable else result.detail
        cells.append((member.endpoint.id, result.state, told))
    for line, result in zip(_columns(cells), results, strict=True):
        click.echo(output.styled(line, _STYLES.get(result.state, "red"), sys.stdout))
