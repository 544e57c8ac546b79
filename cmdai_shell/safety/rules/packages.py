"""Installing and removing software."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.safety.rules.rule import (
    CAUTION,
    CRITICAL,
    DANGEROUS,
    Finding,
    Options,
    Row,
    from_rows,
)
from cmdai_shell.safety.script import names, spoken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.safety.rules.rule import Check
    from cmdai_shell.safety.script import Call

_BASE = names(
    "libc6 libc-bin glibc musl systemd init coreutils bash dash util-linux base base-files "
    "filesystem dpkg apt rpm dnf pacman login passwd sysvinit linux kernel kernel-core sudo "
    "essential alpine-base busybox libgcc gcc-libs"
)
"""Without these nothing runs any more."""
_NEEDED = (
    "linux-image",
    "linux-generic",
    "grub",
    "openssh-server",
    "network-manager",
    "NetworkManager",
    "netplan",
    "python3",
    "shim-signed",
    "initramfs",
    "cryptsetup",
    "lvm2",
    "openssl",
    "libssl",
    "udev",
    "linux-lts",
    "ubuntu-desktop",
    "gnome-shell",
    "dbus",
)

_REMOVES = names("remove purge autoremove erase uninstall rm del delete autopurge")
_INSTALLS = names(
    "install add upgrade update full-upgrade dist-upgrade reinstall downgrade in up dup "
    "localinstall refresh swap i"
)
_YES = ("y", "yes", "assume-yes", "noconfirm", "non-interactive", "assumeyes")
_UNCHECKED = (
    "allow-unauthenticated",
    "force-yes",
    "nogpgcheck",
    "no-gpg-checks",
    "allow-untrusted",
    "allow-remove-essential",
    "nodeps",
    "no-gpg-check",
)


def _taken(names: list[str]) -> Iterator[Finding]:
    for name in names:
        short = name.partition(":")[0]
        if short in _BASE or name in ("*", ".*", "~i"):
            yield Finding(
                CRITICAL, f"removes {spoken(name)}, without which this machine cannot run"
            )
        elif short.startswith(_NEEDED) or "*" in name:
            yield Finding(DANGEROUS, f"removes {spoken(name)}, which this machine needs")


def _system(call: Call) -> Iterator[Finding]:
    """apt, dnf, zypper, apk …: the verb is the first operand."""
    options = Options(call)
    texts = options.texts
    verb, *names = [*texts, ""]
    if options.has("s", "simulate", "dry-run", "just-print") and call.program != "apk":
        return
    if options.has(*_UNCHECKED):
        yield Finding(DANGEROUS, "installs or removes software unchecked")
    if verb in _REMOVES:
        yield from _taken([name for name in names if name])
        purges = verb in ("purge", "autopurge") or options.has("purge", "zap", "delete-data")
        if purges and options.has(*_YES):
            yield Finding(DANGEROUS, "removes software with its settings and data, without asking")
        if options.has("all") or any(w.sources for w in call.args) or "xargs" in call.wrappers:
            yield Finding(DANGEROUS, "removes all of it at once")
        yield Finding(CAUTION, "removes software")
    elif verb in _INSTALLS and (
        verb not in ("update", "refresh") or call.program in ("brew", "dnf", "yum", "zypper")
    ):
        yield Finding(CAUTION, "installs or replaces software")


def _pacman(call: Call) -> Iterator[Finding]:
    options = Options(call)
    flags = "".join(w.text[1:] for w in call.args if w.text[:1] == "-" and w.text[:2] != "--")
    if "R" in flags or options.has("remove"):
        yield from _taken(options.texts)
        if flags.count("d") > 1 or options.has("nodeps"):
            yield Finding(DANGEROUS, "removes software that other programs need")
        yield Finding(CAUTION, "removes software")
    elif "U" in flags or ("S" in flags and not set(flags) & set("sigl")):
        yield Finding(CAUTION, "installs or replaces software")


def _low_level(call: Call) -> Iterator[Finding]:
    """dpkg and rpm, which ask nothing."""
    options = Options(call)
    if any(word.text.startswith("--force") for word in call.args) or options.has("nodeps"):
        yield Finding(DANGEROUS, "installs or removes software against its own conditions")
    if call.program == "dpkg":
        removes = options.has("r", "remove", "P", "purge")
        installs = options.has("i", "install", "unpack", "configure")
    else:
        asks = options.has("q", "query", "V", "verify")
        removes = options.has("e", "erase") and not asks
        installs = options.has("i", "U", "F", "install", "upgrade") and not asks
    if removes:
        yield from _taken(options.texts)
        yield Finding(CAUTION, "removes software")
    elif installs:
        yield Finding(CAUTION, "installs or replaces software")


def _pip(call: Call) -> Iterator[Finding]:
    options = Options(call)
    texts = options.texts
    words = texts
    if call.program.startswith("python"):
        if [word.text for word in call.args[:2]] != ["-m", "pip"]:
            return
        words = texts[1:]
    verb = words[0] if words else ""
    if call.program == "uv" and verb == "pip":
        verb = words[1] if len(words) > 1 else ""
    if options.has("break-system-packages") and verb in ("install", "uninstall"):
        yield Finding(
            DANGEROUS, "changes the Python that the system itself uses", "python3 -m venv .venv"
        )
    if verb == "uninstall":
        if "xargs" in call.wrappers or any(w.sources for w in call.args) or options.has("r"):
            yield Finding(DANGEROUS, "removes every Python package at once", "pip list")
        yield Finding(CAUTION, "removes software")
    elif verb in ("install", "download", "sync", "add", "remove"):
        if any(w.text.startswith("http://") for w in call.args):
            yield Finding(DANGEROUS, "installs software over a connection that anybody can change")
        yield Finding(CAUTION, "installs or replaces software")


_LOCAL = (
    Row("unpublish", DANGEROUS, "takes a package away from everybody who uses it"),
    Row("deprecate|owner|access|dist-tag", CAUTION, "changes a package for everybody"),
    Row("publish", CAUTION, "publishes a package, which cannot be taken back"),
    Row(
        "install|i|add|ci|update|upgrade|uninstall|remove|rm|un|link",
        CAUTION,
        "installs or replaces software",
    ),
    Row("audit fix", CAUTION, "installs or replaces software"),
    Row("cache clean", CAUTION, "deletes the cache"),
)

_MANAGERS = (
    "apt",
    "apt-get",
    "aptitude",
    "dnf",
    "dnf5",
    "yum",
    "microdnf",
    "zypper",
    "apk",
    "brew",
    "snap",
    "flatpak",
    "port",
    "pkg",
    "xbps-remove",
    "opkg",
    "guix",
    "nala",
    "yay",
    "paru",
    "conda",
    "mamba",
    "gem",
    "winget",
    "choco",
    "scoop",
)

CHECKS: dict[str, Check] = {
    **dict.fromkeys(_MANAGERS, _system),
    "pacman": _pacman,
    "yay": _pacman,
    "paru": _pacman,
    "dpkg": _low_level,
    "rpm": _low_level,
    **dict.fromkeys(("pip", "pip3", "pipx", "uv", "python", "python3"), _pip),
    **dict.fromkeys(("npm", "pnpm", "yarn", "bun"), from_rows(*_LOCAL)),
    "cargo": from_rows(
        Row("yank", DANGEROUS, "takes a package away from everybody who uses it"),
        Row("publish", CAUTION, "publishes a package, which cannot be taken back"),
        Row("install|uninstall", CAUTION, "installs or replaces software"),
        Row("clean", CAUTION, "deletes what was built"),
    ),
    "gem": from_rows(
        Row("yank", DANGEROUS, "takes a package away from everybody who uses it"),
        Row("uninstall", DANGEROUS, "removes every Ruby package at once", "a|all"),
        Row("install|uninstall|update|push", CAUTION, "installs or replaces software"),
    ),
    "twine": from_rows(Row("upload", CAUTION, "publishes a package, which cannot be taken back")),
    "do-release-upgrade": from_rows(Row("", DANGEROUS, "replaces the whole system by a newer one")),
    "emerge": from_rows(
        Row("", DANGEROUS, "removes software that other programs may need", "C|unmerge"),
        Row("*", CAUTION, "installs or replaces software"),
    ),
    "nix-collect-garbage": from_rows(
        Row("", CAUTION, "deletes all older versions of the system", "d|delete-old")
    ),
    "update-alternatives": from_rows(
        Row("", CAUTION, "changes which program runs", "set|config|remove|install")
    ),
    "make": from_rows(
        Row(
            "install|uninstall|distclean|clean|mrproper",
            CAUTION,
            "installs, or deletes what was built",
        )
    ),
    "ninja": from_rows(Row("install|clean", CAUTION, "installs, or deletes what was built")),
}
