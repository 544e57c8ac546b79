"""The ``--help`` of a few well-known tools that come without man pages.

Running a program to learn about it is the exception: only these, which are known to print and do
nothing else when asked so, only from a folder that nobody else can write in, without input,
without the person's files and settings, and for a short while.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cmdai_shell.manual import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from cmdai_shell.core import Page

TIMEOUT = 4.0
"""Seconds for one call."""
BUDGET = 20.0
"""Seconds for all of them."""
LONGEST = 200_000
"""Characters of help that are read."""

TOOLS: dict[str, str] = {
    "docker": """
        run exec ps build pull push images logs stop start restart rm rmi inspect cp stats top kill
        tag login save load export import commit diff history port rename update wait events info
        search network volume system image container compose|up compose|down compose|ps compose|logs
        compose|exec compose|run compose|build compose|pull compose|restart compose|stop
        system|prune system|df image|prune volume|ls volume|rm volume|prune network|ls
        network|create container|prune
        """,
    "kubectl": """
        get describe logs apply delete exec scale rollout|status rollout|restart rollout|undo
        rollout|history expose run set|image top|pod top|node port-forward cp attach patch
        label annotate edit explain wait drain cordon uncordon taint diff events autoscale debug
        config|get-contexts config|use-context config|view api-resources cluster-info
        """,
    "helm": """
        install upgrade list uninstall rollback status template repo|add repo|update search|repo
        get|values history show|values
        """,
    "npm": "install ci run test uninstall update outdated list audit publish init exec",
    "gh": """
        pr|create pr|list pr|view pr|checkout pr|merge issue|create issue|list repo|clone repo|view
        run|list run|view release|create release|list
        """,
    "jq": "",
    "fd": "",
    "rg": "",
    "bat": "",
    "eza": "",
    "hyperfine": "",
    "shellcheck": "",
}
"""Each tool's subcommands, "|" between a group and its member."""
BETTER = frozenset(("docker",))
"""Tools whose man pages leave out much of what their help has."""
_EVERYWHERE = {"kubectl": ("options",)}
"""What prints the options that all subcommands take."""

_QUIET = {
    "HOME": "/nonexistent",
    "XDG_CONFIG_HOME": "/nonexistent",
    "XDG_CACHE_HOME": "/nonexistent",
    "KUBECONFIG": "/nonexistent",
    "DOCKER_HOST": "unix:///nonexistent",
    "LC_ALL": "C",
    "TERM": "dumb",
    "NO_COLOR": "1",
    "COLUMNS": "200",
    "PAGER": "cat",
    "DO_NOT_TRACK": "1",
    "NPM_CONFIG_UPDATE_NOTIFIER": "false",
    "GH_NO_UPDATE_NOTIFIER": "1",
}


def here(path: str) -> dict[str, Path]:
    """The tools that are on that PATH, in folders that are only root's or our own to write in."""
    found = {}
    for name in TOOLS:
        where = shutil.which(name, path=path)
        if where and _is_guarded(Path(where)):
            found[name] = Path(where)
    return found


def stamp(found: Mapping[str, Path]) -> str:
    """What changes when one of them comes, goes or is replaced."""
    parts = []
    for name, path in sorted(found.items()):
        with suppress(OSError):
            parts.append(f"{name}:{path}:{path.stat().st_mtime_ns}")
    return "\n".join(parts)


def helps(
    found: Mapping[str, Path],
    known: Collection[str],
    path: str,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[str, Page]]:
    """(name, page) of each tool and subcommand that has no man page: ``known`` are the names that
    have one (those in ``BETTER`` are asked all the same). Takes ``BUDGET`` seconds and one call at
    most."""
    end = clock() + BUDGET
    for name, program in found.items():
        if name in known and name not in BETTER:
            continue
        for words in _subcommands(name):
            if clock() > end:
                return
            text = _asked(program, [*words, "--help"], path)
            if not words and (more := _EVERYWHERE.get(name)):
                text += _asked(program, [*more], path)
            if " ".join((name, *words)) not in text:
                continue  # a tool that does not know the word prints its own help
            page = pages.helped(text, "-".join((name, *words)))
            yield page.name, page


def _subcommands(name: str) -> Iterator[tuple[str, ...]]:
    """None, then each group before its members."""
    seen: set[tuple[str, ...]] = set()
    for sub in ["", *TOOLS[name].split()]:
        words = tuple(filter(None, sub.split("|")))
        for length in range(len(words) + 1):
            if (first := words[:length]) not in seen:
                seen.add(first)
                yield first


def _asked(program: Path, words: list[str], path: str) -> str:
    try:
        ran = subprocess.run(
            [str(program), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT,
            check=False,
            cwd="/",
            env={**_QUIET, "PATH": path},
            start_new_session=True,  # no terminal to ask at
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ran.stdout[:LONGEST].decode(errors="replace")


def _is_guarded(program: Path) -> bool:
    """Nobody but root and ourselves can have put it there."""
    ours = {0, os.getuid()}
    try:
        for place in (program, program.resolve(), program.parent, program.resolve().parent):
            status = place.stat()
            if status.st_uid not in ours or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return False
    except OSError:
        return False
    return True
