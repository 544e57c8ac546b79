"""Whether multicast that we send is heard, by ourselves and by others: real packets of mDNS.

A service that nobody else has is asked for and announced on each interface, as zeroconf would do
it, with a name made for this one time and no lifetime (RFC 6762 10.1), so that nobody keeps it.
"""

from __future__ import annotations

import errno
import os
import pwd
import secrets
import selectors
import socket
import struct
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cmdai_shell.discovery.interfaces import Link

PORT = 5353
GROUP4, GROUP6 = "224.0.0.251", "ff02::fb"
ECHO_S = 0.8
"""A packet comes back to its own machine within a millisecond; the rest is for a busy one."""
OTHERS_S = 1.4
"""Who is asked waits 120 ms at most before he answers (RFC 6762 6), and Wi-Fi keeps multicast back
for clients that sleep, some 300 ms."""
EVERYTHING = "_services._dns-sd._udp.local"
"""What any machine that announces something answers to (RFC 6763 9)."""

_IP_MULTICAST_ALL = 49
"""linux/in.h: 0 keeps out what only other sockets joined. Python has no name for it."""
_LONGEST = 9_000
_QUERY, _ANSWER = 0x0000, 0x8400
_PTR, _IN = 12, 1

State = Literal["heard", "silent", "held", "refused", "failed"]
"""``held``: nobody else can have the port. ``refused``: this machine does not let it be sent."""


@dataclass(frozen=True, slots=True)
class Echo:
    state: State
    detail: str = ""
    """The system's words."""


def is_held() -> bool:
    """Somebody has port 5353 and shares it with nobody: what zeroconf opens cannot be opened."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            with _shared(family) as found:
                found.bind(("", PORT))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
    return False


def echoes(links: Sequence[Link], seconds: float = ECHO_S) -> dict[str, Echo]:
    """By the interface's name. Ends as soon as all have been heard."""
    found: dict[str, Echo] = {}
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        pairs = []
        for link in links:
            try:
                pair = _Pair(link, stack)
            except OSError as error:
                found[link.name] = _failed(error)
                continue
            pairs.append(pair)
            for each in (pair.asker, pair.announcer):
                selector.register(each.socket, selectors.EVENT_READ, pair)
        begun, asked = time.monotonic(), 0
        while (waited := time.monotonic() - begun) < seconds:
            waiting = [pair for pair in pairs if pair.link.name not in found]
            if not waiting:
                break
            if waited >= asked * seconds / 2:  # once more: a packet may be lost
                asked += 1
                for pair in waiting:
                    if failure := pair.ask():
                        found[pair.link.name] = failure
            for key, _ in selector.select(0.05):
                if key.data.take(key.fileobj):
                    found[key.data.link.name] = Echo("heard")
    return {link.name: found.get(link.name, Echo("silent")) for link in links}


def others(
    links: Sequence[Link], own: Collection[str], seconds: float = OTHERS_S
) -> frozenset[str]:
    """Addresses of other machines that are heard there; asked for what they announce. Ends with the
    first one."""
    packet = question(EVERYTHING)
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        ears = []
        for link in links:
            with suppress(OSError):
                ears.append(_Ear(link, stack))
                selector.register(ears[-1].socket, selectors.EVENT_READ, ears[-1])
        begun, asked = time.monotonic(), 0
        while ears and (waited := time.monotonic() - begun) < seconds:
            if waited >= asked * seconds / 3:
                asked += 1
                for ear in ears:
                    with suppress(OSError):
                        ear.send(packet)
            heard = {key.data.hear()[1] for key, _ in selector.select(0.05)} - {"", *own}
            if heard:
                return frozenset(heard)
    return frozenset()


# --- packets (RFC 1035 4.1, RFC 6762 18)


def question(name: str) -> bytes:
    return struct.pack("!6H", 0, _QUERY, 1, 0, 0, 0) + _name(name) + struct.pack("!2H", _PTR, _IN)


def answer(service: str, instance: str) -> bytes:
    """There is such a service, for no time at all."""
    target = _name(f"{instance}.{service}")
    record = _name(service) + struct.pack("!2HIH", _PTR, _IN, 0, len(target)) + target
    return struct.pack("!6H", 0, _ANSWER, 0, 1, 0, 0) + record


def is_question(packet: bytes) -> bool:
    return len(packet) >= 12 and not packet[2] & 0x80


def _name(name: str) -> bytes:
    labels = [label.encode("ascii") for label in name.split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


# --- sockets


class _Ear:
    """A socket that hears one interface's group, beside everybody else's on the port."""

    def __init__(self, link: Link, stack: ExitStack) -> None:
        self.link = link
        four = link.of(4)
        family = socket.AF_INET if four else socket.AF_INET6
        self.socket = stack.enter_context(_shared(family))
        self.socket.setblocking(False)
        # bound to the group, where that can be, it takes no packet that was meant for somebody else
        is_linux = sys.platform == "linux"
        if family == socket.AF_INET:
            self._to: tuple[Any, ...] = (GROUP4, PORT)
            _join4(self.socket, str(four[0].ip))
            self.socket.bind((GROUP4 if is_linux else "", PORT))
        else:
            self._to = (GROUP6, PORT, 0, link.index)
            _join6(self.socket, link.index)
            self.socket.bind((GROUP6 if is_linux else "", PORT, 0, link.index if is_linux else 0))

    def send(self, packet: bytes) -> None:
        self.socket.sendto(packet, self._to)

    def hear(self) -> tuple[bytes, str]:
        """A packet and its sender; nothing if there was none after all."""
        try:
            packet, sender = self.socket.recvfrom(_LONGEST)
        except OSError:
            return b"", ""
        return packet, str(sender[0]).partition("%")[0]


class _Pair:
    """Somebody who asks on an interface, and somebody who announces there."""

    def __init__(self, link: Link, stack: ExitStack) -> None:
        self.link = link
        self._token = secrets.token_hex(4)
        self._service = f"_cmdai-{self._token}._udp.local"
        self.asker = _Ear(link, stack)
        self.announcer = _Ear(link, stack)

    def ask(self) -> Echo | None:
        """What is wrong, if something is."""
        try:
            self.asker.send(question(self._service))
        except OSError as error:
            return _failed(error)
        return None

    def take(self, ready: object) -> bool:
        """Of one of the two; True when the announcement has come back."""
        is_asker = ready is self.asker.socket
        packet, _ = (self.asker if is_asker else self.announcer).hear()
        if self._token.encode() not in packet:
            return False
        if is_asker:
            return not is_question(packet)
        if is_question(packet):
            with suppress(OSError):
                self.announcer.send(answer(self._service, "doctor"))
        return False


def _shared(family: socket.AddressFamily) -> socket.socket:
    """As zeroconf opens it."""
    found = socket.socket(family, socket.SOCK_DGRAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    except BaseException:
        found.close()
        raise
    return found


def _join4(found: socket.socket, address: str) -> None:
    here = socket.inet_aton(address)
    found.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, here)
    found.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)  # RFC 6762 11
    found.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    joining = socket.inet_aton(GROUP4) + here
    found.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joining)
    if sys.platform == "linux":
        found.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)


def _join6(found: socket.socket, index: int) -> None:
    found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
    joining = socket.inet_pton(socket.AF_INET6, GROUP6) + struct.pack("@I", index)
    found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, joining)


_REFUSALS = frozenset({errno.EPERM, errno.EACCES, errno.EHOSTUNREACH})
"""A packet filter of Linux says EPERM, the local network permission of macOS EHOSTUNREACH."""


def _failed(error: OSError) -> Echo:
    words = (error.strerror or "failed").lower()
    if error.errno == errno.EADDRINUSE:
        return Echo("held", words)
    return Echo("refused" if error.errno in _REFUSALS else "failed", words)


# --- who has the port


def holders() -> list[str]:
    """Programs that have port 5353, as far as this user may know: "dnsmasq (process 812)"."""
    import psutil

    try:
        found = psutil.net_connections("udp")
    except psutil.Error:  # macOS tells root alone
        return []
    there = [one for one in found if one.laddr and one.laddr.port == PORT]
    named = {name for one in there if one.pid and (name := _program(one.pid))}
    hidden = any(not one.pid for one in there)
    return sorted(named) + ([f"a program of {user}" for user in _other_users()] if hidden else [])


def _program(pid: int) -> str:
    import psutil

    try:
        return f"{psutil.Process(pid).name()} (process {pid})"
    except psutil.Error:
        return ""


def _other_users() -> list[str]:
    """Whose sockets on the port are, by Linux's own table (proc(5)); ours have been named."""
    found: dict[str, None] = {}
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        try:
            lines = Path(table).read_text(encoding="ascii", errors="replace").splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if len(fields) > 7 and fields[1].endswith(f":{PORT:04X}") and fields[7].isdigit():
                found[_user(int(fields[7]))] = None
    found.pop(_user(os.getuid()), None)
    return list(found)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
