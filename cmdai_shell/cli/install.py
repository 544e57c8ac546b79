"""``install``, ``uninstall`` and ``init``: the shells' side of cmdai-shell."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from cmdai_shell.config.paths import APP
from cmdai_shell.hooks import render as hook_text
from cmdai_shell.hooks.install import (
    apply,
    hook_file,
    notes,
    plan_install,
    plan_uninstall,
    shells_here,
)
from cmdai_shell.hooks.render import SHELLS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmdai_shell.core import Shell
    from cmdai_shell.hooks.install import Change

_shell_option = click.option(
    "--shell",
    "shells",
    type=click.Choice(SHELLS),
    multiple=True,
    help="Only this shell; may be given more than once.",
)
_dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Say what would change, and change nothing."
)


@click.command()
@_shell_option
@_dry_run_option
def install(shells: tuple[str, ...], *, dry_run: bool) -> None:
    """Put the Ctrl-G key into your shells.

    Writes one hook file per shell into the data folder, and one guarded line into ~/.bashrc,
    ~/.zshrc (or $ZDOTDIR/.zshrc) and fish's conf.d. Without --shell: every shell found on PATH.
    "cmdai-shell uninstall" takes out exactly what this puts in.

    \b
    Examples:
      cmdai-shell install
      cmdai-shell install --shell zsh --dry-run
    """
    chosen = cast("tuple[Shell, ...]", shells) or shells_here()
    if not chosen:
        raise click.UsageError("no bash, zsh or fish on PATH: name one with --shell")
    changes = _carry_out(plan_install(chosen), dry_run=dry_run)
    for note in notes(chosen):
        click.echo(note)
    if note := _off_path():
        click.echo(note)
    if dry_run:
        return
    if not changes:
        click.echo("the hooks are in place already")
    commands = " or ".join(f". {_short(hook_file(shell))}" for shell in chosen)
    click.echo(f"open a new shell, or run: {commands}")


@click.command()
@_shell_option
@_dry_run_option
def uninstall(shells: tuple[str, ...], *, dry_run: bool) -> None:
    """Take the key out of your shells again; nothing else in their files is touched.

    \b
    Examples:
      cmdai-shell uninstall
      cmdai-shell uninstall --shell fish
    """
    chosen = cast("tuple[Shell, ...]", shells) or SHELLS
    if not _carry_out(plan_uninstall(chosen), dry_run=dry_run):
        click.echo("no hook is installed")
    elif not dry_run:
        click.echo("shells that are open keep the key until they are closed")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def init(shell: Shell) -> None:
    """Print the hook, for a shell file that you keep yourself.

    \b
    Examples:
      eval "$(cmdai-shell init bash)"
      cmdai-shell init fish | source
    """
    click.echo(hook_text.init(shell), nl=False)


def _carry_out(changes: Sequence[Change], *, dry_run: bool) -> list[Change]:
    """Make the changes, or only say them. Returns those that were needed."""
    done = [change for change in changes if change.needed] if dry_run else apply(changes)
    would = "would have " if dry_run else ""
    for change in done:
        verb = "removed" if change.after is None else "changed" if change.before else "written"
        click.echo(f"{would}{verb} {_short(change.path)}")
    return done


def _off_path() -> str:
    """What to add to PATH so that the program is found by its name, or empty when it is. The key
    does not need it."""
    folder = Path(sys.executable).parent
    if shutil.which(APP) or not (folder / APP).exists():
        return ""
    return (
        f"{APP} itself is not on your PATH (the key works without): "
        f'export PATH="{folder}:$PATH", in fish: fish_add_path {folder}'
    )


def _short(path: Path) -> str:
    home = str(Path.home())
    text = str(path)
    return f"~{text.removeprefix(home)}" if text.startswith(home + "/") else text
