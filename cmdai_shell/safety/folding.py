"""Programs whose output is known without running them: ``$(echo /)``, ``echo rm | sh``."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from cmdai_shell.safety.quoting import ansi_c
from cmdai_shell.safety.script import MAYBE, SOME

if TYPE_CHECKING:
    from cmdai_shell.safety.script import Call

_UNCHANGED = frozenset({"cat", "tee", "sort", "uniq", "head", "tail", "less", "more", "pv", "tac"})
_KINDLY_UNKNOWN = {
    "mktemp": "/tmp/" + SOME,  # noqa: S108 - the folder mktemp picks, nothing is opened
    "pwd": ".",
    "date": SOME,
    "whoami": SOME,
    "hostname": SOME,
    "id": SOME,
    "uname": SOME,
    "nproc": SOME,
    "seq": SOME,
}


def output_of(calls: tuple[Call, ...]) -> str | None:
    """What the calls of a substitution print, or None when only running them would tell."""
    if not calls:
        return ""
    last = printed(calls[-1])
    in_a_row = [call for call in calls if not call.wrappers]
    return last if last is None or len(in_a_row) < 2 else MAYBE + last  # "a && echo b"


def printed(call: Call) -> str | None:
    """What one call prints, fed by the calls before it in its pipeline; None is unknown."""
    if any(redirect.writes for redirect in call.redirects):
        return ""
    program, args = call.program, [word.text for word in call.args]
    if program == "echo":
        return _echo(args)
    if program == "printf":
        return _printf(args)
    if program in _KINDLY_UNKNOWN:
        return _KINDLY_UNKNOWN[program]
    if program in ("which", "command", "realpath", "readlink", "type"):
        named = [arg for arg in args if not arg.startswith("-")]
        return named[-1] if named else None
    fed = stdin_of(call)
    if fed is None:
        return None
    if program in _UNCHANGED and all(arg.startswith("-") for arg in args):
        return fed
    if program == "rev":
        return "\n".join(line[::-1] for line in fed.splitlines())
    if program == "base64" and any(arg.startswith(("-d", "-D", "--d")) for arg in args):
        return _decoded(fed)
    return None


def stdin_of(call: Call) -> str | None:
    """The text a call reads, if it stands on the line: here-document, here-string or pipe."""
    for redirect in call.redirects:
        if redirect.is_text:
            return redirect.target.text
    return printed(call.fed_by[-1]) if call.fed_by else None


def _echo(args: list[str]) -> str:
    escapes = False
    while args and args[0].startswith("-") and args[0][1:] and not args[0][1:].strip("neE"):
        escapes = escapes or "e" in args[0]
        args = args[1:]
    text = " ".join(args)
    return ansi_c(text) if escapes else text


def _printf(args: list[str]) -> str | None:
    if args and args[0] == "--":
        args = args[1:]
    if not args:
        return None
    pieces = ansi_c(args[0]).split("%")
    values = iter(args[1:])
    text = pieces[0]
    for piece in pieces[1:]:
        if piece.startswith(("s", "b", "q", "d")):
            text += ansi_c(next(values, "")) + piece[1:]
        else:
            text += MAYBE + piece[1:]
    return text + "".join(f"\n{value}" for value in values)


def _decoded(text: str) -> str | None:
    try:
        return base64.b64decode(text.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
