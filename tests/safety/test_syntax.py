"""Every way of putting commands together."""

from __future__ import annotations

import pytest

from cmdai_shell.core import Risk
from cmdai_shell.safety import assess, parse


@pytest.mark.parametrize(
    "line",
    [
        "{}; ls", "ls; {}", "ls && {}", "ls || {}", "ls | {}", "{} | cat", "{} &", "ls & {}",
        "({})", "{{ {}; }}", "if {}; then ls; fi", "if ls; then {}; fi",
        "if a; then b; else {}; fi", "while {}; do ls; done", "until a; do {}; done",
        "for i in 1; do {}; done", "case x in x) {};; esac", "f() {{ {}; }}",
        "function f {{ {}; }}", "[ -d / ] && {}", "[[ -d / ]] && {}", "echo $({})", "echo `{}`",
        "echo \"$({})\"", "cat <({})", "x=$({})", "export x=$({})", "a[$({})]=1",
        "echo ${{x:-$({})}}", "echo ${{x/$({})/}}", "[ \"$({})\" ]", "for i in $({}); do :; done",
        "case $({}) in x) ;; esac", "cat <<X\n$({})\nX", "echo $(( $({}) ))", "ls > \"$({})\"",
        "> x {}", "2>&1 {}", "! {}", "ls\n{}", "# x\n{}", "ls;{}", "time ({})", "time {{ {}; }}",
        "time -p for i in 1; do {}; done", "coproc {{ {}; }}", "coproc x {{ {}; }}",
        "ls; time {{ {}; }}", "sudo ({})", "nohup {{ {}; }}", "x=1 ({})", "cat <<X; {}\na\nX",
    ],
)  # fmt: skip
def test_no_construct_hides_a_command(line):
    assert assess(line.format("rm -rf /")).risk is Risk.CRITICAL


@pytest.mark.parametrize(
    "line",
    [
        'echo "rm -rf /"', "grep 'rm -rf /' f", 'git commit -m "rm -rf /"', "echo rm -rf /",
        "cat <<'X'\nrm -rf /\nX", "ls # rm -rf /", "x='rm -rf /'", "printf '%s' 'mkfs /dev/sda'",
        "man rm", "echo '$(rm -rf /)'", r"echo \$(rm)", "[ \"$x\" = 'rm -rf /' ]",
    ],
)  # fmt: skip
def test_text_is_no_command(line):
    assert assess(line).risk <= Risk.CAUTION


def test_a_folder_changed_to_is_where_it_happens():
    assert assess("cd / && rm -rf *").risk is Risk.CRITICAL
    assert assess("cd /; bash -c 'rm -rf *'").risk is Risk.CRITICAL
    assert assess("builtin cd /; sudo rm -rf *").risk is Risk.CRITICAL
    assert assess("cd a; cd b; cd c; cd d; cd e; cd /; rm -rf *").risk is Risk.CRITICAL
    assert assess("cd a && cd b && cd / && cd etc && rm -rf *").risk is Risk.CRITICAL
    assert assess("(cd /); rm -rf build").risk is Risk.CAUTION
    assert assess("cd /tmp/x && rm -rf *").risk < Risk.CRITICAL


def test_a_function_gets_the_arguments_it_is_called_with():
    assert assess('f() { rm -rf "$1"; }; f /').risk is Risk.CRITICAL


@pytest.mark.parametrize("line", [":(){ :|:& };:", "b() { b | b & }; b", "f(){ f & f & };f"])
def test_fork_bombs(line):
    assert assess(line).risk is Risk.CRITICAL


@pytest.mark.parametrize("line", ["if true; then", "echo 'x", "ls |", "for x in", "ls )", "$("])
def test_half_a_command_is_broken_and_never_safe(line):
    assert parse(line).broken
    assert assess(line).risk is Risk.CAUTION
    assert assess(f"rm -rf / ; {line}").risk is Risk.CRITICAL


def test_what_was_parsed():
    parsed = parse("git log --oneline | head -n 5 > 'a b'")
    assert not parsed.broken
    assert [(call.program, call.arguments) for call in parsed.commands] == [
        ("git", ("log", "--oneline")),
        ("head", ("-n", "5")),
    ]
    assert [redirect.target.text for redirect in parsed.commands[1].redirects] == ["a b"]
