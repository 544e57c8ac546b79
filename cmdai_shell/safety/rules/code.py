"""Programs given on the line itself: ``python -c``, ``perl -e``, ``awk``, here-documents."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.safety.interpreters import code_of, literals
from cmdai_shell.safety.rules.files import LOSING_ALL
from cmdai_shell.safety.rules.rule import CAUTION, CRITICAL, DANGEROUS, Finding, Options
from cmdai_shell.safety.rules.secrets import secret
from cmdai_shell.safety.rules.writes import overwrites
from cmdai_shell.safety.script import HOME, MAYBE, Word, spoken
from cmdai_shell.safety.targets import NAMES, Place, place, system_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.safety.rules.rule import Check
    from cmdai_shell.safety.script import Call

_DEEP = re.compile(
    r"\b(?:rmtree|rm_rf|rm_r|remove_dir|remove_entry(?:_secure)?|rmSync|rmdirSync|remove_tree"
    r"|delete_tree|Deno\.remove|Deno\.removeSync|removeSync|rimraf|fs\.rm|fs\.rmdir)\s*[(\s]([^;\n]{0,200})"
)
_SINGLE = re.compile(
    r"\b(?:unlink(?:Sync)?|os\.remove|removedirs|File\.delete|FileUtils\.rm|Path)\s*[(\s]([^;\n]{0,200})"
)
_WRITES = re.compile(
    r"\b(?:open|fopen|writeFile(?:Sync)?|appendFile(?:Sync)?|file_put_contents|File\.write|IO\.write|Path)"
    r"\s*[(\s]([^;\n]{0,200})"
)
_FOR_WRITING = re.compile(
    r"['\"][rb]*[wax]\+?[btrwax+]*['\"]|['\"]\+?>|write|append|file_put_contents"
)
_HOMES = re.compile(
    r"expanduser\(\s*['\"]~|Path\.home\(\)|environ(?:\.get)?[\[(]['\"]HOME|ENV\[['\"]HOME"
    r"|ENV\{['\"]?HOME|process\.env\.HOME|homedir\(\)|getenv\(['\"]HOME|Dir\.home"
)
_NETWORK = r"urlopen|urlretrieve|requests\.|httpx\.|http\.get|https\.get|fetch\(|LWP|open-uri|Net::HTTP|['\"]https?://"
_RUNS_NETWORK = re.compile(
    rf"\b(?:exec|eval|compile|Function)\b.{{0,400}}(?:{_NETWORK})", re.DOTALL
)
_RUNS_HIDDEN = re.compile(
    r"\b(?:exec|eval|system|compile)\b.{0,400}(?:b64decode|decode_base64|base64_decode|unhexlify"
    r"|fromhex|atob\(|'base64'|\"base64\"|gzinflate|str_rot13|decode64)",
    re.DOTALL,
)
_SOCKET = re.compile(r"socket|fsockopen|TCPSocket|net\.connect|/inet/tcp", re.IGNORECASE)
_SHELL = re.compile(
    r"dup2|/bin/(?:ba|z|da)?sh\b|pty\.spawn|cmd\.exe|\bsh -i|subprocess|child_process"
)
_SENDS = re.compile(rf"{_NETWORK}|socket|smtplib|ftplib|\.post\(|\.put\(", re.IGNORECASE)
_KILLS_ALL = re.compile(r"\bkill\s*\(?\s*(?:-1\b|[^,()\n]{1,20},\s*-1\b)")
_MANY = re.compile(r"['\"<](/?[^'\"<>\s]{0,200}\*[^'\"<>\s]{0,50})['\">]")
"""A glob in a program."""
_FORKS = re.compile(r"(?:while|for|loop|until)\b.{0,60}\bfork\b|\bfork\s+while\b", re.DOTALL)


def _code(call: Call) -> Iterator[Finding]:
    code = code_of(call)[:8192]
    if not code:
        return
    yield from _deletions(code, call)
    yield from _writings(code, call)
    if _RUNS_NETWORK.search(code):
        yield Finding(CRITICAL, "runs code from the network that nobody has looked at")
    if _RUNS_HIDDEN.search(code):
        yield Finding(CRITICAL, "runs code that is hidden in an encoding")
    if _SOCKET.search(code) and _SHELL.search(code):
        yield Finding(CRITICAL, "hands a shell on this machine to another one")
    if _KILLS_ALL.search(code):
        yield Finding(CRITICAL, "ends every process it may end, this session included")
    if _FORKS.search(code):
        yield Finding(CRITICAL, "starts copies of itself without end (a fork bomb)")
    risk = max((r for text in literals(code) if (r := secret(text)) is not None), default=None)
    if risk is not None:
        sends = _SENDS.search(code) is not None
        yield Finding(
            risk if sends else CAUTION,
            "sends keys or passwords to another machine" if sends else "reads keys or passwords",
        )


def _in_place(call: Call) -> Iterator[Finding]:
    """``perl -pi -e … file``: the files change."""
    options = Options(call)
    if "i" in options.short and "e" in options.short:
        for word in options.operands:
            if word.text.startswith("/"):
                yield from overwrites(word, call, "changes")
        yield Finding(CAUTION, "changes files in place")


def _paths(argument: str) -> list[Word]:
    """The paths that the argument of a function may name."""
    argument = argument.partition(")")[0] if "(" not in argument else argument
    home = HOME if _HOMES.search(argument) else ""
    texts = [text.lstrip("+<> ") for text in literals(argument)]
    texts = [text for text in texts if text]
    if home:
        rest = next((t for t in texts if t not in ("~", "HOME")), "")
        return [Word(HOME + ("/" + rest.lstrip("/~") if rest else ""))]
    return [Word(text, "*" in text) for text in texts[:1]] or [Word(MAYBE)]


def _deletions(code: str, call: Call) -> Iterator[Finding]:
    for found in _DEEP.finditer(code):
        for word in _paths(found.group(1)):
            where = place(word, call)
            risk = LOSING_ALL[where]
            name = NAMES.get(where) or f"{spoken(word.text)} and all that is in it"
            yield Finding(risk, f"deletes {name}")
    for found in _SINGLE.finditer(code):
        if found.group().startswith("Path") and ".unlink" not in found.group():
            continue
        words = _paths(found.group(1))
        if not words[0].known or words[0].text in ("glob", ""):
            words += [Word(glob, True) for glob in _MANY.findall(code)]
        for word in words:
            where = place(word, call)
            if system_file(word.text) or where in (Place.SYSTEM, Place.ROOT, Place.HOME):
                yield Finding(CRITICAL, f"deletes {NAMES.get(where, spoken(word.text))}")
            else:
                risk = DANGEROUS if where in (Place.HERE, Place.PRECIOUS) else CAUTION
                yield Finding(risk, "deletes files for good")


def _writings(code: str, call: Call) -> Iterator[Finding]:
    for found in _WRITES.finditer(code):
        if _FOR_WRITING.search(found.group()):
            for word in _paths(found.group(1)):
                yield from overwrites(word, call)


_PROGRAMS = (
    "python",
    "python2",
    "python3",
    "pypy",
    "pypy3",
    "perl",
    "ruby",
    "node",
    "nodejs",
    "php",
    "lua",
    "luajit",
    "deno",
    "bun",
    "awk",
    "gawk",
    "mawk",
    "osascript",
    "Rscript",
    "elixir",
    "groovy",
    "julia",
    *(f"python3.{minor}" for minor in range(6, 20)),
)


def _line_editor(call: Call) -> Iterator[Finding]:
    yield from _code(call)
    yield from _in_place(call)


CHECKS: dict[str, Check] = {
    **dict.fromkeys(_PROGRAMS, _code),
    "perl": _line_editor,
    "ruby": _line_editor,
}
