"""Amazon's event stream: frames with headers and two checksums, cut out of bytes. Pure.

The format: the "Amazon Event Stream" specification of the Smithy protocol documents; tests hold it
against botocore's decoder. All lengths are bounded: a server is not to be trusted.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONGEST_FRAME = 1 << 20
"""Bytes. SageMaker sends at most some kilobytes a part."""
_PRELUDE = struct.Struct(">III")
"""Length of the frame, length of its headers, CRC32 of these eight bytes."""
_LEAST = _PRELUDE.size + 4
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type; 6 (bytes) and 7 (text) say their length first."""


class BadFrame(ValueError):
    """Bytes that are no event stream, or a damaged one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One event or exception. ``headers`` are those of text, which are all that have a meaning."""

    headers: Mapping[str, str]
    payload: bytes

    @property
    def kind(self) -> str:
        """``event``, ``exception`` or ``error``."""
        return self.headers.get(":message-type", "")

    @property
    def name(self) -> str:
        """``PayloadPart``, ``ModelStreamError``, ``InternalStreamFailure`` ..."""
        names = (":event-type", ":exception-type", ":error-code")
        return next((self.headers[name] for name in names if name in self.headers), "")


class FrameReader:
    """``feed`` yields the frames that are whole; ``end`` raises BadFrame for half a one."""

    def __init__(self, longest: int = LONGEST_FRAME) -> None:
        self._longest = longest
        self._begun = bytearray()

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Raises BadFrame."""
        self._begun += chunk
        while len(self._begun) >= _PRELUDE.size:
            length, headers, checksum = _PRELUDE.unpack_from(self._begun)
            if zlib.crc32(self._begun[:8]) != checksum:
                raise BadFrame("what is no event stream")
            if not _LEAST + headers <= length <= self._longest:
                raise BadFrame("a frame of an impossible length")
            if len(self._begun) < length:
                return
            frame = bytes(self._begun[:length])
            del self._begun[:length]
            yield _frame(frame, headers)

    def end(self) -> None:
        if self._begun:
            raise BadFrame("half a frame")


def _frame(frame: bytes, headers: int) -> Frame:
    (checksum,) = struct.unpack_from(">I", frame, len(frame) - 4)
    if zlib.crc32(frame[:-4]) != checksum:
        raise BadFrame("a damaged frame")
    split = _PRELUDE.size + headers
    try:
        found = dict(_headers(frame[_PRELUDE.size : split]))
    except (struct.error, KeyError, UnicodeDecodeError):
        raise BadFrame("a frame with headers that cannot be read") from None
    return Frame(headers=found, payload=frame[split:-4])


def _headers(data: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(data):
        name_end = at + 1 + data[at]
        name = data[at + 1 : name_end].decode()
        (kind,) = struct.unpack_from(">B", data, name_end)
        at = name_end + 1
        if kind in (6, 7):
            (size,) = struct.unpack_from(">H", data, at)
            at += 2
        else:
            size = _FIXED[kind]
        if at + size > len(data):
            raise struct.error
        if kind == 7:
            yield name, data[at : at + size].decode()
        at += size


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """The bytes of one frame, for fakes and tests."""
    block = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value
        for name, value in ((name, text.encode()) for name, text in headers.items())
    )
    prelude = struct.pack(">II", _LEAST + len(block) + len(payload), len(block))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + block + payload
    return body + struct.pack(">I", zlib.crc32(body))
