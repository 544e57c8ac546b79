"""Frames of Amazon's event stream, beside botocore's own reading of them."""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.backends.eventstream import BadFrame, Frame, FrameReader, frame

PART = {":message-type": "event", ":event-type": "PayloadPart", ":content-type": "x/y"}
payloads = st.lists(st.binary(max_size=40), min_size=1, max_size=5)
cuts = st.lists(st.integers(0, 1000), max_size=8)


def read(data: bytes, at: list[int] = ()) -> list[Frame]:  # type: ignore[assignment]
    reader = FrameReader()
    ends = sorted({0, len(data), *(cut % (len(data) + 1) for cut in at)})
    found = [one for a, b in pairwise(ends) for one in reader.feed(data[a:b])]
    reader.end()
    return found


@given(payloads, cuts)
def test_the_same_however_it_is_cut(parts: list[bytes], at: list[int]):
    found = read(b"".join(frame(PART, part) for part in parts), at)
    assert [one.payload for one in found] == parts
    assert {one.name for one in found} == {"PayloadPart"}
    assert {one.kind for one in found} == {"event"}


@given(payloads)
def test_botocore_reads_the_same(parts: list[bytes]):
    buffer = EventStreamBuffer()
    buffer.add_data(b"".join(frame(PART, part) for part in parts))
    assert [(event.headers, event.payload) for event in buffer] == [(PART, part) for part in parts]


def test_headers_of_every_type_are_passed_over():
    block = b"".join(
        b"\x01" + name + bytes([kind]) + value
        for name, kind, value in (
            (b"a", 0, b""),
            (b"b", 1, b""),
            (b"c", 2, b"\1"),
            (b"d", 3, b"\0\1"),
            (b"e", 4, b"\0\0\0\1"),
            (b"f", 5, b"\0" * 8),
            (b"g", 6, b"\0\2xy"),
            (b"h", 7, b"\0\2hi"),
            (b"i", 8, b"\0" * 8),
            (b"j", 9, b"\0" * 16),
        )
    )
    prelude = struct.pack(">II", 16 + len(block), len(block))
    data = prelude + struct.pack(">I", zlib.crc32(prelude)) + block
    data += struct.pack(">I", zlib.crc32(data))
    assert read(data)[0].headers == {"h": "hi"}


@given(st.integers(0, 70), st.integers(1, 255))
def test_a_flipped_byte_is_noticed(at: int, by: int):
    data = bytearray(frame(PART, b"hello world"))
    data[at % len(data)] ^= by
    with pytest.raises(BadFrame):
        read(bytes(data))


@given(st.binary(min_size=12, max_size=200))
def test_other_bytes_are_no_event_stream(data: bytes):
    with pytest.raises(BadFrame):
        read(data)


def test_a_frame_may_not_grow_without_bound():
    prelude = struct.pack(">II", 1 << 30, 0)
    with pytest.raises(BadFrame):
        read(prelude + struct.pack(">I", zlib.crc32(prelude)))
