"""Telling a running daemon that its settings have changed."""

from __future__ import annotations


def reload_daemon() -> None:
    """A running daemon reads the settings again; none running is fine, and what is wrong with the
    settings the next request says."""
    from cmdai_shell.cli.client import Client
    from cmdai_shell.errors import CmdaiError

    try:
        Client(start=()).reload()
    except CmdaiError:
        return
