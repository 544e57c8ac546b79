"""What a rule is made of: findings, the options of a call, and rows of a table."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from cmdai_shell.core import Risk
from cmdai_shell.safety.script import HOME, Call, Word, names, spoken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SAFE, CAUTION, DANGEROUS, CRITICAL = Risk


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a call does. ``safer`` is a command to the same end with less harm, or empty."""

    risk: Risk
    reason: str
    safer: str = ""


Check: TypeAlias = "Callable[[Call], Iterable[Finding]]"

_VALUED = {
    "mysqladmin": names("-u -h -P -S --user --host --port --socket"),
    "tmux": names("-L -S -f"),
    "virsh": names("-c --connect"),
    "zypper": names("-R --root"),
    "gsutil": names("-o -h -u"),
    "ip": names("-n -netns"),
    "nmcli": names("-f -g -w"),
    "crontab": names("-u"),
    "etcdctl": names("--endpoints"),
    "git": names("-C -c --git-dir --work-tree --namespace -m --message --exec-path"),
    "docker": names(
        "-H --host --context -c --config --log-level -l -f --filter --format --project-name -p"
    ),
    "podman": names("--log-level --url --connection -f --filter --format"),
    "kubectl": names(
        "-n --namespace --context --cluster --user --kubeconfig -s --server -l --selector -f "
        "--filename -o --output --grace-period --timeout --field-selector"
    ),
    "helm": names("-n --namespace --kube-context --kubeconfig -f --values --set --timeout"),
    "terraform": names("-chdir -target -var -var-file -state"),
    "aws": names("--profile --region --output --endpoint-url --query --bucket --key"),
    "gcloud": names("--project --zone --region --account --configuration --format"),
    "az": names("-n --name -g --resource-group --subscription -o --output --query"),
    "systemctl": names("-H --host -M --machine -t --type -n -o -p --property"),
    "kill": names("-s -n --signal"),
    "killall": names("-s -u --signal --user"),
    "pkill": names("-u -U -g -G -P -t -s -F --parent --pgroup --signal"),
    "fuser": names("-n --namespace -s"),
    "xkill": names("-display -id -button -frame"),
    "xdotool": names("--window"),
    "screen": names("-S -p -c -e -h -s -t -T"),
    "iptables": names("-t -p -s -d -j -i -o -m --dport --sport"),
    "ip6tables": names("-t -p -s -d -j -i -o -m"),
    "apt": names("-o -t -c"),
    "apt-get": names("-o -t -c"),
    "npm": names("--prefix -w"),
    "chmod": names("--reference"),
    "chown": names("--reference --from"),
    "rsync": names("-e -f --rsh --exclude --include --filter --bwlimit"),
    "curl": names(
        "-o -d -H -X -u -A -e -b -c -F -T -K -x -E -m -w --data --output --header --request "
        "--form --user --data-binary --data-raw --upload-file --cacert --cert --key --max-time "
        "--retry --connect-timeout --unix-socket --write-out"
    ),
    "wget": names("-O -P -o -U -t -T --header --post-data --post-file -q0"),
    "psql": names("-h -p -U -d -c -f -o -v -P -F -R -L"),
    "mysql": names("-h -P -u -D -e -S"),
    "tar": names("-f -C -T -X"),
    "redis-cli": names("-h -p -a -n -u -s --user --pass"),
    "truncate": names("-s -r --size --reference"),
}
"""Options that take the next word."""


class Options:
    """A call's arguments sorted into options and operands.

    ``has`` knows clusters (``-rf``) and, as GNU programs do, shortened long options (``--recurs``).
    """

    def __init__(self, call: Call) -> None:
        self.short: set[str] = set()
        self.long: list[str] = []
        self.operands: list[Word] = []
        self.dashed: list[Word] = []
        """What stands behind a ``--``; part of the operands too."""
        valued = _VALUED.get(call.program, frozenset[str]())
        words = iter(call.args)
        for word in words:
            text = word.text
            if text == "--":
                self.dashed += words
                self.operands += self.dashed
            elif not text.startswith("-") or text == "-":
                self.operands.append(word)
            elif text.startswith("--"):
                self.long.append(text[2:].partition("=")[0])
                if text in valued:
                    next(words, None)
            else:
                self.short.update(text[1:])
                if len(text) > 2:
                    self.long.append(text[1:].partition("=")[0])  # -delete, -auto-approve=…
                if text in valued:
                    next(words, None)

    def has(self, *names: str) -> bool:
        for name in names:
            if len(name) == 1:
                if name in self.short:
                    return True
            elif any(given and (name == given or (len(given) > 2 and name.startswith(given)))
                     for given in self.long):  # fmt: skip
                return True
        return False

    @property
    def texts(self) -> list[str]:
        return [word.text for word in self.operands]


@dataclass(frozen=True, slots=True)
class Row:
    """``words``: the operands it begins with, ``a|b`` meaning either and ``*`` anything; ``flags``:
    groups by blanks, each needs one of its ``a|b``; ``unless``: flags that make it harmless
    (``n|dry-run``). ``safer`` may use ``{rest}``, the other
    operands."""

    words: str
    risk: Risk
    reason: str
    flags: str = ""
    safer: str = ""
    unless: str = ""

    def matches(self, options: Options) -> bool:
        wanted = self.words.split()
        given = options.texts
        return (
            len(given) >= len(wanted)
            and all(g in w.split("|") or w == "*" for w, g in zip(wanted, given, strict=False))
            and all(options.has(*group.split("|")) for group in self.flags.split())
            and not (self.unless and options.has(*self.unless.split("|")))
        )

    def safer_line(self, rest: list[Word]) -> str:
        if "{rest}" not in self.safer:
            return self.safer
        return self.safer.format(rest=quoted(rest)) if all(word.known for word in rest) else ""


def from_rows(*rows: Row) -> Check:
    """A check that reports every row that matches."""

    def check(call: Call) -> Iterator[Finding]:
        options = Options(call)
        for row in rows:
            if row.matches(options):
                rest = options.operands[len(row.words.split()) :]
                yield Finding(row.risk, row.reason, row.safer_line(rest))

    return check


def quoted(words: Iterable[Word]) -> str:
    """Words as a person would type them."""
    return " ".join(_typed(word) for word in words)


def line(start: str, words: Iterable[Word]) -> str:
    """A command to offer: ``start`` and the words; empty when one of them is not fully known."""
    words = tuple(words)
    return f"{start} {quoted(words)}" if words and all(word.known for word in words) else ""


_PLAIN = re.compile(r"([^\w@%+=:,./~*?\[\]-])")


def _typed(word: Word) -> str:
    text = word.text
    if word.glob or not word.known:
        return _PLAIN.sub(r"\\\1", spoken(text)) if word.known else spoken(text)
    if text == HOME or text.startswith(HOME + "/"):
        rest = text[2:]
        return f"~/{shlex.quote(rest)}" if rest else "~"
    return shlex.quote(spoken(text))
