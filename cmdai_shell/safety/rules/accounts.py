"""Users, passwords, rights, and what protects or records them."""

from __future__ import annotations

from itertools import pairwise
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

_POWERFUL = names("sudo wheel root admin docker lxd disk shadow adm kmem")


def _delete_user(call: Call) -> Iterator[Finding]:
    options = Options(call)
    names = options.texts
    if "root" in names:
        yield Finding(CRITICAL, "deletes root, without whom this machine cannot be run")
    elif call.program == "deluser" and len(names) > 1:
        yield Finding(CAUTION, "takes a user out of a group")
    elif options.has("r", "remove", "remove-home", "remove-all-files"):
        yield Finding(DANGEROUS, "deletes a user and the home folder with all that is in it")
    elif names:
        yield Finding(DANGEROUS, "deletes a user")


def _password(call: Call) -> Iterator[Finding]:
    options = Options(call)
    who = options.texts[0] if options.texts else "root" if call.as_root else ""
    if options.has("S", "status"):
        return
    if options.has("d", "delete"):
        risk = CRITICAL if who == "root" else DANGEROUS
        yield Finding(risk, f"lets anybody log in as {spoken(who) or 'you'} without a password")
    elif options.has("l", "lock", "e", "expire"):
        risk = CRITICAL if who == "root" else DANGEROUS
        yield Finding(risk, f"locks {spoken(who) or 'you'} out")
    elif call.fed_by or any(redirect.is_text for redirect in call.redirects):
        yield Finding(CRITICAL, f"sets the password of {spoken(who) or 'you'} to one on this line")
    else:
        yield Finding(CAUTION, "changes a password")


def _becomes_root(texts: list[str]) -> bool:
    """``-u 0``: that number is root, whatever the name."""
    return any(
        b == "0" and (a == "--uid" or (a[:1] == "-" and a[1:2] != "-" and a[-1] == "u"))
        for a, b in pairwise(texts)
    ) or not {"-u0", "--uid=0"}.isdisjoint(texts)


def _modify_user(call: Call) -> Iterator[Finding]:
    options = Options(call)
    texts = [word.text for word in call.args]
    groups = {name for text in texts for name in text.split(",")}
    target = texts[-1] if texts else ""
    if options.has("p", "password"):
        yield Finding(CRITICAL, f"sets the password of {spoken(target)} to one on this line")
    elif target == "root" or _becomes_root(texts):
        yield Finding(CRITICAL, "changes root, or makes another root")
    elif options.has("L", "lock", "e", "expiredate"):
        yield Finding(DANGEROUS, f"locks {spoken(target)} out")
    elif options.has("G", "groups") and not options.has("a", "append"):
        yield Finding(DANGEROUS, f"takes {spoken(target)} out of all other groups")
    elif groups & (_POWERFUL - {"docker"}):
        yield Finding(DANGEROUS, f"gives {spoken(target)} the rights of an administrator")
    else:
        yield Finding(CAUTION, "changes a user")


def _add_user(call: Call) -> Iterator[Finding]:
    texts = [word.text for word in call.args]
    groups = {name for text in texts[1:] for name in text.split(",")}
    if _becomes_root(texts):
        yield Finding(CRITICAL, "makes another root")
    elif groups & (_POWERFUL - {"docker"}):
        yield Finding(DANGEROUS, "gives a user the rights of an administrator")
    elif texts:
        yield Finding(CAUTION, "adds a user")


def _history(call: Call) -> Iterator[Finding]:
    verb = call.args[0].text if call.args else ""
    if Options(call).has("c", "clear") or verb in ("clear", "clear-session", "delete"):
        yield Finding(DANGEROUS, "deletes the history of what was typed")


def _forgets(call: Call) -> Iterator[Finding]:
    """``export HISTFILE=/dev/null``, ``unset HISTFILE``."""
    variables = {word.text.partition("=")[0] for word in call.args}
    stops = ("HISTFILE=/dev/null", "HISTSIZE=0", "HISTFILESIZE=0")
    if (call.program == "unset" and variables & {"HISTFILE", "HISTSIZE"}) or any(
        word.text.startswith(stops) for word in call.args
    ):
        yield Finding(DANGEROUS, "stops recording what is typed")
    elif "LD_PRELOAD" in variables:
        yield Finding(DANGEROUS, "loads foreign code into every program that is started")


def _visudo(call: Call) -> Iterator[Finding]:
    if Options(call).has("c", "check"):
        return
    written = bool(call.fed_by) or any(r.is_text for r in call.redirects)
    yield Finding(CRITICAL if written else CAUTION, "changes who may become root")


_OFF = "switches off what protects this machine"
CHECKS: dict[str, Check] = {
    "userdel": _delete_user,
    "deluser": _delete_user,
    "usermod": _modify_user,
    "useradd": _add_user,
    "adduser": _add_user,
    "passwd": _password,
    "visudo": _visudo,
    "history": _history,
    "export": _forgets,
    "unset": _forgets,
    "declare": _forgets,
    "chpasswd": from_rows(Row("", CRITICAL, "sets passwords to those on this line")),
    "newusers": from_rows(Row("", CRITICAL, "adds users with passwords from a file")),
    "groupdel": from_rows(
        Row("root|sudo|wheel", CRITICAL, "deletes the group of the administrators"),
        Row("*", DANGEROUS, "deletes a group"),
    ),
    "delgroup": from_rows(Row("*", DANGEROUS, "deletes a group")),
    "gpasswd": from_rows(
        Row("", DANGEROUS, "takes users out of a group", "d|delete|M|members"),
        Row("", CAUTION, "changes a group"),
    ),
    "chage": from_rows(
        Row("", DANGEROUS, "locks a user out", "E|expiredate"),
        Row("*", CAUTION, "changes when a password expires", "M|maxdays"),
    ),
    "setenforce": from_rows(
        Row("0|permissive|Permissive", DANGEROUS, _OFF, safer="getenforce"),
        Row("1|enforcing|Enforcing", CAUTION, "changes what protects this machine"),
    ),
    "setsebool": from_rows(Row("", CAUTION, "changes what protects this machine")),
    "aa-teardown": from_rows(Row("", DANGEROUS, _OFF)),
    "aa-disable": from_rows(Row("*", DANGEROUS, _OFF)),
    "aa-complain": from_rows(Row("*", CAUTION, "changes what protects this machine")),
    "apparmor_parser": from_rows(Row("", DANGEROUS, _OFF, "R|remove")),
    "auditctl": from_rows(
        Row("", DANGEROUS, "stops recording what happens on this machine", "e|D")
    ),
    "csrutil": from_rows(Row("disable|clear", DANGEROUS, _OFF, safer="csrutil status")),
    "spctl": from_rows(Row("", DANGEROUS, _OFF, "master-disable|global-disable")),
    "tpm2_clear": from_rows(Row("", CRITICAL, "erases the keys of this machine")),
    "ssh-add": from_rows(Row("", CAUTION, "forgets keys", "D|d")),
    "ssh-keygen": from_rows(Row("", CAUTION, "removes a known host", "R")),
    "gpg": from_rows(
        Row(
            "",
            DANGEROUS,
            "deletes a private key",
            "delete-secret-keys|delete-secret-and-public-key",
        ),
        Row("", CAUTION, "deletes a key", "delete-keys"),
    ),
    "setcap": from_rows(Row("*", DANGEROUS, "gives a program rights of root")),
    "journalctl": from_rows(
        Row("", CAUTION, "deletes old logs", "vacuum-size|vacuum-time|vacuum-files|rotate")
    ),
    "gsettings": from_rows(Row("reset-recursively", DANGEROUS, "forgets settings")),
    "dconf": from_rows(Row("reset", DANGEROUS, "forgets settings", "f")),
    "defaults": from_rows(Row("delete|remove", CAUTION, "forgets settings")),
    "tmutil": from_rows(Row("delete|deletelocalsnapshots|disable", DANGEROUS, "deletes backups")),
    "restic": from_rows(
        Row("forget|prune", DANGEROUS, "deletes backups", safer="restic snapshots")
    ),
    "borg": from_rows(Row("delete|prune", DANGEROUS, "deletes backups")),
}
