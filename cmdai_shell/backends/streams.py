"""Streams cut into what they carry: lines of JSON, and server-sent events. No I/O: bytes go in as
they came, however they were sliced, and all of it is bounded, as a server is not to be trusted.

The event format is https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_LINE = 1 << 20
"""Bytes. One token is some hundred of them; the last line of some servers repeats the answer."""

_ANY_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class TooLong(ValueError):
    """A line, or an event, that grows beyond the bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One server-sent event. ``data`` has its lines joined by newlines; it is never empty."""

    data: str
    name: str = ""


class LineReader:
    """Lines that end with LF (NDJSON). ``feed`` yields those that are whole; ``end`` the rest."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._begun = bytearray()

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Raises TooLong."""
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            yield self._finish(line)
        self._grow(rest)

    def end(self) -> Iterator[str]:
        if self._begun:
            yield self._finish(b"")

    def _grow(self, piece: bytes) -> None:
        if len(self._begun) + len(piece) > self._longest:
            raise TooLong(f"a line of more than {self._longest} bytes")
        self._begun += piece

    def _finish(self, piece: bytes) -> str:
        self._grow(piece)
        line = self._begun.decode("utf-8", "replace").removesuffix("\r")
        self._begun.clear()
        return line


class EventReader:
    """Server-sent events. Comments, ids and retry times are dropped; an event without data is none.

    At the end of the stream a last event that lacks its empty line counts: not every server sends
    one, and a truncated one is no JSON anyway.
    """

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._begun = bytearray()
        self._after_cr = False
        self._is_first = True
        self._data: list[str] = []
        self._size = 0
        self._name = ""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Raises TooLong."""
        if self._after_cr and chunk[:1] == b"\n":  # the other half of a CRLF
            chunk = chunk[1:]
            self._after_cr = False
        if not chunk:
            return
        self._after_cr = chunk[-1:] == b"\r"
        *whole, rest = _ANY_END.split(chunk)
        for piece in whole:
            self._grow(piece)
            yield from self._line()
        self._grow(rest)

    def end(self) -> Iterator[Event]:
        if self._begun:
            yield from self._line()
        yield from self._dispatch()

    def _grow(self, piece: bytes) -> None:
        if len(self._begun) + len(piece) + self._size > self._longest:
            raise TooLong(f"an event of more than {self._longest} bytes")
        self._begun += piece

    def _line(self) -> Iterator[Event]:
        line = bytes(self._begun)
        self._begun.clear()
        if self._is_first:
            line = line.removeprefix(_BOM)
            self._is_first = False
        if not line:
            yield from self._dispatch()
            return
        field, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode("utf-8", "replace")
        if field == b"data":
            self._data.append(text)
            self._size += len(value) + 1
        elif field == b"event":
            self._name = text

    def _dispatch(self) -> Iterator[Event]:
        data, name = "\n".join(self._data), self._name
        self._data, self._size, self._name = [], 0, ""
        if data:
            yield Event(data=data, name=name)
