"""Credentials in the arguments of programs: which option of which program takes one.

A text is cut where a shell's command ends, and searched once for each program that such a part
names: any length takes linear time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORD = r"""("[^"]+"|'[^']+'|[^\s"'|;]+)"""
_SKIP = r"""(?:"[^"]*"|'[^']*'|[^\s"']+)"""
_AFTER = r"(?<!\S)"


def _own(options: str) -> str:
    """An option and its value, a word of its own or what stands behind ``=``."""
    return rf"{_AFTER}(?:{options})(?:=|\s{{1,8}}(?!-)){_WORD}"


def _glued(option: str) -> str:
    return rf"{_AFTER}{option}(?!\s){_WORD}"


def _pair(options: str, sign: str = ":") -> str:
    """``-u name:credential``, of which the name stays."""
    name = rf"""[^\s"'{sign}]{{1,128}}{sign}"""
    return rf"""{_AFTER}(?:{options})[\s=]{{0,8}}(?:"{name}([^"]+)|'{name}([^']+)|{name}{_WORD})"""


def _either(option: str) -> str:
    return rf"{_AFTER}{option}\s{{0,8}}(?!-){_WORD}"


_VARIABLE = r"(?i:\w{0,64}(?:PASS|PW|TOKEN|SECRET|KEY|AUTH|CRED)\w{0,64})"

_CARRIERS: dict[str, str] = {
    r"curl": _pair("-u|--user|-U|--proxy-user"),
    r"https?|xh": _pair("-a|--auth"),
    r"(?:mysql|mariadb)(?:-?(?:dump|admin|import|show|check))?|mycli": _glued("-p"),
    r"sshpass|mongo(?:sh|dump|restore|export|import)?": _either("-p"),
    r"(?:docker|podman|nerdctl|buildah|skopeo|helm|az|oras|crane)\s+(?:\w+\s+)?login": _either(
        "-p"
    ),
    r"docker|podman|nerdctl|docker-compose|buildah|kubectl": (
        rf"{_AFTER}(?:-e|--env|--build-arg|--from-literal)[\s=]{{0,8}}"
        rf"""(?:"{_VARIABLE}=([^"]+)|'{_VARIABLE}=([^']+)|{_VARIABLE}={_WORD})"""
    ),
    r"redis-cli": _either("-a"),
    r"(?:zip|unzip|sqlcmd|bcp|mosquitto_(?:pub|sub|rr))": _either("-P"),
    r"7z[arz]?|rar|unrar": _glued("-p"),
    r"aws": rf"aws_(?:secret_access_key|session_token|access_key_id)\s{{1,8}}{_WORD}",
    r"gpg2?": _own("--passphrase"),
    r"openssl": (
        rf"{_AFTER}(?:-[kK]|-pass(?:in|out)?)\s{{1,8}}(?:pass:{_WORD}|(?!\w{{2,5}}:){_WORD})"
    ),
    r"htpasswd": (
        rf"{_AFTER}-\w{{0,9}}b\w{{0,9}}\s+(?:-\S+\s+){{0,3}}(?:{_SKIP}\s+){{1,2}}{_WORD}"
    ),
    r"ldap(?:search|modify|add|delete|passwd|whoami|compare)": _either("-w"),
    r"smbclient|smbget|rpcclient": _pair("-U|--user", "%"),
    r"snmp(?:walk|get|set|bulkwalk|getnext|trap)": _either("-[AX]"),
    r"xfreerdp3?|wlfreerdp": _glued("/p:"),
    r"lftp": _pair("-u|--user", ","),
    r"nmcli": rf"{_AFTER}(?:password|wifi-sec\.psk)\s{{1,8}}{_WORD}",
    r"wpa_passphrase": rf"\A\s+{_SKIP}\s+{_WORD}",
    r"rclone\s+obscure|vault\s+login": rf"\A\s+(?!-){_WORD}",
    r"net\s+user": rf"\A\s+{_SKIP}\s+(?!/|-){_WORD}",
    r"vault\s+(?:kv\s+(?:put|patch)|write)": rf"{_AFTER}[\w-]{{1,64}}={_WORD}",
    r"chpasswd|cryptsetup|sudo": rf"<<<\s{{0,8}}{_WORD}",
}
"""Program (and verb) -> what of its arguments is a credential: the one group that matches."""

_CARRIER = [
    (re.compile(rf"(?<![\w.-])(?:{name})(?![\w-])"), re.compile(pattern))
    for name, pattern in _CARRIERS.items()
]
_ANY = re.compile(rf"(?<![\w.-])(?:{'|'.join(_CARRIERS)})(?![\w-])")
_COMMAND = re.compile(r"""(?:"[^"]*"|'[^']*'|[^|;\n&]|&(?!&))+""")
_PIPED = re.compile(
    rf"""\b(?:echo|printf)\s{{1,8}}(?:-[neE]{{1,3}}\s{{1,8}})?(?:(?:"%s[^"]*"|'%s[^']*')\s{{1,8}})?"""
    rf"""{_WORD}\s{{0,8}}\|\s{{0,8}}(?:sudo\s[^|;\n]{{0,40}}-\w{{0,9}}S|(?:sudo\s{{1,8}})?chpasswd"""
    rf"""|(?:sudo\s{{1,8}})?cryptsetup|[^|;\n]{{0,120}}--?(?:[\w-]{{0,40}}stdin|with-token))"""
)
"""What a program reads that asks for a credential."""


def in_commands(text: str) -> Iterator[tuple[int, int]]:
    """Where they stand."""
    for found in _PIPED.finditer(text):
        yield found.span(1)
    if not _ANY.search(text):
        return
    for part in _COMMAND.finditer(text):
        for program, option in _CARRIER:
            if name := program.search(part[0]):
                start = part.start() + name.end()
                for found in option.finditer(part[0][name.end() :]):
                    first, last = found.span(found.lastindex or 0)
                    yield start + first, start + last
