"""Code and shells that come over the network, firewalls and interfaces."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from cmdai_shell.safety.interpreters import program_words, reads_program, runs_text
from cmdai_shell.safety.rules.rule import (
    CAUTION,
    CRITICAL,
    DANGEROUS,
    Finding,
    Options,
    Row,
    from_rows,
)
from cmdai_shell.safety.rules.writes import AT_NEW_SHELL, overwrites
from cmdai_shell.safety.script import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cmdai_shell.safety.rules.rule import Check
    from cmdai_shell.safety.script import Call, Word

_LOADERS = names(
    "curl wget wget2 fetch http https xh lynx links w3m aria2c axel nc ncat netcat socat "
    "telnet ftp GET lwp-request lwp-download dig tftp iwr irm "
    "Invoke-WebRequest Invoke-RestMethod"
)
_SOCKETS = ("/dev/tcp/", "/dev/udp/")
_DECODERS = names("base64 base32 openssl xxd uudecode gbase64 basenc")


def _loads(call: Call) -> bool:
    return call.program in _LOADERS or any(
        r.operator == "<" and r.target.text.startswith(_SOCKETS) for r in call.redirects
    )


def _decodes(call: Call) -> bool:
    """Turns unreadable text back into what it was."""
    return call.program in _DECODERS and (
        call.program == "uudecode" or Options(call).has("d", "D", "decode", "r", "revert")
    )


def _origins(words: Iterable[Word]) -> Iterator[Call]:
    for word in words:
        for source in word.sources:
            yield from (source, *source.fed_by)


def runs_unseen(call: Call) -> Iterator[Finding]:
    """A shell or interpreter whose program comes from the network, or out of an encoding."""
    origins = list(_origins(program_words(call)))
    if reads_program(call) or (runs_text(call) and "xargs" in call.wrappers):
        origins += [*call.fed_by, *_origins(redirect.target for redirect in call.redirects)]
    if any(reads_program(target) and not target.fed_by for target in _origins(call.args)):
        origins += call.fed_by  # curl … | tee >(sh)
    if any(_loads(origin) for origin in origins):
        who = " as root" if call.as_root else ""
        yield Finding(CRITICAL, f"runs code from the network{who} that nobody has looked at")
    if any(_decodes(origin) for origin in origins):
        yield Finding(CRITICAL, "runs code that is hidden in an encoding")


def unpacks_over_all(call: Call) -> Iterator[Finding]:
    """``curl … | tar x -C /``: the archive decides what the system consists of."""
    if call.program in ("tar", "bsdtar", "cpio", "unzip") and any(_loads(c) for c in call.fed_by):
        folders = [word for word in call.args if word.text in ("/", "--directory=/", "-C/")]
        if folders or call.cwd == ("/",):
            yield Finding(CRITICAL, "replaces parts of the system by files from the network")


def _fetched(call: Call) -> Iterator[str]:
    """Names of the files a download writes."""
    texts = [word.text for word in call.args]
    options = Options(call)
    kept = options.has("O", "remote-name", "J") == (call.program == "curl")
    for at, text in enumerate(texts):
        following = texts[at + 1] if at + 1 < len(texts) else ""
        if text in ("-o", "--output", "-O", "--output-document") and following:
            yield following
        elif text.startswith(("--output=", "--output-document=")):
            yield text.partition("=")[2]
        elif text.startswith("-") and not text.startswith("--") and text[-1:] in "oO" and following:
            yield following  # curl -fsSLo file
        if "://" in text and kept:
            yield text.partition("?")[0].rpartition("/")[2]
    yield from (r.target.text for r in call.redirects if r.writes)


def across(calls: Iterable[Call]) -> Iterator[Finding]:
    """What only a whole line shows: a download that a later command runs."""
    loaded: set[str] = set()
    channel = False
    for call in calls:
        if call.program in ("curl", "wget", "wget2", "fetch", "aria2c"):
            loaded |= {_bare(name) for name in _fetched(call)} - {"", "-"}
        elif call.words and (
            any(_bare(word.text) in loaded for word in program_words(call))
            and (runs_text(call) or "/" in call.words[0].text)
        ):
            yield Finding(CRITICAL, "runs code from the network that nobody has looked at")
        channel = channel or any(r.target.text.startswith(_SOCKETS) for r in call.redirects)
        if channel and call.words and (reads_program(call) or not call.words[0].known):
            yield Finding(CRITICAL, "runs what another machine tells it to")


def _bare(path: str) -> str:
    return path.removeprefix("./")


def _remote_shell(call: Call) -> Iterator[Finding]:
    """``nc -e /bin/sh``, ``socat … EXEC:sh``, ``sh -i | nc host``."""
    options = Options(call)
    texts = [word.text for word in call.args]
    runs = any(t.upper().startswith(("EXEC:", "SYSTEM:", "SHELL:")) for t in texts)
    if call.program != "socat":
        runs = runs or options.has("e", "exec", "sh-exec", "lua-exec") or "-c" in texts
    if runs or any(reads_program(fed) for fed in call.fed_by):
        yield Finding(CRITICAL, "hands a shell on this machine to another one")


def sockets(call: Call) -> Iterator[Finding]:
    """``bash -i >& /dev/tcp/…``."""
    if any(redirect.target.text.startswith(_SOCKETS) for redirect in call.redirects):
        if runs_text(call):
            yield Finding(CRITICAL, "hands a shell on this machine to another one")
        elif call.program == "exec":
            yield Finding(DANGEROUS, "opens a channel to another machine that stays open")


def _download(call: Call) -> Iterator[Finding]:
    args = call.args
    for at, word in enumerate(args[:-1]):
        text = word.text
        saves = text in ("-o", "--output", "-O", "--output-document", "-P", "--directory-prefix")
        if saves or (text[:1] == "-" and text[:2] != "--" and text[-1:] == "o"):
            yield from overwrites(args[at + 1], call)
            if "/bin/" in args[at + 1].text and args[at + 1].text.startswith("/"):
                yield Finding(DANGEROUS, "installs a program from the network unchecked")
    if call.program == "curl":
        request = {b.text.upper() for a, b in pairwise(args) if a.text in ("-X", "--request")} | {
            w.text[2:].upper() for w in args if w.text.startswith("-X")
        }
        if "DELETE" in request and any(w.text.endswith(("/_all", "/*")) for w in args):
            yield Finding(CRITICAL, "asks a server to delete everything")
        elif "DELETE" in request:
            yield Finding(CAUTION, "asks a server to delete something")


def rewrites_shell(call: Call) -> Iterator[Finding]:
    """What comes from the network and is put where every new shell runs it."""
    if not (_loads(call) or any(_loads(fed) for fed in call.fed_by)):
        return
    written = [redirect.target for redirect in call.redirects if redirect.writes]
    if call.program in ("tee", "curl", "wget", "dd", "sponge"):
        written += call.args
    if any(word.text.endswith(AT_NEW_SHELL) and "://" not in word.text for word in written):
        yield Finding(CRITICAL, "lets every new shell run code from the network")


def _iptables(call: Call) -> Iterator[Finding]:
    options = Options(call)
    if options.has("F", "flush"):
        yield Finding(DANGEROUS, "removes every rule of the firewall", f"{call.program} -S")
    elif options.has("P", "policy"):
        yield Finding(
            DANGEROUS,
            "changes what the firewall does with everything it has no rule for",
            f"{call.program} -S",
        )
    elif options.has(
        "X", "delete-chain", "D", "delete", "A", "append", "I", "insert", "R", "replace"
    ):
        yield Finding(CAUTION, "changes the firewall")


def _ufw(call: Call) -> Iterator[Finding]:
    texts = Options(call).texts
    verb = texts[0] if texts else ""
    if verb in ("disable", "reset") or texts[:2] == ["default", "allow"]:
        yield Finding(DANGEROUS, "opens the firewall", "ufw status verbose")
    elif verb in ("deny", "reject") and {"22", "ssh", "22/tcp"} & set(texts):
        yield Finding(DANGEROUS, "locks out everybody who works on this machine from afar")
    elif verb not in ("status", "show", "version", "app", ""):
        yield Finding(CAUTION, "changes the firewall")


def _ip(call: Call) -> Iterator[Finding]:
    texts = Options(call).texts
    kind, verb = [*texts, "", ""][:2]
    if kind in ("link", "l", "li") and "down" in texts[1:]:
        yield Finding(DANGEROUS, "switches a network interface off")
    elif verb in ("flush", "f"):
        yield Finding(DANGEROUS, "removes all addresses or routes of an interface")
    elif verb in ("del", "delete", "d"):
        risk = DANGEROUS if "default" in texts or kind.startswith("l") else CAUTION
        yield Finding(risk, "removes an address, a route or an interface")
    elif verb in ("add", "a", "set", "s", "replace", "change") and texts[2:]:
        yield Finding(CAUTION, "changes the network")


def _ifconfig(call: Call) -> Iterator[Finding]:
    texts = [word.text for word in call.args]
    if "down" in texts or call.program == "ifdown":
        yield Finding(DANGEROUS, "switches a network interface off")


_NETCATS = ("nc", "ncat", "netcat", "socat", "telnet", "nc.traditional", "nc.openbsd")
_OFF = "switches the network off"

CHECKS: dict[str, Check] = {
    **dict.fromkeys(_NETCATS, _remote_shell),
    **dict.fromkeys(("curl", "wget", "wget2", "aria2c"), _download),
    "iptables": _iptables,
    "ip6tables": _iptables,
    "iptables-legacy": _iptables,
    "ebtables": _iptables,
    "iptables-restore": from_rows(Row("", DANGEROUS, "replaces every rule of the firewall")),
    "nft": from_rows(
        Row(
            "flush|delete|destroy",
            DANGEROUS,
            "removes rules of the firewall",
            safer="nft list ruleset",
        ),
        Row("add|insert|replace", CAUTION, "changes the firewall"),
    ),
    "ufw": _ufw,
    "ip": _ip,
    "ifconfig": _ifconfig,
    "ifdown": _ifconfig,
    "firewall-cmd": from_rows(
        Row("", DANGEROUS, "cuts every connection of this machine", "panic-on"),
        Row("", DANGEROUS, "changes the firewall as a whole", "set-default-zone|complete-reload"),
        Row(
            "",
            CAUTION,
            "changes the firewall",
            "add-port|add-service|remove-port|remove-service|reload",
        ),
    ),
    "pfctl": from_rows(Row("", DANGEROUS, "opens the firewall", "d|F", safer="pfctl -s rules")),
    "nmcli": from_rows(
        Row("networking|n|radio|r off", DANGEROUS, _OFF),
        Row("radio|r wifi|all|wwan off", DANGEROUS, _OFF),
        Row("device|dev|d disconnect|delete|down", DANGEROUS, _OFF),
        Row("connection|con|c delete|del", DANGEROUS, "removes a connection with its passwords"),
        Row("connection|con|c down|modify|up|add", CAUTION, "changes the network"),
    ),
    "route": from_rows(
        Row("del|delete|flush", DANGEROUS, "removes routes of this machine"),
        Row("add", CAUTION, "changes the network"),
    ),
    "rfkill": from_rows(Row("block", DANGEROUS, _OFF)),
    "networksetup": from_rows(
        Row("", CAUTION, "changes the network", "setairportpower|setnetworkserviceenabled")
    ),
    "tailscale": from_rows(Row("down|logout", CAUTION, "leaves the private network")),
    "wg-quick": from_rows(Row("down", CAUTION, "leaves the private network")),
}

GENERAL: tuple[Check, ...] = (runs_unseen, rewrites_shell, unpacks_over_all, sockets)
