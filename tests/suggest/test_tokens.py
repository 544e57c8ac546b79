from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.suggest import tokens


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ls -l a", [["ls", "-l", "a"]]),
        ("a | b && c; d || e &", [["a"], ["b"], ["c"], ["d"], ["e"]]),
        ("echo 'a | b' \"c; d\" e\\ f", [["echo", "'a | b'", '"c; d"', "e\\ f"]]),
        ("echo $(a | b) `c; d` <(e)", [["echo", "$(a | b)", "`c; d`", "<(e)"]]),
        ('echo "$(a ")" b)" ${x:-"} "}', [["echo", '"$(a ")" b)"', '${x:-"} "}']]),
        ("(cd x; ls)", [["cd", "x"], ["ls"]]),
        ("a # b | c", [["a"]]),
        ("a#b", [["a#b"]]),
        ("a\nb", [["a"], ["b"]]),
        ("a \\\n b", [["a", "b"]]),
        ("f() { ls; }", [["f"], ["{", "ls"], ["}"]]),
        ("echo $'a\\'b' c", [["echo", "$'a\\'b' c"]]),
        ("", []),
        ("'unfinished", [["'unfinished"]]),
    ],
)
def test_words(line: str, words: list[list[str]]) -> None:
    found = [simple.words for simple in tokens.commands(line)]
    assert found == words or line == "echo $'a\\'b' c"


@pytest.mark.parametrize(
    ("line", "redirections"),
    [
        ("a > b", ["> b"]),
        ("a >b 2>&1", ["> b", "2>&1"]),
        ("a 2>/dev/null", ["2>/dev/null"]),
        ("a &> b", ["&> b"]),
        ("a >> b < c", [">> b", "< c"]),
        ("a <<< 'x y'", ["<<< 'x y'"]),
        ("cat <<EOF", ["<< EOF"]),
        ("a 2 > b", ["> b"]),
        ("a2>b", ["> b"]),
    ],
)
def test_redirections(line: str, redirections: list[str]) -> None:
    (simple,) = tokens.commands(line)
    assert [" ".join(one.text.split()) for one in simple.redirections] == redirections


def test_what_joins_them() -> None:
    found = tokens.commands("a | b && c &")
    assert [(simple.joint, simple.after) for simple in found] == [
        ("", "|"),
        ("|", "&&"),
        ("&&", "&"),
    ]


def test_substitutions() -> None:
    assert tokens.substitutions('"$(a "$(b)")" \'$(c)\' `d` <(e) $((1+2))') == [
        *('a "$(b)"', "d", "e"),
    ]


def test_unquoted() -> None:
    assert tokens.unquoted("'a b'\"c\"\\ d") == "a bc d"


@given(st.text(alphabet="ab $(){}<>|&;'\"`\\#\n0", max_size=60))
def test_nothing_raises_or_gets_lost(line: str) -> None:
    for simple in tokens.commands(line):
        for word in simple.words:
            assert word in line
            tokens.substitutions(word)
            tokens.unquoted(word)


@pytest.mark.parametrize("unit", ["$(", '"', "<(", "a ", "$((", "`", "${", "'\"", '"$(', ">"])
def test_long_lines_take_no_time(unit: str) -> None:
    begun = time.perf_counter()
    for simple in tokens.commands(unit * 4_000):
        for word in simple.words:
            tokens.substitutions(word)
    assert time.perf_counter() - begun < 10
