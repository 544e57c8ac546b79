"""Programs that run another program: what is left when they are taken off.

Two kinds of table row: ``_PREFIX`` (the command follows as words: ``sudo -u x rm``) and ``_SCRIPT``
(the command is a text: ``sh -c '…'``, ``ssh host '…'``). An option that a row does not know may or
may not take the next word, so both readings are returned: a wrong guess must not hide a command.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cmdai_shell.safety.folding import stdin_of
from cmdai_shell.safety.interpreters import SHELLS, shell_texts
from cmdai_shell.safety.script import MAYBE, SOME, Call, Word

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Prefix:
    """``valued``: options that take the next word; ``flags``: options that take none;
    ``operands``: words of its own before the command; ``after``: the words that must come first."""

    valued: str = ""
    flags: str = ""
    operands: int = 0
    assignments: bool = False
    script: bool = False
    """The command may be one text with blanks in it, given to a shell."""


_SUDO = Prefix(
    "-u -g -p -C -h -r -t -T -U -R -D --user --group --prompt --host --chdir --chroot --role"
    " --type --other-user --command-timeout --close-from",
    "-A -b -E -e -H -i -K -k -n -P -S -s -v -l -B -N --login --shell --set-home --non-interactive"
    " --stdin --background --askpass --preserve-env",
    assignments=True,
)
_CONTAINER = Prefix(
    "-e -v -p -u -w -h -l -m -c --name --env --volume --publish --user --workdir --network --net"
    " --mount --entrypoint --hostname --label --memory --cpus --gpus --platform --restart --device"
    " --add-host --cap-add --cap-drop --env-file --ipc --pid --privileged= --pull --runtime --shm-size"
    " --ulimit --tmpfs --security-opt --link --dns --log-driver --index --userns --cgroupns -f --file"
    " --project-name --profile",
    "-i -t -d -it -ti -dit -itd --rm --interactive --tty --detach --privileged --init --read-only"
    " -T -P --no-deps --quiet -q",
    operands=1,
)

_PREFIX: dict[str, Prefix] = {
    "sudo": _SUDO,
    "doas": Prefix("-u -C -a", "-n -s -L"),
    "pkexec": Prefix("--user", "--disable-internal-agent --keep-cwd"),
    "run0": Prefix("-u -g -D --user --group --chdir --unit --property --setenv --nice", "--no-ask-password"),
    "env": Prefix("-u -C -S -P --unset --chdir --split-string", "-i -0 -v -", assignments=True),
    "nohup": Prefix(),
    "nice": Prefix("-n --adjustment"),
    "ionice": Prefix("-c -n -p -P -u --class --classdata", "-t"),
    "time": Prefix("-f -o --format --output", "-p -v -a -l -h"),
    "timeout": Prefix("-s -k --signal --kill-after", "-f -v -p --foreground --preserve-status", 1),
    "gtimeout": Prefix("-s -k --signal --kill-after", "--foreground --preserve-status", 1),
    "stdbuf": Prefix("-i -o -e --input --output --error"),
    "setsid": Prefix("", "-c -f -w --fork --wait --ctty"),
    "command": Prefix("", "-p"),
    "builtin": Prefix(),
    "exec": Prefix("-a", "-c -l"),
    "noglob": Prefix(),
    "nocorrect": Prefix(),
    "-": Prefix(),
    "busybox": Prefix(),
    "toybox": Prefix(),
    "chroot": Prefix("--userspec --groups", "--skip-chdir", 1),
    "chrt": Prefix("-T -P -D", "-a -b -f -i -o -r -R -d", 1),
    "taskset": Prefix("", "-a -c", 1),
    "numactl": Prefix("-N -m -C -p -i --cpunodebind --membind --physcpubind", "-l"),
    "unshare": Prefix("-R -S -G -w --root", "-m -u -i -n -p -U -C -T -r -f --fork --pid --net --mount"),
    "nsenter": Prefix("-t -S -G --target", "-a -m -u -i -n -p -U -C -T --all --mount --net --pid"),
    "strace": Prefix("-e -o -p -s -u -P -I -E", "-f -ff -c -t -tt -T -v -y -yy -q -k -r -i"),
    "ltrace": Prefix("-e -o -p -s -u -n -l", "-f -c -S -i -r -t"),
    "gdb": Prefix("-ex -x", "--args -q -batch --batch"),
    "valgrind": Prefix(),
    "perf": Prefix("-e -o -F -g", "-a", 1),
    "systemd-run": Prefix(
        "-u -p -E -H -M -t --unit --property --description --slice --setenv --uid --gid --nice"
        " --on-active --on-boot --on-calendar --timer-property --working-directory",
        "--user --system --scope -G --collect --wait --pty -P --pipe -q --no-block -S --shell -d -r",
    ),
    "systemd-inhibit": Prefix("--what --who --why --mode"),
    "caffeinate": Prefix("-t -w", "-d -i -m -s -u"),
    "watch": Prefix("-n --interval -s", "-d -t -b -e -g -c -x -w -p --differences --no-title", script=True),
    "parallel": Prefix(
        "-j -a -C -I -n -N -L -S --jobs --colsep --arg-file --delay --timeout --joblog --retries",
        "-k -X -m -0 --bar --progress --dry-run --eta --halt-on-error -v --keep-order",
        script=True,
    ),
    "flock": Prefix("-w -E --timeout", "-n -x -s -e -o -F -u --nonblock", 1, script=True),
    "entr": Prefix("", "-c -d -n -p -r -s -z -cr -rc", script=True),
    "hyperfine": Prefix("-w -m -M -r -p -P -n --warmup --runs --prepare", "-i -N", script=True),
    "ssh": Prefix(
        "-b -c -D -E -e -F -I -i -J -L -l -m -O -o -p -Q -R -S -W -w -B",
        "-4 -6 -A -a -C -f -G -g -K -k -M -N -n -q -s -T -t -tt -V -v -vv -X -x -Y -y",
        1,
        script=True,
    ),
    "sshpass": Prefix("-p -f -d -P", "-e -v"),
    "mosh": Prefix("-p --ssh --port", "", 1),
    "fakeroot": Prefix("-l -s -i -b", "-u"),
    "firejail": Prefix(),
    "bwrap": Prefix("--chdir --setenv --unsetenv --dev --proc --tmpfs --dir --uid --gid --hostname"),
    "runuser": Prefix("-u -g -G --user --group", "-l - --login", script=False),
    "setpriv": Prefix("--reuid --regid --groups --rlimit", "--clear-groups --init-groups"),
    "gosu": Prefix(operands=1),
    "su-exec": Prefix(operands=1),
    "chpst": Prefix("-u -U -b -/ -n -l -L -m -d -o -p -f -c", "-v -P -0 -1 -2"),
    "cgexec": Prefix("-g", "--sticky"),
    "torsocks": Prefix(), "tsocks": Prefix(), "proxychains": Prefix("-f", "-q"),
    "proxychains4": Prefix("-f", "-q"), "torify": Prefix(), "unbuffer": Prefix("", "-p"),
    "setarch": Prefix("", "-R -v", 1), "linux32": Prefix(), "linux64": Prefix(),
    "xvfb-run": Prefix("-e -f -n -p -s -w", "-a -l"), "dbus-run-session": Prefix("--config-file", "--"),
    "direnv": Prefix(operands=2), "prime-run": Prefix(), "optirun": Prefix(),
    "op": Prefix("", "--", 1), "aws-vault": Prefix("", "--", 2), "doppler": Prefix("", "--", 1),
    "uv": Prefix("--with --python -p --group --extra --directory", "--no-sync --frozen -q", 1),
    "poetry": Prefix("", "-q", 1), "pipenv": Prefix("", "", 1), "bundle": Prefix("", "", 1),
    "conda": Prefix("-n -p --name --prefix", "--no-capture-output", 1), "rye": Prefix("", "", 1),
    "adb": Prefix("-s -t -H -P", "-d -e", 1, script=True),
    "xargs": Prefix(
        "-I -n -P -L -d -s -E -a -i -l --max-args --max-procs --delimiter --max-lines --replace"
        " --arg-file --max-chars -J -R",
        "-0 -r -t -p -x -o --null --no-run-if-empty --verbose --interactive --exit",
    ),
}  # fmt: skip
_FIRST_WORD = {
    "op": ("run",), "aws-vault": ("exec",), "doppler": ("run",), "uv": ("run",), "rye": ("run",),
    "poetry": ("run",), "pipenv": ("run",), "bundle": ("exec",), "conda": ("run",), "adb": ("shell",),
    "perf": ("stat", "record", "trace"), "direnv": ("exec",),
}  # fmt: skip
_CONTAINERS = frozenset({"docker", "podman", "nerdctl", "docker-compose", "lxc", "incus", "nomad"})
_CLUSTERS = frozenset({"kubectl", "oc", "k", "k3s", "microk8s", "minikube"})


def unwrap(call: Call) -> Iterator[Call | str]:
    """What ``call`` runs in turn: calls (words that follow it) and scripts (texts for a shell).
    Nothing when it is no wrapper."""
    if not call.words:
        return
    inner = replace(call, wrappers=(*call.wrappers, call.program))
    program = call.program
    row = _PREFIX.get(program)
    if program in _FIRST_WORD and not any(w.text in _FIRST_WORD[program] for w in call.args):
        row = None
    if row is not None:
        yield from _prefixed(inner, row)
    elif program in SHELLS or program == "eval":
        yield from _shell(call)
    elif program in ("find", "fd", "fdfind", "gfind"):
        yield from _finder(inner)
    elif program in _CONTAINERS or program in _CLUSTERS:
        yield from _container(inner)
    else:
        yield from _texts(call)
        yield from shell_texts(call)


def _prefixed(call: Call, row: Prefix) -> Iterator[Call | str]:
    for words in _after_options(call.args, row):
        words = words[row.operands :]
        while row.assignments and words and _assigns(words[0].text):
            words = words[1:]
        if call.program == "env":
            yield from _split_strings(call)
        if not words:
            if call.program in ("sudo", "doas", "ssh", "chroot", "unshare", "nsenter", "busybox"):
                yield from _from_stdin(call)
            continue
        if call.wrappers[-1] in ("xargs", "parallel"):
            words = (*_filled(call, words), *_appended(call, words))
        if row.script:
            yield " ".join(word.text for word in words)
        else:
            yield replace(call, words=tuple(words))


def _after_options(args: tuple[Word, ...], row: Prefix) -> list[tuple[Word, ...]]:
    """What follows the options; two readings when an option is unknown."""
    valued, flags = set(row.valued.split()), set(row.flags.split())
    at = 0
    while at < len(args):
        text = args[at].text
        if text == "--":
            return [args[at + 1 :]]
        if not text.startswith("-") or (text == "-" and "-" not in flags):
            break
        if text in valued:
            at += 2
        elif text in flags or "=" in text or _cluster(text, valued, flags):
            at += 1
        elif text[:2] in valued and not text.startswith("--"):
            at += 1  # -uroot
        else:
            rest = args[at + 1 :]
            return [r for skip in (0, 1) for r in _after_options(rest[skip:], row)][:6]
    return [args[at:]]


def _cluster(text: str, valued: set[str], flags: set[str]) -> bool:
    """``-nE``: known flags behind one dash."""
    return not text.startswith("--") and all(f"-{char}" in flags for char in text[1:])


def _assigns(text: str) -> bool:
    name, equals, _ = text.partition("=")
    return bool(equals) and name.replace("_", "a").isalnum()


def _split_strings(call: Call) -> Iterator[str]:
    for at, word in enumerate(call.args):
        if word.text in ("-S", "--split-string") and at + 1 < len(call.args):
            yield " ".join(w.text for w in call.args[at + 1 :])
        elif word.text.startswith(("-S", "--split-string=")) and len(word.text) > 2:
            yield word.text.removeprefix("--split-string=").removeprefix("-S")


def _found(call: Call) -> tuple[Word, ...]:
    """What the calls before ``xargs`` hand to it, as words."""
    source = call.fed_by[-1] if call.fed_by else None
    if source is not None and source.program in ("find", "fd", "fdfind", "gfind"):
        return _matches(source)
    text = stdin_of(call)
    if text is not None and text != MAYBE:
        return tuple(Word(part, "*" in part) for part in text.split()[:32])
    return (Word(SOME if source and source.program in ("ls", "git", "pgrep", "grep") else MAYBE),)


def _appended(call: Call, words: Sequence[Word]) -> tuple[Word, ...]:
    texts = " ".join(word.text for word in (*call.args, *words))
    if "-I" in texts or "{}" in texts or ":::" in texts:
        return ()
    return _found(call)


def _filled(call: Call, words: Sequence[Word]) -> tuple[Word, ...]:
    """The words with the placeholder (``{}``, or what ``-I`` names) filled in."""
    args = [word.text for word in call.args]
    mark = next((b for a, b in zip(args, args[1:], strict=False) if a == "-I"), "")
    mark = mark or next((a[2:] for a in args if a.startswith("-I")), "") or "{}"
    filled: list[Word] = []
    for word in words:
        if mark in word.text:
            filled += [
                replace(found, text=word.text.replace(mark, found.text)) for found in _found(call)
            ]
        else:
            filled.append(word)
    return tuple(filled)


_UNSELECTIVE = frozenset(
    ["-delete", "-exec", "-execdir", "-ok", "-okdir", "-print", "-print0", "-depth", "-mount", "-xdev", "-follow", "-maxdepth", "-mindepth", "-type", "-o", "-a", "-true", "-L", "-H", "-P", "-E", "-D", "-prune", "-ls", "-quit", "-printf", "-noleaf", "-regextype", "-warn", "-nowarn"]
)


def selective(call: Call) -> bool:
    """A ``find`` with a test that leaves most files alone (``-name '*.pyc'``, ``-mtime +7``)."""
    if call.program != "find":
        return any(not word.text.startswith("-") and word.text != "." for word in call.args)
    args = [word.text for word in call.args]
    for at, text in enumerate(args):
        value = args[at + 1] if at + 1 < len(args) else ""
        if text in ("-name", "-iname", "-path", "-wholename", "-regex") and not value.strip("*./"):
            continue
        if text.startswith("-") and len(text) > 2 and text not in _UNSELECTIVE:
            return True
    return False


def starts(call: Call) -> tuple[Word, ...]:
    """The folders a ``find`` starts from; "." when none is given."""
    found: list[Word] = []
    for word in call.args:
        if word.text in ("-L", "-H", "-P"):
            continue
        if word.text.startswith(("-", "(", "!")):
            break
        found.append(word)
    return tuple(found) or (Word("."),)


def _matches(call: Call) -> tuple[Word, ...]:
    if call.program != "find":
        return (Word(f"./{SOME}"),)
    if not selective(call):
        return starts(call)
    return tuple(replace(word, text=f"{word.text}/{SOME}", glob=False) for word in starts(call))


_EXEC = frozenset(["-exec", "-execdir", "-ok", "-okdir", "-x", "-X", "--exec", "--exec-batch"])


def _finder(call: Call) -> Iterator[Call | str]:
    args = call.args
    for at, word in enumerate(args):
        if word.text not in _EXEC:
            continue
        words: list[Word] = []
        for argument in args[at + 1 :]:
            if argument.text in (";", "\\;") or (argument.text == "+" and words):
                break
            if "{" in argument.text and "}" in argument.text:
                words += [replace(argument, text=argument.text.replace("{}", found.text), glob=found.glob)
                          for found in _matches(call)]  # fmt: skip
            else:
                words.append(argument)
        if words:
            yield replace(call, words=tuple(words))


def _container(call: Call) -> Iterator[Call | str]:
    args = call.args
    if call.program in _CLUSTERS:
        for at, word in enumerate(args):
            if word.text == "--" and any(w.text in ("exec", "run", "debug") for w in args[:at]):
                yield replace(call, words=args[at + 1 :])
        return
    for at, word in enumerate(args):
        if word.text in ("run", "exec", "create"):
            for words in _after_options(args[at + 1 :], _CONTAINER):
                entry = [
                    b for a, b in zip(args, args[1:], strict=False) if a.text == "--entrypoint"
                ]
                if words[1:] or (entry and words):
                    yield replace(call, words=(*entry[:1], *words[1:]))
                elif words:
                    yield from _from_stdin(call)
            return


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
    yield from _from_stdin(call)


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


_TEXT_OPTIONS: dict[str, tuple[str, ...]] = {
    "su": ("-c", "--command"), "runuser": ("-c", "--command"), "script": ("-c", "--command"),
    "nix-shell": ("--run", "--command"), "vagrant": ("-c", "--command"), "gcloud": ("--command",),
    "crontab": (), "at": (), "batch": (), "sg": ("-c",),
}  # fmt: skip
_TEXT_PLACES: dict[str, int] = {"trap": 0, "tmux": 1, "screen": 0}


def _texts(call: Call) -> Iterator[str]:
    program, args = call.program, call.args
    if program in _TEXT_OPTIONS:
        names = _TEXT_OPTIONS[program]
        for at, word in enumerate(args):
            name, equals, value = word.text.partition("=")
            if name in names and equals:
                yield value
            elif word.text in names or (
                word.text[:1] == "-" and word.text[-1:] == "c" and "-c" in names
            ):
                yield from (w.text for w in args[at + 1 : at + 2])
        if program in ("at", "batch", "su"):
            yield from _from_stdin(call)
    elif program == "trap" and args:
        yield args[0].text
    elif program == "alias":
        yield from (word.text.partition("=")[2] for word in args if "=" in word.text)
    elif program in ("tmux", "screen"):
        yield from (w.text for w in args if " " in w.text)
        yield from _tail(args)
    elif program == "git":
        yield from _git(args)


def _tail(args: Sequence[Word]) -> Iterator[str]:
    """``tmux new -d rm -rf x``: any tail of the words may be the command."""
    for at, word in enumerate(args):
        if word.text.rpartition("/")[2] in SHELLS | {"rm", "sudo", "dd"}:
            yield " ".join(w.text for w in args[at:])
            return


def _git(args: Sequence[Word]) -> Iterator[str]:
    texts = [word.text for word in args]
    for at, text in enumerate(texts):
        if text.startswith("alias.") and "=!" in text:
            yield text.partition("=!")[2]
        elif text in ("foreach", "--exec", "-x", "--tree-filter", "--index-filter", "--msg-filter"):
            yield from texts[at + 1 : at + 2]
        elif text == "run" and "bisect" in texts[:at]:
            yield " ".join(texts[at + 1 :])
