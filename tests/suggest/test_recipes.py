"""The recipes: plain data that a model copies from, so a wrong flag here is a wrong flag there."""

from __future__ import annotations

import gzip
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cmdai_shell.core import Shell

FOLDER = Path(__file__).parents[2] / "cmdai_shell" / "suggest" / "recipes"
TABLES = {"any", "gnu", "bsd", "sh", "fish"}
"""``sh`` is what bash and zsh take and fish does not: the counterpart of ``fish``."""
FILES = sorted(FOLDER.glob("*.toml"))
HERE = {"any", "sh", "fish", "bsd" if sys.platform == "darwin" else "gnu"}
"""The tables whose flags this machine's tools should know."""


def load(path: Path) -> dict[str, list[list[str]]]:
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    return {table: content["recipes"] for table, content in found.items()}


ALL = [
    (table, recipe[0], tuple(recipe[1:]))
    for path in FILES
    for table, recipes in load(path).items()
    for recipe in recipes
]


def of(tables: Iterable[str]) -> list[str]:
    wanted = set(tables)
    return [command for table, command, _ in ALL if table in wanted]


def repeated(words: Iterable[str]) -> list[str]:
    return [word for word, count in Counter(words).items() if count > 1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_tables_of_recipes(path: Path) -> None:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    assert content.keys() <= TABLES
    for table in content.values():
        assert table.keys() == {"recipes"}
        for recipe in table["recipes"]:
            assert 2 <= len(recipe) <= 5, recipe
            assert all(text and text == text.strip() for text in recipe), recipe
            assert not any("\n" in text for text in recipe), recipe
            assert all(len(phrase) <= 100 for phrase in recipe[1:]), recipe


def test_there_are_a_thousand() -> None:
    assert len({command for _, command, _ in ALL}) >= 1000


def test_no_command_is_there_twice() -> None:
    assert not repeated(command for _, command, _ in ALL)


@pytest.mark.parametrize("userland", ["gnu", "bsd"])
@pytest.mark.parametrize("syntax", ["sh", "fish"])
def test_no_words_have_two_answers_on_one_machine(userland: str, syntax: str) -> None:
    seen = {"any", userland, syntax}
    assert not repeated(
        phrase.casefold() for table, _, phrases in ALL if table in seen for phrase in phrases
    )


@pytest.mark.parametrize(("shell", "other"), [("bash", "fish"), ("zsh", "fish"), ("fish", "sh")])
def test_every_command_parses(shell: Shell, other: str) -> None:
    commands = of(TABLES - {other})
    assert not [command for command in commands if parse(command, shell).broken]


@pytest.mark.parametrize(("shell", "other"), [("bash", "fish"), ("zsh", "fish"), ("fish", "sh")])
def test_the_shell_itself_takes_every_command(shell: str, other: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if not program:
        pytest.skip(f"no {shell}")
    script = tmp_path / "script"
    script.write_text("\n".join(of(TABLES - {other})) + "\n", encoding="utf-8")
    ran = subprocess.run(
        [program, "-n", str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_none_is_critical() -> None:
    worst = []
    for table, command, _ in ALL:
        shell: Shell = "fish" if table == "fish" else "bash"
        if assess(command, shell=shell).risk is Risk.CRITICAL:
            worst.append(command)
    assert not worst


# Flags, looked up in the tools' own help and manuals.


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


PLAIN = names(
    "apt-cache apt-get apt-mark awk base64 bzip2 cat chage chgrp chmod chown cmp column "
    "comm cp curl cut date dd df diff dmesg dpkg dpkg-query du expand fallocate file findmnt fmt "
    "fold free fsck fstrim getcap getent gpasswd gpg grep groupadd groupmod gunzip gzip head "
    "hostname hostnamectl iconv id ipcs join journalctl jq killall last lastb lastlog ldconfig "
    "less ln localectl logger loginctl ls lsb_release lsblk lscpu lsmod lsof md5sum mkdir mktemp "
    "mount mv namei nc nl nproc numfmt od passwd paste pg_dump pg_restore pgrep pkill pmap prlimit "
    "ps psql pstree readlink realpath renice rm rsync scp sed seq sha256sum shred shuf shutdown "
    "slabtop sort split ss ssh ssh-add ssh-copy-id ssh-keygen stat strace strings swapoff swapon "
    "sysctl systemctl systemd-analyze systemd-run tail tar taskset tee timedatectl tmux top touch "
    "tr truncate umount uname uniq unzip unzstd uptime useradd userdel usermod vmstat wc wget xxd "
    "xz zip zstd"
)
WORDS = names("find ip openssl sqlite3")
"""Their options are words behind one dash."""
NESTED = names("git docker kubectl openssl")
WRAPPERS = names("env ionice nice setsid sudo timeout watch xargs")
TAKES_A_VALUE = "nIPdukcts"
"""A wrapper's short options whose value is a word of its own."""
FOREIGN = {
    "ssh": "-L -R -D -J -i -p -o -O",
    "strace": "-p -e",
    "systemd-run": "",
    "tmux": "-s -t",
    "docker run": "--name -p -e -v -w -u -m --cpus --env-file --network --entrypoint --restart",
    "docker exec": "-u -w -e",
    "docker compose": "-f",
    "docker compose exec": "",
    "docker compose run": "",
}
"""What follows their first plain word belongs to another program; here, options with a value."""
POOR_HELP = names(
    "apt-cache apt-get apt-mark awk date dpkg file find git ip killall last lsof nc ps "
    "scp sqlite3 ssh ssh-add ssh-copy-id ssh-keygen strings tmux top unzip zip"
)
"""``--help`` names only some of their options, so that without the manual nothing is known."""
SPECIAL_HELP = {"curl": ("--help", "all"), "ps": ("--help", "all"), "unzip": ("-hh",)}
GROUPS = {"docker compose", "docker container", "docker image", "docker volume", "docker network"}
GROUPS |= {"docker builder", "docker system", "docker context", "kubectl create", "kubectl rollout"}
GROUPS |= {"kubectl create secret", "kubectl set", "kubectl config", "kubectl top", "kubectl auth"}


def run(*words: str) -> str:
    try:
        ran = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (ran.stdout + ran.stderr).decode("utf-8", "replace")


def unroff(text: str) -> str:
    text = re.sub(r"\\f(?:\[\w*\]|\(\w\w|\w)|\\[&,/|^]|\\s[+-]?\d", "", text)
    text = text.replace("\\-", "-").replace("\\(hy", "-").replace("\\(en", "-")
    text = re.sub(r"\bFl Fl (?=\w)", "--", text)
    text = re.sub(r"\bFl -", "--", text)
    return re.sub(r"\bFl (?=\w)", "-", text)


@cache
def manual_folders() -> list[Path]:
    found = run("manpath", "-q").strip() or "/usr/share/man:/usr/local/share/man"
    return [Path(folder) for folder in found.split(":")]


@cache
def manual(page: str) -> str:
    for folder in manual_folders():
        for section in "18":
            for name in (f"{page}.{section}", f"{page}.{section}.gz"):
                path = folder / f"man{section}" / name
                if path.is_file():
                    return written(path, folder)
    return ""


def written(path: Path, folder: Path) -> str:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = raw.decode("utf-8", "replace")
    elsewhere = re.search(r"^\.so (\S+)", text, re.MULTILINE) if len(text) < 500 else None
    if elsewhere:
        return manual(Path(elsewhere[1]).name.rpartition(".")[0])
    return unroff(text)


@cache
def help_text(tool: str) -> str:
    program, *sub = tool.split()
    if program == "kubectl":
        return run(program, *sub, "-h") + kubectl_options()
    if program == "docker":
        own = run(program, *sub, "--help")
        return own if f" {tool} " in own else ""  # without its plugin, "compose" gets docker's own
    if program == "openssl":
        return run(program, *sub, "-help")
    if program == "git":
        return run(program, *sub, "-h")
    return run(program, *SPECIAL_HELP.get(program, ("--help",)))


@cache
def kubectl_options() -> str:
    return run("kubectl", "options")


@cache
def is_real(tool: str, option: str) -> bool:
    """Whether the manual or else the help names it; yes where there is neither to ask."""
    program = tool.split()[0]
    if not shutil.which(program):
        return True
    pages = manual("-".join(tool.split()))
    if known(option, pages):
        return True
    if not pages and program in POOR_HELP:
        return True
    text = help_text(tool)
    return not text or known(option, text)


def known(option: str, text: str) -> bool:
    if option.startswith("--"):
        name = re.escape(option[2:].partition("=")[0])
        forms = [rf"--(?:\[no-\])?{name}"]
        if option.startswith("--no-"):
            forms.append(rf"--(?:\[no-\])?{name[4:].lstrip('-')}")
        return any(re.search(rf"(?<![\w-]){form}(?![\w-])", text) for form in forms)
    word = re.escape(option[1:])
    if re.search(rf"(?<![\w-])-(?:\[no\])?{word}(?![a-z0-9-])", text):
        return True
    return len(option) == 2 and bool(re.search(rf"\[-\w*{word}\w*[\]| ]", text))


def options(tool: str, words: Sequence[str]) -> Iterator[str]:
    """Every option of a call: ``-tlnp`` as four, ``-k2,2`` as ``-k``, no mode, signal or number."""
    program = tool.split()[0]
    for word in words:
        if word == "--" or (program == "find" and word in ("-exec", "-ok")):
            return
        if program == "find":
            word = re.sub(r"^-newer[aBcm][aBcmt]$", "-newerXY", word)
        option = re.match(r"--?[A-Za-z][\w-]*", word)
        if not option or (program in ("pkill", "killall") and re.fullmatch(r"-[A-Z]{3,}", word)):
            continue
        if (program == "chmod" and re.fullmatch(r"-[rwxXst]+", word)) or "=" in word[:4]:
            continue
        if program == "openssl" and re.match(r"-(sha|aes)", word):  # names of ciphers
            continue
        if word.startswith("--") or program in WORDS:
            yield option[0]
        else:
            letters = takewhile(str.isalpha, word[1:])
            yield from (f"-{letter}" for letter in letters)


def own(tool: str, words: Sequence[str]) -> list[str]:
    """The words before those of the program that this one runs."""
    if tool not in FOREIGN:
        return [*words]
    value = FOREIGN[tool].split()
    last = ""
    kept = []
    for word in words:
        if not word.startswith("-") and last not in value:
            break
        kept.append(word)
        last = word
    return kept


def tools(program: str, words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """The tool, with its subcommand, and the words that are its own."""
    if program not in NESTED:
        yield program, own(program, words)
        return
    rest = [*words]
    tool = program
    if program == "git" and rest[:1] == ["-C"]:
        rest = rest[2:]
    while tool == program or tool in GROUPS:
        while rest and tool in FOREIGN and rest[0] in FOREIGN[tool].split():
            rest = rest[2:]
        if not rest or rest[0].startswith("-"):
            break
        tool += f" {rest.pop(0)}"
    yield tool, own(tool, rest)


def wrappers(command: str) -> Iterator[tuple[str, list[str]]]:
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|;&()<>")
    lexer.whitespace_split = True
    words = [*lexer]
    for place, word in enumerate(words):
        if word not in WRAPPERS:
            continue
        mine: list[str] = []
        for following in words[place + 1 :]:
            value = bool(mine) and re.fullmatch(rf"-[{TAKES_A_VALUE}]", mine[-1])
            if not following.startswith("-") and not value:
                break
            mine.append(following)
        yield word, [word for word in mine if word.startswith("-")]


def invented(table: str, command: str) -> Iterator[str]:
    shell: Shell = "fish" if table == "fish" else "bash"
    used = [*wrappers(command)]
    for call in parse(command, shell).commands:
        if call.program in PLAIN | WORDS | NESTED:
            used += tools(call.program, call.arguments)
    for tool, words in used:
        for option in options(tool, words):
            if not is_real(tool, option):
                yield f"{tool} {option}"


def test_flags_are_real() -> None:
    wrong = [
        (flag, command)
        for table, command, _ in ALL
        if table in HERE
        for flag in invented(table, command)
    ]
    assert not wrong


@pytest.mark.parametrize(
    "command",
    [
        "ls --sort-by-size",
        "find . -older 3",
        "grep --only-names foo .",
        "git log --only-author ann",
        "sudo journalctl --last 5",
        "cat x | xargs --each rm",
    ],
)
def test_an_invented_flag_is_noticed(command: str) -> None:
    (tool,) = {"ls", "find", "grep", "git", "journalctl", "xargs"} & {*command.split()}
    if not shutil.which(tool) or not manual("git-log" if tool == "git" else tool):
        pytest.skip(f"no manual of {tool}")
    assert [*invented("any", command)]
