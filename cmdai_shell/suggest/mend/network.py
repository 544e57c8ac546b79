"""Hosts, ports and addresses, each program having its own way to write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.safety.script import names
from cmdai_shell.suggest.mend.near import nearest
from cmdai_shell.suggest.mend.roles import operands
from cmdai_shell.suggest.mend.scene import Edit, Mend, after, swap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.suggest.mend.scene import Part, Scene

_SCHEMES = names("http https ftp ssh git file")
_ADDRESS = re.compile(r"([A-Za-z]{2,6})(:/?/?/?|//:?)(?=[\w.-]+\.\w|localhost)(.*)", re.DOTALL)
_URL = re.compile(r"\w+://(?:[^@/]*@)?([\w.-]+)(?::\d+)?(?:/.*)?\Z")
_HOST_PORT = re.compile(r"((?:[\w-]+@)?[\w.-]+):(\d{1,5})\Z")
_FETCHERS = names("curl wget http https httpie")
_HOSTS = names("ping ping6 dig host nslookup traceroute tracepath mtr nmap whois ssh telnet nc")


def network(scene: Scene) -> Iterator[Mend]:
    for part in scene.parts:
        name = part.program
        if name in _FETCHERS or (name == "git" and "clone" in part.texts):
            yield from _schemes(part)
        elif name in _HOSTS:
            yield from _hosts(part)
        if name in ("ssh", "scp"):
            yield from _port(part)
        if name == "scp":
            yield from _target(part)


def _schemes(part: Part) -> Iterator[Mend]:
    """``htps://x``, ``http:/x``, ``https//x``."""
    for word in part.args:
        found = _ADDRESS.match(word.text)
        if not found or not word.known or found[1] + found[2] not in word.raw:
            continue
        scheme = found[1].lower()
        near = scheme if scheme in _SCHEMES else next(iter(nearest(scheme, _SCHEMES, limit=1)), "")
        if near and f"{near}://" != found[1] + found[2]:
            offset = word.start + word.raw.index(found[1])
            yield (Edit(offset, offset + len(found[1] + found[2]), f"{near}://"),)


def _hosts(part: Part) -> Iterator[Mend]:
    """``ping https://x/``, ``ssh x:22``, ``nc x:80``."""
    words = [word for word in operands(part) if word.plain]
    if not words:
        return
    word = words[0]
    if found := _URL.match(word.text):
        yield (swap(word, found[1]),)
    elif (found := _HOST_PORT.match(word.text)) and part.program == "ssh":
        if not part.has("p"):
            yield (swap(word, f"-p {found[2]} {found[1]}"),)
    elif found and part.program in ("telnet", "nc") and len(words) == 1:
        yield (swap(word, f"{found[1]} {found[2]}"),)
    elif found and part.program in ("ping", "traceroute", "mtr"):
        yield (swap(word, found[1]),)


def _port(part: Part) -> Iterator[Mend]:
    """The letter for a port is ``-p`` with ssh and ``-P`` with scp."""
    wrong, right = ("-P", "-p") if part.program == "ssh" else ("-p", "-P")
    for word, value in zip(part.args, part.args[1:], strict=False):
        if word.text == wrong and re.fullmatch(r"\d{2,5}", value.text):
            yield (swap(word, right),)


def _target(part: Part) -> Iterator[Mend]:
    """``scp host:file`` to nowhere."""
    words = operands(part)
    if len(words) == 1 and ":" in words[0].text:
        yield (after(part.words[-1], " ."),)
