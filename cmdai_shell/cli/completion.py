"""``cmdai-shell completion SHELL``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(
    epilog="""\b
Examples:
  cmdai-shell completion bash > ~/.local/share/bash-completion/completions/cmdai-shell
  cmdai-shell completion zsh > "${fpath[1]}/_cmdai-shell"
  cmdai-shell completion fish > ~/.config/fish/completions/cmdai-shell.fish
"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes cmdai-shell's own commands and options in SHELL."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  click ships all three
    print(kind(ctx.find_root().command, {}, "cmdai-shell", "_CMDAI_SHELL_COMPLETE").source())
