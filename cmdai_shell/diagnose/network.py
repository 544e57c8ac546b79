"""Checks of the own network: whether announcements of servers (mDNS) can be heard in it."""

from __future__ import annotations

import json
import re
import shlex
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from cmdai_shell.diagnose import echo
from cmdai_shell.diagnose.check import Check, ok, warn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cmdai_shell.config import Config
    from cmdai_shell.diagnose.check import Finding
    from cmdai_shell.diagnose.echo import Echo
    from cmdai_shell.diagnose.surroundings import Surroundings
    from cmdai_shell.discovery.interfaces import Link, Links

UFW = Path("/etc/ufw/ufw.conf")
"""Says whether it is in force to everybody; ``ufw status`` says it to root alone."""
NET = Path("/sys/class/net")
TIMEOUT_S = 5.0
"""None of these takes half as long."""

_OFF = "announcements in the own network are not listened for (discovery.mdns is false)"
_ALONE = "this machine is in no network now"
_ASK_DNS = """cmdai-shell config set discovery.dns_domains '["search"]'"""
_SWITCH_OFF = "cmdai-shell config set discovery.mdns false"
_SHARE_AVAHI = (
    "sudo sed -i 's/^#*disallow-other-stacks=.*/disallow-other-stacks=no/' "
    "/etc/avahi/avahi-daemon.conf && sudo systemctl restart avahi-daemon"
)
_OTHER_WAYS = f"if servers are in DNS: {_ASK_DNS}; to listen no more: {_SWITCH_OFF}"

_VPN, _CONTAINERS, _VIRTUAL = "a VPN", "containers", "virtual machines"
_KINDS = {
    "docker*": _CONTAINERS,
    "br-*": _CONTAINERS,
    "veth*": _CONTAINERS,
    "cni*": _CONTAINERS,
    "flannel*": _CONTAINERS,
    "cali*": _CONTAINERS,
    "virbr*": _VIRTUAL,
    "vmnet*": _VIRTUAL,
    "tun*": _VPN,
    "wg*": _VPN,
    "tailscale*": _VPN,
    "zt*": _VPN,
    "utun*": _VPN,
    "ppp*": _VPN,
}
"""What an interface with such a name is for, where that is no network that people are in."""


def is_listening(config: Config) -> bool:
    """To mDNS, for all or for an environment."""
    environments = config.environments.values()
    return config.discovery.mdns or any(e.discovery_method == "mdns" for e in environments)


# --- interfaces


def interfaces(around: Surroundings) -> Finding:
    config = around.settings()
    if not is_listening(config):
        return ok(_OFF)
    return judged_interfaces(_links(config), config.discovery.exclude_interfaces)


def judged_interfaces(links: Links, exclude: Sequence[str]) -> Finding:
    heard, left = heard_on(links), left_alone(links, exclude)
    told = ", ".join(f"{name} ({why})" for name, why in left.items())
    if heard:
        names = ", ".join(link.name for link in heard)
        return ok(f"listened on: {names}" + (f"; left alone: {told}" if told else ""))
    if not left:
        return ok(_ALONE)
    return warn(f"no interface is listened on: {told}", _listen(left, exclude))


def heard_on(links: Links) -> tuple[Link, ...]:
    """Those that the source of announcements really listens on."""
    return tuple(link for link in links.heard if link.has_multicast)


def left_alone(links: Links, exclude: Sequence[str]) -> dict[str, str]:
    """Name -> why, in words. A loopback interface is in no network, and not worth a word."""
    found = {}
    for link in (*links.excluded, *links.heard):
        if any(own.ip.is_loopback for own in link.addresses):
            continue
        kind = _kind(link.name)
        if link in links.excluded:
            pattern = next(p for p in exclude if fnmatchcase(link.name, p))
            found[link.name] = kind or f"discovery.exclude_interfaces has {pattern}"
        elif not link.has_multicast:
            found[link.name] = f"{kind}, without multicast" if kind else "it has no multicast"
    return found


def _links(config: Config) -> Links:
    from cmdai_shell.discovery.interfaces import read

    return read(config.discovery.exclude_interfaces)


def _kind(name: str) -> str:
    return next((what for pattern, what in _KINDS.items() if fnmatchcase(name, pattern)), "")


def _listen(names: Iterable[str], exclude: Sequence[str]) -> str:
    """The setting without the patterns that leave a real network alone."""
    real = [name for name in names if not _kind(name)]
    kept = [p for p in exclude if not any(fnmatchcase(name, p) for name in real)]
    return _OTHER_WAYS if len(kept) == len(exclude) else _exclude(kept)


def _exclude(patterns: Sequence[str]) -> str:
    value = shlex.quote(json.dumps(patterns))
    return f"cmdai-shell config set discovery.exclude_interfaces {value}"


# --- multicast


def multicast(around: Surroundings) -> Finding:
    """Announces and looks for a service of this moment on each interface."""
    config = around.settings()
    if not is_listening(config):
        return ok(_OFF)
    links = _links(config)
    heard = heard_on(links)
    if not heard:
        return judged_silence(left_alone(links, config.discovery.exclude_interfaces))
    if echo.is_held():
        return held(echo.holders(), around)
    return judged_echoes(echo.echoes(heard), around)


def judged_silence(left: Mapping[str, str]) -> Finding:
    """Nothing can be heard, as there is nothing to listen on."""
    if not left:
        return ok(_ALONE)
    only = "; ".join(dict.fromkeys(_kind(name) or f"{name}: {why}" for name, why in left.items()))
    what = f"there is no network with multicast to listen in, only: {only}"
    return warn(f"{what}. Servers that announce themselves are not found", _OTHER_WAYS)


def held(programs: Sequence[str], around: Surroundings) -> Finding:
    """``programs`` as ``echo.holders`` names them."""
    who = " or ".join(programs) or "another program"
    what = f"UDP port 5353 is held by {who}, which shares it with nobody: nothing can be heard"
    if any(text.startswith("avahi-daemon") for text in programs):
        return warn(what, _SHARE_AVAHI)
    number = re.search(r"process (\d+)", programs[0]) if len(programs) == 1 else None
    if number:
        return warn(what, f"end it: kill {number[1]}")
    if around.system == "Darwin":
        return warn(what, "see which one: sudo lsof -nP -iUDP:5353")
    return warn(what, "see which one: sudo ss -ulnp 'sport = :5353'")


def judged_echoes(found: Mapping[str, Echo], around: Surroundings) -> Finding:
    mute = {name: each for name, each in found.items() if each.state != "heard"}
    if not mute:
        return ok(f"multicast works on {', '.join(found)}")
    if any(each.state == "held" for each in mute.values()):
        return held(echo.holders(), around)
    where = ", ".join(mute)
    if refused := [each for each in mute.values() if each.state == "refused"]:
        what = f"this machine does not let multicast out on {where} ({refused[0].detail})"
        return warn(what, opening(around, outwards=True))
    if failed := [each for each in mute.values() if each.state == "failed"]:
        what = f"multicast cannot be used on {where} ({failed[0].detail})"
        without = _exclude([*around.settings().discovery.exclude_interfaces, *mute])
        return warn(what, f"look with: ip maddress show; or leave it alone: {without}")
    what = f"multicast does not come back on {where}: a firewall seems to keep UDP port 5353 shut"
    return warn(what, opening(around))


def opening(around: Surroundings, *, outwards: bool = False) -> str:
    """How UDP port 5353 is opened in the firewall that this machine has."""
    if around.system == "Darwin":
        return (
            "System Settings > Privacy & Security > Local Network: switch your terminal on; "
            "and Network > Firewall > Options: allow incoming connections"
        )
    if around.which("ufw") and _is_in_force(UFW):
        return f"sudo ufw allow {'out ' if outwards else ''}5353/udp"
    if around.which("firewall-cmd") and around.ask(["firewall-cmd", "--state"], 1.0).code == 0:
        return "sudo firewall-cmd --permanent --add-service=mdns && sudo firewall-cmd --reload"
    chain = "output" if outwards else "input"
    if around.which("nft"):
        rule = f"sudo nft insert rule inet filter {chain} udp dport 5353 accept"
        return f"where the chain is called so (sudo nft list ruleset): {rule}"
    if around.which("iptables"):
        return f"sudo iptables -I {chain.upper()} -p udp --dport 5353 -j ACCEPT"
    return "let UDP port 5353 in and out in the firewall of this machine, or of its container"


def _is_in_force(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return re.search(r"^\s*ENABLED\s*=\s*['\"]?yes", text, re.IGNORECASE | re.MULTILINE) is not None


# --- other machines


def client_isolation(around: Surroundings) -> Finding:
    """Only a hint: that nobody is heard may mean that nobody is there."""
    config = around.settings()
    if not is_listening(config):
        return ok(_OFF)
    links = _links(config)
    waves = _wireless(heard_on(links), around)
    if not waves:
        return ok("no Wi-Fi is listened on")
    echoed = {} if echo.is_held() else echo.echoes(waves)
    sound = [link for link in waves if link.name in echoed and echoed[link.name].state == "heard"]
    if not sound:
        return ok("not tried: multicast does not work on this machine itself")
    every = (*links.heard, *links.excluded)
    own = {str(address.ip) for link in every for address in link.addresses}
    return judged_others([link.name for link in sound], echo.others(sound, own))


def judged_others(names: Sequence[str], heard: Iterable[str]) -> Finding:
    where = ", ".join(names)
    if first := next(iter(sorted(heard)), ""):
        return ok(f"other machines are heard on {where} ({first})")
    return warn(
        f"nobody else is heard on {where}: perhaps nobody there announces anything, perhaps the "
        "access point keeps its clients apart (client isolation, usual in guest networks)",
        "to find out: ping ADDRESS-OF-ANOTHER-MACHINE on the same Wi-Fi; if it does not answer, use"
        " a cable or another network, or write the server down: cmdai-shell config add-environment",
    )


def _wireless(heard: Sequence[Link], around: Surroundings) -> list[Link]:
    named = _hardware_ports(around) if around.system == "Darwin" else frozenset()
    return [link for link in heard if is_wireless(link.name) or link.name in named]


def is_wireless(name: str) -> bool:
    """As the kernel says, or the name: systemd calls nothing else ``wl...``."""
    folder = NET / name
    return name.startswith("wl") or (folder / "wireless").exists() or (folder / "phy80211").exists()


def _hardware_ports(around: Surroundings) -> frozenset[str]:
    """Names of macOS's Wi-Fi interfaces, which are called ``en0`` like any other."""
    said = around.ask(["networksetup", "-listallhardwareports"], 1.0).out
    return frozenset(re.findall(r"Hardware Port: (?:Wi-Fi|AirPort)\nDevice: (\S+)", said))


CHECKS = (
    Check("interfaces", interfaces, TIMEOUT_S),
    Check("multicast", multicast, TIMEOUT_S),
    Check("client-isolation", client_isolation, TIMEOUT_S),
)
