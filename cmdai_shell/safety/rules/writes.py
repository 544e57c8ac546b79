"""What writing to a path means: devices, what decides who gets in, configuration."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.core import Risk
from cmdai_shell.safety.rules.rule import CAUTION, CRITICAL, DANGEROUS, Finding
from cmdai_shell.safety.script import Call, Word, names, spoken
from cmdai_shell.safety.targets import Place, device, joined, place, system_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def paths(word: Word, call: Call) -> list[str]:
    """The paths a word may mean, from every folder the call may run in."""
    return [joined(folder, word.text) for folder in call.cwd]


def vital(path: str) -> bool:
    """A file that decides who gets in, what runs as root, or whether the machine starts."""
    return path in _VITAL or path.startswith(("/etc/sudoers.d", "/etc/pam.d", "/boot/"))


_VITAL = names(
    "/etc/passwd /etc/shadow /etc/group /etc/gshadow /etc/sudoers /etc/fstab /etc/ld.so.preload "
    "/etc/pam.conf /proc/sysrq-trigger /bin/sh /bin/bash /bin/login /bin/su /usr/bin/sudo "
    "/usr/bin/bash /usr/bin/sh /usr/bin/env /usr/bin/su /usr/bin/login /sbin/init /usr/sbin/sshd "
    "/lib/systemd/systemd /etc/inittab /etc/crypttab /etc/shells"
)
_ADDABLE = names("/etc/fstab /etc/shells /etc/crypttab")
"""Adding a line to these is common, replacing them is not."""


def overwrites(word: Word, call: Call, how: str = "overwrites") -> Iterator[Finding]:
    """Findings for a file that is written to; ``how`` is the verb."""
    if word.text.endswith(_LETS_IN) and "ssh" in call.wrappers and _public_key(call):
        yield Finding(CAUTION, "lets your key log in on the other machine")
        return
    for path in paths(word, call):
        for applies, risk, reason in _WRITES:
            if applies(path, how):
                yield Finding(risk, reason.format(how=how, name=spoken(word.text)))
                break


def _public_key(call: Call) -> bool:
    """``cat key.pub | ssh host 'cat >> …'``: what ``ssh-copy-id`` does."""
    return any(word.text.endswith(".pub") for fed in call.fed_by for word in fed.args)


_LETS_IN = ("/.ssh/authorized_keys", "/.ssh/authorized_keys2")
_HISTORIES = ("/.bash_history", "/.zsh_history", "/fish_history")
_KEPT = (".bak", ".orig", ".old", ".backup", "~")
"""What people call a copy they keep."""
_KEYRING = re.compile(r"/\.(?:ssh|gnupg)/")
AT_NEW_SHELL = (".bashrc", ".zshrc", ".profile", ".bash_profile", ".zshenv", "config.fish")
_HARMLESS = ("/dev/", "/proc/self/")
_SETTINGS = ("/proc/sys/vm/", "/proc/sys/net/", "/sys/class/", "/sys/devices/")
_CONFIGURATION = ("/etc/", "/sys/", "/proc/", "/usr/", "/boot/", "/bin/", "/sbin/", "/lib")


def _replaced(path: str, how: str) -> bool:
    return vital(path) and (how == "overwrites" or path not in _ADDABLE)


_NOWHERE = Call(())


def _precious(path: str, _: str) -> bool:
    absolute = path.startswith("/") and place(Word(path), _NOWHERE) is Place.PRECIOUS
    return absolute or _KEYRING.search(path) is not None


_WRITES: tuple[tuple[Callable[[str, str], bool], Risk, str], ...] = (
    (
        lambda path, _: device(path),
        CRITICAL,
        "writes straight onto the disk {name}, what is on it is lost",
    ),
    (_replaced, CRITICAL, "{how} {name}, which the system needs"),
    (
        lambda path, _: path.endswith(_LETS_IN),
        CRITICAL,
        "{how} {name}: whoever holds the key in it can log in here",
    ),
    (
        lambda path, how: how != "adds to" and path.endswith(_HISTORIES),
        DANGEROUS,
        "deletes the history of what was typed",
    ),
    (
        lambda path, _: path.endswith(AT_NEW_SHELL),
        CAUTION,
        "{how} {name}, which runs at every new shell",
    ),
    (lambda path, _: path.startswith(_HARMLESS), Risk.SAFE, ""),
    (
        lambda path, _: path.startswith(_SETTINGS),
        CAUTION,
        "changes the setting {name} of the running system",
    ),
    (
        lambda path, _: path.startswith("/usr/local/") or path.endswith(_KEPT),
        CAUTION,
        "{how} {name}",
    ),
    (
        lambda path, _: path.startswith(_CONFIGURATION) or system_file(path),
        DANGEROUS,
        "{how} {name}, part of the system's configuration",
    ),
    (_precious, DANGEROUS, "{how} {name}"),
)
"""What writing to a path means: the first that applies."""


def redirects(call: Call) -> Iterator[Finding]:
    """``> file``, for every program."""
    for redirect in call.redirects:
        if redirect.writes:
            how = "adds to" if ">>" in redirect.operator else "overwrites"
            yield from overwrites(redirect.target, call, how)
