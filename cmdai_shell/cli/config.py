"""``cmdai-shell config``: show, check and change the settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from cmdai_shell.cli import output
from cmdai_shell.cli.edit import edit
from cmdai_shell.cli.environments import (
    add_environment,
    environment_names,
    list_environments,
    remove_environment,
    use,
    warn_if_outranked,
)
from cmdai_shell.cli.migrate import migrate
from cmdai_shell.cli.options import as_json
from cmdai_shell.cli.reload import reload_daemon
from cmdai_shell.config import edit as editing
from cmdai_shell.config import environment_files, environments, json_schema, loading
from cmdai_shell.config.environment import ENVIRONMENT_KEYS
from cmdai_shell.config.environment_files import FOLDER, Gathered
from cmdai_shell.config.schema import KEYS, Config
from cmdai_shell.errors import ConfigError
from cmdai_shell.observe.redact import redact

if TYPE_CHECKING:
    from collections.abc import Mapping


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


config.add_command(list_environments)
config.add_command(add_environment)
config.add_command(edit)
config.add_command(remove_environment)
config.add_command(use)
config.add_command(migrate)


@config.command()
@click.option("--origin", is_flag=True, help="Say where each value was set.")
@click.option("--json", "json_", is_flag=True, help="As one JSON object.")
def show(*, origin: bool, json_: bool) -> None:
    """Print every setting in force, as TOML; of environments, what is not the default.

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
        if here.startswith(f"{FOLDER}.") and value == ENVIRONMENT_KEYS[key].default:
            continue
        if here != section:
            section = here
            click.echo(f"\n[{section}]")
        line = f"{key} = {editing.literal(value)}"
        click.echo(f"{line:<40}  # {loaded.origins[name]}" if origin else line)


@config.command()
@click.argument("key")
@click.option("--json", "json_", is_flag=True, help="As a JSON value.")
def get(key: str, *, json_: bool) -> None:
    """Print one value, by its dotted key: embedded.threads, environments.home-lab.timeout_ms.

    \b
    Example:
      cmdai-shell config get embedded.threads
    """
    value = msgspec.to_builtins(_value(key))
    if json_:
        output.emit(value, "json")
    else:
        click.echo(value if isinstance(value, str) else editing.literal(value))


def _value(key: str, environ: Mapping[str, str] = os.environ) -> object:
    """Raises ConfigError for a key that is not there."""
    if key.startswith(f"{FOLDER}."):
        name, _, last = key.removeprefix(f"{FOLDER}.").partition(".")
        environment = environments.chosen(loading.load(environ=environ), name)
        if environment is None or last not in ENVIRONMENT_KEYS:
            raise environment_files.unknown_key(last, (FOLDER, name, last))
        return getattr(environment, last)
    if key not in KEYS:
        raise loading.unknown_key(key)
    return _flat(loading.load(environ=environ))[key]


@config.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("key")
@click.argument("value")
@as_json
def set_(key: str, value: str, *, json_: bool) -> None:
    """Change one value in the file; comments stay, and a bad value changes nothing.

    \b
    Examples:
      cmdai-shell config set safety_level strict
      cmdai-shell config set safety.allow '["git push"]'
      cmdai-shell config set environments.home-lab.timeout_ms 3000
    """
    before = _written(key)
    _changed(key, before, editing.set_value(loading.config_file(), key, value), json_=json_)


@config.command()
@click.argument("key")
@as_json
def unset(key: str, *, json_: bool) -> None:
    """Take one value out of the file, so that its default counts again; comments stay.

    \b
    Examples:
      cmdai-shell config unset safety_level
      cmdai-shell config unset environments.home-lab.api_key_env
    """
    before = _written(key)
    _changed(key, before, editing.unset_value(loading.config_file(), key), json_=json_)


def _changed(key: str, before: object, file: Path, *, json_: bool) -> None:
    if json_:
        output.emit({"key": key, "file": str(file)}, "json")
    else:
        now = _written(key)
        was = "as before" if now == before else f"was {_covered(key, before)}"
        folder = loading.config_file().parent
        where = file.relative_to(folder) if file.is_relative_to(folder) else file
        output.say(f"{key} = {_covered(key, now)} ({was}), in {where}")
    if key in KEYS:
        warn_if_outranked(key)
    reload_daemon()


def _written(key: str) -> object:
    """The value by the files alone; None where they, or the key, are wrong."""
    try:
        return msgspec.to_builtins(_value(key, environ={}))
    except ConfigError:
        return None


def _covered(key: str, value: object) -> str:
    """As TOML, without a credential. The key stays away from ``redact``: ``api_key_env`` before a
    variable's name would make a credential of it."""
    from cmdai_shell.diagnose.settings_shown import covered  # only for what is written

    if value is None:
        return "unknown"
    return redact(editing.literal(covered(key.rpartition(".")[2], value)))


@config.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--environment", is_flag=True, help="FILE describes an environment.")
@as_json
def validate(file: Path | None, *, environment: bool, json_: bool) -> None:
    """Check the settings, or a FILE; exit code 78 when they are wrong.

    A FILE in a folder called environments is taken for an environment, any other for a config.toml,
    with the environments beside it.

    \b
    Examples:
      cmdai-shell config validate
      cmdai-shell config validate examples/environments/home-lab.toml
    """
    if environment and not file:
        raise click.UsageError("--environment needs a FILE")
    if file and not file.exists():
        raise ConfigError(f"{file} does not exist")
    try:
        _validate(file, is_environment=environment)
    except ConfigError as error:
        if json_:
            said = {"is_valid": False, "error": error.message, "hint": error.hint}
            output.emit(said, "json")
        raise
    path = file or loading.config_file()
    if json_:
        files = [path] if file else loading.sources()
        output.emit({"is_valid": True, "files": [str(f) for f in files if f.exists()]}, "json")
        return
    click.echo(f"{path}: valid" if path.exists() else f"{path}: not there, defaults are in force")
    if not file:
        for other in loading.sources()[1:]:
            click.echo(f"{other}: valid")


def _validate(file: Path | None, *, is_environment: bool) -> None:
    if file is None:
        loading.load()
    elif is_environment or file.absolute().parent.name == FOLDER:
        environment_files.build(environment_files.read_file(file, file.stem, Gathered()))
    else:
        loading.load(file, {})


@config.command()
@click.option("--environment", is_flag=True, help="Of environments/NAME.toml.")
def schema(*, environment: bool) -> None:
    """Print the JSON Schema of config.toml, for editors that check and complete TOML.

    \b
    Examples:
      cmdai-shell config schema > config.schema.json
      cmdai-shell config schema --environment > environment.schema.json
    """
    output.emit(json_schema.environment() if environment else json_schema.config(), "json")


@config.command()
@click.argument("name", default="", shell_complete=environment_names)
@as_json
def path(name: str, *, json_: bool) -> None:
    """Print where the settings file is (it need not exist), or that of the environment NAME.

    \b
    Examples:
      cp "$(cmdai-shell config path)" backup.toml
      cat "$(cmdai-shell config path home-lab)"
    """
    file = loading.config_file()
    if name:
        file = Path(editing.find(file, name).source.name)
    if json_:
        output.emit({"path": str(file), "exists": file.exists()}, "json")
    else:
        click.echo(file)


def _flat(config: Config) -> dict[str, object]:
    """Every value by its dotted key, in the schema's order."""
    values: dict[str, object] = {}
    for name in KEYS:
        section, _, key = name.rpartition(".")
        values[name] = getattr(getattr(config, section) if section else config, key)
    for name, environment in config.environments.items():
        for key in ENVIRONMENT_KEYS:
            values[f"{FOLDER}.{name}.{key}"] = getattr(environment, key)
    return values
