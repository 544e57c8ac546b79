"""Quoting and expansion: what a word stands for when the command runs."""

from __future__ import annotations

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess, parse


@pytest.mark.parametrize(
    "target",
    [
        "/", "//", "/.", "/./", "/../", "/etc/..", "'/'", '"/"', "$'\\x2f'", "$'\\057'", "\\/",
        "/*", "/?*", "~", "~/", "~root", "~/*", "$HOME", '"$HOME"', "${HOME}", '"${HOME}"/',
        "${HOME:?}", "$UNSET/*", '"$UNSET"/', "/$UNSET", "$(echo /)", "`echo /`", '"$(printf /)"',
        "{/etc,/usr}", "/{etc,usr}", "a /", "-- /", "/et[c]", "${UNSET:-/}", "${HOME:0:1}",
        "/etc/../usr",
    ],
)  # fmt: skip
def test_ways_to_write_a_target(target):
    assert assess(f"rm -rf {target}").risk is Risk.CRITICAL


@pytest.mark.parametrize(
    "program",
    [r"r\m", "'r'm", '"rm"', "/bin/rm", "$'rm'", "r''m", "r$@m", "$(echo rm)", "${x:-rm}"],
)
def test_ways_to_write_a_program(program):
    assert assess(f"{program} -rf /").risk is Risk.CRITICAL


@pytest.mark.parametrize(
    "line",
    [
        "x=/e; x+=tc; rm -rf $x", 'set -- /; rm -rf "$1"', "IFS=,; x=rm,-rf,/; $x",
        "x=/; rm -rf $x", 'x=/; rm -rf "$x"', "x=/etc y=$x; rm -rf $y", "x='rm -rf /'; $x",
        "a=ls; a=rm; $a -rf /", "for d in /etc; do rm -rf $d; done",
        'for d in /*; do rm -rf "$d"; done', 'a=(/etc); rm -rf "${a[@]}"',
        "export D=/etc; rm -rf $D", "x=/; eval 'rm -rf $x'", "rm${IFS}-rf${IFS}/",
        "x=/etc/; rm -rf ${x%/}",
    ],
)  # fmt: skip
def test_variables_of_the_line(line):
    assert assess(line).risk is Risk.CRITICAL


def test_an_unknown_target_is_no_small_matter():
    assert assess('rm -rf "$dir"').risk is Risk.DANGEROUS
    assert assess("rm -rf $(cat list)").risk is Risk.DANGEROUS
    assert assess('d=$(mktemp -d); rm -rf "$d"').risk is Risk.CAUTION
    assert assess("d=build; rm -rf $d").risk is Risk.CAUTION


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("a 'b c' d", ("b c", "d")),
        (r"a b\ c", ("b c",)),
        ("a x{1,2}", ("x1", "x2")),
        ("a '{1,2}'", ("{1,2}",)),
        ("a $'b\\tc'", ("b\tc",)),
        ('x="1 2"; a $x', ("1", "2")),
        ('x="1 2"; a "$x"', ("1 2",)),
        ("a ~/x", ("~/x",)),
        ('a ""', ("",)),
        ('a "$x"', ("…",)),
    ],
)
def test_arguments(line, arguments):
    assert parse(line).commands[-1].arguments == arguments
