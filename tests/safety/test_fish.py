"""fish, translated: nothing lost, nothing guessed."""

from __future__ import annotations

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess, parse
from cmdai_shell.safety.fish import from_fish


@pytest.mark.parametrize(
    ("fish", "bash"),
    [
        ("ls -la", "ls -la"),
        ("for x in *.txt; echo $x; end", "for x in *.txt; do echo ${x}; done"),
        ("while test -f a; sleep 1; end", "{ test -f a; sleep 1; }"),
        ("if a; b; else if c; d; else; e; end", "{ a; b; c; d; e; }"),
        ("begin; a; b; end | sort > f", "{ a; b; } | sort > f"),
        ("a; and b; or c", "a && b || c"),
        ("not a\n# words\nb", "a; b"),
        ("switch (uname); case L M; a; case '*'; b; end", "{ : $(uname); : L M; a; : '*'; b; }"),
        ("function f -a d; rm $d; end; f x", 'f() { : -a d; d="$1"; rm ${d}; }; f x'),
        ("set -gx v a 'b c'; echo $v[1] $v[2..-1]", "set -gx v a 'b c'; echo ${v} ${v}"),
        ("echo (date)x $(id -u)[1]", "echo $(date)x $(id -u)"),
        (r"echo 'it\'s' \x2f \$ a\ b", "echo 'it'\\''s' '/' '$' a' 'b"),
        ('echo "a $x `$(id)` \\$"', 'echo "a ${x} \\`$(id)\\` \\$"'),
        ("a 2>| b; a &| b", "a 2>&1 | b; a 2>&1 | b"),
        ("a > b 2>&1 < c", "a > b 2>&1 < c"),
        ("a & b &", "a & b &"),
        ("echo {a,b} {} {c}", r"echo {a,b} \{\} \{c\}"),
        ("echo {a, b}", "echo {a,b}"),
        ("echo done; done", r"echo done; \done"),
        ("echo $status", "echo ${?}"),
        ("begin; end", "{ :; }"),
        ("A=b env", "A=b env"),
    ],
)
def test_translation(fish, bash):
    assert from_fish(fish) == bash
    assert not parse(fish, "fish").broken


@pytest.mark.parametrize(
    "line",
    [
        "for x in a", "if a; b", "end", "a; end", "echo 'x", 'echo "x', "echo (a", "a )", "a |",
        "a && ", "| a", "cat << X", "echo ${x}", "begin; a; end b", "echo {a", "'if' a; end",
        "function; a; end", "echo $", "for 1 in a; b; end", "else; a", "case a", "echo \\cx",
        "begin; a |; end", "a ; ; | b",
    ],
)  # fmt: skip
def test_what_is_in_doubt_is_not_translated_and_not_safe(line):
    assert from_fish(line) is None
    assert parse(line, "fish").broken
    assert assess(line, shell="fish").risk >= Risk.CAUTION
    assert assess(f"rm -rf /; {line}", shell="fish").risk is Risk.CRITICAL


@pytest.mark.parametrize(
    "line",
    [
        "if true; {}; end", "while true; {}; end", "for x in 1; {}; end", "begin; {}; end",
        "switch a; case a; {}; end", "function f; {}; end", "if {}; a; end", "echo ({})",
        "echo $({})", 'echo "$({})"', "a; and {}", "a; or {}", "not {}", "! {}", "and {}",
        "a | {}", "a & {}", "{} &", "set x ({})", "for x in ({}); a; end",
        "switch ({}); case a; b; end", "a > ({})", "fish -c '{}'", "eval '{}'", "alias ls '{}'",
        "abbr -a ls '{}'", "echo '{}' | source", "if a; else; {}; end", "begin; a; end; {}",
        "echo {{a,({})}}", "time {}", "command {}", "A=b {}", "case ({})", "\n\n{}",
    ],
)  # fmt: skip
def test_no_construct_hides_a_command(line):
    assert assess(line.format("rm -rf /"), shell="fish").risk is Risk.CRITICAL


@pytest.mark.parametrize(
    "line",
    [
        "for d in /*; rm -rf $d; end", "set x /; rm -rf $x", "set -l t ~; rm -rf $t/*",
        "rm -rf (echo /)", "function f -a d; rm -rf $d; end; f /",
        "function f; rm -rf $argv; end; f /", "rm -rf /{etc,usr}", "rm -rf {/etc, /usr}",
        r"rm -rf \x2f", r"r\m -rf /", "echo / | while read -l x; rm -rf $x; end",
    ],
)  # fmt: skip
def test_targets_in_fish(line):
    assert assess(line, shell="fish").risk is Risk.CRITICAL


def test_text_stays_text_and_lists_are_not_split():
    assert assess("echo 'rm -rf /'; and echo \"rm -rf ~\"", shell="fish").risk is Risk.SAFE
    assert assess(r"echo 'it\'s; rm -rf /'", shell="fish").risk is Risk.SAFE
    assert parse("set x 'a b'; ls $x", "fish").commands[-1].arguments == ("a b",)
    assert parse("set -q x; or set x 1; ls $x", "fish").commands[-1].arguments == ("1",)
