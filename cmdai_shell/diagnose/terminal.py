"""Checks of the terminal: what stands between the keyboard and the shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.diagnose.check import Check, ok, warn

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.diagnose.check import Finding
    from cmdai_shell.diagnose.surroundings import Surroundings

VSCODE_COMMAND = "-workbench.action.terminal.goToRecentDirectory"
VSCODE_SETTING = f'"terminal.integrated.commandsToSkipShell": ["{VSCODE_COMMAND}"]'


def terminal(around: Surroundings) -> Finding:
    """Previews and messages need cursor movement."""
    kind = around.environ.get("TERM", "")
    if kind in {"", "dumb", "unknown"}:
        what = f"TERM is {kind}" if kind else "TERM is not set"
        return warn(f"{what}: previews cannot be drawn", "export TERM=xterm-256color")
    return ok(f"TERM is {kind}")


def locale(around: Surroundings) -> Finding:
    """The first of these that is set decides (locale(7)); macOS writes just ``UTF-8``."""
    name = next(filter(None, map(around.environ.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "")
    if name.lower().replace("-", "").partition("@")[0].endswith("utf8"):
        return ok(f"the locale is {name}")
    what = f"the locale is {name or 'not set'}, not UTF-8: letters beyond ASCII are damaged"
    variable = "LC_ALL" if around.environ.get("LC_ALL") else "LC_CTYPE"
    return warn(what, f"export {variable}={'UTF-8' if around.system == 'Darwin' else 'C.UTF-8'}")


def tmux(around: Surroundings) -> Finding:
    kind = around.environ.get("TERM", "")
    if not around.environ.get("TMUX") or kind.startswith(("tmux", "screen")):
        return ok("inside tmux" if around.environ.get("TMUX") else "not inside tmux")
    return warn(
        f"TERM is {kind} inside tmux, which draws like tmux-256color",
        "in ~/.tmux.conf: set -g default-terminal tmux-256color",
    )


def vscode(around: Surroundings) -> Finding:
    """Its terminal takes Ctrl-G for "go to recent directory"; on macOS that is Cmd-G."""
    if around.environ.get("TERM_PROGRAM") != "vscode" or around.system == "Darwin":
        return ok("this is no VS Code terminal that takes Ctrl-G")
    if around.environ.get("CMDAI_KEY"):
        return ok("another key than Ctrl-G is chosen")
    config = around.environ.get("XDG_CONFIG_HOME") or around.home / ".config"
    if any(_gives_key_up(around.home / config / name) for name in ("Code", "VSCodium")):
        return ok("VS Code leaves Ctrl-G to the shell")
    return warn(
        "VS Code's terminal takes Ctrl-G before the shell can",
        f"in its settings.json: {VSCODE_SETTING}",
    )


def _gives_key_up(folder: Path) -> bool:
    try:
        text = (folder / "User" / "settings.json").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return VSCODE_COMMAND in text


def warp(around: Surroundings) -> Finding:
    if around.environ.get("TERM_PROGRAM") != "WarpTerminal":
        return ok("this is not Warp")
    return warn(
        "Warp edits the line itself: a key never reaches the shell's hook",
        "in Warp, type: cmdai-shell WORDS",
    )


CHECKS = (
    Check("terminal", terminal),
    Check("locale", locale),
    Check("tmux", tmux),
    Check("vscode", vscode),
    Check("warp", warp),
)
