"""A file under a passphrase."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.auth.sealing import MAGIC, Seal
from cmdai_shell.errors import ConfigError

CHEAP = 1


def seal(passphrase: str = "open sesame") -> Seal:
    return Seal(lambda: passphrase, CHEAP)


@given(st.binary(max_size=200))
def test_there_and_back(plain: bytes) -> None:
    closed = seal().close(plain)
    assert seal().open(closed) == plain
    assert plain not in closed[len(MAGIC) :] or len(plain) < 8


def test_one_key_for_one_file_and_never_the_same_bytes() -> None:
    asked = []

    def passphrase() -> str:
        asked.append(1)
        return "open sesame"

    one = Seal(passphrase, CHEAP)
    first = one.close(b"secret")
    second = one.close(b"secret", first)
    salt = slice(len(MAGIC), len(MAGIC) + 17)
    assert first != second
    assert first[salt] == second[salt]
    assert seal().open(second) == b"secret"
    assert len(asked) == 1


def test_a_wrong_passphrase_is_asked_for_again() -> None:
    closed = seal().close(b"secret")
    said = iter(["wrong", "open sesame"])
    one = Seal(lambda: next(said), CHEAP)
    with pytest.raises(ConfigError, match="passphrase is wrong"):
        one.open(closed)
    assert one.open(closed) == b"secret"


@given(st.data())
def test_one_changed_bit_is_seen(data: st.DataObject) -> None:
    closed = bytearray(seal().close(b"secret"))
    at = data.draw(st.integers(len(MAGIC) + 1, len(closed) - 1))  # the cost only takes time
    closed[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ConfigError):
        seal().open(bytes(closed))


@given(st.binary(max_size=60))
def test_anything_else_is_refused(junk: bytes) -> None:
    for data in (junk, MAGIC + b"\xff" + junk, MAGIC + b"\0" + junk):
        with pytest.raises(ConfigError):
            seal().open(data)


def test_it_shows_nothing() -> None:
    assert "sesame" not in repr(seal())
