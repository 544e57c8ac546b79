"""``cmdai-shell config migrate``: settings of cmdai and caro, and older ones of ours."""

from __future__ import annotations

from pathlib import Path

import click

from cmdai_shell.cli import output
from cmdai_shell.cli.options import as_json
from cmdai_shell.cli.reload import reload_daemon
from cmdai_shell.config import loading, migration
from cmdai_shell.config.writing import alone
from cmdai_shell.errors import ConfigError


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@as_json
def migrate(file: Path | None, *, dry_run: bool, json_: bool) -> None:
    """Take over the settings of cmdai or caro, from FILE or from where they keep it.

    What your own settings say already stays. Every key is named: as what it was carried over, or
    why not. The file that is replaced is kept beside the new one; theirs is only read.
    Without a file of theirs your own is looked through for keys that have another name now.

    \b
    Examples:
      cmdai-shell config migrate --dry-run
      cmdai-shell config migrate ~/.config/caro/config.toml
    """
    target = loading.config_file()
    if file and not file.is_file():
        raise ConfigError(f"{file} does not exist")
    source = file or _found() or target
    if dry_run:
        account = migration.plan(source, target)
    else:
        with alone(target):
            account = migration.carry_out(migration.plan(source, target))
        if account.files:
            reload_daemon()
    if json_:
        output.emit(_document(account, is_done=not dry_run), "json")
    else:
        _tell(account, is_done=not dry_run)


def _found() -> Path | None:
    import platformdirs

    return migration.found(Path(platformdirs.user_config_path()))


def _document(account: migration.Account, *, is_done: bool) -> dict[str, object]:
    return {
        "source": str(account.source),
        "is_done": is_done and bool(account.files),
        "carried": [{"key": key, "as": ours} for key, ours in account.carried],
        "left": [{"key": key, "why": why} for key, why in account.left],
        "files": [str(file) for file in account.files],
        "backup": str(account.backup or ""),
    }


def _tell(account: migration.Account, *, is_done: bool) -> None:
    click.echo(f"from {account.source}")
    for key, ours in account.carried:
        click.echo(f"  carried  {key}  ->  {ours}")
    for key, why in account.left:
        click.echo(f"  left     {key}: {why}")
    if not account.files:
        output.say("nothing to do")
    elif is_done:
        names = ", ".join(map(str, account.files))
        output.say(f"wrote {names}")
        if account.backup:
            output.say(f"the file before is {account.backup}")
    else:
        output.say("nothing was written; without --dry-run it would be")
