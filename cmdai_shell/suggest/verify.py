"""Checks a command can fail without being dangerous: it does not parse, a program is missing, a
name the person wrote got lost, the manual knows no such option, it changes things although only a
look was asked for, or it sorts what has no order."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cmdai_shell.core import Risk
from cmdai_shell.safety import parse
from cmdai_shell.suggest import flags
from cmdai_shell.suggest.context import redact, restore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cmdai_shell.core import Manual, SuggestRequest, Verdict
    from cmdai_shell.safety import Call
    from cmdai_shell.suggest.context import Here


@dataclass(frozen=True, slots=True)
class Finding:
    """``text`` is for the person, ``advice`` is what a model is told to do better."""

    text: str
    advice: str


_MOST = 3
"""Findings that are reported: a person reads one line."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_POSIX_WORDS = _set(
    ". : [ [[ ]] { } ! alias bg break case cd command continue do done echo elif else esac eval "
    "exec exit export false fc fg fi for function getopts hash if in jobs kill printf pwd read "
    "readonly return set shift test then time times trap true type ulimit umask unalias unset "
    "until wait while select source"
)
WORDS: dict[str, frozenset[str]] = {
    "bash": _POSIX_WORDS
    | _set(
        "bind builtin caller compgen complete compopt coproc declare dirs disown enable help "
        "history let local logout mapfile popd pushd readarray shopt suspend typeset"
    ),
    "zsh": _POSIX_WORDS
    | _set(
        "autoload bindkey builtin chdir declare dirs disable disown emulate enable foreach end "
        "float history integer let limit local logout nocorrect noglob popd print pushd pushln "
        "rehash repeat setopt suspend typeset unfunction unhash unsetopt vared whence where which "
        "zcompile zle zmodload zparseopts zstyle"
    ),
    "fish": _set(
        ". : [ ! abbr and argparse begin bg bind block break builtin case cd command commandline "
        "complete contains continue count dirh dirs disown echo else emit end eval exec exit "
        "export false fg fish_add_path for funced funcsave function functions history if in isatty "
        "jobs math nextd not open or path popd prevd printf pushd pwd random read realpath return "
        "set set_color source status string suspend switch test time trap true type ulimit umask "
        "vared wait while"
    ),
}
"""Builtins and keywords, from each shell's manual."""

_ELSEWHERE = _set("docker podman nerdctl kubectl oc ssh chroot nsenter nix-shell")
"""Wrappers whose command runs where we cannot look for its program."""

_FUNCTION = re.compile(r"(?:^|[;&|\s])(?:function\s+([\w.-]+)|([\w.-]+)\s*\(\s*\))")
_NAME = re.compile(  # the look behind keeps it linear: one try for each run of these characters
    r"(?<![\w@%+:~/.-])[\w@%+:~/.-]*[\w~](?:[./][\w-]+)+/?|/(?:[\w.-]+/?)+"
)
_NOT_NAMES = re.compile(r"[\d.,/:]+|e\.g|i\.e|and/or|n/a|w/o|[A-Za-z]\.[A-Za-z]|\.?tar\.\w+|\.\w+")
_PLACEHOLDER = re.compile(
    r"/?path/to\b|<[a-z][a-z _-]*>|\byour[_-]\w+|\[[a-z ]+name\]"
    r"|\b(?:file|directory|folder)_?name\b|\bdir_name\b"
)
_CHANGES = re.compile(
    r"\b(?:add|appl|append|archiv|backup|build|chang|chmod|chown|clean|clear|clon|commit|compress|"
    r"conver|copy|cp|creat|dd|delet|destroy|discard|download|drop|empt|enabl|disabl|eras|exec|"
    r"extract|fix|forc|format|get rid|give|instal|kill|link|ln|mak|merg|mk|mount|mov|mv|new|"
    r"overwrit|permission|prun|pull|purg|push|put|reboot|remov|renam|replac|reset|restart|restor|"
    r"revert|rewrit|rm|run|sav|set|shred|shut|squash|start|stop|swap|terminat|throw|touch|trim|"
    r"truncat|undo|uninstal|unzip|updat|upgrad|wip|writ|zip)",
    re.IGNORECASE,
)
"""Beginnings of words that ask for a change."""
_LOOKS = re.compile(
    r"\b(?:what|whats|which|who|whos|where|wheres|when|how|is|are|does|did|was|list|show|print|"
    r"display|find|count|see|tell|view|look|check|search|compare|diff|status|biggest|largest|"
    r"smallest|newest|oldest|latest)\b",
    re.IGNORECASE,
)
"""Words that ask for a look. A request with neither ("port 8080") tells nothing."""
_DIGITS = re.compile(r"\d+")


def findings(
    command: str,
    request: SuggestRequest,
    verdict: Verdict,
    here: Here,
    manual: Manual | None = None,
) -> tuple[Finding, ...]:
    """What is wrong with ``command`` as an answer to ``request``, worst first; empty if nothing.
    No advice has a credential of the request: a placeholder stands for it."""
    parsed = parse(command, request.shell)
    if parsed.broken:
        return (Finding(f"not a complete {request.shell} command", "on one line"),)
    line, secrets = redact(request.line)
    last, secrets = redact(request.last_command, secrets)
    if secrets:
        request = replace(request, line=line, last_command=last)
        command, _ = redact(command, secrets)
        parsed = parse(command, request.shell)
    found: list[Finding] = []
    if not _is_begun(command, request.line):
        found += _unasked(request, verdict)
        for program in missing(command, request, here):
            found.append(Finding(f"{program} is not installed here", f"without {program}"))
        found += _leaving(parsed.commands, request)
        found += _invented(parsed.commands, command, request, manual)
    found += _placeholders(command, request.line)
    for name in lost_names(command, request.line):
        found.append(Finding(f"{name} is not in it", f"use {name}"))
    found += _sorted_listing(parsed.commands, here)
    return tuple(
        replace(finding, text=restore(finding.text, secrets)) for finding in dict.fromkeys(found)
    )[:_MOST]


def _is_begun(command: str, line: str) -> bool:
    """The person typed the beginning of this command: its program and what it does are theirs (an
    alias or a function, say, of a shell we cannot see into)."""
    first_words = " ".join(line.split()[:2])
    return bool(first_words) and command.startswith(first_words)


def missing(command: str, request: SuggestRequest, here: Here) -> Iterator[str]:
    """Programs that are neither the shell's own, nor defined in the command, nor on its PATH."""
    defined = _defined(command)
    for call in parse(command, request.shell).commands:
        if not call.words or not _ELSEWHERE.isdisjoint(call.wrappers):
            continue
        program = call.words[0].text
        is_name = program not in defined and re.fullmatch(r"[\w.+-]+", program)
        if is_name and not runs(program, request, here):
            yield program


def _invented(
    calls: Sequence[Call], command: str, request: SuggestRequest, manual: Manual | None
) -> Iterator[Finding]:
    """Options that the programs do not have, by this machine's own manual."""
    if manual is None:
        return
    here = [call for call in calls if _ELSEWHERE.isdisjoint(call.wrappers)]
    skip = WORDS[request.shell] | _defined(command)
    for program, option in flags.invented(here, manual, skip):
        yield Finding(f"{program} has no {option}", f"without {option}")


def _defined(command: str) -> set[str]:
    """Functions that the command itself defines."""
    return {name for pair in _FUNCTION.findall(command) for name in pair if name}


def runs(program: str, request: SuggestRequest, here: Here) -> bool:
    """Whether the person's shell knows ``program``: its own word, or on its PATH."""
    return program in WORDS[request.shell] or here.has(program)


def _unasked(request: SuggestRequest, verdict: Verdict) -> Iterator[Finding]:
    asked = request.line or request.last_command
    if verdict.risk < Risk.CAUTION or _CHANGES.search(asked):
        return
    deletes = any(reason.startswith("deletes") for reason in verdict.reasons)
    if deletes or verdict.risk >= Risk.DANGEROUS or _LOOKS.search(asked):
        yield Finding("changes things, which was not asked", "without changing anything")


def _leaving(calls: Sequence[Call], request: SuggestRequest) -> Iterator[Finding]:
    """What would end the person's shell, at once or at its next failure."""
    asked = request.line or request.last_command
    for call in calls:
        ends = call.program in ("exit", "logout") or (
            call.program == "set" and any(_has(call, flag) for flag in "eu")
        )
        if ends and not call.wrappers and call.program not in asked:
            yield Finding(f"{call.program} is for scripts: it can close this shell", "no exit")


def _placeholders(command: str, asked: str) -> Iterator[Finding]:
    for found in _PLACEHOLDER.finditer(command):
        if found[0] not in asked:
            yield Finding(f"{found[0]} has to be filled in", f"without {found[0]}")


def lost_names(command: str, asked: str) -> list[str]:
    """Paths, files and addresses of the request that the command does not mention."""
    plain = re.sub(r"[\\'\"]", "", command)
    names = (found[0].rstrip("./") for found in _NAME.finditer(asked))
    return [
        name
        for name in names
        if name and not _NOT_NAMES.fullmatch(name) and not _mentions(plain, name)
    ]


def _mentions(command: str, name: str) -> bool:
    """``name``, or a pattern that stands for it: what is around its digits ("page1.txt" of
    page{1..9}.txt)."""
    if name in command:
        return True
    parts = [part for part in _DIGITS.split(name) if part]
    return (
        _DIGITS.search(name) is not None
        and bool(re.search(r"[*?\[{$%]", command))
        and all(part in command for part in parts)
    )


def _sorted_listing(calls: Sequence[Call], here: Here) -> Iterator[Finding]:
    """``ls -l | sort -n``, a habit of models: the first column holds the permissions, no number."""
    for call in calls:
        by_number = call.program == "sort" and any(_has(call, flag) for flag in "nhg")
        if not by_number or _has(call, "k") or not call.fed_by:
            continue
        _, listing, flags = " ".join(word.text for word in call.fed_by[-1].words).rpartition("ls -")
        if listing and "l" in flags.partition(" ")[0] and "s" not in flags.partition(" ")[0]:
            gnu = here.userland == "GNU"
            better = "with find -type f -printf" if gnu else "with find -type f and stat"
            yield Finding("sorts ls by its first column, which is no number", better)


def _has(call: Call, flag: str) -> bool:
    return any(re.match(rf"-[a-zA-Z]*{flag}", argument) for argument in call.arguments)
