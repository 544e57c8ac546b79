"""Processes, services, the machine's power and its timetable."""

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
    line,
)
from cmdai_shell.safety.script import MAYBE, names, spoken
from cmdai_shell.safety.targets import Place, place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.safety.rules.rule import Check
    from cmdai_shell.safety.script import Call

_VITAL = names(
    "ssh sshd dbus networking network networkmanager firewalld ufw nftables iptables auditd "
    "apparmor fail2ban cron crond rsyslog polkit display-manager gdm gdm3 lightdm sddm "
    "wpa_supplicant dhcpcd chronyd getty.target init multi-user.target graphical.target "
    "docker containerd kubelet wickd"
)
"""Without these a machine cannot be reached, watched or protected any more."""


def _vital(name: str) -> bool:
    name = name.lower().removesuffix(".service").removesuffix(".socket")
    return name in _VITAL or name.startswith(("systemd", "getty@", "user@", "openssh"))


def _kill(call: Call) -> Iterator[Finding]:
    """``kill [-SIGNAL] PID…``: the process number -1 stands for all of them."""
    words = [word.text for word in call.args]
    if not words or words[0] in ("-l", "-L", "--list", "--table", "-0"):
        return
    if words[0] in ("-s", "-n", "--signal"):
        words = words[2:]
    elif words[0].startswith("-") and words[0] != "--" and len(words) > 1:
        words = words[1:]
    for pid in words:
        if pid == "-1":
            yield Finding(CRITICAL, "ends every process it may end, this session included")
        elif pid == "1":
            yield Finding(CRITICAL, "sends a signal to the first process, which runs the machine")
    yield Finding(CAUTION, "sends a signal to processes")


def _names_user(text: str) -> bool:
    """``-u alice``; not ``-USR1``, which is a signal."""
    return text in ("-u", "-U", "--user", "--uid", "--euid") or (
        text[:2] == "-u" and text.islower()
    )


def _kill_by_name(call: Call) -> Iterator[Finding]:
    options = Options(call)
    if options.has("l", "list", "V", "version", "0"):
        return
    if options.has("inverse") or (options.has("v") and call.program == "pkill"):
        yield Finding(CRITICAL, "ends every process but these, this session included")
    elif options.has("P", "parent", "g", "pgroup") and not options.operands:
        yield Finding(CAUTION, "ends the processes that others have started")
        return
    if any(_names_user(word.text) for word in call.args) or not options.operands:
        everyone = any(word.text in ("root", "0", "-uroot", "-u0") for word in call.args)
        yield Finding(CRITICAL if everyone else DANGEROUS, "ends every process of a user")
    for word in options.operands:
        if word.text in (".", ".*", "", "^", "*") or word.text.startswith(".*"):
            yield Finding(CRITICAL, "ends every process it may end, this session included")
        elif _vital(word.text):
            yield Finding(DANGEROUS, f"ends {spoken(word.text)}, which this machine needs")
        elif options.has("9", "KILL", "SIGKILL") and word.text.rstrip("s") in _DATABASES:
            yield Finding(DANGEROUS, f"ends {spoken(word.text)} without letting it save its data")
    yield Finding(CAUTION, "ends every process of that name")


def _fuser(call: Call) -> Iterator[Finding]:
    """``fuser -k``: whoever uses a file, a port or, by ``-m`` and its other name ``-c``, anything
    on the file system that the path is on, which for a path without a mount of its own is /."""
    options = Options(call)
    if not options.has("k", "kill"):
        return
    if not options.has("m", "mount", "c", "ismountpoint"):
        yield Finding(CAUTION, "ends the processes that use it", _fuser_shows(call))
        return
    for word in options.operands:
        if place(word, call) >= Place.HOME:
            what = f"ends every process that uses {spoken(word.text)}, this session included"
            yield Finding(CRITICAL, what, _fuser_shows(call))
    what = "ends every process that uses this file system"
    yield Finding(DANGEROUS, what, _fuser_shows(call))


def _fuser_shows(call: Call) -> str:
    """The same, without the killing."""
    mount = "m" if Options(call).has("m", "mount", "c") else ""
    space = ("-n", "--namespace")
    kept = [word for word in call.args if word.text in space or not word.text.startswith("-")]
    return line(f"fuser -v{mount}", kept)


def _xkill(call: Call) -> Iterator[Finding]:
    if Options(call).has("a", "all"):
        yield Finding(DANGEROUS, "ends every program with a window")
    else:
        yield Finding(CAUTION, "ends the program whose window is clicked")


_ENDS = "ends a program"


_DATABASES = names(
    "postgre postgres mysqld mysql mariadbd mariadb mongod redis-server etcd java "
    "elasticsearch cassandra influxd dockerd"
)

_POWER = names(
    "poweroff reboot halt rescue emergency kexec soft-reboot isolate exit suspend hibernate "
    "hybrid-sleep default"
)
_SLEEP = frozenset(["suspend", "hibernate", "hybrid-sleep"])
_ENDING = frozenset(["stop", "disable", "mask", "kill"])
_CHANGING = names(
    "start restart reload enable unmask try-restart reload-or-restart edit daemon-reload "
    "daemon-reexec set-default revert reset-failed preset condrestart"
)


def _systemctl(call: Call) -> Iterator[Finding]:
    options = Options(call)
    verb, *units = [*options.texts, ""]
    if verb in _POWER:
        risk = CAUTION if verb in _SLEEP else DANGEROUS
        yield Finding(risk, "puts this machine to sleep" if verb in _SLEEP else _STOPS)
    elif verb in _ENDING:
        yield from _ended([unit for unit in units if unit])
    elif verb in _CHANGING:
        yield Finding(CAUTION, "starts or changes a service")


def _ended(units: list[str]) -> Iterator[Finding]:
    for unit in units:
        if _vital(unit) or set(unit) & set("*?" + MAYBE):
            yield Finding(DANGEROUS, f"stops {spoken(unit)}, which this machine needs")
    yield Finding(CAUTION, "stops a service")


def _service(call: Call) -> Iterator[Finding]:
    """``service NAME VERB`` and OpenRC's ``rc-service``; and those that have the verb first."""
    texts = Options(call).texts
    if call.program in ("rc-update", "sv", "initctl"):
        texts = texts[1:2] + texts[:1]
    if len(texts) < 2:
        return
    if texts[1] in ("stop", "del", "delete", "disable", "onestop", "down", "exit"):
        yield from _ended(texts[:1])
    elif texts[1] not in ("status", "show", "describe", "check"):
        yield Finding(CAUTION, "starts or changes a service")


_STOPS = "stops this machine and everything that runs on it"


def _shutdown(call: Call) -> Iterator[Finding]:
    if not Options(call).has("c", "w", "wtmp-only", "show", "help", "version"):
        yield Finding(DANGEROUS, _STOPS)


def _init(call: Call) -> Iterator[Finding]:
    if any(word.text in ("0", "1", "6", "S", "s") for word in call.args):
        yield Finding(DANGEROUS, _STOPS)


def _crontab(call: Call) -> Iterator[Finding]:
    options = Options(call)
    if options.has("r"):
        yield Finding(DANGEROUS, "deletes the whole timetable (crontab)", "crontab -l")
    elif options.has("l", "e", "V", "T"):
        return
    elif {"-", "/dev/null"} & {*options.texts} or (not options.operands and call.fed_by):
        if any(fed.program == "crontab" for fed in call.fed_by):
            yield Finding(CAUTION, "changes the timetable (crontab)")
        else:
            yield Finding(DANGEROUS, "replaces the whole timetable (crontab)", "crontab -l")
    elif options.operands:
        yield Finding(CAUTION, "replaces the timetable (crontab)", "crontab -l")


def _renice(call: Call) -> Iterator[Finding]:
    if call.args:
        yield Finding(CAUTION, "changes how much processor time processes get")


def _sysctl(call: Call) -> Iterator[Finding]:
    options = Options(call)
    settings = [word.text for word in call.args if "=" in word.text]
    if any(
        s.startswith(("kernel.randomize_va_space", "kernel.panic", "kernel.yama"))
        or s.endswith("rp_filter=0")
        for s in settings
    ):
        yield Finding(DANGEROUS, "weakens the kernel's own protection")
    elif settings or options.has("w", "write", "p", "load", "system"):
        yield Finding(CAUTION, "changes settings of the kernel")


CHECKS: dict[str, Check] = {
    "kill": _kill,
    "killall": _kill_by_name,
    "pkill": _kill_by_name,
    "skill": _kill_by_name,
    "slay": from_rows(Row("*", DANGEROUS, "ends every process of a user")),
    "fuser": _fuser,
    "xkill": _xkill,
    "wmctrl": from_rows(Row("", CAUTION, _ENDS, "c")),
    "xdotool": from_rows(Row("windowkill|windowquit|windowclose", CAUTION, _ENDS)),
    **dict.fromkeys(
        ("kill-port", "killport", "fkill"), from_rows(Row("*", CAUTION, "ends what uses a port"))
    ),
    "snice": from_rows(Row("*", CAUTION, "changes how much processor time processes get")),
    "killall5": from_rows(Row("", CRITICAL, "ends every process of this machine")),
    "systemctl": _systemctl,
    "service": _service,
    "rc-service": _service,
    "rc-update": _service,
    "sv": _service,
    "initctl": _service,
    "shutdown": _shutdown,
    "reboot": _shutdown,
    "halt": _shutdown,
    "poweroff": _shutdown,
    "init": _init,
    "telinit": _init,
    "crontab": _crontab,
    "renice": _renice,
    "sysctl": _sysctl,
    "kexec": from_rows(Row("", DANGEROUS, _STOPS, "e|exec|f|force")),
    "pm2": from_rows(
        Row("delete|kill", DANGEROUS, "stops and forgets the services it runs"),
        Row("stop|restart|reload", CAUTION, "stops or restarts a service"),
    ),
    "supervisorctl": from_rows(
        Row("shutdown|stop all", DANGEROUS, "stops the services it runs"),
        Row("stop|restart|reload", CAUTION, "stops or restarts a service"),
    ),
    "launchctl": from_rows(
        Row("reboot", DANGEROUS, _STOPS),
        Row("bootout|unload|remove|disable|kill", CAUTION, "stops a service"),
    ),
    "loginctl": from_rows(
        Row(
            "terminate-user|kill-user|terminate-session|kill-session|terminate-seat",
            DANGEROUS,
            "ends a person's session and all that runs in it",
        ),
        Row("poweroff|reboot|halt", DANGEROUS, _STOPS),
    ),
    "rmmod": from_rows(Row("*", DANGEROUS, "takes a driver out of the running kernel")),
    "modprobe": from_rows(
        Row("", DANGEROUS, "takes a driver out of the running kernel", "r|remove"),
        Row("*", CAUTION, "loads a driver into the kernel"),
    ),
    "insmod": from_rows(Row("*", DANGEROUS, "loads foreign code into the kernel")),
    "ipcrm": from_rows(
        Row("", DANGEROUS, "removes memory that programs share", "a|all"),
        Row("", CAUTION, "removes memory that programs share"),
    ),
    "atrm": from_rows(Row("*", CAUTION, "removes a planned command")),
    "at": from_rows(
        Row("", DANGEROUS, "removes a planned command", "r|d"),
        Row("*", CAUTION, "runs a command later"),
    ),
    "tmux": from_rows(
        Row(
            "kill-server",
            DANGEROUS,
            "ends every session and all that runs in them",
            safer="tmux list-sessions",
        ),
        Row(
            "kill-session|kill-window|kill-pane|killw|killp",
            CAUTION,
            "ends a session or window and all that runs in it",
        ),
    ),
    "screen": from_rows(Row("quit|kill", CAUTION, "ends a session and all that runs in it", "X")),
}
