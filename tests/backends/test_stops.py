"""What is taken off a server's text, however it was cut."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.backends.stops import Echo, Stops


def pieces(text: str, cuts: list[int]) -> list[str]:
    at = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[a:b] for a, b in pairwise(at)]


def fed(reader: Stops | Echo, parts: list[str]) -> str:
    return "".join(reader.feed(part) for part in parts) + reader.feed("", final=True)


cuts = st.lists(st.integers(0, 200), max_size=6)


@given(st.text("ab<|>\n", max_size=30), cuts)
def test_the_same_however_it_is_cut(text: str, at: list[int]):
    stop = ("<|a|>", "\n\n")
    found = [text.find(s) for s in stop if s in text]
    wanted = text[: min(found)] if found else text
    assert fed(Stops(stop), pieces(text, at)) == wanted


def test_after_a_stop_nothing_comes():
    stops = Stops(("\n\n",))
    assert stops.feed("ls\n") == "ls"
    assert stops.feed("\nrm") == ""
    assert stops.met
    assert stops.feed("more") == ""


PROMPT = "<|im_start|>user\nlist files<|im_end|>\n<|im_start|>assistant\n"


@given(cuts)
def test_the_prompt_is_taken_off(at: list[int]):
    assert fed(Echo(PROMPT), pieces(PROMPT + "ls -la", at)) == "ls -la"


@given(cuts)
def test_also_without_its_special_tokens(at: list[int]):
    plain = "user\nlist files\nassistant\n"
    assert fed(Echo(PROMPT), pieces(" " + plain + "ls -la", at)) == "ls -la"


@given(st.text("usera <|im_start|>", max_size=12), cuts)
def test_an_answer_that_begins_like_the_prompt_is_whole(answer: str, at: list[int]):
    assert fed(Echo(PROMPT), pieces(answer, at)) == answer
