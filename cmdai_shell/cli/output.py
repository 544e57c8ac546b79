"""What the command line prints: the answer on stdout, everything said about it on stderr.

Colour and dimming only on a terminal, and never with ``NO_COLOR`` (https://no-color.org).
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, Literal

from cmdai_shell.text import one_line, visible

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

Format = Literal["plain", "json", "yaml"]
Style = Literal["dim", "yellow", "red", "green", "bold"]

PIPE_COLUMNS = 1_000
"""A line on a pipe is one fact, whatever its length."""

_CODES: Mapping[Style, str] = {"dim": "2", "yellow": "33", "red": "31", "green": "32", "bold": "1"}


def styled(text: str, style: Style, stream: TextIO) -> str:
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\033[{_CODES[style]}m{text}\033[0m"


def say(text: str, style: Style | None = None) -> None:
    """One message on stderr."""
    text = visible(text)
    print(styled(text, style, sys.stderr) if style else text, file=sys.stderr, flush=True)


def fail(message: str, hint: str = "") -> None:
    """What went wrong, and below it what to type next."""
    say(f"cmdai-shell: {message}", "red")
    if hint:
        say(f"  {hint}")


def emit(value: object, form: Literal["json", "yaml"]) -> None:
    """One document on stdout."""
    if form == "json":
        import json

        print(json.dumps(value, ensure_ascii=False, indent=2), flush=True)
    else:
        import yaml

        print(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), end="", flush=True)


class LiveLine:
    """The one dim line that changes while a person waits. Nothing on a pipe, gone at the end."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._shown = False

    def show(self, text: str) -> None:
        if not self._live:
            return
        width = shutil.get_terminal_size().columns - 1
        text = one_line(text)[:width]
        self._stream.write(f"\r\033[K{styled(text, 'dim', self._stream)}")
        self._stream.flush()
        self._shown = True

    def clear(self) -> None:
        if self._shown:
            self._stream.write("\r\033[K")
            self._stream.flush()
            self._shown = False

    def __enter__(self) -> LiveLine:
        return self

    def __exit__(self, *_: Any) -> None:
        self.clear()
