from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.backends.embedded.output import Output, looping


def run(stop: tuple[str, ...], pieces: list[bytes]) -> list[str]:
    output = Output(stop)
    texts = [output.feed(piece) for piece in pieces]
    return [*texts, output.feed(b"", final=True)]


@given(st.text(), st.integers(1, 4))
def test_a_character_is_never_split(text: str, cut: int) -> None:
    data = text.encode("utf-8", "replace")
    texts = run((), [data[i : i + cut] for i in range(0, len(data), cut)])
    assert "".join(texts) == data.decode()


def test_bytes_that_are_no_text_become_replacement_characters() -> None:
    assert "".join(run((), [b"ls \xff", b"\xe2\x82"])) == "ls \ufffd\ufffd"


@given(st.text("ab\n"), st.sampled_from(["\n", "ab", "aab", "ba\nb"]), st.integers(1, 3))
def test_nothing_of_a_stop_string_or_behind_it_gets_out(text: str, stop: str, cut: int) -> None:
    data = text.encode()
    got = "".join(run((stop,), [data[i : i + cut] for i in range(0, len(data), cut)]))
    assert got == text.partition(stop)[0]


def test_the_earliest_of_several_stops_counts() -> None:
    assert run(("```", "\n"), [b"ls\n``", b"`"])[0] == "ls"


def test_text_is_not_held_longer_than_it_could_be_a_stop() -> None:
    output = Output(("\n\n",))
    assert output.feed(b"ls\n") == "ls"
    assert output.feed(b"-a") == "\n-a"


@pytest.mark.parametrize(
    ("tokens", "loops"),
    [
        ([5] * 24, True),
        ([5] * 23, False),
        ([1, 2, 3] * 8, True),
        ([9, 9, *range(20), *list(range(8)) * 4], True),
        (list(range(100)), False),
        ([1, 2, 3, 4, 5, 6, 7, 8] * 3, False),
        ([], False),
    ],
)
def test_looping(tokens: list[int], loops: bool) -> None:
    assert looping(tokens) is loops
