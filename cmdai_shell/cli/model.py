"""``cmdai-shell model``: the language models on this machine."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from cmdai_shell.backends.embedded.catalog import CatalogEntry, catalog, default_here
from cmdai_shell.backends.embedded.partial import megabytes
from cmdai_shell.backends.embedded.pull import pull as fetch
from cmdai_shell.backends.embedded.store import Store
from cmdai_shell.cli import output
from cmdai_shell.cli.options import as_json
from cmdai_shell.cli.progress import progress
from cmdai_shell.cli.reload import reload_daemon
from cmdai_shell.config import load, loading, paths
from cmdai_shell.config.edit import set_value
from cmdai_shell.errors import ModelUnavailable

if TYPE_CHECKING:
    from cmdai_shell.backends.embedded.catalog import ModelFile


@click.group(
    epilog="""\b
Examples:
  cmdai-shell model pull
  cmdai-shell model use qwen2.5-coder-0.5b
  cmdai-shell model bench
  cmdai-shell model import /media/stick/model.gguf
"""
)
def model() -> None:
    """Fetch, choose and measure the language models on this machine."""


@model.command("list")
@as_json
def list_(*, json_: bool) -> None:
    """List the models there are, those that are here, and the one in use (*).

    \b
    Example:
      cmdai-shell model list
    """
    store = _store()
    rows = _rows(store)
    if json_:
        output.emit(rows, "json")
        return
    width = max(len(row["id"]) for row in rows)
    for row in rows:
        mark = "*" if row["in_use"] else " "
        state = "here" if row["installed"] else _begun(row["fetched_bytes"])
        size = megabytes(row["size"])
        click.echo(f"{mark} {row['id']:<{width}}  {size:>7}  {state:<11} {row['summary']}".rstrip())
    output.say(f"kept in {store.folder}", "dim")
    if why_none := _in_use(store)[1]:
        output.say(why_none, "yellow")


@model.command()
@click.argument("id", required=False, default="")
@click.option("--yes", is_flag=True, help="Accepted for scripts; a pull never asks.")
@as_json
def pull(id: str, *, yes: bool, json_: bool) -> None:  # noqa: A002  the name in the help text
    """Fetch the model of that ID, or the one that suits this machine.

    A pull that was interrupted goes on where it stopped. From behind a proxy or a package mirror
    nothing special is needed; HF_ENDPOINT names another hub.

    \b
    Examples:
      cmdai-shell model pull
      cmdai-shell model pull qwen2.5-coder-0.5b
    """
    _done(_pull(_entry(id)), "is ready", json_=json_)


@model.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--id", default="", help="A name for a model that the catalog does not know.")
@as_json
def import_(file: Path, *, id: str, json_: bool) -> None:  # noqa: A002  the option's name
    """Copy a GGUF FILE in, for a machine without a network.

    \b
    Example:
      cmdai-shell model import /media/stick/model.gguf --id my-model
    """
    with progress("importing") as shown:
        found = _store().import_file(file, id, progress=shown)
    if not catalog().by_digest(found.sha256):
        output.say(
            f"warning: {found.id} is not in the catalog: nobody has checked what it answers",
            "yellow",
        )
    reload_daemon()
    _done(found, "is ready", json_=json_)


@model.command()
@click.argument("id")
def use(id: str) -> None:  # noqa: A002  the name in the help text
    """Answer with this model from now on; `auto` decides by memory.

    \b
    Example:
      cmdai-shell model use auto
    """
    found = _store().chosen(id)
    set_value(loading.config_file(), "embedded.model", id)
    if os.environ.get("CMDAI_MODEL"):
        output.say("note: $CMDAI_MODEL is set and outranks this", "yellow")
    reload_daemon()
    output.say(f"using {found.id}")


@model.command()
@click.argument("id")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(id: str, *, yes: bool) -> None:  # noqa: A002  the name in the help text
    """Delete a model, and what was fetched of it.

    \b
    Example:
      cmdai-shell model remove qwen2.5-coder-1.5b --yes
    """
    if not yes and not _agreed(f"delete {id}?", f"cmdai-shell model remove {id} --yes"):
        output.say("kept")
        return
    freed = _store().remove(id)
    reload_daemon()
    output.say(f"removed {id}: {megabytes(freed)} are free again")


@model.command()
@click.argument("id", required=False, default="")
@as_json
def verify(id: str, *, json_: bool) -> None:  # noqa: A002  the name in the help text
    """Check the digest of a model, or of every one.

    Exit code 1 when one is damaged.

    \b
    Example:
      cmdai-shell model verify
    """
    store = _store()
    results: list[dict[str, Any]] = []
    for model_id in [id] if id else [found.id for found in store.installed()]:
        with progress(model_id) as shown:
            try:
                store.verify(model_id, progress=shown)
                results.append({"id": model_id, "ok": True})
            except ModelUnavailable as error:
                results.append({"id": model_id, "ok": False, "reason": str(error)})
    if json_:
        output.emit(results, "json")
    else:
        for result in results:
            click.echo(f"{result['id']}: {'good' if result['ok'] else result['reason']}")
        if not results:
            output.say("no model is here yet: cmdai-shell model pull")
    if not all(result["ok"] for result in results):
        raise click.exceptions.Exit(1)


@model.command()
@click.argument("id", required=False, default="")
@click.option("--threads", type=click.IntRange(1, 512), help="Try this many threads.")
@as_json
def bench(id: str, threads: int | None, *, json_: bool) -> None:  # noqa: A002  the name in the help text
    """Measure a model with real requests, and say whether it suits this machine.

    Without an ID the one in use. Other work on the machine counts: it will be there later, too.

    \b
    Example:
      cmdai-shell model bench --threads 2
    """
    import asyncio

    from cmdai_shell.backends.embedded import memory
    from cmdai_shell.cli import bench as benchmark

    config = load()
    if threads:
        embedded = msgspec.structs.replace(config.embedded, threads=threads)
        config = msgspec.structs.replace(config, embedded=embedded)
    file = _store().chosen(id or config.embedded.model)
    available = memory.available()
    output.say(f"{file.id}: loading, then {len(benchmark.REQUESTS)} requests ...", "dim")
    found = asyncio.run(benchmark.measure(file, config))
    advice = benchmark.advice(found, available=available)
    if json_:
        output.emit({**asdict(found), "advice": advice}, "json")
        return
    rows = (
        ("a press", f"{found.press_s} s (first word after {found.first_s} s)"),
        ("prompt", f"{found.prompt_tps} tokens/s"),
        ("answer", f"{found.decode_tps} tokens/s, {found.threads} threads"),
        ("getting ready", f"{found.ready_s} s, once"),
        ("memory", megabytes(found.rss_bytes)),
    )
    for label, text in rows:
        click.echo(f"{label:<14} {text}")
    click.echo(advice)


def offer_pull(*, yes: bool) -> ModelFile:
    """Fetch the model that is missing, after a question on a terminal, or ``yes``.

    Raises ModelUnavailable when the answer is no, when nobody can be asked (with the command to
    type), or when the pull fails.
    """
    wanted = load().embedded.model
    entry = _entry("" if wanted == "auto" else wanted)
    question = f"no model yet: fetch {entry.id} ({megabytes(entry.size)})?"
    if not yes and not _agreed(question, f"cmdai-shell model pull {entry.id}, or add --yes"):
        raise ModelUnavailable("no model is here yet", f"cmdai-shell model pull {entry.id}")
    return _pull(entry)


def _store() -> Store:
    return Store(paths.data_dir())


def _entry(model_id: str) -> CatalogEntry:
    """What to pull; without an id it says which and why."""
    if not model_id:
        model_id, why = default_here()
        output.say(f"{model_id} ({why})", "dim")
    if entry := catalog().get(model_id):
        return entry
    known = ", ".join(entry.id for entry in catalog().models)
    raise ModelUnavailable(f"no source for a model {model_id}", f"choose {known}")


def _pull(entry: CatalogEntry) -> ModelFile:
    with progress(entry.id) as shown:
        found = fetch(entry, _store(), progress=shown)
    reload_daemon()
    return found


def _agreed(question: str, otherwise: str) -> bool:
    """Ask on the terminal, if somebody is there. Raises ModelUnavailable if not."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ModelUnavailable(f"nobody to ask: {question}", otherwise)
    return click.confirm(question, default=True, err=True)


def _done(found: ModelFile, what: str, *, json_: bool) -> None:
    if json_:
        output.emit({**asdict(found), "path": str(found.path)}, "json")
    else:
        output.say(f"{found.id} {what}: {found.path}")


def _rows(store: Store) -> list[dict[str, Any]]:
    """One dictionary a model: the catalog's, then the imported ones."""
    here = {found.id: found for found in store.installed()}
    in_use, _ = _in_use(store)
    rows: list[dict[str, Any]] = [
        {
            "id": entry.id,
            "size": entry.size,
            "licence": entry.licence,
            "summary": entry.summary,
            "fetched_bytes": store.fetched(entry),
        }
        for entry in catalog().models
    ]
    rows += [
        {
            "id": found.id,
            "size": found.size,
            "licence": found.licence,
            "summary": "imported",
            "fetched_bytes": found.size,
        }
        for found in here.values()
        if not catalog().get(found.id)
    ]
    for row in rows:
        found = here.get(row["id"])
        row |= {
            "installed": found is not None,
            "in_use": row["id"] == in_use,
            "path": str(found.path) if found else "",
        }
    return rows


def _in_use(store: Store) -> tuple[str, str]:
    """(id, "") of the model that would answer, or ("", why none would)."""
    try:
        return store.chosen(load().embedded.model).id, ""
    except ModelUnavailable as error:
        return "", str(error)


def _begun(fetched: int) -> str:
    return f"{megabytes(fetched)} so far" if fetched else "-"
