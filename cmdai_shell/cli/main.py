"""The command line's entry. Only what a call needs is imported: ``init`` not even click."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

OK, FAILED, USAGE, NO_DAEMON, BAD_CONFIGURATION, INTERRUPTED = 0, 1, 2, 69, 78, 130
"""Exit codes. 69 and 78 are EX_UNAVAILABLE and EX_CONFIG of sysexits(3)."""

BROKEN_PIPE = 141
"""What a shell reports of a program that SIGPIPE ended."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one command line and exit."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _main(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone; without this the interpreter complains when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = BROKEN_PIPE
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def _main(arguments: list[str]) -> int:
    import click

    from cmdai_shell.cli.commands import cmdai
    from cmdai_shell.cli.output import fail
    from cmdai_shell.errors import CmdaiError, ConfigError, DaemonUnavailable

    try:
        return cmdai.main(arguments, "cmdai-shell", standalone_mode=False) or OK
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        return INTERRUPTED
    except click.UsageError as error:
        fail(error.format_message(), cmdai.advice(arguments, error))
        return USAGE
    except click.ClickException as error:
        fail(error.format_message())
        return error.exit_code
    except CmdaiError as error:
        fail(error.message, error.hint)
        if isinstance(error, ConfigError):
            return BAD_CONFIGURATION
        return NO_DAEMON if isinstance(error, DaemonUnavailable) else FAILED
