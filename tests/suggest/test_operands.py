from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.suggest import operands


@pytest.mark.parametrize(
    ("word", "told"),
    [
        (
            "755",
            "the owner may read, write, run, the group may read, run, others may read, run",
        ),
        ("600", "the owner may read, write, the group may do nothing, others may do nothing"),
        ("u+x", "the owner may also run"),
        ("go-w", "the group and others may no longer write"),
        ("+x", "everybody may also run"),
        ("a=r,u+w", "everybody may only read, the owner may also write"),
        ("file", ""),
        ("999", ""),
    ],
)
def test_modes(word: str, told: str) -> None:
    assert operands.mode(word) == told


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("-9", "sends SIGKILL, which ends it at once"),
        ("-TERM", "sends SIGTERM, which asks it to end"),
        ("-SIGHUP", "sends SIGHUP"),
        ("-99", ""),
        ("-x", ""),
    ],
)
def test_signals(word: str, told: str) -> None:
    assert operands.signalled(word) == told


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("-mtime", "+7", "more than 7 days since it was changed"),
        ("-mmin", "-60", "less than 60 minutes since it was changed"),
        ("-size", "+10M", "size more than 10 MiB"),
        ("-size", "5", "size exactly 5 blocks of 512 bytes"),
        ("-type", "f", "only files"),
        ("-type", "f,d", "only files and folders"),
        ("-type", "z", ""),
        ("-iname", "*.PNG", "whose name fits *.PNG, in small letters or capitals"),
        ("-mtime", "x", ""),
        ("-newer", "5", ""),
    ],
)
def test_amounts(option: str, value: str, told: str) -> None:
    assert operands.amount(option, value) == told


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("s/a/b/g", "replaces a by b, everywhere in a line"),
        ("s|a/b||", "takes a/b out, once a line"),
        ("5q", "ends after line 5"),
        ("2,$d", "deletes lines 2 to the last"),
        ("/^#/d", "deletes lines that match ^#"),
        ("s/a/b/e", ""),
        ("s/a/b/;s/c/d/", ""),
    ],
)
def test_sed(script: str, told: str) -> None:
    assert operands.sed(script) == told


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("{print $2}", "prints field 2 of each line"),
        ("{ print $1, $NF }", "prints field 1 and the last field of each line"),
        ("/x/ {print $0}", "prints all of each line that matches x"),
        ("{print $2, x}", ""),
        ("$3 > 5 {print $1}", ""),
        ("BEGIN {x=1}", ""),
    ],
)
def test_awk(program: str, told: str) -> None:
    assert operands.awk(program) == told


@pytest.mark.parametrize(
    ("operator", "target", "told"),
    [
        (">", "x", "writes the output to x, replacing what was there"),
        (">>", "x", "adds the output to x"),
        ("2>", "/dev/null", "throws error messages away"),
        ("2>&", "1", "sends error messages where the output goes"),
        (">&", "2", "sends the output where error messages go"),
        ("&>", "x", "writes the output and error messages to x, replacing what was there"),
        (">&", "x", "writes the output and error messages to x, replacing what was there"),
        ("<", "x", "reads from x"),
        ("<<<", "x", "gives it this text to read"),
        ("3>", "x", "writes what is written to descriptor 3 to x, replacing what was there"),
    ],
)
def test_redirections(operator: str, target: str, told: str) -> None:
    assert operands.redirected(operator, target) == told


@given(st.text(alphabet="s/|ab\\{print $0N,}+-u0127*?[]<>&", max_size=40))
def test_nothing_raises(word: str) -> None:
    for told in (operands.mode, operands.signalled, operands.sed, operands.awk, operands.pattern):
        assert isinstance(told(word), str)
    operands.amount("-size", word)
    operands.redirected(word, word)
    operands.counted("head", word)
