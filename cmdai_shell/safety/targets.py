"""Which paths a command reaches: the root, the system, a home, a device, the folder it runs in."""

from __future__ import annotations

from enum import IntEnum
from posixpath import normpath
from typing import TYPE_CHECKING

from cmdai_shell.safety.script import HOME, MAYBE, SOME, names

if TYPE_CHECKING:
    from cmdai_shell.safety.script import Call, Word


class Place(IntEnum):
    """Ordered: losing a higher one is worse."""

    SCRATCH = 0
    """Temporary files, caches, build output."""
    ORDINARY = 1
    """Somewhere in the folder the line is typed in, or in a home."""
    HERE = 2
    """Everything in the folder the line is typed in."""
    PRECIOUS = 3
    """Keys, configuration or data that programs and people depend on."""
    UNKNOWN = 4
    """Only the running shell knows."""
    HOME = 5
    """A whole home folder, or all of them."""
    SYSTEM = 6
    """A part of the system without which it does not work."""
    DEVICE = 7
    """A disk, a partition, or memory."""
    ROOT = 8
    """Everything."""


NAMES = {
    Place.ROOT: "everything on this machine",
    Place.SYSTEM: "the system itself",
    Place.HOME: "a whole home folder",
    Place.DEVICE: "a disk",
    Place.UNKNOWN: "a target nobody can know beforehand",
    Place.PRECIOUS: "files that programs or people depend on",
    Place.HERE: "everything in this folder",
}

_SYSTEM = names(
    "/bin /boot /dev /etc /lib /lib32 /lib64 /libx32 /opt /proc /root /run /sbin /srv /sys "
    "/usr /var /home /mnt /media /System /Library /Applications /Users /Volumes /private "
    "/private/etc /private/var /usr/bin /usr/lib /usr/lib64 /usr/sbin /usr/share /usr/local "
    "/usr/libexec /usr/local/bin /usr/local/lib /usr/include /var/lib /var/log /var/db "
    "/var/spool /var/mail /var/www /var/lib/dpkg /var/lib/rpm /var/lib/apt /var/lib/mysql "
    "/var/lib/postgresql /var/lib/docker /etc/ssh /etc/pam.d /etc/systemd /etc/sudoers.d "
    "/lib/modules /boot/grub /boot/efi /etc/ssl /nix /nix/store /snap /etc/init.d"
)
_SYSTEM_FILES = names(
    "/etc/passwd /etc/shadow /etc/group /etc/gshadow /etc/sudoers /etc/fstab /etc/hosts "
    "/etc/resolv.conf /etc/ssh/sshd_config /etc/crontab /etc/profile /etc/ld.so.preload "
    "/etc/bash.bashrc /etc/environment /proc/sysrq-trigger /etc/nsswitch.conf"
)
_HOMES = frozenset({"/home", "/Users", "/root", HOME})
_BLOCK_DEVICES = (
    "sd", "hd", "vd", "xvd", "nvme", "mmcblk", "disk", "rdisk", "dm-", "md", "mapper", "loop",
    "mem", "kmem", "port", "sr", "zd", "nbd", "by-id", "disk", "block", "ada", "da",
)  # fmt: skip
_HARMLESS_DEVICES = names(
    "null zero full random urandom tty stdin stdout stderr fd ptmx console shm"
)
_SCRATCH = names(
    "tmp temp cache .cache caches target dist build node_modules __pycache__ .pytest_cache out "
    ".mypy_cache .ruff_cache .tox .venv venv coverage htmlcov .next .nuxt .gradle .terraform "
    "bin obj vendor logs"
)
_PRECIOUS_IN_HOME = names(
    ".ssh .gnupg .aws .kube .config .password-store .docker .local Documents Desktop Pictures "
    "Library .mozilla .thunderbird Music Videos Downloads"
)
_WILD = frozenset("*?[]!^-.{}" + MAYBE)


def joined(folder: str, path: str) -> str:
    """``path`` as seen from ``folder``, without "." and ".." in it where they can be removed."""
    path = HOME + path[1:] if path == "~" or path.startswith("~/") else path
    if not path.startswith(("/", HOME, MAYBE)) and folder != ".":
        path = f"{folder}/{path}"
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
    if path.startswith(MAYBE):
        return path
    clean = normpath(path) if path else "."
    return "/home" if path.startswith(HOME) and not clean.startswith(HOME) else clean


def place(word: Word, call: Call) -> Place:
    """The worst place the word may name."""
    return max(_place(joined(folder, word.text), word.glob) for folder in call.cwd)


def device(path: str) -> bool:
    """A block device or raw memory, whole or partition."""
    if not path.startswith("/dev/"):
        return False
    name = path[5:]
    return name not in _HARMLESS_DEVICES and (
        name.startswith(_BLOCK_DEVICES) or MAYBE in name or SOME in name or name[:1] in ("*", "?")
    )


def system_file(path: str) -> bool:
    """A file that decides who may log in, what runs as root, or whether the machine starts."""
    return path in _SYSTEM_FILES or path.startswith(
        ("/etc/sudoers.d/", "/etc/cron", "/etc/pam.d/", "/boot/", "/bin/", "/sbin/", "/usr/bin/",
         "/usr/sbin/", "/lib/", "/usr/lib/", "/etc/systemd/", "/etc/init.d/", "/etc/ld.so")
    )  # fmt: skip


def _place(path: str, glob: bool) -> Place:
    if MAYBE in path:
        without = path.replace(MAYBE, "")
        if without:  # what may be empty is so at the worst moment
            return max(_named(path, glob), _named(joined(".", without), glob))
    return _named(path, glob)


def _named(path: str, glob: bool) -> Place:
    if path.startswith(MAYBE):
        return _unknown(path)
    if glob:
        path = _covered(path)
    if path in ("/", ""):
        return Place.ROOT
    if path.startswith(HOME):
        return _in_home(path[2:])
    if not path.startswith("/"):
        return _relative(path)
    if device(path):
        return Place.DEVICE
    return _absolute(path)


def _unknown(path: str) -> Place:
    """Starts with something that may be empty: ``$X/*`` is then the root."""
    rest = path.lstrip(MAYBE + SOME)
    if not rest or path[1:2] != "/":
        return Place.UNKNOWN
    if set(rest) <= _WILD | {"/"}:
        return Place.ROOT
    return max(Place.UNKNOWN, _absolute(_covered(rest)))


def _covered(path: str) -> str:
    """A glob that takes a folder's whole content counts as that folder: ``/*`` is "/"."""
    while True:
        folder, slash, last = path.rpartition("/")
        if not slash or not last or not set(last) <= _WILD or not any(c in last for c in "*?["):
            break
        path = folder or "/"
        if path == "/":
            break
    head, slash, _ = path[1:].partition("/")
    if path.startswith("/") and not slash and any(c in head for c in "*?["):
        return "/"  # /b* /?sr /[a-z]*: something at the very top
    return path


def _in_home(rest: str) -> Place:
    if not rest or (set(rest) <= _WILD and rest != ".."):
        return Place.HOME
    if rest.startswith(".."):
        return Place.SYSTEM
    parts = rest.split("/")
    if parts[0] in _PRECIOUS_IN_HOME and (len(parts) == 1 or parts[0] in (".ssh", ".gnupg")):
        return Place.PRECIOUS
    return _scratch_or(Place.ORDINARY, parts)


def _relative(path: str) -> Place:
    if set(path) <= _WILD | {"/"} or path in (".", ".."):
        return Place.HERE
    parts = path.split("/")
    if parts[-1] in (".git", ".ssh", ".gnupg"):
        return Place.PRECIOUS
    return _scratch_or(Place.ORDINARY, parts)


def _absolute(path: str) -> Place:
    parts = path[1:].split("/")
    if parts[0] in ("tmp", "private") and "tmp" in parts[:2]:
        return Place.SCRATCH if len(parts) > 1 else Place.HERE
    if path in _SYSTEM or system_file(path):
        return Place.HOME if path in _HOMES else Place.SYSTEM
    if parts[0] == SOME:
        return Place.SYSTEM if len(parts) == 1 else Place.PRECIOUS
    if parts[0] == "dev" and parts[-1] in _HARMLESS_DEVICES:
        return Place.SCRATCH
    if parts[0] == "srv":
        return Place.PRECIOUS
    if parts[0] in ("home", "Users", "root"):
        inside = parts[1:] if parts[0] == "root" else parts[2:]
        return _in_home("/".join(inside))
    if parts[0] in ("etc", "boot", "bin", "sbin", "lib", "lib64", "usr", "sys", "proc", "dev"):
        return _scratch_or(Place.PRECIOUS, parts[1:]) if parts[0] != "etc" else Place.PRECIOUS
    if parts[0] == "var":
        return _scratch_or(Place.PRECIOUS, parts[1:])
    if len(parts) == 1:
        return Place.PRECIOUS
    return _scratch_or(Place.ORDINARY, parts)


def _scratch_or(other: Place, parts: list[str]) -> Place:
    return Place.SCRATCH if any(part.strip("*") in _SCRATCH for part in parts) else other
