"""Programs that run another program: what is left when they are taken off.

The command may follow as words (``sudo -u x rm``, see ``prefixes``), or as a text for a shell
(``sh -c '…'``, ``ssh host '…'``). An option nobody knows may or may not take the next word, so both
readings are returned: a wrong guess must not hide a command.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import TYPE_CHECKING

from cmdai_shell.safety import finders
from cmdai_shell.safety.folding import output_of, stdin_of
from cmdai_shell.safety.interpreters import SHELLS, shell_texts
from cmdai_shell.safety.prefixes import CONTAINER, PREFIXES, Prefix
from cmdai_shell.safety.script import HOME, SOME, UNKNOWN, Call, Word, names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CONTAINERS = names("docker podman nerdctl docker-compose lxc incus nomad")
_CLUSTERS = names("kubectl oc k k3s microk8s minikube")
_MOST_WRAPPERS = 12
_WORST = names("rm dd shred mkfs mkfs.ext4 wipefs chmod chown mv cp sh bash eval reboot shutdown")


def unwrap(call: Call) -> Iterator[Call | str]:
    """What ``call`` runs in turn: calls (words that follow it) and scripts (texts for a shell).
    Nothing when it is no wrapper."""
    if not call.words:
        return
    inner = replace(call, wrappers=(*call.wrappers, call.program))
    program = call.program
    row = PREFIXES.get(program)
    if row is not None and (
        not row.after or any(word.text in row.after.split() for word in call.args)
    ):
        yield from _prefixed(inner, row)
    if program in SHELLS or program == "eval":
        yield from _shell(call)
    elif program in finders.FINDERS:
        yield from finders.executed(inner)
    elif program in _CONTAINERS:
        yield from _container(inner)
    elif program in _CLUSTERS:
        yield from _cluster_exec(inner)
    else:
        yield from _texts(call)
        yield from shell_texts(call)
        yield from _guessed(call)


def innermost(call: Call) -> tuple[Call, ...]:
    """``call`` and what is left when one wrapper after the other is taken off, that one last."""
    found = [call]
    while len(found) <= _MOST_WRAPPERS and (
        found[-1].program in PREFIXES or found[-1].program in UNKNOWN
    ):
        inner = next((c for c in unwrap(found[-1]) if isinstance(c, Call) and c.words), None)
        if inner is None or inner.program in ("xargs", "parallel"):
            break
        found.append(inner)
    return tuple(found)


def _guessed(call: Call) -> Iterator[Call]:
    """A program that only the running shell knows (``$SUDO rm …``, ``/bin/r?``): what it may be."""
    program = call.words[0]
    if program.glob:
        likely = [name for name in _WORST if fnmatchcase(name, call.program)]
    elif not program.known and call.program in UNKNOWN:
        flags = {char for word in call.args if word.text[:1] == "-" for char in word.text}
        likely = ["rm"] if flags >= {"r", "f"} else []
        for words in _after_options(call.args, Prefix()):
            if words:
                yield replace(call, words=words, guess=True)
    else:
        return
    for name in likely:
        yield replace(call, words=(Word(name), *call.args), guess=True)


def _prefixed(call: Call, row: Prefix) -> Iterator[Call | str]:
    if call.program == "command" and any(word.text in ("-v", "-V") for word in call.args[:1]):
        return  # only asks what the word means
    if call.program == "env":
        yield from _split_strings(call)
    for words in _after_options(call.args, row):
        words = words[row.operands :]
        if words and words[0].text == "--":
            words = words[1:]
        while row.assignments and words and _assigns(words[0].text):
            words = words[1:]
        if call.program in ("xargs", "parallel"):
            words = _with_input(call, words)
        if not words:
            if row.starts_shell:
                yield from _from_stdin(call)
        elif row.script:
            yield " ".join(word.text for word in words)
        else:
            yield replace(call, words=tuple(words))


def _with_input(call: Call, words: Sequence[Word]) -> tuple[Word, ...]:
    """The command of ``xargs`` or ``parallel`` with what it is given filled in or appended."""
    texts = [word.text for word in words]
    if ":::" in texts:
        at = texts.index(":::")
        words, values = words[:at], tuple(w for w in words[at:] if w.text != ":::")
    else:
        values = finders.handed(call)
    deep = bool(call.fed_by) and finders.all_below(call.fed_by[-1])
    mark = _mark(call)
    if mark or any("{}" in word.text for word in words):
        return finders.filled(words, mark or "{}", values, deep)
    return finders.filled((*words, *values) if words else (), "{}", (), deep)


def _mark(call: Call) -> str:
    """What ``-I`` names; the options of the command itself do not count."""
    valued = PREFIXES[call.program].valued.split()
    before = ""
    for option, value in pairwise([*(word.text for word in call.args), ""]):
        before, previous = option, before
        if previous in valued and previous not in ("-i", "--replace"):
            continue
        if option in ("-I", "-J"):
            return value
        if option.startswith(("-I", "--replace=")):
            return option.removeprefix("-I").removeprefix("--replace=")
        if option in ("-i", "--replace"):
            return "{}"
        if not option.startswith("-"):
            break
    return ""


def _after_options(args: tuple[Word, ...], row: Prefix) -> Iterator[tuple[Word, ...]]:
    """What follows the options: every reading, when an option is unknown."""
    valued, flags = set(row.valued.split()), set(row.flags.split())
    reached = {0}
    for at in range(len(args) + 2):
        if at not in reached:
            continue
        text = args[at].text if at < len(args) else ""
        if text == "--":
            yield args[at + 1 :]
        elif not text.startswith("-") or (text == "-" and "-" not in flags):
            yield args[at:]
        elif text in valued:
            reached.add(at + 2)
        elif (
            text in flags
            or "=" in text
            or _cluster(text, flags)
            or (text[:2] in valued and not text.startswith("--"))  # -uroot
        ):
            reached.add(at + 1)
        else:
            reached |= {at + 1, at + 2}


def _cluster(text: str, flags: set[str]) -> bool:
    """``-nE``: known flags behind one dash."""
    return text[1:2] != "-" and all(f"-{char}" in flags for char in text[1:])


def _assigns(text: str) -> bool:
    name, equals, _ = text.partition("=")
    return bool(equals) and name.replace("_", "a").isalnum()


def _split_strings(call: Call) -> Iterator[str]:
    for at, word in enumerate(call.args):
        if word.text in ("-S", "--split-string") and at + 1 < len(call.args):
            yield " ".join(w.text for w in call.args[at + 1 :])
        elif word.text.startswith(("-S", "--split-string=")) and len(word.text) > 2:
            yield word.text.removeprefix("--split-string=").removeprefix("-S")


def _cluster_exec(call: Call) -> Iterator[Call]:
    """``kubectl exec pod -- rm …``."""
    for at, word in enumerate(call.args):
        if word.text == "--" and any(w.text in ("exec", "run", "debug") for w in call.args[:at]):
            yield replace(call, words=call.args[at + 1 :])
            return


def _container(call: Call) -> Iterator[Call | str]:
    args = call.args
    for at, word in enumerate(args):
        if word.text in ("run", "exec", "create"):
            for words in _after_options(args[at + 1 :], CONTAINER):
                entry = [value for name, value in pairwise(args) if name.text == "--entrypoint"]
                if words[1:] or (entry and words):
                    inside = (*entry[:1], *words[1:])
                    yield replace(call, words=_outside(inside, args[at + 1 :]))
                elif words:
                    yield from _from_stdin(call)
            return


def _outside(words: Sequence[Word], options: Sequence[Word]) -> tuple[Word, ...]:
    """Paths in a container as the paths of this machine that are mounted there (``-v /:/host``)."""
    outside = list(words)
    for name, value in pairwise(options):
        if name.text not in ("-v", "--volume"):
            continue
        here, colon, there = value.text.partition(":")
        there = there.partition(":")[0].rstrip("/")
        if colon and there and here.startswith(("/", "~", HOME)):
            outside = [
                replace(w, text=w.text.replace(there, here.rstrip("/") or "/")) for w in outside
            ]
    return tuple(outside)


def _shell(call: Call) -> Iterator[str]:
    """``sh -c TEXT``, ``eval TEXT``, and a shell that reads its commands from its input."""
    if call.program == "eval":
        yield " ".join(word.text for word in call.args)
        return
    args = call.args
    for at, word in enumerate(args):
        option = word.text
        if option.startswith(("-", "+")) and not option.startswith("--") and "c" in option[1:]:
            later = [w for w in args[at + 1 :] if not w.text.startswith(("-", "+"))]
            if later:
                yield _positionals(later)
            return
        if option in ("--command", "--init-file", "--rcfile"):
            if option == "--command" and at + 1 < len(args):
                yield args[at + 1].text
        elif option.startswith("--command="):
            yield option.partition("=")[2]
    yield from _from_files(call)
    yield from _from_stdin(call)


def _from_files(call: Call) -> Iterator[str]:
    """``sh <(echo rm …)``: a script that is what another command prints."""
    for word in call.args:
        if word.sources and word.text == SOME:
            text = output_of(word.sources)
            if text is not None:
                yield text


def _positionals(words: Sequence[Word]) -> str:
    """The script, with its ``$0 $1 …`` assigned as the words after it say."""
    script = words[0].text
    given = [word.text for word in words[1:10]]
    if "$" not in script:
        return script
    for at, value in reversed(list(enumerate(given))):
        for name in (f"${{{at}}}", f"${at}"):
            script = script.replace(name, value)
    return script.replace("$@", " ".join(given[1:])).replace("$*", " ".join(given[1:]))


def _from_stdin(call: Call) -> Iterator[str]:
    text = stdin_of(call)
    if text is not None:
        yield text


_TEXT_OPTIONS = {
    "su": names("-c --command --session-command"),
    "runuser": names("-c --command --session-command"),
    "script": names("-c --command"),
    "nix-shell": names("--run --command"),
    "vagrant": names("-c --command"),
    "gcloud": names("--command"),
    "sg": names("-c"),
}
"""Options whose value is a script."""
_READ_SCRIPTS = names("at batch su")
_SOURCES = names("source .")
_GIT_SCRIPTS = names(
    "foreach --exec -x --tree-filter --index-filter --msg-filter --env-filter --commit-filter"
)
_CRON_LINE = re.compile(r"[ \t]*(?:@\w+|(?:[\w*/,-]+[ \t]+){4}[\w*/,-]+)[ \t]+(.*)")


def _texts(call: Call) -> Iterator[str]:
    """Scripts among the words of programs that are no shells."""
    program, args = call.program, call.args
    if program in _TEXT_OPTIONS:
        yield from _valued_texts(call)
    if program in _SOURCES:
        yield from _from_files(call)
    if program in _READ_SCRIPTS or (program in _SOURCES and not args[1:] and _from_input(args)):
        yield from _from_stdin(call)
    elif program == "crontab":
        for line in (stdin_of(call) or "").splitlines():
            if found := _CRON_LINE.fullmatch(line):
                yield found[1]
    elif program == "trap":
        yield from (word.text for word in args[:1])
    elif program in ("alias", "abbr"):
        operands = [word.text for word in args if not word.text.startswith("-")]
        if operands and "=" in operands[0]:
            yield from (text.partition("=")[2] for text in operands)
        else:
            yield " ".join(operands[1:])
    elif program in ("tmux", "screen"):
        yield from (word.text for word in args if " " in word.text)
        yield from _tail(args)
    elif program == "git":
        yield from _git(args)


def _from_input(args: Sequence[Word]) -> bool:
    return not args or args[0].text in ("-", "/dev/stdin", "/dev/fd/0")


def _valued_texts(call: Call) -> Iterator[str]:
    options = _TEXT_OPTIONS[call.program]
    for word, value in pairwise([*call.args, Word("")]):
        name, equals, text = word.text.partition("=")
        if name in options and equals:
            yield text
        elif name in options or (re.fullmatch(r"-\w+c", name) and "-c" in options):
            yield value.text


def _tail(args: Sequence[Word]) -> Iterator[str]:
    """``tmux new -d rm -rf x``: the words of its command are not told from its own."""
    for at, word in enumerate(args):
        if word.text.rpartition("/")[2] in SHELLS | {"rm", "sudo", "dd"}:
            yield " ".join(w.text for w in args[at:])
            return


def _git(args: Sequence[Word]) -> Iterator[str]:
    texts = [word.text for word in args]
    for at, text in enumerate(texts):
        if text.startswith("alias.") and "=!" in text:
            yield text.partition("=!")[2]
        elif text in _GIT_SCRIPTS:
            yield from texts[at + 1 : at + 2]
        elif text == "run" and "bisect" in texts[:at]:
            yield " ".join(texts[at + 1 :])
