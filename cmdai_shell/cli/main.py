"""The command line's entry. Only what a call needs is imported: ``init`` not even click."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, cast, get_args

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cmdai_shell.core import Shell

OK, FAILED, USAGE, NO_DAEMON, BAD_CONFIGURATION, INTERRUPTED = 0, 1, 2, 69, 78, 130
"""Exit codes. 69 and 78 are EX_UNAVAILABLE and EX_CONFIG of sysexits(3)."""

BROKEN_PIPE = 141
"""What a shell reports of a program that SIGPIPE ended; as of other tools before ``| head``."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command line and exit."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _open_what_is_closed()
    try:
        code = _main(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()
        code = BROKEN_PIPE
    except KeyboardInterrupt:
        code = INTERRUPTED
    except OSError as error:  # a full disk behind stdout, a file that cannot be read
        from cmdai_shell.cli.output import fail

        _drop_stdout()
        where = f"{error.filename}: " if error.filename else ""
        fail(where + (error.strerror or str(error)).lower())
        code = FAILED
    sys.exit(code)


def _main(arguments: list[str]) -> int:
    from cmdai_shell.cli.output import fail
    from cmdai_shell.core import Shell
    from cmdai_shell.errors import CmdaiError, ConfigError, DaemonUnavailable

    try:
        match arguments:
            case ["init", shell] if shell in get_args(Shell):
                return _init(cast("Shell", shell))
        return _click(arguments)
    except CmdaiError as error:
        fail(error.message, error.hint)
        if isinstance(error, ConfigError):
            return BAD_CONFIGURATION
        return NO_DAEMON if isinstance(error, DaemonUnavailable) else FAILED


def _init(shell: Shell) -> int:
    """``init SHELL``, which may stand in an rc file: a shell waits for it at every start."""
    from cmdai_shell.hooks.render import init

    sys.stdout.write(init(shell))
    return OK


def _click(arguments: list[str]) -> int:
    import click

    from cmdai_shell.cli.commands import cmdai
    from cmdai_shell.cli.output import fail, say

    try:
        return int(cmdai.main(arguments, "cmdai-shell", standalone_mode=False) or OK)
    except click.Abort:
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message())  # not on stdout, where a script takes it for a command
        return USAGE
    except click.UsageError as error:
        fail(error.format_message(), cmdai.advice(arguments, error))
        return USAGE
    except click.ClickException as error:
        fail(error.format_message())
        return error.exit_code


def _open_what_is_closed() -> None:
    """``>&-`` leaves None for a stream, and its number for the next file or socket to take."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115


def _drop_stdout() -> None:
    """Nobody takes what is left of it; else the interpreter complains when it flushes at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
