"""``cmdai-shell status``: the daemon's own account of itself."""

from __future__ import annotations

import os.path
import shutil
import time
from collections import Counter
from typing import TYPE_CHECKING

import click

from cmdai_shell import __version__
from cmdai_shell.cli import output, pool, waterfall
from cmdai_shell.cli.client import Client, Reply
from cmdai_shell.diagnose import reasons
from cmdai_shell.errors import DaemonUnavailable
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NO_DAEMON = 69

_FIELDS = {
    "line": "your line",
    "cwd": "the folder's name",
    "last_command": "the failed command",
    "last_status": "its exit status",
    "listing": "what the files in the folder are called",
    "recipes": "similar recipes",
    "history": "earlier words of yours and their commands",
}
_MACHINE = {
    "system": "the system's name",
    "shell_version": "the shell's version",
    "tools": "which common tools there are",
}
"""Told among the instructions."""


@click.command(
    epilog="""\b
Examples:
  cmdai-shell status
  cmdai-shell status --last
  cmdai-shell status --json
"""
)
@click.option(
    "--last",
    is_flag=True,
    help="Only the last request: what was sent where, and what the time went to.",
)
@click.option("--json", "json_", is_flag=True, help="As one JSON object.")
@click.pass_context
def status(ctx: click.Context, /, *, last: bool, json_: bool) -> None:
    """Show the daemon, its model, the shells that use it and the last request.

    Starts nothing. Of a request only its size is known here, never its text. Exit code 69 when no
    daemon is running.
    """
    client = Client(start=())
    try:
        found = client.status()
        traced = client.traces(most=1) if last else []
    except DaemonUnavailable as error:
        if json_:
            output.emit({"running": False, "reason": error.message}, "json")
        else:
            click.echo(f"{error.message} (the key, or any request, starts one)")
        ctx.exit(NO_DAEMON)
    if json_:
        output.emit(_last(found, traced) if last else {"running": True, **found}, "json")
        return
    rows = list(last_request(found) if last else summary(found))
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        click.echo(visible(f"{name:<{width}}  {value}"))
    for trace in traced:
        click.echo()
        for text, _ in waterfall.lines(trace, shutil.get_terminal_size().columns):
            click.echo(visible(text))


def _last(found: Reply, traced: list[Reply]) -> Reply | None:
    """The last request, with what happened to it."""
    last = found.get("last_request")
    return {**last, "trace": traced[-1] if traced else None} if last else None


def summary(found: Reply) -> Iterator[tuple[str, str]]:
    """(label, text) rows of the whole status."""
    version = f"version {found['version']}"
    if found["version"] != __version__:
        version += f" (this is {__version__}; the next request replaces it)"
    life = f"pid {found['pid']}, up {duration(found['uptime_s'])}, {size(found['rss_bytes'])}"
    yield "daemon", f"{version}, {life}"
    yield "model", _model(found.get("model") or {}, found.get("servers") or ())
    yield from pool.servers(found)
    yield from pool.found_servers(found)
    yield "manual", _manual(found.get("manual"), time.time())
    yield "history", _history(found.get("history"))
    if traces := found.get("traces"):
        yield "traces", _traces(traces)
    if metrics := found.get("metrics"):
        yield "metrics", _metrics(metrics)
    hooks = found.get("hooks_seen") or []
    for hook in hooks:
        seen = f"last key {duration(hook['last_seen_s'])} ago, {_count(hook['presses'], 'press')}"
        yield "shell", f"{hook['shell']} {hook['version']}: {seen}"
    if not hooks:
        yield "shell", "no key pressed since the daemon started"
    yield from last_request(found)
    yield "settings", _settings(found)


def last_request(found: Reply) -> Iterator[tuple[str, str]]:
    """(label, text) rows of the last request; sizes and places, never the words."""
    last = found.get("last_request")
    if not last:
        yield "request", "none since the daemon started"
        return
    seconds = (last.get("elapsed_ms") or 0) / 1000
    by = f" by {reasons.who(last['backend'])}" if last.get("backend") else ""
    ending = ", ".join(filter(None, [last.get("outcome"), last.get("risk")]))
    yield "request", f"{last['op']} from {last['shell']}{by}, {seconds:.2f} s: {ending}"
    sent = [_sent(one) for one in last.get("sent") or ()]
    yield from (("sent", text) for text in sent or ["nothing"])
    yield from pool.decisions(found)


def _sent(one: Reply) -> str:
    """What one backend was told. Of several requests the largest is counted."""
    told = one.get("fields") or []
    fields = ", ".join(_FIELDS.get(name, name) for name in told if name not in _MACHINE)
    machine = ", ".join(_MACHINE[name] for name in told if name in _MACHINE)
    fixed = one["characters"] - one["own_characters"]
    own = _count(one["own_characters"], "character")
    rest = f"{fixed} of fixed instructions" + (f" (with {machine})" if machine else "")
    often = f", in {one['times']} requests" if one.get("times", 1) > 1 else ""
    return f"to {one['to']}: {own} of {fields}, and {rest}{often}"


def _model(model: Reply, servers: Sequence[Reply] = ()) -> str:
    from cmdai_shell.diagnose.known_servers import health

    if model.get("state") == "none":
        return "none in use"  # the settings are wrong, or something else than a model answers
    if not model.get("id") and servers:
        found = {health(one) for one in servers}
        is_new = "unknown" in found
        how = "servers answer" if found & {"well", "ailing"} else "servers are asked" * is_new
        if not how:
            return "none here, and no server answers: cmdai-shell model pull"
        return f"none here: {how}; for when none does: cmdai-shell model pull"
    if not model.get("id"):
        return "none yet: cmdai-shell model pull; or your own server: cmdai-shell setup"
    parts = [f"{model['id']} {model.get('state', '')}".strip()]
    if model.get("rss_bytes"):
        parts.append(size(model["rss_bytes"]))
    if model.get("threads"):
        parts.append(_count(model["threads"], "thread"))
    if model.get("last_error"):
        parts.append(str(model["last_error"]))
    return ", ".join(parts)


def _manual(manual: Reply | None, now: float) -> str:
    if manual is None:
        return "not used"  # the settings say so, or are wrong
    building = ", being read" if manual["building"] else ""
    if not manual["pages"]:
        return f"no pages yet{building}"
    pages = _count(manual["pages"], "page")
    return f"{pages} read {duration(max(0.0, now - manual['built_at']))} ago{building}"


def _history(history: Reply | None) -> str:
    if history is None:
        return "not kept"  # the settings say so, or are wrong
    kept = f"{_count(history['kept'], 'suggestion')} kept in"
    parts = [f"{'being read from' if history.get('reading') else kept} {history['path']}"]
    if history["problem"]:
        parts.append(f"not written ({history['problem']}): cmdai-shell doctor")
    if history["aside"]:
        parts.append(f"what could not be read is in {history['aside'][-1]}")
    return ", ".join(parts)


def _traces(traces: Reply) -> str:
    lost = f", {traces['lost']} lost" if traces["lost"] else ""
    hint = f" ({traces['hint']})" if traces["hint"] else ""
    problem = f": {traces['problem']}{hint}" if traces["problem"] else ""
    return f"{traces['sent']} sent to {traces['endpoint']}{lost}{problem}"


def _metrics(metrics: Reply) -> str:
    if not metrics["problem"]:
        return f"http://127.0.0.1:{metrics['port']}/metrics"
    cure = f"cmdai-shell config set metrics.port {reasons.other_port(metrics['port'])}"
    return f"none, port {metrics['port']}: {metrics['problem']}; {cure}"


def _settings(found: Reply) -> str:
    if problem := found.get("config_problem"):
        what = (
            "WRONG, no press is answered" if problem["stops"] else "wrong where they are not in use"
        )
        return f"{what}: {problem['message']}: {problem['hint']}".rstrip(": ")
    main = str(found.get("config_path") or "")
    folders = Counter(map(os.path.dirname, found.get("environment_files") or ()))
    if not main and not folders:
        return "no config.toml: every key has its default"
    environments = (f"{_count(n, 'environment')} in {folder}" for folder, n in folders.items())
    return "; ".join([main or "no config.toml", *environments])


def _count(number: int, noun: str) -> str:
    plural = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{'' if number == 1 else plural}"


def size(count: int | None) -> str:
    """Bytes in a unit a person reads."""
    value = float(count or 0)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def duration(seconds: float) -> str:
    """Seconds as ``12 s``, ``3 min``, ``2 h 5 min`` or ``4 days``."""
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    if minutes < 1:
        return f"{seconds:.0f} s"
    if hours < 1:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} days"
