"""Output that is known without running anything."""

from __future__ import annotations

import pytest

from cmdai_shell.safety import parse
from cmdai_shell.safety.folding import output_of, printed, stdin_of
from cmdai_shell.safety.script import MAYBE


@pytest.mark.parametrize(
    ("line", "output"),
    [
        ("echo a  b", "a b"),
        ("echo -n 'a  b'", "a  b"),
        (r"echo -e 'a\x2fb'", "a/b"),
        ("printf '%s-%s' a b", "a-b"),
        (r"printf '\x72m'", "rm"),
        ("echo a | cat", "a"),
        ("echo abc | rev", "cba"),
        ("echo cm0= | base64 -d", "rm"),
        ("echo '!' | base64 -d", None),
        ("cat <<< a", "a"),
        ("cat <<X\na\nX", "a\n"),
        ("echo a > f", ""),
        ("date | cat", "\ue002"),
        ("curl x", None),
        ("cat f", None),
    ],
)
def test_printed(line, output):
    assert printed(parse(line).commands[-1]) == output


def test_what_may_not_be_reached_may_be_empty():
    assert output_of(parse("true && echo a").commands) == MAYBE + "a"
    assert output_of(()) == ""


def test_input_is_the_nearest_one():
    assert stdin_of(parse("echo a | cat <<< b").commands[-1]) == "b"
    assert stdin_of(parse("cat").commands[-1]) is None
