"""``cmdai-shell config``: show, check and change the settings."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import msgspec

from cmdai_shell.cli import output
from cmdai_shell.config import edit as editing
from cmdai_shell.config import loading
from cmdai_shell.config.schema import KEYS, Config
from cmdai_shell.config.toml import read_text
from cmdai_shell.errors import ConfigError

_EDITORS = ("vi", "nano")
"""Tried in this order when neither VISUAL nor EDITOR is set."""


@click.group(
    epilog="""\b
Examples:
  cmdai-shell config show --origin
  cmdai-shell config set safety_level strict
  cmdai-shell config set safety.allow '["git push"]'

An environment variable outranks the file: CMDAI_ and the key's own name in
capitals, as in CMDAI_SAFETY_LEVEL, CMDAI_MODEL, CMDAI_THREADS.
"""
)
def config() -> None:
    """Show, check and change the settings."""


@config.command()
@click.option("--origin", is_flag=True, help="Say where each value was set.")
@click.option("--json", "json_", is_flag=True, help="As one JSON object.")
def show(*, origin: bool, json_: bool) -> None:
    """Print every setting in force, as TOML.

    \b
    Example:
      cmdai-shell config show --origin
    """
    loaded = loading.load_with_origins()
    values = _flat(loaded.config)
    if json_:
        shown = msgspec.to_builtins(values)
        if origin:
            shown = {
                name: {"value": value, "origin": loaded.origins[name]}
                for name, value in shown.items()
            }
        output.emit(shown, "json")
        return
    section = ""
    for name, value in values.items():
        here, _, key = name.rpartition(".")
        if here != section:
            section = here
            click.echo(f"\n[{section}]")
        line = f"{key} = {editing.literal(value)}"
        click.echo(f"{line:<40}  # {loaded.origins[name]}" if origin else line)


@config.command()
@click.argument("key")
@click.option("--json", "json_", is_flag=True, help="As a JSON value.")
def get(key: str, *, json_: bool) -> None:
    """Print one value, by its dotted key: embedded.threads.

    \b
    Example:
      cmdai-shell config get embedded.threads
    """
    if key not in KEYS:
        raise loading.unknown_key(key)
    value = msgspec.to_builtins(_flat(loading.load())[key])
    if json_:
        output.emit(value, "json")
    else:
        click.echo(value if isinstance(value, str) else editing.literal(value))


@config.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("key")
@click.argument("value")
def set_(key: str, value: str) -> None:
    """Change one value in the file; comments stay, and a bad value changes nothing.

    \b
    Examples:
      cmdai-shell config set safety_level strict
      cmdai-shell config set safety.allow '["git push"]'
    """
    editing.set_value(loading.config_file(), key, value)
    if (variable := KEYS[key].variable) and os.environ.get(variable):
        output.say(f"note: ${variable} is set and outranks the file", "yellow")
    reload_daemon()


@config.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
def validate(file: Path | None) -> None:
    """Check the settings, or a FILE; exit code 78 when they are wrong.

    \b
    Example:
      cmdai-shell config validate
    """
    path = file or loading.config_file()
    if file and not file.exists():
        raise ConfigError(f"{file} does not exist")
    if file:
        loading.parse(read_text(file), str(file))
    else:
        loading.load()
    click.echo(f"{path}: valid" if path.exists() else f"{path}: not there, defaults are in force")


@config.command()
def path() -> None:
    """Print where the settings file is (it need not exist).

    \b
    Example:
      cp "$(cmdai-shell config path)" backup.toml
    """
    click.echo(loading.config_file())


@config.command()
def edit() -> None:
    """Open the settings in $VISUAL or $EDITOR; they are checked before they count.

    While there is no file, what opens lists every key with its default, commented out.

    \b
    Example:
      cmdai-shell config edit
    """
    target = loading.config_file()
    before = read_text(target) or editing.template()
    draft = _draft(before)
    try:
        while (after := _edited(draft)) != before:
            try:
                loading.parse(after, str(target))
            except ConfigError as error:
                output.fail(error.message, error.hint)
                if sys.stdin.isatty() and click.confirm("edit again?", default=True, err=True):
                    continue
                rejected = target.with_suffix(".rejected")
                editing.write(rejected, after)
                raise ConfigError("nothing was changed", f"your text is in {rejected}") from None
            editing.write(target, after)
            reload_daemon()
            return
        output.say("nothing was changed")
    finally:
        draft.unlink(missing_ok=True)


def reload_daemon() -> None:
    """A running daemon reads the settings again; none running is fine, and what is wrong with the
    settings the next request says."""
    from cmdai_shell.cli.client import Client
    from cmdai_shell.errors import CmdaiError

    try:
        Client(start=()).reload()
    except CmdaiError:
        return


def _flat(config: Config) -> dict[str, object]:
    """Every value by its dotted key, in the schema's order."""
    values: dict[str, object] = {}
    for name in KEYS:
        section, _, key = name.rpartition(".")
        values[name] = getattr(getattr(config, section) if section else config, key)
    return values


def _draft(text: str) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="cmdai-shell-", suffix=".toml")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return Path(name)


def _edited(draft: Path) -> str:
    """The draft after the person's editor. Raises ConfigError when there is none, or it failed."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or _editor_here()
    try:
        code = subprocess.run([*shlex.split(editor), str(draft)], check=False).returncode
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot start the editor {editor!r}: {error}", "set EDITOR") from None
    if code:
        raise ConfigError(f"the editor {editor!r} failed: nothing was changed")
    return read_text(draft)


def _editor_here() -> str:
    """An editor that needs no setting. Raises ConfigError when there is none."""
    found = next(filter(shutil.which, _EDITORS), "")
    if not found:
        raise ConfigError(
            f"no editor: neither VISUAL nor EDITOR is set, and {' and '.join(_EDITORS)} are absent",
            "export EDITOR=your-editor, or change one value: cmdai-shell config set KEY VALUE",
        )
    return found
