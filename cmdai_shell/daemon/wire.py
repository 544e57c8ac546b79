"""The hook protocol (shell-hooks/README.md), pure: bytes to a request, updates to reply lines.

Tolerant of what comes in, strict about what goes out: a hook may send anything and gets an answer;
nothing that could move a cursor, retitle a window or disguise a text ever reaches a terminal.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast, get_args

from cmdai_shell.core import (
    Explanation,
    Hint,
    Notice,
    Op,
    Partial,
    Shell,
    Suggestion,
    SuggestRequest,
    Update,
)
from cmdai_shell.daemon import wording
from cmdai_shell.errors import CmdaiError, WireError
from cmdai_shell.text import one_line, visible

if TYPE_CHECKING:
    from collections.abc import Callable

END, SEPARATOR = "\x1e", "\x1f"
LIMIT = 1 << 20
"""Bytes of one request. A 64 KiB line and a long PATH fit many times over."""
VERSION = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a hook sent: the request, and how it wants the reply."""

    request: SuggestRequest
    pipes: str = ""
    """Name of the pair of pipes the shell would like for its next presses."""
    turn: int = 0
    """In a pipe: the number of the press."""
    patience: bool = False
    """The shell cannot time its reading: it has to be told, or to see the end of the file."""
    tty: str = ""
    """The terminal at which to look whether somebody typed."""


class Intake:
    """One request, out of bytes as they arrive: a record, or a record as the body of an HTTP POST
    (what curl sends where nothing simpler is installed)."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self.is_http = False
        self.wants_continue = False
        """The client waits for ``100 Continue`` before it sends the body (RFC 9110, 10.1.1)."""
        self._body = -1
        """Index of the body's first byte; -1 until the HTTP head is complete."""

    def feed(self, data: bytes) -> Record | None:
        """The record as soon as it is whole. Raises WireError when it never can be."""
        searched = len(self._bytes)
        self._bytes += data
        if len(self._bytes) > LIMIT:
            raise WireError(f"the line is too long (over {LIMIT >> 20} MiB)", "shorten it")
        if not self.is_http:
            self.is_http = self._bytes.startswith(b"POST ")
        if self.is_http and self._body < 0:
            self._read_head()
            searched = self._body
        if self.is_http and self._body < 0:
            return None
        end = self._bytes.find(b"\x1e", max(searched, 0))
        return decode(bytes(self._bytes[max(self._body, 0) : end])) if end >= 0 else None

    def _read_head(self) -> None:
        head, blank, _ = self._bytes.partition(b"\r\n\r\n")
        if blank:
            self._body = len(head) + len(blank)
            self.wants_continue = b"\r\nexpect: 100-continue" in head.lower()


def decode(record: bytes) -> Record:
    """One record, without its end mark. Raises WireError for another version or an unknown op."""
    text = SEPARATOR + record.decode("utf-8", "surrogateescape")
    head, _, line = text.partition(f"{SEPARATOR}line=")
    fields = dict(field.partition("=")[::2] for field in head.split(SEPARATOR))
    if (version := fields.get("v")) != VERSION:
        raise WireError(
            f"the hook speaks protocol {_printable(version or '?')}, the daemon {VERSION}",
            "run cmdai-shell install, then open a new shell",
        )
    op, shell = fields.get("op", ""), fields.get("shell", "")
    if op not in get_args(Op):
        raise WireError(f"unknown operation '{_printable(op)}'", "cmdai-shell install")
    request = SuggestRequest(
        op=cast("Op", op),
        shell=cast("Shell", shell if shell in get_args(Shell) else "bash"),
        shell_version=_printable(fields.get("shell_version", "")),
        line=_printable(line),
        cursor=_number(fields.get("cursor"), -1),
        cwd=_printable(fields.get("cwd", "")),
        last_status=_number(fields.get("last_status"), 0),
        last_command=_printable(fields.get("last_command", "")),
        path=fields.get("path", "").replace("\0", ""),
        width=max(20, _number(fields.get("width"), 80)),
        environment=_printable(fields.get("environment", "")),
        safety_level=_printable(fields.get("safety_level", "")),
        alternative=max(0, _number(fields.get("alternative"), 0)),
        offered=_printable(fields.get("offered", "")),
        ran=_printable(fields.get("ran", "")),
        ran_status=_number(fields.get("ran_status"), -1),
        private=_number(fields.get("private"), 0) > 0,
    )
    return Record(
        request=request,
        pipes=fields.get("pipes", ""),
        turn=_number(fields.get("turn"), 0),
        patience=_number(fields.get("patience"), 0) > 0,
        tty=fields.get("tty", ""),
    )


def encode(update: Update | CmdaiError, *, width: int, maker: Callable[[str], str] = str) -> bytes:
    """The reply lines of one update, for a terminal of ``width`` columns; ``maker`` gives a
    backend's name as a person reads it.

    Raises WireError for a command that would not arrive as it was judged.
    """
    match update:
        case Partial(text=text):
            return _line("T", text)
        case Notice(text=text):
            return _line("M", wording.cut(one_line(text), width))
        case Hint(text=text):
            return _line("M", one_line(text)) + b"D\n"
        case Explanation():
            return _verdict(update) + _line("M", wording.explanation(update)) + b"D\n"
        case Suggestion():
            return _suggestion(update, width, maker(update.backend))
        case CmdaiError():
            return _line("E", f"{update.code}{SEPARATOR}{one_line(str(update))}", keep=SEPARATOR)


def _suggestion(found: Suggestion, width: int, maker: str) -> bytes:
    message = one_line(wording.message(found, width, maker))
    if found.action == "refuse":
        return _line("E", f"refused{SEPARATOR}{message}", keep=SEPARATOR)
    command = found.command.replace("\t", " ")
    if visible(command) != command:
        raise WireError("the answer held characters that cannot be shown", "press again")
    place = _line("A", f"{found.index}/{found.count}")
    text = {"insert": _line("T", command), "arm": _line("P", command), "restore": b""}
    return _verdict(found) + place + text[found.action] + _line("M", message) + b"D\n"


def _verdict(final: Suggestion | Explanation) -> bytes:
    reason = one_line(next(iter(final.verdict.reasons), ""))
    return _line("W", f"{final.verdict.risk.word}{SEPARATOR}{reason}", keep=SEPARATOR)


def _line(letter: str, text: str, keep: str = "") -> bytes:
    parts = text.split(keep) if keep else [text]
    safe = keep.join(visible(part).replace("\n", SEPARATOR) for part in parts)
    return f"{letter}{safe}\n".encode()


def _printable(text: str) -> str:
    """Invalid bytes as U+FFFD, control characters as blanks: the cursor's index stays right."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if c not in "\n\t" and _is_control(c) else c for c in text)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc"


def _number(text: str | None, default: int) -> int:
    try:
        return max(-(2**31), min(2**31, int(text or "")))
    except ValueError:
        return default
