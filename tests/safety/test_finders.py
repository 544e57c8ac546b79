"""What a find leaves alone."""

from __future__ import annotations

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess, parse
from cmdai_shell.safety.finders import handed, selective


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("find . -name '*.pyc' -delete", True),
        ("find . -mtime +7 -exec rm {} +", True),
        ("find . \\( -name a -o -name b \\) -delete", True),
        ("find . -not -path './.git/*' -name '*.o' -delete", True),
        ("find . -type f -delete", False),
        ("find . -name '*' -delete", False),
        ("find . -name a -o -delete", False),
        ("find . ! -name keep -delete", False),
        ("find . -exec rm -rf --verbose {} ;", False),
        ("find . -name a", True),
        ("find .", False),
        ("fd -e pyc", True),
        ("fd", False),
    ],
)
def test_selective(line, expected):
    assert selective(parse(line).commands[0]) is expected


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("echo a b | xargs x", ["a", "b"]),
        ("ls -d /* | xargs x", ["/*"]),
        ("find /a -type f | xargs x", ["/a"]),
        ("printf '%s\\n' a b | xargs x", ["a", "b"]),
        ("xargs x <<< 'a b'", ["a", "b"]),
    ],
)
def test_what_a_pipe_hands_on(line, words):
    xargs = next(call for call in parse(line).commands if call.program == "xargs")
    assert [word.text for word in handed(xargs)] == words


def test_a_find_that_takes_everything_is_like_the_folder_itself():
    assert assess("find / -type f -exec chmod 777 {} +").risk is Risk.CRITICAL
    assert assess("find . ! -name keep -delete").risk is Risk.DANGEROUS
    assert assess("find . -name '*.tmp' -delete").risk is Risk.CAUTION
