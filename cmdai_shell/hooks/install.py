"""Put the hooks into the shells' own files, and take them out. All or nothing.

A plan is a list of ``Change``; ``apply`` writes them in order and, if one cannot be written,
gives the earlier ones back.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cmdai_shell.config.paths import data_dir
from cmdai_shell.errors import CmdaiError
from cmdai_shell.hooks import rcfile
from cmdai_shell.hooks.render import SHELLS, find_relay, quote, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cmdai_shell.core import Shell
    from cmdai_shell.hooks.render import Relay

_NEW_RC_MODE = 0o644
_HOOK_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Change:
    """One file before and after; None is a file that is not there."""

    path: Path
    before: bytes | None
    after: bytes | None
    new_mode: int = _NEW_RC_MODE

    @property
    def needed(self) -> bool:
        return self.before != self.after


def shells_here() -> tuple[Shell, ...]:
    """The shells on PATH, and the one this command was typed in."""
    running = _running_shell()
    return tuple(shell for shell in SHELLS if shell == running or shutil.which(shell))


def hook_file(shell: Shell) -> Path:
    return data_dir() / "hooks" / f"cmdai.{shell}"


def rc_file(shell: Shell) -> Path:
    """The file that shell reads at every interactive start."""
    home = Path.home()
    match shell:
        case "bash":
            return home / ".bashrc"
        case "zsh":
            return Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"
        case "fish":
            config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
            return config / "fish" / "conf.d" / "cmdai-shell.fish"


def rc_line(shell: Shell) -> str:
    """The line that goes into the rc file: silent, and true, when the hook is gone."""
    path = quote(str(hook_file(shell)), shell)
    if shell == "fish":
        return f"if test -r {path}; source {path}; end"
    return f"if [ -r {path} ]; then . {path}; fi"


def plan_install(
    shells: Iterable[Shell], *, python: str = sys.executable, relay: Relay | None = None
) -> list[Change]:
    """Hook files first: an rc line is never written before what it sources."""
    shells = tuple(shells)
    relay = relay or find_relay()
    hooks = [
        Change(
            hook_file(shell),
            _read(hook_file(shell)),
            os.fsencode(render(shell, python=python, relay=relay)),
            _HOOK_MODE,
        )
        for shell in shells
    ]
    return hooks + [_rc_change(shell, install=True) for shell in shells]


def plan_uninstall(shells: Iterable[Shell] = SHELLS) -> list[Change]:
    shells = tuple(shells)
    rcs = [_rc_change(shell, install=False) for shell in shells]
    return rcs + [Change(hook_file(shell), _read(hook_file(shell)), None) for shell in shells]


def install(shells: Iterable[Shell]) -> list[Change]:
    """Returns the changes that were made. Raises CmdaiError, and then nothing has changed."""
    return apply(plan_install(shells))


def uninstall(shells: Iterable[Shell] = SHELLS) -> list[Change]:
    """Returns the changes that were made. Raises CmdaiError, and then nothing has changed."""
    return apply(plan_uninstall(shells))


def apply(changes: Sequence[Change]) -> list[Change]:
    done: list[Change] = []
    for change in changes:
        if not change.needed:
            continue
        try:
            _write(change.path, change.after, change.new_mode)
        except OSError as error:
            for earlier in reversed(done):
                with suppress(OSError):
                    _write(earlier.path, earlier.before, earlier.new_mode)
            raise CmdaiError(
                f"cannot write {change.path}: {error.strerror}; nothing was changed",
                'make it writable, or put the output of "cmdai-shell init SHELL" there yourself',
            ) from error
        done.append(change)
    return done


def notes(shells: Iterable[Shell]) -> list[str]:
    """What the person should know besides, one sentence each."""
    if platform.system() != "Darwin" or "bash" not in shells:
        return []
    login = [Path.home() / name for name in (".bash_profile", ".bash_login", ".profile")]
    first = next((path for path in login if path.exists()), login[0])
    if b"bashrc" in (_read(first) or b""):
        return []
    return [f"macOS opens login shells, which read {first} only: add the line  . ~/.bashrc  to it"]


def _rc_change(shell: Shell, *, install: bool) -> Change:
    path = rc_file(shell)
    before = _read(path)
    try:
        after = rcfile.add(before, rc_line(shell)) if install else before and rcfile.remove(before)
    except CmdaiError as error:
        raise CmdaiError(f"{path}: {error.message}", error.hint) from error
    return Change(path, before, after)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CmdaiError(
            f"cannot read {path}: {error.strerror}", "make it a file you can read, then try again"
        ) from error


def _write(path: Path, content: bytes | None, new_mode: int) -> None:
    """Whole or not at all. A link stays a link: the file it leads to is the one that changes."""
    target = Path(os.path.realpath(path))
    if content is None:
        target.unlink(missing_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    old = target.stat() if target.exists() else None
    if old and not os.access(target, os.W_OK):
        raise PermissionError(13, "it is read-only")
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123  it is already open
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(old.st_mode & 0o7777 if old else new_mode)
        if old and (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(name, old.st_uid, old.st_gid)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _running_shell() -> Shell | None:
    """The parent process, not ``$SHELL``: that is the login shell, whatever is running now."""
    try:
        done = subprocess.run(
            ["ps", "-o", "comm=", "-p", str(os.getppid())],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=3,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    name = Path(done.stdout.strip()).name.removeprefix("-")
    return next((shell for shell in SHELLS if shell == name), None)
