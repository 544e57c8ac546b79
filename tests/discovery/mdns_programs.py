"""What runs in the hosts of a lab: the source under test, peers of python-zeroconf, and whoever
sends packets of his own.

    python -m tests.discovery.mdns_programs listen '{"service_types": [...]}'
    python -m tests.discovery.mdns_programs announce '[{"name": ..., "host": ..., "address": ...}]'
    python -m tests.discovery.mdns_programs send SECONDS COUNT

They print events as JSON lines; announce until SIGTERM; send what is on stdin, packets in hex.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import threading
import time
from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence

    from tests.discovery.netlab import NetLab

_MODULE = "tests.discovery.mdns_programs"


class Listener:
    """A process with the source, in a host; ``there`` is what it says is there now."""

    def __init__(self, lab: NetLab, host: str, *types: str, **options: object) -> None:
        settings = {"service_types": types or ("_inference._tcp.local",), **options}
        self.process = _start(lab, host, "listen", json.dumps(settings))
        self.events: list[dict[str, Any]] = []
        self.there: dict[str, dict[str, Any]] = {}
        self.failure: tuple[str, str] | None = None
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        until(lambda: self.events or self.failure or self.process.poll() is not None, 20)
        assert self.events, "it has not begun"

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            event = json.loads(line)
            if "added" in event:
                self.there[event["added"]["id"]] = event["added"]
            elif "removed" in event:
                del self.there[event["removed"]]
            elif "failed" in event:
                self.failure = event["failed"], event["hint"]
            self.events.append(event)

    def at(self, id_: str) -> float:
        """Seconds after it began to listen, when that was first said to be there."""
        return next(e["at"] for e in self.events if e.get("added", {}).get("id") == id_)

    def stop(self) -> str:
        """What it wrote on stderr: warnings, errors that nobody took."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self._reader.join(10)
        assert self.process.stderr
        return str(self.process.stderr.read())


def announce(lab: NetLab, host: str, peers: Sequence[dict[str, Any]]) -> subprocess.Popen[Any]:
    """python-zeroconf announces them; returns when it has."""
    process = _start(lab, host, "announce", json.dumps(list(peers)))
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def send(
    lab: NetLab, host: str, packets: Sequence[bytes], *, seconds: float = 0, count: int = 1
) -> None:
    """Each ``count`` times, all within so many seconds; returns when they are on their way."""
    process = _start(lab, host, "send", str(seconds), str(count), stdin=-1)
    process.communicate("\n".join(packet.hex() for packet in packets), timeout=60 + seconds)
    assert process.returncode == 0


def until(is_so: Callable[[], object], seconds: float, what: str = "") -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, what or "it did not happen in time"
        time.sleep(0.02)


def _start(lab: NetLab, host: str, *arguments: str, **options: Any) -> subprocess.Popen[Any]:
    return lab.popen(
        host,
        *(sys.executable, "-W", "error", "-m", _MODULE, *arguments),
        stdout=-1,
        stderr=-1,
        text=True,
        **options,
    )


def _say(**event: object) -> None:
    print(json.dumps(event), flush=True)


async def _listen(settings: dict[str, Any]) -> None:
    from cmdai_shell.core import Added
    from cmdai_shell.discovery.mdns import MdnsSource
    from cmdai_shell.errors import DiscoveryError

    source = MdnsSource(**settings)
    ending = asyncio.current_task()
    assert ending
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.cancel)
    begun = time.monotonic()
    _say(begun=True)
    try:
        async with aclosing(source.watch()) as events:
            async for said in events:
                at = time.monotonic() - begun
                if isinstance(said, Added):
                    _say(at=at, added=asdict(said.endpoint))
                else:
                    _say(at=at, removed=said.id)
    except DiscoveryError as error:
        _say(failed=error.message, hint=error.hint)
    except asyncio.CancelledError:
        pass


async def _announce(peers: list[dict[str, Any]]) -> None:
    from zeroconf import IPVersion, ServiceInfo
    from zeroconf.asyncio import AsyncZeroconf

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    async with AsyncZeroconf(ip_version=IPVersion.V4Only) as core:
        infos = [
            ServiceInfo(
                f"{peer.get('type', '_inference._tcp')}.local.",
                f"{peer['name']}.{peer.get('type', '_inference._tcp')}.local.",
                port=peer.get("port", 8000),
                server=f"{peer['host']}.local.",
                parsed_addresses=[peer["address"]],
                properties=peer.get("txt", {}),
            )
            for peer in peers
        ]
        tasks = await asyncio.gather(*(core.async_register_service(info) for info in infos))
        await asyncio.gather(*tasks)
        print("ready", flush=True)
        await stop.wait()


def _send(seconds: float, count: int) -> None:
    packets = [bytes.fromhex(line) for line in sys.stdin.read().split()]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        one.setsockopt(socket.SOL_SOCKET, 25, b"eth0\0")  # SO_BINDTODEVICE
        one.bind(("", 5353))
        for _ in range(count):
            for packet in packets:
                one.sendto(packet, ("224.0.0.251", 5353))
                time.sleep(seconds / (count * len(packets)))


if __name__ == "__main__":
    word, *rest = sys.argv[1:]
    if word == "send":
        _send(float(rest[0]), int(rest[1]))
    else:
        asyncio.run({"listen": _listen, "announce": _announce}[word](json.loads(rest[0])))
