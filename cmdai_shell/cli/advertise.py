"""``cmdai-shell backends advertise``: a server of this machine becomes one that others find."""

from __future__ import annotations

import asyncio
import shlex
import signal
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from cmdai_shell.cli import output
from cmdai_shell.cli.options import as_json
from cmdai_shell.config import loading
from cmdai_shell.config.environment import Kind
from cmdai_shell.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmdai_shell.discovery.adverts import Advert
    from cmdai_shell.discovery.probe import Answer

_KINDS = [kind for kind in get_args(Kind) if kind not in ("azure", "sagemaker")]
_DGX_RELEASE = Path("/etc/dgx-release")


@click.command()
@click.option(
    "--port",
    default=8000,
    type=click.IntRange(1, 65_535),
    help="Where it listens: 8000, if not said.",
)
@click.option(
    "--kind", type=click.Choice(_KINDS), default="auto", help="Its software; auto: it is asked."
)
@click.option("--model", default="", help="The model it serves; without it, the server is asked.")
@click.option("--name", default="", help="What people see; without it, by this machine's name.")
@click.option("--https", is_flag=True, help="It is spoken to over TLS.")
@click.option("--write", is_flag=True, help="Let Avahi announce it for good: write its file.")
@click.option("--print", "print_", is_flag=True, help="Print that file; announce nothing.")
@as_json
def advertise(
    *,
    port: int,
    kind: str,
    model: str,
    name: str,
    https: bool,
    write: bool,
    print_: bool,
    json_: bool,
) -> None:
    """Announce an inference server of this machine, so that others find it.

    It is announced (mDNS) until Ctrl-C, for as long as it listens; or with --write by Avahi, also
    after the next start. A server that listens on 127.0.0.1 alone is not announced: nobody could
    use it, and what to change is said.

    \b
    Examples:
      cmdai-shell backends advertise
      cmdai-shell backends advertise --port 11434 --kind ollama
      cmdai-shell backends advertise --write
      cmdai-shell backends advertise --print | sudo tee /etc/avahi/services/cmdai-shell-8000.service
    """
    said = _advert(port, kind, model, name, is_tls=https)
    exclude = loading.load().discovery.exclude_interfaces
    if print_:
        said, _ = asyncio.run(_described(said, exclude))
        _print(said, json_=json_)
        return
    addresses, said = asyncio.run(_checked(said, exclude))
    if write:
        _write(said, json_=json_)
        return
    if json_:
        shown = {"name": said.title, "addresses": addresses, "port": port, "txt": dict(said.txt)}
        output.emit(shown, "json")
    asyncio.run(_serve(said, exclude))


def _advert(port: int, kind: str, model: str, name: str, *, is_tls: bool) -> Advert:
    """Raises ConfigError."""
    from cmdai_shell.discovery.advertise import identity
    from cmdai_shell.discovery.adverts import Advert
    from cmdai_shell.discovery.probe import is_stock

    host = socket.gethostname().partition(".")[0].lower()
    scheme = "https" if is_tls else "http"
    return Advert(
        url=f"{scheme}://{_typeable(host) or 'localhost'}:{port}",
        name=name,
        kind=kind,
        model=model,
        uuid=identity(port),
        is_dgx=_DGX_RELEASE.exists() or is_stock(host),
    )


def _typeable(host: str) -> str:
    return "".join(
        letter for letter in host if letter.isascii() and (letter.isalnum() or letter in "-_")
    )


def _print(said: Advert, *, json_: bool) -> None:
    from cmdai_shell.discovery import adverts

    text = adverts.avahi(said)
    if json_:
        output.emit({"avahi": text}, "json")
    else:
        click.echo(text, nl=False)


def _write(said: Advert, *, json_: bool) -> None:
    from cmdai_shell.discovery import advertise, adverts

    path = advertise.avahi_file(said.port)
    advertise.write(adverts.avahi(said), path, instead=_command(said))
    if json_:
        output.emit({"path": str(path)}, "json")
        return
    output.say(f"Avahi announces it from now on: {path}", "green")
    output.say(f"to take that back: sudo rm {path}", "dim")


def _command(said: Advert) -> str:
    """That prints the file of ``said``."""
    words = ["cmdai-shell", "backends", "advertise", "--port", str(said.port)]
    for option, value in (("kind", said.kind), ("model", said.model), ("name", said.name)):
        if value not in ("", "auto"):
            words += [f"--{option}", value]
    if said.url.startswith("https:"):
        words.append("--https")
    return shlex.join([*words, "--print"])


# --- the server


async def _checked(said: Advert, exclude: Sequence[str]) -> tuple[Sequence[str], Advert]:
    """Where it can be reached, and what it says of itself. Raises DiscoveryError."""
    from cmdai_shell.discovery import advertise

    said, has_answered = await _described(said, exclude)
    own = advertise.own_addresses(exclude)
    addresses = await advertise.addresses_of(said.port, own, kind=said.kind)
    if not (has_answered or said.url.startswith("https:")):
        output.say("it does not answer like an inference server that we know", "yellow")
    return addresses, said


async def _described(said: Advert, exclude: Sequence[str]) -> tuple[Advert, bool]:
    """With what the server says of itself where the person says nothing, and whether it does."""
    from cmdai_shell.discovery import advertise

    own = advertise.own_addresses(exclude)
    answer = None if said.url.startswith("https:") else await _asked(said.port, own)
    if answer is None:
        return said, False
    kind = answer.endpoint.kind if said.kind == "auto" else said.kind
    only = answer.endpoint.model if not answer.endpoint.model.startswith("/") else ""
    auth = answer.endpoint.labels.get("auth", said.auth)
    return replace(said, kind=kind, model=said.model or only, auth=auth), True


async def _asked(port: int, own: Sequence[str]) -> Answer | None:
    """One request to this machine itself: a list of models."""
    from cmdai_shell.discovery import probe

    host = probe.Host(name="localhost", addresses=("127.0.0.1", *own[: probe.MOST_ADDRESSES]))
    answers = await probe.ask(host, ports=[(port, "/v1/models")])
    return answers[0] if answers else None


async def _serve(said: Advert, exclude: Sequence[str]) -> None:
    """Until Ctrl-C or SIGTERM; a goodbye is sent then."""
    from cmdai_shell.discovery import advertise

    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task  # noqa: S101  we run in one
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)

    async def look() -> tuple[str, ...]:
        return await advertise.listening(said.port, advertise.own_addresses(exclude))

    output.say("until Ctrl-C:", "dim")
    with suppress(asyncio.CancelledError):
        await advertise.keep(said, look, said=_tell, host=said.host)


def _tell(text: str) -> None:
    output.say(one_line(text))
