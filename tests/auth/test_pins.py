"""Digests as people write them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cmdai_shell.auth import pins
from cmdai_shell.errors import ConfigError


@given(st.binary(min_size=32, max_size=32))
@example(b"\xfd" * 32)
def test_every_form_is_the_same_digest(digest: bytes) -> None:
    written = pins.written(digest)
    forms = [
        written,
        written.removeprefix("sha256/"),
        written.replace("sha256/", "sha256//"),
        digest.hex(),
        digest.hex(":").upper(),
        f" sha256:{digest.hex()}\n",
    ]
    assert {pins.parse(form) for form in forms} == {digest}


@given(st.text(max_size=40))
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        pins.parse(text)
    assert "cert_pinning_sha256" in caught.value.hint


def test_a_digest_that_begins_with_a_slash() -> None:
    assert pins.parse(pins.written(b"\xff" * 32)) == b"\xff" * 32


def test_no_pin_is_no_pinning() -> None:
    with pytest.raises(ConfigError, match="no pin"):
        pins.Pins([])
