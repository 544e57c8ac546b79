"""``cmdai-shell backends discover``: what is in the network, now, and what to type to use it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING

import click
import msgspec

from cmdai_shell.cli import output, rows
from cmdai_shell.cli.options import as_json
from cmdai_shell.config import environments, loading, paths
from cmdai_shell.errors import ConfigError
from cmdai_shell.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cmdai_shell.config import Config
    from cmdai_shell.core import Source
    from cmdai_shell.discovery.found import Found
    from cmdai_shell.discovery.search import Search, Seen, Trouble

WAYS = {
    "local": ("mdns",),
    "cloud": ("dns_srv",),
    "cluster": ("k8s_service",),
    "all": ("mdns", "dns_srv", "k8s_service"),
}
"""``--network`` -> words of ``discovery.SOURCES``."""

_SETTINGS = {
    "mdns": ("mdns", "discovery.mdns true"),
    "dns_srv": ("dns", "discovery.dns_domains '[\"search\"]'"),
    "k8s_service": ("kubernetes", "discovery.kubernetes true"),
}
"""Way -> first word of its source's name, what has it looked at always."""
_WHY = {
    "mdns": (
        "servers announce nothing by themselves; on the server: cmdai-shell backends advertise",
        "mDNS crosses no router, and guest networks and VPNs often keep it out",
    ),
    "dns_srv": ("no SRV records of _cmdai._tcp or _inference._tcp in your domains",),
    "k8s_service": ("no service annotated cmdai.ai/backend-type in your namespaces",),
}
_FRAME_S = 0.2


@click.command()
@click.option(
    "--network",
    type=click.Choice(tuple(WAYS)),
    help="local: mDNS; cloud: DNS; cluster: Kubernetes. Without it, what the settings have.",
)
@click.option("--seconds", default=5.0, type=click.FloatRange(0.1, 600), help="How long to look.")
@click.option("--probe", is_flag=True, help="Ask hosts that look like a DGX Spark, too.")
@click.option("--host", "hosts", multiple=True, help="Ask this host of your network; repeatable.")
@click.option("--how", is_flag=True, help="Print what makes a server found, and do not look.")
@as_json
@click.pass_context
def discover(
    ctx: click.Context,
    /,
    *,
    network: str | None,
    seconds: float,
    probe: bool,
    hosts: Sequence[str],
    how: bool,
    json_: bool,
) -> None:
    """Look for servers: in the own network, in DNS, in a Kubernetes cluster.

    Nothing is sent to what is found. Only with --probe, or by --host, hosts are asked for their
    list of models: six requests at most, without any key, at the ports of NVIDIA's playbooks, and
    never outside of private networks. Exit code 1 when nothing is found.

    \b
    Examples:
      cmdai-shell backends discover
      cmdai-shell backends discover --network local --probe
      cmdai-shell backends discover --host spark-1a2b.local
      cmdai-shell backends discover --network cluster --json | jq '.found[].url'
      cmdai-shell backends discover --how
    """
    config = loading.load()
    if how:
        _how(config, json_=json_)
        return
    is_asking_only = bool(hosts) and not network and not probe
    wanted = None if is_asking_only else narrowed(config, network)
    search = _search(config, wanted, hosts, is_probing=probe)
    _be_quiet()
    asyncio.run(_look(search, seconds, is_live=not json_ and rows.is_terminal()))
    _remember(search, config)
    seen, troubles = search.seen(), search.troubles()
    if json_:
        found = [{**asdict(each), "next": rows.next_step(each)} for each in seen]
        output.emit({"found": found, "troubles": [asdict(each) for each in troubles]}, "json")
    else:
        _tell(seen, troubles)
        for line in hints(config, wanted, seen, is_probing=probe):
            output.say(line)
    if not _announced(seen):
        ctx.exit(1)


# --- looking


def _search(
    config: Config, wanted: Config | None, hosts: Sequence[str], *, is_probing: bool
) -> Search:
    """``wanted``: the settings that sources are made of. Raises ConfigError."""
    from cmdai_shell.daemon import found_servers, whereabouts
    from cmdai_shell.discovery.probe import own_networks
    from cmdai_shell.discovery.search import Search

    sources = found_servers.sources(wanted) if wanted else []
    if not sources and not hosts and not is_probing:
        raise ConfigError(
            "the settings name no way to find servers",
            "cmdai-shell backends discover --network local",
        )
    return Search(
        sources,
        _found(config),
        names=_names(config) if is_probing else None,
        hosts=hosts,
        networks=own_networks(config.discovery.exclude_interfaces) if is_probing else (),
        clock=time.monotonic,
        random=random.random,
        seen_from=partial(whereabouts.seen_from, now=whereabouts.here()),
    )


def narrowed(config: Config, network: str | None) -> Config:
    """The settings, so that they ask for the ways of ``network`` and no others. Who names a network
    has it looked at, whatever the settings say."""
    if network is None:
        return config
    ways = WAYS[network]
    found = config.discovery
    domains = found.dns_domains or ("search",)
    return msgspec.structs.replace(
        config,
        discovery=msgspec.structs.replace(
            found,
            mdns="mdns" in ways,
            dns_domains=domains if "dns_srv" in ways else (),
            kubernetes="k8s_service" in ways,
        ),
        environments={
            name: each
            for name, each in config.environments.items()
            if each.discovery_method in ways
        },
    )


def _names(config: Config) -> Source:
    """Who says which hosts there are."""
    from cmdai_shell.daemon import found_servers
    from cmdai_shell.discovery.probe import NAMED_BY

    left_alone = config.discovery.exclude_interfaces
    return found_servers.source("mdns", service_types=NAMED_BY, exclude_interfaces=left_alone)


def _found(config: Config) -> Found:
    """Knows the servers of the configuration, and whom the person approved."""
    from cmdai_shell.daemon.found_servers import policy
    from cmdai_shell.discovery.found import Found
    from cmdai_shell.discovery.trust import TrustStore

    store = TrustStore(paths.data_dir())
    known = config.environments.values()
    return Found(
        policy(config),
        approvals=store.approvals(),
        written=[endpoint for each in known for endpoint in environments.endpoints(each)],
        keys=store.keys(),
        ignored=store.ignored(),
    )


def _remember(search: Search, config: Config) -> None:
    """Who answered, so that `backends trust` knows it by its name for a while."""
    from cmdai_shell.discovery.probe import own_networks
    from cmdai_shell.discovery.probed import Probed

    if search.answered:
        networks = own_networks(config.discovery.exclude_interfaces)
        Probed(paths.data_dir()).keep(search.answered, networks)


def _be_quiet() -> None:
    """What sources log is told once, at the end."""
    for name in ("cmdai_shell", "zeroconf", "kubernetes_asyncio"):
        logging.getLogger(name).addHandler(logging.NullHandler())


async def _look(search: Search, seconds: float, *, is_live: bool) -> None:
    begun = time.monotonic()
    with rows.screen() if is_live else nullcontext() as live:
        async with asyncio.TaskGroup() as group:
            searching = group.create_task(search.run(seconds))
            while not searching.done():
                if live:
                    left = max(0.0, seconds - (time.monotonic() - begun))
                    live.update(
                        rows.table(search.seen(), f"looking, {left:.0f} s left"), refresh=True
                    )
                await asyncio.wait([searching], timeout=_FRAME_S)
        if live:
            live.update(rows.table(search.seen(), ""), refresh=True)


# --- showing


def _tell(seen: Sequence[Seen], troubles: Sequence[Trouble]) -> None:
    if not rows.is_terminal():
        for line in rows.plain(seen):
            click.echo(line)
    for each in seen:
        if each.story:
            output.say(one_line(f"{each.name}: {each.story}"), "dim")
    for trouble in troubles:
        hint = f"; {trouble.hint}" if trouble.hint else ""
        output.say(one_line(f"{trouble.source}: {trouble.problem}{hint}"), "yellow")


def hints(
    config: Config, wanted: Config | None, seen: Sequence[Seen], *, is_probing: bool
) -> Iterator[str]:
    """What to type next: to use one, or to find one. ``wanted``: the settings that were looked by,
    None if only hosts were asked."""
    if _announced(seen):
        if first := next(filter(None, map(rows.next_step, seen)), ""):
            yield f"to use one: {one_line(first)}"
        sources = {source.partition(":")[0] for each in seen for source in each.sources}
        for way in _ways(wanted) - _ways(config):
            source, setting = _SETTINGS[way]
            if source in sources:
                yield f"your settings do not look there: cmdai-shell config set {setting}"
        return
    yield "nothing else found" if seen else "nothing found"
    ways = _ways(wanted)
    for way in WAYS["all"]:
        if way in ways:
            yield from (f"  {line}" for line in _WHY[way])
            if way == "dns_srv" and (records := _records(wanted)):
                yield f"  nor {records}, which your environments name"
    if "mdns" in ways and not _is_in_network(config):
        yield "  this machine is in no network that is listened on now: ip address"
    if wanted and not is_probing:
        yield "  to ask hosts that look like a DGX Spark: cmdai-shell backends discover --probe"
    if wanted:
        yield "  what makes a server found: cmdai-shell backends discover --how"
    yield "  with its address: cmdai-shell config add-environment lab --url http://HOST:8000"


def _announced(seen: Sequence[Seen]) -> list[Seen]:
    """Without those that are known because the person trusts them."""
    from cmdai_shell.discovery.search import REMEMBERED

    return [each for each in seen if each.sources != (REMEMBERED,)]


def _records(config: Config | None) -> str:
    known = config.environments.values() if config else ()
    return one_line(", ".join(e.dns_srv_record for e in known if e.discovery_method == "dns_srv"))


def _ways(config: Config | None) -> set[str]:
    from cmdai_shell.daemon.found_servers import wanted

    return {way for way, _ in wanted(config)} if config else set()


def _is_in_network(config: Config) -> bool:
    from cmdai_shell.discovery import interfaces

    return interfaces.read(config.discovery.exclude_interfaces).can_listen


# --- how a server becomes one that is found


def _how(config: Config, *, json_: bool) -> None:
    from cmdai_shell.discovery import adverts
    from cmdai_shell.discovery.advertise import avahi_file

    domain = next(
        (each for each in config.discovery.dns_domains if each != "search"), "example.org"
    )
    model = "Qwen/Qwen2.5-Coder-32B-Instruct"
    spark = adverts.Advert(url="http://localhost:8000", kind="vllm", is_dgx=True)
    listed = adverts.Advert(url=f"http://dgx-node1.{domain}:8000", kind="vllm", model=model)
    texts: dict[str, tuple[str, Callable[[], str]]] = {
        "avahi": (
            f"In your own network, on the server: save as {avahi_file(8000)}\n"
            "(or type there: cmdai-shell backends advertise --write)",
            lambda: adverts.avahi(spark),
        ),
        "dns": (
            "For everybody who uses a domain: records of its zone, and in each one's settings\n"
            f'[discovery] dns_domains = ["{domain}"]',
            lambda: adverts.zone(listed, domain),
        ),
        "kubernetes": (
            "In a cluster: annotations of the service, and in each one's settings\n"
            "[discovery] kubernetes = true",
            lambda: adverts.kubernetes(listed),
        ),
    }
    if json_:
        output.emit({name: make() for name, (_, make) in texts.items()}, "json")
        return
    for title, make in texts.values():
        for line in title.splitlines():
            click.echo(f"# {line}")
        click.echo(f"\n{make()}")
