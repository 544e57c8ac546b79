"""``cmdai-shell config edit``: the settings in the person's editor. What was typed there is never
lost: it counts, or it is kept in a file that is named."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cmdai_shell.cli import output
from cmdai_shell.cli.environments import environment_names
from cmdai_shell.cli.reload import reload_daemon
from cmdai_shell.config import edit as editing
from cmdai_shell.config import loading
from cmdai_shell.config.toml import read_text
from cmdai_shell.config.writing import alone, free_name, write, write_bytes
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

_EDITORS = ("vi", "nano")
"""Tried in this order when neither VISUAL nor EDITOR is set."""


@click.command()
@click.argument("name", default="", shell_complete=environment_names)
def edit(name: str) -> None:
    """Open the settings in $VISUAL or $EDITOR, or those of the environment NAME; they are checked
    before they count.

    What opens lists the keys that are not set with their defaults, commented out; of the settings
    while there is no file yet, of an environment always. Left as it is, nothing is written. What
    cannot count is kept in a file beside, and the message names it.

    \b
    Examples:
      cmdai-shell config edit
      cmdai-shell config edit home-lab
    """
    path = target = loading.config_file()
    check_text = partial(loading.check_text, path)
    if name:
        written = editing.find(path, name)
        target, opened = Path(written.source.name), written.source.text
        shown = opened if written.path else editing.with_other_keys(opened)
        check_text = partial(editing.check_environment_text, written)
    else:
        opened = read_text(path)
        shown = opened or editing.template()
    with _draft(shown, target) as draft:
        while (after := _edited(draft)) != shown:
            with alone(path):
                if read_text(target) != opened:
                    raise ConfigError(f"{target} was changed by another program meanwhile")
                try:
                    check_text(after)
                    loading.check_in_place(path, {target: after})
                except ConfigError as error:
                    output.fail(error.message, error.hint)
                else:
                    write(target, after)
                    break
            if not (sys.stdin.isatty() and click.confirm("edit again?", default=True, err=True)):
                raise ConfigError("nothing was changed")
        else:
            output.say("nothing was changed")
            return
    reload_daemon()


@contextmanager
def _draft(text: str, target: Path) -> Iterator[Path]:
    """A file for the editor. Whatever is raised, what the person has made of the text is kept
    beside ``target``, and it is said where."""
    descriptor, name = tempfile.mkstemp(prefix="cmdai-shell-", suffix=".toml")
    draft = Path(name)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode())
    try:
        yield draft
    except BaseException as error:
        kept = _kept(draft, text, target)
        if not kept:
            raise
        if isinstance(error, ConfigError):
            raise ConfigError(error.message, f"your text is in {kept}") from None
        output.say(f"your text is in {kept}")
        raise
    draft.unlink(missing_ok=True)


def _kept(draft: Path, before: str, target: Path) -> Path | None:
    """Where the person's text is from now on; None where there is none."""
    if not draft.is_file():
        return None
    data, kept = draft.read_bytes(), None
    if data != before.encode():
        kept = free_name(target.with_suffix(""), "rejected")
        try:
            write_bytes(kept, data)
        except ConfigError:
            return draft
    draft.unlink()
    return kept


def _edited(draft: Path) -> str:
    """The draft after the person's editor. Raises ConfigError when there is none, or it failed."""
    editor = _wanted("VISUAL") or _wanted("EDITOR") or _editor_here()
    try:
        code = subprocess.run([*shlex.split(editor), str(draft)], check=False).returncode
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot start the editor {editor!r}: {error}", "set EDITOR") from None
    if code:
        raise ConfigError(f"the editor {editor!r} failed: nothing was changed")
    if not draft.exists():
        raise ConfigError(f"the editor {editor!r} left no text: nothing was changed")
    return read_text(draft)


def _wanted(variable: str) -> str:
    return os.environ.get(variable, "").strip()


def _editor_here() -> str:
    """An editor that needs no setting. Raises ConfigError when there is none."""
    found = next(filter(shutil.which, _EDITORS), "")
    if not found:
        raise ConfigError(
            f"no editor: neither VISUAL nor EDITOR is set, and {' and '.join(_EDITORS)} are absent",
            "export EDITOR=your-editor, or change one value: cmdai-shell config set KEY VALUE",
        )
    return found
