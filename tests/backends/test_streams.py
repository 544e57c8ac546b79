"""Streams, however they are sliced."""

from __future__ import annotations

import itertools
import json
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.backends.streams import Event, EventReader, LineReader, TooLong

ENDS = st.sampled_from(["\n", "\r\n", "\r"])
TEXT = st.text(
    st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1, max_size=30
).filter(lambda text: text != "\ufeff")


def sliced(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def events(reader: EventReader, chunks: list[bytes]) -> list[Event]:
    found = [event for chunk in chunks for event in reader.feed(chunk)]
    return [*found, *reader.end()]


@given(st.lists(st.lists(TEXT, min_size=1, max_size=3), max_size=5), ENDS, st.lists(st.integers(0)))
def test_events_survive_any_slicing(wanted: list[list[str]], end: str, cuts: list[int]) -> None:
    lines = []
    for event in wanted:
        lines += [": a comment", *(f"data: {line}" for line in event), "retry: 5", "id: 7", ""]
    data = "".join(line + end for line in lines).encode()
    found = events(EventReader(), sliced(data, cuts))
    assert [event.data for event in found] == ["\n".join(event) for event in wanted]


@given(st.lists(st.binary(max_size=60)))
def test_no_bytes_break_the_readers(chunks: list[bytes]) -> None:
    for event in events(EventReader(), chunks):
        assert event.data
    reader = LineReader()
    lines = [line for chunk in chunks for line in reader.feed(chunk)]
    lines += reader.end()
    assert all("\n" not in line for line in lines)


@given(st.lists(TEXT), st.lists(st.integers(0)))
def test_lines_survive_any_slicing(wanted: list[str], cuts: list[int]) -> None:
    data = "".join(json.dumps({"text": text}) + "\n" for text in wanted).encode()
    reader = LineReader()
    lines = [line for chunk in sliced(data, cuts) for line in reader.feed(chunk)]
    lines += reader.end()
    assert [json.loads(line)["text"] for line in lines] == wanted


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ("data:no blank\n\n", [Event(data="no blank")]),
        ("event: ping\ndata: x\n\n", [Event(data="x", name="ping")]),
        ("\ufeffdata: x\n\n", [Event(data="x")]),
        ("data: the last one\n", [Event(data="the last one")]),
        ("data: the last one", [Event(data="the last one")]),
        ("event: empty\n\ndata:\n\n: ping\n\n", []),
        ("data\ndata: x\n\n", [Event(data="\nx")]),
    ],
)
def test_what_the_standard_leaves_open(data: str, wanted: list[Event]) -> None:
    assert events(EventReader(), [data.encode()]) == wanted


@pytest.mark.parametrize("piece", [b"x" * 60, b"data: " + b"x" * 50 + b"\n"])
@pytest.mark.parametrize("reader", [EventReader, LineReader])
def test_nothing_grows_for_ever(reader: type[EventReader] | type[LineReader], piece: bytes) -> None:
    found = reader(longest=100)
    endless = piece if reader is EventReader else piece.rstrip(b"\n")
    with pytest.raises(TooLong):
        list(chain.from_iterable(found.feed(endless) for _ in range(100)))
