from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.backends.embedded import pipe
from cmdai_shell.errors import WireError


@given(st.lists(st.text()), st.integers(1, 7))
def test_frames_come_whole_however_the_bytes_are_cut(texts: list[str], cut: int) -> None:
    sent = [pipe.Text(id=i, text=text) for i, text in enumerate(texts)]
    data = b"".join(map(pipe.frame, sent))
    frames = pipe.replies()
    got = [m for i in range(0, len(data), cut) for m in frames.feed(data[i : i + cut])]
    assert got == sent


@pytest.mark.parametrize(
    "order",
    [
        pipe.Load(
            path="/m", sha256="x", template="", lora="", threads=0, context_tokens=1, cache_dir=""
        ),
        pipe.Ask(id=1, system="s", examples=(("a", "b"),), user=None, stop=("\n",)),
        pipe.Cancel(id=3),
        pipe.Ping(),
    ],
)
def test_orders_survive_the_pipe(order: pipe.Order) -> None:
    assert list(pipe.orders().feed(pipe.frame(order))) == [order]


@pytest.mark.parametrize("noise", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x02hi", b"error: foo\n"])
def test_noise_is_an_error_and_not_a_message(noise: bytes) -> None:
    with pytest.raises(WireError):
        list(pipe.replies().feed(noise))
