"""The text of a hook, with this machine's absolute paths in it.

Import-light on purpose: ``eval "$(cmdai-shell init zsh)"`` may stand in an rc file.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from cmdai_shell import __version__
from cmdai_shell.config.paths import resource
from cmdai_shell.core import Shell
from cmdai_shell.errors import CmdaiError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RelayKind = Literal["nc", "socat", "curl", "python"]
SHELLS: tuple[Shell, ...] = get_args(Shell)

# Two of the programs called nc cannot do this (busybox, traditional) and a third, ncat, takes
# 110 ms a press; only OpenBSD's, which macOS has too, words its help like this.
_NC_HELP = re.compile(r"-U\s+Use UNIX domain socket", re.IGNORECASE)
_CURL_FEATURE = re.compile(r"\bUnixSockets\b", re.IGNORECASE)
_ASK_SECONDS = 3.0

# zsh parses a file with the person's aliases and options. `emulate -c` parses without them, and
# every function defined inside keeps these options whenever it runs ("sticky emulation"). The
# words are quoted because aliases are still on there.
_ZSH_CLEAN = (
    "'builtin' 'emulate' 'zsh' '-o' 'no_aliases' "
    "'-o' 'no_err_exit' '-o' 'no_err_return' '-o' 'no_xtrace' '-c' "
)


@dataclass(frozen=True, slots=True)
class Relay:
    """The program that carries a record from a shell to the socket; ``path`` is absolute."""

    kind: RelayKind
    path: str


def find_relay(path: str | None = None) -> Relay:
    """The fastest relay on ``path`` (default ``$PATH``): nc, socat, curl, else our own relay.py."""
    if (nc := _program("nc", path)) and _NC_HELP.search(_said(nc, "-h")):
        return Relay("nc", nc)
    if socat := _program("socat", path):
        return Relay("socat", socat)
    if (curl := _program("curl", path)) and _CURL_FEATURE.search(_said(curl, "--version")):
        return Relay("curl", curl)
    return Relay("python", str(resource("shell-hooks/relay.py")))


def relay_command(relay: Relay, *, python: str, socket: str) -> Sequence[str]:
    """The command a hook runs: request on stdin, reply on stdout."""
    match relay.kind:
        case "nc":
            return [relay.path, "-U", socket]
        case "socat":
            return [relay.path, "-t", "600", "-", f"UNIX-CONNECT:{socket}"]
        case "curl":
            post = ["--data-binary", "@-", "http://cmdai/"]
            return [relay.path, "-sN", "--unix-socket", socket, *post]
        case "python":
            return [python, "-I", "-S", relay.path, socket]


def render(shell: Shell, *, python: str, relay: Relay) -> str:
    """The hook's text. Raises CmdaiError for a path that no line of a shell file can hold."""
    values = {
        "PYTHON": python,
        "RELAY_KIND": relay.kind,
        "RELAY": relay.path,
        "PRESS": str(resource(f"shell-hooks/press.{shell}")),
        "VERSION": __version__,
    }
    template = resource(f"shell-hooks/cmdai.{shell}").read_text(encoding="utf-8")
    text = _fill(template, {name: quote(value, shell) for name, value in values.items()})
    if shell == "zsh":
        return _ZSH_CLEAN + quote(f"if [[ -o interactive ]]; then\n{text}fi", shell) + "\n"
    return text


def init(shell: Shell) -> str:
    """What ``cmdai-shell init SHELL`` prints: the hook for this interpreter and this machine."""
    return render(shell, python=sys.executable, relay=find_relay())


def quote(value: str, shell: Shell) -> str:
    """``value`` as one word of that shell, whatever is in it."""
    if shell == "fish":
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return "'" + value.replace("'", "'\\''") + "'"


def _fill(template: str, words: Mapping[str, str]) -> str:
    for word in words.values():
        if not word.isprintable():
            raise CmdaiError(
                f"the path {word!r} holds a control character",
                "install cmdai-shell into a folder with an ordinary name",
            )
    return re.sub(r"@([A-Z_]+)@", lambda found: words[found[1]], template)


def _program(name: str, path: str | None) -> str:
    found = shutil.which(name, path=path)
    return os.path.abspath(found) if found else ""  # noqa: PTH100  a name through a link is kept


def _said(*command: str) -> str:
    """What the program prints about itself; empty when it cannot be run."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ASK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr).decode(errors="replace")
