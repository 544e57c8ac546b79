"""``cmdai-shell backends trust``, ``ignore`` and ``forget``: the person's word on a server that was
found."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from cmdai_shell.cli import output
from cmdai_shell.cli.client import Client
from cmdai_shell.cli.options import as_json
from cmdai_shell.config import loading, paths
from cmdai_shell.config.environments import NONE
from cmdai_shell.discovery.trust import TrustStore
from cmdai_shell.errors import DiscoveryError

if TYPE_CHECKING:
    from cmdai_shell.cli.client import Reply

FOUND_WITHIN = 3.0
"""Seconds that a daemon which has just been started gets to find the server."""
_LOOK_EVERY = 0.2


@click.command()
@click.argument("name")
@click.option("--as", "called", default="", help="What you want to call it.")
@click.option("--environment", default="", help="The environment whose login it gets.")
@as_json
def trust(*, name: str, called: str, environment: str, json_: bool) -> None:
    """Use a server that was found: from now on it may be sent what you type.

    NAME is what `backends discover` and the line at your prompt call it, or its address. A server
    of https is known by its key from then on, and one that shows another key is not used. Of http
    the address is all that is known, and the network that you are in now: once more after either
    has changed. Whatever --probe found can be named for 15 minutes.

    \b
    Examples:
      cmdai-shell backends trust spark-1a2b:8000
      cmdai-shell backends trust spark-1a2b:8000 --as desk
      cmdai-shell backends trust http://192.168.1.7:8000
    """
    found = _trusted(name, called, environment)
    if json_:
        output.emit(found, "json")
        return
    if found["state"] == "elsewhere":  # the router of now is none by which to know a network
        output.say(f"{found['name']}: {found['story']}", "yellow")
        output.say(found["hint"])
        return
    output.say(f"{found['name']} ({found['url']}) is used from now on", "green")
    output.say(f"to take that back: cmdai-shell backends forget {found['name']}", "dim")


@click.command()
@click.argument("name")
@as_json
def ignore(*, name: str, json_: bool) -> None:
    """Hear no more of a server that was found: nothing at the prompt tells of it again.

    It stays in what `backends discover` lists, as ignored. `backends trust` or `forget` undo it.

    \b
    Example:
      cmdai-shell backends ignore spark-1a2b:8000
    """
    found = Client().decide("ignore", name=name)
    if json_:
        output.emit(found, "json")
        return
    gone = found["ignored"]
    output.say(f"you will hear no more of {gone}; nothing is sent to it", "green")
    output.say(f"to take that back: cmdai-shell backends forget {gone}", "dim")


@click.command()
@click.argument("name")
@as_json
def forget(*, name: str, json_: bool) -> None:
    """Use a server no longer that `backends trust` approved, or hear again of an ignored one.

    \b
    Example:
      cmdai-shell backends forget spark-1a2b:8000
    """
    if loading.load().active_environment == NONE:  # then the daemon looks for nobody
        found: Reply = {"forgotten": TrustStore(paths.data_dir()).forget(name).name}
    else:
        found = Client().decide("forget", name=name)
    if json_:
        output.emit(found, "json")
        return
    gone = found["forgotten"]
    url = _by_settings().get(gone)
    if url is None:
        output.say(f"{gone} is not used any longer; nothing is sent to it")
    else:
        what = f"the key of {gone}" if url.startswith("https:") else f"what you said of {gone}"
        output.say(f"{what} is forgotten; your settings trust it still")


def _by_settings() -> dict[str, str]:
    """Name -> URL of those that need no word of the person."""
    if loading.load().active_environment == NONE:
        return {}
    found = (Client().status()["discovery"] or {}).get("found", [])
    return {one["name"]: one["url"] for one in found if one["state"] == "by-policy"}


def _trusted(name: str, called: str, environment: str) -> Reply:
    """A daemon that was not running has yet to find the server."""
    client = Client()
    until = time.monotonic() + FOUND_WITHIN
    while True:
        try:
            return client.decide("trust", name=name, called=called, environment=environment)
        except DiscoveryError:
            if time.monotonic() > until:
                raise
        time.sleep(_LOOK_EVERY)
