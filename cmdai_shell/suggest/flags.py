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
    "mpv qemu-system-x86_64 X Xorg pdftk sox ar sqlite3 ip6tables iptables nmap gs"
)
"""Programs with options that no manual lists one by one (-Wno-x, -c:v), or whose pages
leave out too many."""
_GROUPS = frozenset(
    f"{program} {group}"
    for program, groups in {
        "docker": "compose system image volume network container context builder buildx",
        "kubectl": "create rollout config set top auth certificate plugin",
        "helm": "repo search get show plugin dependency",
        "gh": "pr issue repo run release workflow gist auth",
        "npm": "run exec",
    }.items()
    for group in groups.split()
)
"""Subcommands whose next word has options of its own."""
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
    if not are_known(parts):
        return
    name = _name(parts)
    for part in parts:
        is_unknown = part.kind == "option" and part.option is None and part.name not in _ALWAYS
        if is_unknown and _OPTION.fullmatch(part.name):
            yield name, part.name


def are_known(parts: Sequence[usage.Part]) -> bool:
    """Whether the manual has all there is to know of the options of a call: its pages are complete,
    and there is one for its subcommand."""
    pages = [part.page for part in parts if part.kind == "command"]
    if not all(page and _is_complete(page) for page in pages):
        return False
    is_group = len(pages) == 1 or _name(parts) in _GROUPS
    return not (parts[0].name in usage.NESTED and is_group and _has_operand(parts))


def _name(parts: Sequence[usage.Part]) -> str:
    return " ".join(part.name for part in parts if part.kind == "command")


def _is_complete(page: Page) -> bool:
    return len(page.options) >= _LEAST


def _has_operand(parts: Sequence[usage.Part]) -> bool:
    return any(part.kind == "operand" for part in parts)
