"""Options that a program does not have, by this machine's own manual. Pure.

A wrong alarm costs a person a good command, a missed one is met by the program itself: so all that
a page so much as mentions counts as an option, and a page that explains little says nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cmdai_shell.safety.script import UNKNOWN, names
from cmdai_shell.suggest import usage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from cmdai_shell.core import Manual, Page
    from cmdai_shell.safety import Call

_LEAST = 4
"""Options a page must explain before it counts as complete."""
_ALWAYS = frozenset(("--help", "--version", "-h", "-V", "-?", "--usage"))
_LOOSE = names(
    "gcc g++ cc c++ clang clang++ ld as cpp ffmpeg ffprobe java javac rustc convert magick mplayer "
    "mpv qemu-system-x86_64 X Xorg pdftk sox ar sqlite3 ip6tables iptables nmap"
) | {"docker build", "docker run"}
"""Programs with options that no manual lists one by one (-Wno-x, -c:v), or whose pages
leave out too many."""
_OPTION = re.compile(r"--?[A-Za-z0-9][\w-]*")


def invented(
    calls: Sequence[Call], manual: Manual, skip: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """(program, option) of options that the manual does not know. ``skip`` are names that are no
    programs of this machine: the shell's own, or functions of the line."""
    for call in calls:
        program = call.program
        if program in skip or program in _LOOSE or not call.words:
            continue
        if any(mark in call.words[0].text for mark in UNKNOWN):
            continue
        yield from _of(usage.read([program, *(word.text for word in call.args)], manual))


def _of(parts: Sequence[usage.Part]) -> Iterator[tuple[str, str]]:
    pages = [part.page for part in parts if part.kind == "command"]
    if not all(page and is_complete(page) for page in pages):
        return
    name = " ".join(part.name for part in parts if part.kind == "command")
    if name in _LOOSE:
        return
    if parts[0].name in usage.NESTED and len(pages) == 1 and _has_operand(parts):
        return  # a subcommand that has no page
    for part in parts:
        is_unknown = part.kind == "option" and part.option is None and part.name not in _ALWAYS
        if is_unknown and _OPTION.fullmatch(part.name):
            yield name, part.name


def is_complete(page: Page) -> bool:
    """Whether what a page does not name does not exist."""
    return len(page.options) >= _LEAST


def _has_operand(parts: Sequence[usage.Part]) -> bool:
    return any(part.kind == "operand" for part in parts)
