"""The block in an rc file: in once, out without a trace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.errors import CmdaiError
from cmdai_shell.hooks.rcfile import CLOSE, OPEN, add, remove

LINE = "if [ -r '/a b/cmdai.bash' ]; then . '/a b/cmdai.bash'; fi"
texts = st.binary().filter(lambda text: OPEN not in text and CLOSE not in text)


@given(texts)
def test_what_is_added_is_removed_to_the_byte(text: bytes) -> None:
    assert remove(add(text, LINE)) == text


@given(texts)
def test_adding_twice_is_adding_once(text: bytes) -> None:
    once = add(text, LINE)
    assert add(once, LINE) == once
    assert remove(add(once, "another line")) == text


@given(texts, texts)
def test_what_was_written_after_the_block_stays(text: bytes, later: bytes) -> None:
    assert remove(add(text, LINE) + later) == (
        text + b"\n" + later if later and text and not text.endswith(b"\n") else text + later
    )


def test_a_last_line_without_newline_is_not_glued_to() -> None:
    assert add(b"export A=1", LINE).startswith(b"export A=1\n# >>> cmdai-shell >>>")


def test_a_file_that_was_not_there_goes_again() -> None:
    assert remove(add(None, LINE)) is None
    assert remove(add(None, LINE) + b"alias l=ls\n") == b"alias l=ls\n"


@pytest.mark.parametrize(
    "text", [OPEN + b"\nx\n", b"x\n" + CLOSE + b"\n", OPEN + b"\n" + OPEN + b"\n"]
)
def test_half_a_block_is_not_guessed_at(text: bytes) -> None:
    for edit in (lambda: add(text, LINE), lambda: remove(text)):
        with pytest.raises(CmdaiError, match="without its other half"):
            edit()
