"""Words of a DNS-SD announcement."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.discovery import txt


def strings(*items: bytes) -> bytes:
    return b"".join(bytes([len(item)]) + item for item in items)


def test_keys_and_values():
    raw = strings(b"v=1", b"Model=Qwen/Qwen2.5", b"flag", b"empty=", b"x=a=b")
    assert txt.read(raw) == {"v": "1", "model": "Qwen/Qwen2.5", "flag": "", "empty": "", "x": "a=b"}


def test_the_first_of_two_counts_whatever_its_letters():
    assert txt.read(strings(b"pri=1", b"PRI=9")) == {"pri": "1"}


def test_what_could_move_a_cursor_is_gone():
    raw = strings(b"model=\x1b]0;owned\x07qwen\x1b[31m\n\xe2\x80\xaered", b"\x1bk=1", b"=none")
    assert txt.read(raw) == {"model": "qwen red"}


@pytest.mark.parametrize("raw", [b"", b"\0", b"\xff", b"\x05a=1", b"\0" * 9_000, b"\x02\xff\xfe"])
def test_what_is_no_data_is_nothing_or_what_there_is(raw: bytes):
    assert all(len(value) < 9 for value in txt.read(raw).values())


def test_only_so_much_is_read():
    found = txt.read(strings(*(b"k%d=%s" % (n, b"x" * 200) for n in range(2_000))))
    assert 10 < len(found) <= txt.MOST_STRINGS


@given(st.binary(max_size=9_000))
def test_any_bytes(raw: bytes):
    for key, value in txt.read(raw).items():
        assert re.fullmatch("[ -<>-~]{1,32}", key)
        assert len(value) <= txt.MOST_VALUE
        assert value.isprintable()
        assert value == value.strip()


@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9_.-]{1,9}", fullmatch=True),
        st.from_regex(r"[!-~]{0,60}", fullmatch=True),
        max_size=20,
    )
)
def test_what_can_be_said_is_read(said: dict[str, str]):
    assert txt.read(strings(*(f"{key}={value}".encode() for key, value in said.items()))) == said


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("_inference._tcp.local", ("", "_inference._tcp")),
        ("_inference._tcp.local.", ("", "_inference._tcp")),
        ("_cmdai-dgx._tcp", ("", "_cmdai-dgx._tcp")),
        ("_dgx._sub._inference._tcp.local", ("_dgx", "_inference._tcp")),
        ("_dgx._sub._inference._tcp", ("_dgx", "_inference._tcp")),
        ("_0a._tcp", ("", "_0a._tcp")),
        ("inference._tcp", None),
        ("_inference", None),
        ("_inference._sctp", None),
        ("_-a._tcp", None),
        ("_a-._tcp", None),
        ("_a--b._tcp", None),
        ("_123._tcp", None),
        ("_a._tcp.example.org", None),
        ("", None),
        ("_a._tcp\n", None),
    ],
)
def test_kinds_of_service(text: str, found: tuple[str, str] | None):
    assert txt.service_type(text) == found


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Spark 1._inference._tcp.local.", "Spark 1"),
        ("a.b c._INFERENCE._tcp.Local.", "a.b c"),
        ("\u202egpj\x1b[2J\x07 x._inference._tcp.local.", "gpj x"),
        ("_inference._tcp.local.", ""),
        ("x._ollama._tcp.local.", ""),
        ("", ""),
    ],
)
def test_an_instance_as_it_can_be_shown(name: str, shown: str):
    assert txt.instance(name, "_inference._tcp") == shown


@pytest.mark.parametrize(
    ("server", "host"),
    [
        ("Spark-1A2B.local.", "spark-1a2b.local"),
        ("a_b.local", "a_b.local"),
        ("-x.local.", ""),
        ("spärk.local.", ""),
        ("a b.local.", ""),
        ("\x1b[31m.local.", ""),
        ("", ""),
        (".", ""),
    ],
)
def test_a_host(server: str, host: str):
    assert txt.host(server) == host


@given(st.text(max_size=300))
def test_any_name(text: str):
    for shown in (
        txt.host(text),
        txt.instance(f"{text}._inference._tcp.local.", "_inference._tcp"),
    ):
        assert shown.isprintable()
        assert len(shown) <= 255
