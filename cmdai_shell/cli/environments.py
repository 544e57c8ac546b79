"""``cmdai-shell config list-environments``, ``add-``, ``remove-environment`` and ``use``."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, get_args

import click
from click.shell_completion import CompletionItem

from cmdai_shell.cli import output, trying
from cmdai_shell.cli.options import as_json
from cmdai_shell.cli.reload import reload_daemon
from cmdai_shell.config import edit, environments, loading, removal
from cmdai_shell.config.environment import ENVIRONMENT_KEYS, Environment, Kind
from cmdai_shell.config.environment_files import IMPORT
from cmdai_shell.config.schema import KEYS
from cmdai_shell.core import EMBEDDED
from cmdai_shell.errors import ConfigError
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cmdai_shell.config import Config


@click.command("list-environments")
@as_json
def list_environments(*, json_: bool) -> None:
    """List the environments: the one in use, where each is, its servers.

    A * stands before the one that is set; with "auto" what answers is used, and none has it.

    \b
    Examples:
      cmdai-shell config list-environments
      cmdai-shell config list-environments --json | jq '.[].endpoints'
    """
    config = loading.load()
    rows = [_row(environment, config) for environment in config.environments.values()]
    if json_:
        output.emit(rows, "json")
        return
    most = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in _table(rows):
        click.echo(line[:most])
    if not rows:
        output.say("no environment yet: cmdai-shell setup, or config add-environment --help")
    elif config.active_environment in (environments.AUTO, environments.NONE):
        output.say(f"in use: {_in_use(config.active_environment)}")


def _row(environment: Environment, config: Config) -> dict[str, Any]:
    return {
        "name": environment.id,
        "title": environment.title,
        "is_active": environment.id == config.active_environment,
        "place": environments.place(environment),
        "priority": environment.priority,
        "discovery_method": environment.discovery_method,
        "auth_type": environment.scheme,
        "endpoints": [
            {"id": endpoint.id, "url": endpoint.url, "kind": endpoint.kind, "model": endpoint.model}
            for endpoint in environments.endpoints(environment)
        ],
    }


def _table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    wide = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        mark = "*" if row["is_active"] else " "
        urls = [endpoint["url"] for endpoint in row["endpoints"]]
        found = [] if row["discovery_method"] == "static" else [f"({row['discovery_method']})"]
        yield visible(
            f"{mark} {row['name']:<{wide}}  {row['place']:<10}  {', '.join(urls + found)}"
        )


def _in_use(active: str) -> str:
    return "auto, what answers" if active == environments.AUTO else "none, only this machine"


@click.command("add-environment")
@click.argument("name")
@click.option("--url", "urls", multiple=True, help="A server's address; repeatable.")
@click.option("--fallback", "fallbacks", multiple=True, help="One to ask when no other answers.")
@click.option("--title", default="", help="What you call it, in any words.")
@click.option("--kind", type=click.Choice(get_args(Kind)), help="The servers' software.")
@click.option("--model", default="", help="The model to ask for; else the server's first.")
@click.option("--api-key-env", default="", help="Environment variable that holds the API key.")
@click.option("--place", type=click.Choice(["local", "cloud", "enterprise"]), help="Where it is.")
@click.option("--priority", type=int, help="A higher one is asked first.")
@click.option("--timeout-ms", type=int, help="An answer that takes longer has failed.")
@click.option("--set", "others", multiple=True, metavar="KEY=VALUE", help="Any other key.")
@click.option("--use", is_flag=True, help="Make it the one in use.")
@click.option("--no-test", is_flag=True, help="Do not ask the servers what they are.")
@as_json
def add_environment(name: str, *, use: bool, no_test: bool, json_: bool, **given: Any) -> None:
    """Write down a place with servers, as environments/NAME.toml, and say what answers there.

    The key itself is never written: name the environment variable that holds it.

    \b
    Examples:
      cmdai-shell config add-environment home-lab --url http://192.168.1.100:8000 --use
      cmdai-shell config add-environment cloud --url https://gpu.example.com --api-key-env GPU_KEY
      cmdai-shell config add-environment two --url http://gpu1:8000 --url http://gpu2:8000
      cmdai-shell config add-environment mine --url http://a:8000 --set retry_count=0
      cmdai-shell config add-environment lab2 --set discovery_method=mdns
    """
    path, wanted = loading.config_file(), values(given)
    if not given["urls"] and wanted.get("discovery_method", "static") == "static":
        raise click.UsageError(
            "--url is missing, its server's address; to have servers found: "
            "--set discovery_method=mdns"
        )
    file = edit.add_environment(path, name, wanted)
    if use:
        edit.set_value(path, "active_environment", name)
    reload_daemon()
    if not json_:
        click.echo(file)
        output.say(f"added {name}")
    found = [] if no_test else _tried(name)
    if json_:
        rows = trying.as_rows(found)
        output.emit({"name": name, "file": str(file), "is_active": use, "found": rows}, "json")
    else:
        trying.tell(found)
        if any(one.state == "login" for one in found) and not given["api_key_env"]:
            setting = f"cmdai-shell config set environments.{name}.auth_type api_key"
            output.say("  or, with the key kept in the credential store:")
            output.say(f"  {setting}; cmdai-shell auth login --environment {name}")
        if not given["urls"]:
            output.say(f"to give it a server: cmdai-shell backends trust NAME --environment {name}")
        warn_if_shared(name)
        if found and not any(one.is_usable for one in found):
            output.say(f"to take it back: cmdai-shell config remove-environment {name}")
        elif not use and loading.load().active_environment not in (environments.AUTO, name):
            output.say(f"to use it: cmdai-shell config use {name}")
    if use:
        warn_if_outranked("active_environment")


def _tried(name: str) -> list[trying.Found]:
    try:
        return trying.found(loading.load().environments[name])
    except ConfigError:
        return []  # another file is broken, which is said next


def values(given: dict[str, Any]) -> dict[str, object]:
    """The options as keys of an environment. Raises ConfigError for a ``--set`` that is none."""
    found: dict[str, object] = {
        "name": given["title"],
        "place": given["place"],
        "endpoints": list(given["urls"]),
        "fallback_endpoints": list(given["fallbacks"]),
        "kind": given["kind"],
        "model": given["model"],
        "auth_type": "api_key" if given["api_key_env"] else None,
        "api_key_env": given["api_key_env"],
        "allow_http_credentials": _is_open(given) or None,
        "priority": given["priority"],
        "timeout_ms": given["timeout_ms"],
    }
    found = {key: value for key, value in found.items() if value not in (None, "", [])}
    for pair in given["others"]:
        key, is_pair, text = pair.partition("=")
        if not is_pair:
            raise ConfigError(f"--set {key}: no value", "write --set KEY=VALUE")
        if key == IMPORT:
            line = f"{IMPORT} = {edit.literal(text)}"
            hint = f"add it without, then write {line} into it: cmdai-shell config edit NAME"
            raise ConfigError(f"--set {IMPORT}: only a file imports another", hint)
        found[key] = edit.plain(ENVIRONMENT_KEYS.get(key), text)
    return found


def _is_open(given: dict[str, Any]) -> bool:
    """The person names a key and an address of plain http in one command: that is leave to send it
    there, inside the own network."""
    urls = (*given["urls"], *given["fallbacks"])
    return bool(given["api_key_env"]) and any(url.startswith("http:") for url in urls)


def environment_names(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Completes the name of an environment."""
    try:
        known = edit.gathered(loading.config_file()).environments
    except ConfigError:
        known = {}
    names = [*known, environments.AUTO, environments.NONE]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def backend_names(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Completes the name of a server."""
    try:
        known = loading.load().environments
        ids = (at.id for there in known.values() for at in environments.endpoints(there))
        names = [*known, *ids]
    except ConfigError:
        names = []
    found = [*names, EMBEDDED]
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


@click.command("remove-environment")
@click.argument("name", shell_complete=environment_names)
@as_json
def remove_environment(name: str, *, json_: bool) -> None:
    """Take an environment out. Its text is kept in a file beside, which counts no more.

    If it is the one in use, what answers is used from then on.

    \b
    Example:
      cmdai-shell config remove-environment home-lab
    """
    removed = removal.remove_environment(loading.config_file(), name)
    reload_daemon()
    if json_:
        names = {"file": str(removed.file), "kept": str(removed.kept)}
        output.emit({"name": name, **names, "was_active": removed.was_active}, "json")
        return
    output.say(f"removed {name}; its text is kept in {removed.kept}")
    if removed.was_active:
        output.say(f"it was in use; now: {_in_use(environments.AUTO)}")
        warn_if_outranked("active_environment")


@click.command()
@click.argument("name", shell_complete=environment_names)
@as_json
def use(name: str, *, json_: bool) -> None:
    """Choose the environment NAME; or auto: by what answers; or none: only this machine.

    \b
    Examples:
      cmdai-shell config use home-lab
      cmdai-shell config use auto
    """
    edit.set_value(loading.config_file(), "active_environment", name)
    reload_daemon()
    if json_:
        output.emit({"active_environment": name}, "json")
    else:
        is_word = name in (environments.AUTO, environments.NONE)
        output.say(f"in use: {_in_use(name) if is_word else name}")
    warn_if_outranked("active_environment")


def warn_if_shared(name: str) -> None:
    """One server under two names is asked as two, and each waits for the other's answers."""
    try:
        known = loading.load().environments
    except ConfigError:
        return  # another file is broken, which is said next
    if also := environments.sharing(known[name], known.values()):
        output.say(f"note: {name} has an address of {' and '.join(also)}, too", "yellow")


def warn_if_outranked(key: str) -> None:
    if (variable := KEYS[key].variable) and os.environ.get(variable):
        output.say(f"note: ${variable} is set and outranks the file", "yellow")
