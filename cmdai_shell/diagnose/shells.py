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
OLDEST: dict[Shell, tuple[int, int]] = {"bash": (4, 4), "zsh": (5, 3), "fish": (3, 1)}
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
    if too_old := _too_old(shell, around):
        return fail(too_old, install_line(shell, around))
    if said := notes([shell]):
        what, _, cure = said[0].partition(": ")
        return warn(what, cure)
    return ok(f"{file.path} is up to date, {rc.path} reads it")


def _too_old(shell: Shell, around: Surroundings) -> str:
    said = around.ask([around.which(shell) or shell, "--version"], SHELL_S)
    found = re.search(r"(\d+)\.(\d+)", said.out)
    if not found or (int(found[1]), int(found[2])) >= OLDEST[shell]:
        return ""
    oldest = ".".join(map(str, OLDEST[shell]))
    return f"{shell} {found[0]} is too old for the hook, it takes {oldest} or newer"


def _has_key(shell: Shell, around: Surroundings) -> bool:
    file, _ = plan_install([shell], python=around.python, relay=around.relay())
    return file.before is not None or _by_init(shell)


def _by_init(shell: Shell) -> bool:
    try:
        return _INIT.search(rc_file(shell).read_bytes()) is not None
    except OSError:
        return False


_ASK_CONFLICT: dict[Shell, str] = {
    "bash": "declare -F _cmdai_bind_keys >/dev/null || exit; _cmdai_bind_keys; "
    f"builtin printf '{_MARK}%s{_MARK}' \"$_cmdai_conflict\"",
    "zsh": "(( $+functions[_cmdai_bind] )) || exit; _cmdai_bind; "
    f"builtin print -rn -- '{_MARK}'\"$_cmdai_conflict\"'{_MARK}'",
    "fish": "functions -q _cmdai_holder; or exit; "
    f"builtin printf '{_MARK}%s{_MARK}' (_cmdai_holder | string join ' ')",
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
    _, *answer = said.out.split(_MARK)
    if len(answer) < 2:
        cure = f"see that {rc_file(shell)} does not end above the block of cmdai-shell"
        return fail(f"an interactive {shell} has no hook", cure)
    if holder := " ".join(answer[0].split()):
        return _conflict(shell, holder)
    return ok(f"the key is free in {shell}")


def _conflict(shell: Shell, holder: str) -> Finding:
    file = rc_file(shell) if shell != "fish" else rc_file(shell).parents[1] / "config.fish"
    choose = "set -g CMDAI_{}KEY '{}'" if shell == "fish" else "CMDAI_{}KEY='{}'"
    if "^[g" in holder:
        what = f"Alt-G in {shell} belongs to {holder}: no key explains"
        return warn(what, f"choose one in {file}: {choose.format('EXPLAIN_', '^[h')}")
    holder = re.sub(r'^"\S+" ', "", holder)  # zsh repeats the key
    what = f"Ctrl-G in {shell} belongs to {holder}"
    return warn(what, f"press Ctrl-X Ctrl-G, or choose in {file}: {choose.format('', '^O')}")


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
