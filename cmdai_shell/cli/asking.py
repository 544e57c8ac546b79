"""What a login asks of a person: a secret unseen, a browser, a code on another screen."""

from __future__ import annotations

import html
import os
import sys
import threading
import webbrowser
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import click

from cmdai_shell.auth.tokens import in_words
from cmdai_shell.cli import output
from cmdai_shell.config import paths
from cmdai_shell.daemon.folder import open_folder
from cmdai_shell.errors import CmdaiError
from cmdai_shell.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cmdai_shell.auth.device import DeviceCode

LARGEST = 16 << 10
"""Characters of a secret."""
_LEADS_TO = (
    "<!doctype html><meta charset=utf-8><meta name=referrer content=no-referrer>"
    '<meta http-equiv=refresh content="0;url={0}"><a href="{0}">Log in</a>'
)


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


@contextmanager
def browser(environment: str) -> Iterator[Callable[[str], None]]:
    """What opens one with an address, which is shown too. The browser is given a page of ours that
    leads there: who else is on this machine sees its arguments, and whoever has the address can
    log in as himself in the person's place. The page is gone afterwards. Raises DaemonUnavailable
    for a runtime folder that others can use."""
    folder = paths.runtime_dir()
    os.close(open_folder(folder))
    with NamedTemporaryFile(  # of mode 0600
        "w", dir=folder, prefix="login-", suffix=".html", encoding="utf-8"
    ) as page:

        def open_with(url: str) -> None:
            output.say("log in in the browser; if no page opens there, go to")
            output.say(f"  {url}")
            if not has_browser():
                output.say("  in a browser of this machine; to use another machine's, type", "dim")
                output.say(f"  cmdai-shell auth login --environment {environment} --device", "dim")
                return
            page.write(_LEADS_TO.format(html.escape(url)))
            page.flush()
            address = Path(page.name).as_uri()
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

        yield open_with


def is_right_person(environment: str, who: str, before: str) -> bool:
    """Asked at a terminal. Raises CmdaiError where there is none."""
    said = f"logged in as {visible(who) or 'somebody without a name'}, before as {visible(before)}"
    if not sys.stdin.isatty():
        hint = f"cmdai-shell auth logout --environment {environment}"
        raise CmdaiError(f"{said}: nothing was stored", hint)
    return click.confirm(f"{said}: is that right?", err=True)


def show_code(code: DeviceCode) -> None:
    output.say(f"open   {code.verification_uri}")
    output.say(f"enter  {code.user_code}", "bold")
    if code.verification_uri_complete:
        output.say(f"or     {code.verification_uri_complete}", "dim")
    output.say(f"waiting; the code is good for {in_words(code.expires_in)}", "dim")
