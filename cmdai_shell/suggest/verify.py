"""Checks a command can fail without being dangerous: it does not parse, a program is missing, a
name the person wrote got lost, or it changes things although only a look was asked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.core import Risk
from cmdai_shell.safety import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cmdai_shell.core import Look, SuggestRequest, Verdict

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
_WORDS: dict[str, frozenset[str]] = {
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
        "false fg fish_add_path for funced funcsave function functions history if in isatty jobs "
        "math nextd not open or path popd prevd printf pushd pwd random read realpath return set "
        "set_color source status string suspend switch test time trap true type ulimit umask "
        "vared wait while"
    ),
}
"""Builtins and keywords, from each shell's manual."""

_FUNCTION = re.compile(r"(?:^|[;&|\s])(?:function\s+([\w.-]+)|([\w.-]+)\s*\(\s*\))")
_NAME = re.compile(r"[\w@%+:~/.-]*[\w~](?:[./][\w-]+)+/?|/(?:[\w.-]+/?)+")
_NOT_NAMES = re.compile(r"[\d.,/:]+|e\.g|i\.e|and/or|n/a|w/o|[A-Za-z]\.[A-Za-z]")
_PLACEHOLDER = re.compile(
    r"/?path/to\b|<[a-z][a-z _-]*>|\byour[_-]\w+|\[[a-z ]+name\]"
    r"|\b(?:file|dir|directory|folder)_?name\b"
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
"""Beginnings of words that ask for a change. Without one of them a person wants to look."""

_REMOVERS = frozenset({"rm", "rmdir", "unlink", "shred", "truncate", "kill", "pkill", "killall"})


def findings(
    command: str, request: SuggestRequest, verdict: Verdict, look: Look
) -> tuple[str, ...]:
    """What is wrong with ``command`` as an answer to ``request``, worst first; empty if nothing."""
    parsed = parse(command, request.shell)
    if parsed.broken:
        return (f"it is not complete as a {request.shell} command",)
    programs = [call.words[0].text for call in parsed.commands if call.words]
    found = [
        *_unasked(programs, request, verdict),
        *_missing(programs, command, request, look),
        *_placeholders(command, request.line),
        *_lost_names(command, request.line),
    ]
    return tuple(dict.fromkeys(found))[:_MOST]


def _missing(
    programs: list[str], command: str, request: SuggestRequest, look: Look
) -> Iterator[str]:
    """Programs that are not on the shell's PATH. A name the person used is theirs: an alias or a
    function of a shell we cannot see into."""
    defined = {name for pair in _FUNCTION.findall(command) for name in pair if name}
    own = set(re.findall(r"[\w.+-]+", request.line))
    known = _WORDS[request.shell] | defined | own
    for program in programs:
        plain = re.fullmatch(r"[\w.+-]+", program)
        if plain and program not in known and not look.which(program, request.path):
            yield f"{program} is not installed here"


def _unasked(programs: list[str], request: SuggestRequest, verdict: Verdict) -> Iterator[str]:
    risky = verdict.risk >= Risk.DANGEROUS or not _REMOVERS.isdisjoint(programs)
    asked = request.line or request.last_command
    begun = programs and programs[0] in asked.split()
    if risky and not begun and not _CHANGES.search(asked):
        yield "it deletes or stops things, which was not asked"


def _placeholders(command: str, asked: str) -> Iterator[str]:
    for found in _PLACEHOLDER.finditer(command):
        if found[0] not in asked:
            yield f"{found[0]} stands for a name you have to fill in"


def _lost_names(command: str, asked: str) -> Iterator[str]:
    """Paths, files and addresses of the request that the command does not mention."""
    plain = re.sub(r"[\\'\"]", "", command)
    for found in _NAME.finditer(asked):
        name = found[0].rstrip("./")
        if name and not _NOT_NAMES.fullmatch(name) and name not in plain:
            yield f"{name} is not in it"
