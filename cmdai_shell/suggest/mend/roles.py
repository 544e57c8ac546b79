"""Which words of a command are paths, and whether they have to exist or are made by it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cmdai_shell.safety.script import names
from cmdai_shell.suggest.mend.tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cmdai_shell.suggest.mend.line import Token
    from cmdai_shell.suggest.mend.scene import Part

Role = Literal["file", "folder", "any", "made", "guess"]
"""``guess``: a word that looks like a path, of a program we do not know."""


@dataclass(frozen=True, slots=True)
class Use:
    token: Token
    role: Role


_FILES = names(
    "less more head tail wc sort uniq nl tac rev fold cmp comm paste md5sum sha1sum sha256sum "
    "base64 xxd od hexdump strings gzip gunzip bzip2 bunzip2 xz unxz zcat zless zgrep cut cat "
    "column expand unexpand shred truncate patch open xdg-open shellcheck source . bat batcat "
    "zstd unzstd gpg2 pdftotext ffprobe identify mediainfo"
)
_ANY = names("ls du stat file rm cp mv ln install rsync scp tree diff unlink readlink realpath")
_FOLDERS = names("cd pushd rmdir")
AFTER_FIRST = names("grep egrep fgrep rg sed awk gawk jq chmod chown chgrp perl yq setfacl")
"""A pattern, a script, a mode or an owner comes before the paths."""
_RUN = names("python python3 bash sh zsh fish node ruby php deno bun Rscript lua dash ksh")
"""Only the first operand is a path: the script."""
_MADE = names("mkdir touch tee mkfifo")
LAST_MADE = names("cp mv install rsync scp")
_COMPILED = names("gcc g++ cc c++ clang clang++ rustc javac")

VALUED: dict[str, str] = {
    "head": "nc",
    "tail": "ncs",
    "grep": "eABCmdD",
    "egrep": "eABCmdD",
    "fgrep": "eABCmdD",
    "rg": "eABCmgtTj",
    "cut": "dfcb",
    "sort": "ktSo",
    "ls": "IwT",
    "du": "dBt",
    "sed": "e",
    "awk": "Fv",
    "gawk": "Fv",
    "ssh": "plLRDoFJ",
    "scp": "PoFJlcS",
    "rsync": "e",
    "mkdir": "m",
    "install": "mog",
    "touch": "dtr",
    "truncate": "s",
    "split": "lbn",
    "wc": "",
    "tree": "LIP",
    "uniq": "fsw",
    "fold": "w",
    "paste": "d",
    "base64": "w",
    "xxd": "lsc",
    "od": "ANt",
    "column": "sto",
    "patch": "p",
    "stat": "cf",
    "python": "WX",
    "python3": "WX",
    "perl": "eMI",
    "jq": "",
    "diff": "U",
    "gcc": "oIlLDWfmOx",
    "cp": "tS",
    "mv": "tS",
    "ln": "tS",
    "make": "jCf",
}
"""Short options with a value of their own, which is no operand."""
_SCRIPT_IN_OPTION = {
    "grep": "ef",
    "egrep": "ef",
    "fgrep": "ef",
    "rg": "ef",
    "sed": "ef",
    "awk": "f",
    "gawk": "f",
    "perl": "e",
    "jq": "f",
}
_PATH_OPTIONS: dict[str, dict[str, Role]] = {
    "grep": {"-f": "file", "--file": "file"},
    "sed": {"-f": "file"},
    "awk": {"-f": "file"},
    "make": {"-C": "folder", "-f": "file", "--directory": "folder"},
    "git": {"-C": "folder"},
    "ssh": {"-i": "file"},
    "scp": {"-i": "file"},
    "tar": {"-C": "folder", "--directory": "folder"},
    "docker build": {"-f": "file", "--file": "file"},
    "docker compose": {"-f": "file", "--file": "file"},
    "docker-compose": {"-f": "file", "--file": "file"},
    "kubectl apply": {"-f": "any", "--filename": "any"},
    "kubectl create": {"-f": "any", "--filename": "any"},
    "kubectl delete": {"-f": "any", "--filename": "any"},
    "pip install": {"-r": "file", "--requirement": "file"},
    "pip3 install": {"-r": "file", "--requirement": "file"},
    "psql": {"-f": "file"},
    "ffmpeg": {"-i": "file"},
    "ansible-playbook": {"-i": "any"},
    "unzip": {"-d": "made"},
    "gcc": {"-o": "made"},
    "g++": {"-o": "made"},
    "clang": {"-o": "made"},
    "curl": {"-o": "made", "--output": "made", "-T": "file"},
    "wget": {"-O": "made"},
    "sort": {"-o": "made"},
    "cp": {"-t": "folder"},
    "mv": {"-t": "folder"},
    "terraform": {"-chdir": "folder"},
}
_REMOTE = re.compile(r"[\w.@-]*:|\w+://|.*@")
_PATHLIKE = re.compile(
    r"\.{0,2}/?[\w.+~ -]+(?:/[\w.+~ -]+)*(?:/|\.(?:py|js|ts|tsx|jsx|go|rs|c|h|cc|cpp|java|rb|php|"
    r"pl|sh|md|rst|txt|json|ya?ml|toml|ini|cfg|conf|xml|html?|css|csv|tsv|sql|log|pdf|png|jpe?g|gif|"
    r"svg|mp[34]|wav|mkv|tar|gz|tgz|zip|ipynb|tf|lock|env|db|pem|key|crt|service|patch|diff))\Z"
)
_OWN_NAMES = names(
    "git docker kubectl podman helm npm yarn pnpm apt apt-get dnf brew systemctl journalctl cargo "
    "go pip pip3 ip ping dig host nslookup curl wget ssh echo printf export alias set unset kill "
    "pkill killall man which type test [ [[ expr seq date for case read if while let return exit"
)
"""Programs whose operands are other things than paths."""


def uses(part: Part) -> Iterator[Use]:
    """The paths of a command, redirections included."""
    for operator, target in part.redirects:
        if target.plain and not operator.raw.endswith("<<<"):
            yield Use(target, "made" if ">" in operator.raw else "file")
    if not part.program:
        return
    if "/" in part.program:
        yield Use(part.words[0], "any")
    operands, valued = _split(part)
    yield from valued
    for use in _of_operands(part, operands):
        if use.token.plain and use.token.text not in ("", "-"):
            yield use


def operands(part: Part) -> tuple[Token, ...]:
    """What is left without options and their values."""
    return tuple(_split(part)[0])


def _split(part: Part) -> tuple[list[Token], list[Use]]:
    found = tool(part)
    paths = _PATH_OPTIONS.get(found.name) or _PATH_OPTIONS.get(part.program, {})
    letters = VALUED.get(part.program, "")
    left: list[Token] = []
    valued: list[Use] = []
    ended, at = False, 0
    while at < len(found.rest):
        token = found.rest[at]
        at += 1
        if ended or not token.text.startswith("-") or token.text == "-":
            left.append(token)
        elif token.text == "--":
            ended = True
        elif token.text in paths or (token.text[1:2] != "-" and token.text[-1] in letters):
            if at < len(found.rest) and token.text in paths and found.rest[at].plain:
                valued.append(Use(found.rest[at], paths[token.text]))
            at += 1
    return left, valued


def _of_operands(part: Part, words: Sequence[Token]) -> Iterator[Use]:
    name = part.program
    role: Role = "file" if name in _FILES else "folder" if name in _FOLDERS else "any"
    if name in _RUN or name in AFTER_FIRST:
        yield from _behind_script(part, words)
    elif name in _MADE:
        yield from (Use(word, "made") for word in words)
    elif name == "ln":
        yield from _linked(part, words)
    elif name in LAST_MADE:
        yield from _copied(part, words)
    elif name == "find":
        yield from _searched(part)
    elif name in _FILES or name in _ANY or name in _FOLDERS:
        yield from (Use(word, role) for word in words)
    elif name == "unzip":
        yield from (Use(word, "file") for word in words[:1])
    elif name == "zip":
        yield from (Use(word, "made" if word is words[0] else "any") for word in words)
    elif name in _COMPILED:
        yield from (Use(word, "file") for word in words)
    else:
        yield from _of_tool(part, words)


def _behind_script(part: Part, words: Sequence[Token]) -> Iterator[Use]:
    name = part.program
    if name in _RUN:
        if not part.has("c", "m", "e"):
            yield from (Use(word, "file") for word in words[:1])
        return
    given = any(letter in part.flags() for letter in _SCRIPT_IN_OPTION.get(name, ""))
    yield from (Use(word, "any") for word in words[0 if given else 1 :])


def _linked(part: Part, words: Sequence[Token]) -> Iterator[Use]:
    if len(words) > 1:
        yield Use(words[-1], "made")
        if not part.has("s", "--symbolic"):
            yield from (Use(word, "any") for word in words[:-1])


def _copied(part: Part, words: Sequence[Token]) -> Iterator[Use]:
    sources = words if part.has("t", "--target-directory") or len(words) < 2 else words[:-1]
    for word in words:
        if not (part.program in ("scp", "rsync") and _REMOTE.match(word.text)):
            yield Use(word, "any" if word in sources else "made")


def _searched(part: Part) -> Iterator[Use]:
    for word in part.args:
        if word.text[:1] in "-(!" or word.text.startswith("\\"):
            return
        yield Use(word, "any")


def _of_tool(part: Part, words: Sequence[Token]) -> Iterator[Use]:
    name = tool(part).name
    if name in ("git add", "git rm", "git mv", "git restore"):
        paths = words[:-1] if name == "git mv" and len(words) > 1 else words
        yield from (Use(word, "any") for word in paths)
    elif name in ("docker build", "docker image build"):
        yield from (Use(word, "folder") for word in words[-1:] if not _REMOTE.match(word.text))
    elif part.program not in _OWN_NAMES:
        for word in words:
            if _PATHLIKE.match(word.text) and not _REMOTE.match(word.text):
                yield Use(word, "guess")
