"""What a login asks of a person: a secret unseen, a browser, a code on another screen."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from typing import TYPE_CHECKING

import click

from cmdai_shell.auth.tokens import in_words
from cmdai_shell.cli import output
from cmdai_shell.errors import CmdaiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmdai_shell.auth.device import DeviceCode

LARGEST = 16 << 10
"""Characters of a secret."""


def secret(what: str) -> str:
    """Typed without echo; from a pipe its first line. Raises CmdaiError where there is none."""
    if sys.stdin.isatty():
        given = click.prompt(what, hide_input=True, default="", show_default=False, err=True)
    else:
        given = sys.stdin.buffer.readline(4 * LARGEST).decode("utf-8", "replace")
    found = str(given).strip()
    if not found or len(found) > LARGEST:
        raise CmdaiError(
            f"no {what} was given" if not found else f"the {what} is too long",
            "type it when asked, or give it on standard input; never as an argument",
        )
    return found


def has_browser(environ: Mapping[str, str] = os.environ) -> bool:
    """A window can open here: one of a terminal would take the terminal from us."""
    if environ.get("BROWSER"):
        return True
    if sys.platform == "darwin":
        return not environ.get("SSH_CONNECTION")
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def open_browser(url: str) -> None:
    """The address is shown too: it can be opened by hand. Waits for no browser."""
    output.say("log in in the browser; if none opens, go to")
    output.say(f"  {url}")
    if has_browser():
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    else:
        output.say("  (on this machine; from another: cmdai-shell auth login --device)", "dim")


def show_code(code: DeviceCode) -> None:
    output.say(f"open   {code.verification_uri}")
    output.say(f"enter  {code.user_code}", "bold")
    if code.verification_uri_complete:
        output.say(f"or     {code.verification_uri_complete}", "dim")
    output.say(f"waiting; the code is good for {in_words(code.expires_in)}", "dim")
