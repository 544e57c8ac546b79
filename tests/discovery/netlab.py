"""Hosts in network namespaces of their own, on networks that are bridges in another one: nothing of
it is in the machine's own namespace. As root on Linux; ``missing`` says what else has to be there.

    with NetLab() as lab:
        spark = lab.host("spark", home="10.77.0.1/24")
        avahi = lab.avahi(spark, OLLAMA)
        lab.run(spark, "ip", "address")
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

_LABS = itertools.count()
ROOT = Path(__file__).parents[2]

_AVAHI = """
mount -t tmpfs tmpfs /run && mkdir -p /run/avahi-daemon
mount --bind "$1/services" /etc/avahi/services
exec avahi-daemon -f "$1/avahi.conf" --no-drop-root --no-chroot --no-rlimits
"""
"""In the mount namespace that ``ip netns exec`` makes: nobody else sees these."""

_FETCH = """
import asyncio, sys, aiohttp
async def fetch():
    async with aiohttp.ClientSession() as client, client.get(sys.argv[1]) as reply:
        print(reply.status)
asyncio.run(fetch())
"""

_CONFIG = """
[server]
host-name={name}
use-ipv4={ipv4}
use-ipv6={ipv6}
enable-dbus=no
disallow-other-stacks=no
[publish]
publish-workstation=no
publish-hinfo=no
"""


def missing(*programs: str) -> str:
    """Why there can be no lab here, or empty."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "needs network namespaces: Linux, as root"
    absent = [program for program in ("ip", *programs) if not shutil.which(program)]
    if absent:
        return f"not installed: {', '.join(absent)}"
    name = f"cmdai-{os.getpid()}-try"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    if tried.returncode:
        return "no network namespaces can be made here"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return ""


def service(
    port: int,
    *types: str,
    txt: Mapping[str, str] | None = None,
    subtype: str = "",
    name: str = "%h inference",
) -> str:
    """A file for Avahi, like that of ``backends discover``."""
    records = "".join(
        f"<txt-record>{key}={value}</txt-record>" for key, value in (txt or {}).items()
    )
    one = "".join(
        f"<service><type>{kind}</type>"
        + (f"<subtype>{subtype}</subtype>" if subtype.endswith(kind) else "")
        + f"<port>{port}</port>{records}</service>"
        for kind in types or ("_inference._tcp",)
    )
    return (
        "<?xml version=\"1.0\" standalone='no'?>"
        '<!DOCTYPE service-group SYSTEM "avahi-service.dtd">'
        f'<service-group><name replace-wildcards="yes">{name}</name>{one}</service-group>'
    )


class NetLab:
    """Everything in it ends with it."""

    def __init__(self) -> None:
        self._tag = f"cmdai-{os.getpid()}-{next(_LABS)}"
        self._hosts: dict[str, list[str]] = {}
        self._bridges: set[str] = set()
        self._ports = itertools.count()
        self._processes: list[subprocess.Popen[Any]] = []
        self._folder = Path(tempfile.mkdtemp(prefix="cmdai-lab-"))

    def __enter__(self) -> NetLab:
        self._ip("netns", "add", self._tag)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            self.kill(process)
        for host in [*self._hosts, ""]:
            self._ip("netns", "del", self.namespace(host), check=False)
        shutil.rmtree(self._folder)

    def namespace(self, host: str) -> str:
        return f"{self._tag}-{host}" if host else self._tag

    def host(self, name: str, **networks: str) -> str:
        """``networks``: by name, the address there with its prefix length; empty for none but the
        link-local one of IPv6."""
        self._hosts[name] = []
        self._ip("netns", "add", self.namespace(name))
        self._ip("link", "set", "lo", "up", host=name)
        for network, address in networks.items():
            self.plug(name, network, address)
        return name

    def plug(
        self, host: str, network: str, address: str = "", *, name: str = "", dad: bool = False
    ) -> str:
        """Another interface, up; ``eth0``, ``eth1``... by itself. Its IPv6 addresses are ready, or
        with ``dad`` checked for duplicates first, as usual."""
        name = name or f"eth{len(self._hosts[host])}"
        self._hosts[host].append(name)
        if network not in self._bridges:
            self._bridges.add(network)
            self._ip("link", "add", network, "type", "bridge", "mcast_snooping", "0", host="")
            self._ip("link", "set", network, "up", host="")
        port = f"p{next(self._ports)}"
        inside = ("peer", "name", name, "netns", self.namespace(host))
        self._ip("link", "add", port, "type", "veth", *inside, host="")
        self._ip("link", "set", port, "master", network, "up", host="")
        self.set(host, f"net/ipv6/conf/{name}/accept_dad", int(dad))
        if address:
            self.address(host, address, name)
        self._ip("link", "set", name, "up", host=host)
        return name

    def unplug(self, host: str, name: str) -> None:
        """The interface is gone, as that of a USB adapter."""
        self._ip("link", "del", name, host=host)

    def address(self, host: str, address: str, name: str = "eth0", verb: str = "add") -> None:
        more = ("nodad",) if ":" in address and verb == "add" else ()
        self._ip("address", verb, address, "dev", name, *more, host=host)

    def set(self, host: str, key: str, value: int) -> None:
        """A value below /proc/sys."""
        self.run(host, "sh", "-c", f"echo {value} > /proc/sys/{key}")

    def run(self, host: str, *command: str) -> str:
        done = subprocess.run(
            ["ip", "netns", "exec", self.namespace(host), *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def fetch(self, host: str, url: str) -> int:
        """The status of a GET from there, by the client that the daemon uses."""
        return int(self.run(host, sys.executable, "-c", _FETCH, url))

    def popen(self, host: str, *command: str, **options: Any) -> subprocess.Popen[Any]:
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace(host), *command], cwd=ROOT, **options
        )
        self._processes.append(process)
        return process

    def kill(self, process: subprocess.Popen[Any], number: int = signal.SIGKILL) -> None:
        if process.poll() is None:
            process.send_signal(number)
            process.wait(10)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def avahi(
        self, host: str, *files: str, name: str = "", ipv4: bool = True, ipv6: bool = True
    ) -> subprocess.Popen[Any]:
        """A real avahi-daemon that announces these files of services."""
        folder = Path(tempfile.mkdtemp(dir=self._folder, prefix=f"{host}-"))
        (folder / "services").mkdir()
        for number, text in enumerate(files):
            (folder / "services" / f"{number}.service").write_text(text)
        words = {False: "no", True: "yes"}
        (folder / "avahi.conf").write_text(
            _CONFIG.format(name=name or host, ipv4=words[ipv4], ipv6=words[ipv6])
        )
        with (folder / "log").open("w") as log:
            process = self.popen(
                host, "bash", "-c", _AVAHI, "avahi", str(folder), stdout=log, stderr=log
            )
        process.folder = folder  # type: ignore[attr-defined]
        return process

    def services(self, avahi: subprocess.Popen[Any], *files: str) -> None:
        """Avahi is to announce these instead, without being started anew."""
        folder = avahi.folder / "services"  # type: ignore[attr-defined]
        for old in folder.iterdir():
            old.unlink()
        for number, text in enumerate(files):
            (folder / f"new-{number}.service").write_text(text)
        avahi.send_signal(signal.SIGHUP)

    def log(self, avahi: subprocess.Popen[Any]) -> str:
        return (avahi.folder / "log").read_text()  # type: ignore[attr-defined,no-any-return]

    def _ip(self, *arguments: str, host: str | None = None, check: bool = True) -> None:
        inside = [] if host is None else ["-n", self.namespace(host)]
        done = subprocess.run(
            ["ip", *inside, *arguments], capture_output=True, text=True, check=False, timeout=30
        )
        assert done.returncode == 0 or not check, f"ip {arguments}: {done.stderr}"
