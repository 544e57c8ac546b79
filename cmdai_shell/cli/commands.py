"""The table of subcommands, and the group in which an unknown first word begins a request."""

from __future__ import annotations

import difflib
import importlib
import shlex
import sys
from typing import TYPE_CHECKING, cast

import click

from cmdai_shell import __version__
from cmdai_shell.cli.main import BROKEN_PIPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem

COMMANDS: dict[str, tuple[str, str]] = {
    "auth": ("cmdai_shell.cli.auth:auth", "logins: who is logged in, and for how long"),
    "backends": ("cmdai_shell.cli.backends:backends", "the GPU servers: which, and how they do"),
    "completion": ("cmdai_shell.cli.completion:completion", "print the shell's completion script"),
    "config": ("cmdai_shell.cli.config:config", "show, check and change the settings"),
    "daemon": ("cmdai_shell.cli.daemon:daemon", "start, stop and watch the background process"),
    "dashboard": ("cmdai_shell.cli.dashboard:dashboard", "watch the servers, full screen"),
    "diagnostics": ("cmdai_shell.cli.diagnostics:diagnostics", "pictures, and a bundle to show"),
    "doctor": ("cmdai_shell.cli.doctor:doctor", "find what is wrong, and say how to cure it"),
    "history": ("cmdai_shell.cli.history:history", "what became of suggestions, and forgetting it"),
    "init": ("cmdai_shell.cli.install:init", "print a shell's key binding, for its rc file"),
    "install": ("cmdai_shell.cli.install:install", "bind Ctrl-G in bash, zsh and fish"),
    "metrics": ("cmdai_shell.cli.metrics:metrics", "the daemon's numbers, for Prometheus"),
    "model": ("cmdai_shell.cli.model:model", "fetch, choose and measure language models"),
    "setup": ("cmdai_shell.cli.setup:setup", "a few questions, and a server is written down"),
    "status": ("cmdai_shell.cli.status:status", "the daemon, its model, the last request"),
    "trace": ("cmdai_shell.cli.trace:trace", "ask, and see where the time goes"),
    "uninstall": ("cmdai_shell.cli.install:uninstall", "take the key binding out again"),
}
"""Name -> (module:attribute, summary). A module is imported when its command is called."""

REQUEST = "the words"
"""Inner name of the command that takes a request; the blank keeps it out of reach of words."""

EXAMPLES = """\
\b
Examples:
  cmdai-shell "list the ten largest files under this folder"
  cmdai-shell -n 3 --explain find python files changed today
  echo "count the lines of every csv file" | cmdai-shell --json
  cmdai-shell -- status of the git repository
"""


class Cmdai(click.Group):
    """``cmdai-shell COMMAND ...``, or ``cmdai-shell WORDS...`` when no command has that name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not self._is_ours(args, completing=ctx.resilient_parsing):
            _refuse_slip(args)
            args = [REQUEST, *args]
        return super().parse_args(ctx, args)

    def _is_ours(self, args: Sequence[str], *, completing: bool) -> bool:
        if not args:
            return completing or sys.stdin.isatty()  # else the request comes through the pipe
        return args[0] in COMMANDS or args[0] in {"--help", "-h", "--version"}

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would make an ordinary failure of it
            ctx.exit(BROKEN_PIPE)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == REQUEST:
            where = "cmdai_shell.cli.suggest:suggest"
        elif cmd_name in COMMANDS:
            where = COMMANDS[cmd_name][0]
        else:
            return None
        module, _, attribute = where.partition(":")
        return cast("click.Command", getattr(importlib.import_module(module), attribute))

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage(ctx.command_path, "[OPTIONS] WORDS...")
        formatter.write_usage(ctx.command_path, "COMMAND [ARGUMENTS]...", prefix="       ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        request = self.get_command(ctx, REQUEST)
        parameters = [*(request.params if request else []), *self.get_params(ctx)]
        options = [p for p in parameters if isinstance(p, click.Option)]
        rows = [row for option in options if (row := option.get_help_record(ctx))]
        with formatter.section("Options"):
            formatter.write_dl(rows)
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = super().shell_complete(ctx, incomplete)
        if incomplete.startswith("-") and (request := self.get_command(ctx, REQUEST)):
            found += request.shell_complete(ctx, incomplete)
        return found

    def advice(self, arguments: Sequence[str], error: click.UsageError) -> str:
        """What to type after a usage error: perhaps words were taken for a command."""
        plain = len(arguments) > 1 and not any(a.startswith("-") for a in arguments)
        if isinstance(error, click.BadParameter) and error.param:
            plain = plain and not isinstance(error.param.type, click.Path)  # a file, no word
        if plain and arguments[0] in COMMANDS:
            return f"if these are words of a request: cmdai-shell -- {shlex.join(arguments)}"
        own = _called(error.ctx) if arguments and arguments[0] in COMMANDS else ()
        return " ".join(("see cmdai-shell", *own, "--help"))


def _called(ctx: click.Context | None) -> tuple[str, ...]:
    """The words that lead to a command: ``config``, ``add-environment``."""
    if ctx is None or ctx.parent is None:
        return ()
    return (*_called(ctx.parent), ctx.info_name or "")


def _refuse_slip(args: Sequence[str]) -> None:
    """A single word that is nearly a command, or a command behind an option, is a slip."""
    if "--" in args or len(words := [a for a in args if not a.startswith("-")]) != 1:
        return
    word = words[0]
    if word in COMMANDS and len(args) > 1:
        raise click.UsageError(f"options go after the command: cmdai-shell {word} ...")
    if near := difflib.get_close_matches(word, COMMANDS, n=1, cutoff=0.8):
        raise click.UsageError(
            f"no command {word!r}: did you mean {near[0]}? As a request: cmdai-shell -- {word}"
        )


@click.group(
    cls=Cmdai,
    epilog=EXAMPLES,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="cmdai-shell", message="%(prog)s %(version)s")
def cmdai() -> None:
    """Words in, a shell command out: from a language model on this machine, nothing is run.

    The command goes to stdout, everything said about it to stderr. A command that the safety level
    does not allow is not printed, and the exit code is 1.
    """
