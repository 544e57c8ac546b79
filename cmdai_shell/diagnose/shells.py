"""Checks of the shells' side: hooks, keys, and the programs that hooks call."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import TYPE_CHECKING

from cmdai_shell.diagnose.check import Check, fail, ok, warn
from cmdai_shell.diagnose.packages import install_line
from cmdai_shell.hooks.install import notes, plan_install, rc_file
from cmdai_shell.hooks.render import SHELLS

if TYPE_CHECKING:
    from cmdai_shell.core import Shell
    from cmdai_shell.diagnose.check import Finding
    from cmdai_shell.diagnose.surroundings import Surroundings

SHELL_S = 20.0
"""Seconds for a shell to read the person's files."""
_MARK = "\x1e"
_INIT = re.compile(rb"^[^#\n]*cmdai-shell init", re.MULTILINE)


def hooks(around: Surroundings) -> Finding:
    if any(_has_key(shell, around) for shell in SHELLS):
        return ok("the key is in " + ", ".join(s for s in SHELLS if _has_key(s, around)))
    return warn("no shell has the key", "cmdai-shell install")


def hook(shell: Shell, around: Surroundings) -> Finding:
    """The hook as we would write it now, and the line that reads it."""
    again = f"cmdai-shell install --shell {shell}"
    if _by_init(shell):
        return ok(f"{rc_file(shell)} asks for it with cmdai-shell init")
    file, rc = plan_install([shell], python=around.python, relay=around.relay())
    if file.before is None and rc.needed:
        return ok(f"{shell} has no hook")
    if file.before is None:
        return fail(f"{rc.path} reads {file.path}, which is not there", again)
    if rc.before is None or (rc.needed and b"cmdai-shell" not in rc.before):
        return fail(f"{rc.path} does not read the hook", again)
    if file.needed or rc.needed:
        changed = file if file.needed else rc
        return warn(f"{changed.path} is of another version or installation", again)
    if said := notes([shell]):
        return warn(
            said[0], f"echo '. ~/.bashrc' >> {said[0].split(' which read ')[1].split(' ')[0]}"
        )
    return ok(f"{file.path} is up to date, {rc.path} reads it")


def _has_key(shell: Shell, around: Surroundings) -> bool:
    file, _ = plan_install([shell], python=around.python, relay=around.relay())
    return file.before is not None or _by_init(shell)


def _by_init(shell: Shell) -> bool:
    try:
        return _INIT.search(rc_file(shell).read_bytes()) is not None
    except OSError:
        return False


_ASK_CONFLICT: dict[Shell, str] = {
    "bash": f"_cmdai_bind_keys; builtin printf '{_MARK}%s{_MARK}' \"$_cmdai_conflict\"",
    "zsh": f"_cmdai_bind; builtin print -rn -- '{_MARK}'\"$_cmdai_conflict\"'{_MARK}'",
    "fish": f"builtin printf '{_MARK}%s{_MARK}' (_cmdai_holder | string join ' ')",
}
"""What the hook does at its first prompt, which a shell without a terminal never reaches."""


def key(shell: Shell, around: Surroundings) -> Finding:
    """Who holds Ctrl-G. Starts the shell with the person's own files, so only when asked for."""
    program = around.which(shell)
    if not program or not _has_key(shell, around):
        return ok(f"{shell} has no hook")
    if around.environ.get("CMDAI_NOBIND"):
        return ok("CMDAI_NOBIND is set: no key is bound")
    said = around.ask([program, "-i", "-c", _ASK_CONFLICT[shell]], SHELL_S)
    if said.code is None:
        return warn(f"{shell} does not start: {said.err}", f"try it: {shell} -i -c exit")
    before, _, rest = said.out.partition(_MARK)
    holder, mark, _ = rest.partition(_MARK)
    if not mark:
        return fail(f"an interactive {shell} has no hook", f"cmdai-shell install --shell {shell}")
    if holder := " ".join(holder.split()):
        return warn(
            f"Ctrl-G in {shell} belongs to {holder}: the key is Ctrl-X Ctrl-G there",
            f"to choose one, above the hook's line in {rc_file(shell)}: {_set_key(shell)}",
        )
    return ok(f"the key is free in {shell}")


def _set_key(shell: Shell) -> str:
    return "set -g CMDAI_KEY '^O'" if shell == "fish" else "CMDAI_KEY='^O'"


def relay(around: Surroundings) -> Finding:
    """What carries a keypress to the daemon, in bash and fish (zsh does it by itself)."""
    found = around.relay()
    if found.kind in {"nc", "socat"}:
        return ok(found.path)
    line = f"{install_line('relay', around)} && cmdai-shell install"
    return warn(f"no nc -U and no socat: keys go through {found.kind}, which is slower", line)


def command(around: Surroundings) -> Finding:
    """Whether what our hints tell people to type would run, and run at once."""
    found = around.which("cmdai-shell")
    folder = os.path.dirname(around.python)  # noqa: PTH120  a link is kept as it is
    if not found:
        return warn("cmdai-shell is not on PATH", f'export PATH="{folder}:$PATH"')
    if f"{os.sep}shims{os.sep}" in found:
        return warn(
            f"{found} is a pyenv shim: every call starts pyenv first",
            f"mkdir -p ~/.local/bin && ln -s {folder}/cmdai-shell ~/.local/bin/",
        )
    return ok(found)


CHECKS = (
    Check("hooks", hooks),
    *(Check(f"hook-{shell}", partial(hook, shell)) for shell in SHELLS),
    Check("relay", relay),
    Check("command", command),
)
KEYS = tuple(Check(f"key-{shell}", partial(key, shell), SHELL_S + 5) for shell in SHELLS)
