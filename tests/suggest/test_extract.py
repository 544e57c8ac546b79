"""Raw model text to one command: the ways models wrap one, and hostile text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cmdai_shell.errors import BadCompletion
from cmdai_shell.suggest.extract import (
    clean,
    extract,
    extract_partial,
    repeats_itself,
    spoken_lines,
    without_exit,
)

LOOP = 'for f in *; do\n  echo "$f"\ndone'


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("ls -la", "ls -la"),
        ("  ls -la\n\n", "ls -la"),
        ("```bash\nls -la\n```", "ls -la"),
        ("```\nls -la", "ls -la"),
        ("~~~sh\nls -la\n~~~", "ls -la"),
        ("```ls -la```", "ls -la"),
        ("`ls -la`", "ls -la"),
        ("Sure! Here is the command:\n\n```bash\n$ date -u\n```\n\nIt prints the date.", "date -u"),
        ("Here is the command:\nls -la\nThis lists all files.", "ls -la"),
        ("Use `ls -la` to see all files.", "ls -la"),
        ("You can use ``ls -la``.", "ls -la"),
        ("Command: ls -la", "ls -la"),
        ("$ ls -la", "ls -la"),
        ("> ls -la", "ls -la"),
        ("me@host:~/src$ ls -la", "ls -la"),
        ("bash-5.2$ ls", "ls"),
        ("<think>rm -rf / would be wrong</think>\nls", "ls"),
        ("no, rather\n</think>\nls", "ls"),
        ("ls -la<|im_end|>\n<|im_start|>user\nrm -rf /", "ls -la"),
        ("<|im_start|>assistant\nls", "ls"),
        ("[INST] ls [/INST] rm -rf /", "ls"),
        ("ls</s>", "ls"),
        ("ls -la  # every file", "ls -la"),
        ("# list files\nls -la", "ls -la"),
        ("ls -la\n```", "ls -la"),
        ("ls\ncd /", "ls"),
        (LOOP, LOOP),
        (f"```bash\n{LOOP}\n```\nDone.", LOOP),
        ("cat <<'EOF' > a.txt\none\nEOF\nls", "cat <<'EOF' > a.txt\none\nEOF"),
        ("find . \\\n  -name '*.py'\nls", "find . \\\n  -name '*.py'"),
        ("ls |\n  wc -l", "ls |\n  wc -l"),
        ("mkdir a\r\ncd a", "mkdir a"),
    ],
)
def test_unwraps(text, command):
    assert extract(text) == command


@pytest.mark.parametrize(
    "command",
    [
        "> app.log",
        "echo 'a # b'",
        'echo "Hello there, my friend."',
        "grep -r '</s>' .",
        "scp file.txt host:",
        "yes | head -n 3",
        "R --no-save < model.R",
        "VBoxManage list vms",
        "FOO=1 make all",
        "echo `date`",
        "awk '{print $1}' file",
        "kubectl get pods -o jsonpath='{.items[*].metadata.name}'",
        "git commit -m 'Sure! Here is it:'",
        "[ -f x ] && echo yes",
        "while true; do date; sleep 1; done",
        "printf '%s\\n' \"$PATH\" | tr ':' '\\n'",
    ],
)
def test_leaves_a_bare_command_alone(command):
    assert extract(command) == command


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n ",
        "I'm sorry, I can't help with that.",
        "<think>I wonder what",
        "```\n```",
        "Sure! Here is the command:",
        "This command lists files.",
        "\x1b[31m\x1b[0m",
        "<|im_end|>",
    ],
)
def test_no_command(text):
    with pytest.raises(BadCompletion):
        extract(text)


def test_terminal_escapes_and_overrides_are_gone():
    text = "echo \x1b[31mred\x1b[0m\x1b]0;title\x07 \x00\x9b2J\u202egreen\u202c\u200b\x1b]52;c;aGk="
    assert extract(text) == "echo red green"


def test_other_white_space_is_a_space():
    assert extract("ls\u00a0-la\t-h") == "ls -la -h"


def test_lone_surrogates_do_not_reach_a_terminal():
    assert extract("echo \ud800x").encode() == b"echo x"


def test_a_huge_answer_is_cut():
    assert len(extract("echo " + "x" * 10_000_000)) < 20_000


def test_explanations_lose_bullets_fences_and_escapes():
    text = "```\n- ls: lists\n\n* -l: \x1b[1mlong\x1b[0m\n```"
    assert spoken_lines(text) == ["ls: lists", "-l: long"]


HOSTILE = st.text(
    alphabet=st.one_of(
        st.characters(),
        st.sampled_from("`\n\x1b\x9b\x07\u202e$> #<|'\"\\"),
    )
) | st.lists(
    st.sampled_from(
        ["```", "bash", "\n", "<think>", "</think>", "ls -la", "`", "$ ", "> ", "Sure!", " ", "#",
         "<|im_end|>", "\x1b[", "31m", "\x1b]0;", "\x07", "for f in *; do", "done", "'", '"', ":"]
    )
).map("".join)  # fmt: skip


def is_clean(text: str) -> bool:
    return all(c == "\n" or unicodedata.category(c)[0] != "C" for c in text)


@given(HOSTILE)
def test_whatever_comes_is_a_clean_command_or_an_error(text):
    try:
        command = extract(text)
    except BadCompletion:
        return
    assert command == command.strip()
    assert command
    assert is_clean(command)
    assert not command.startswith("```")


@given(HOSTILE)
@example("```0```\r0")
def test_a_partial_is_clean_and_no_fence(text):
    partial = extract_partial(text)
    assert is_clean(partial)
    assert not partial.startswith("```")


@given(HOSTILE)
def test_clean_is_done_after_one_pass(text):
    once = clean(text)
    assert is_clean(once)
    assert clean(once) == once


COMMANDS = st.lists(
    st.sampled_from(
        ["ls", "find . -name '*.py'", 'echo "a b"', "sort -rn", "head -n 10", "wc -l", "date +%F",
         "grep -r 'x <y>' src", "awk '{print $1}'", "sed 's/a/b/'", "du -h -d 1 ."]
    ),
    min_size=1,
    max_size=4,
).map(" | ".join)  # fmt: skip


@pytest.mark.parametrize("wrap", ["{}", "```bash\n{}\n```", "<think>hm</think>\n{}", "{}\n"])
@given(command=COMMANDS)
def test_partials_only_grow_towards_the_command(wrap, command):
    text = wrap.format(command)
    assert extract(text) == command
    before = ""
    for end in range(len(text) + 1):
        partial = extract_partial(text[:end])
        assert command.startswith(partial)
        if len(partial) < len(before):  # a space or a tag's beginning may be held back
            assert before.startswith(partial)
        before = partial
    assert extract_partial(text) == command or " " not in command


@pytest.mark.parametrize(
    "text", ["S", "Sure", "Sure! H", "Here is the", "```", "```ba", "<think>ls", "`ls", "$ l", "ls"]
)
def test_no_partial_until_it_is_sure(text):
    assert extract_partial(text) == ""


@pytest.mark.parametrize(
    ("command", "shell", "left"),
    [
        ("git commit -m x && exit 0", "bash", "git commit -m x"),
        ("ls; exit", "zsh", "ls"),
        ("make || exit 1;", "bash", "make"),
        ("make || exit 1; exit $?", "bash", "make"),
        ("ls; and exit 0", "fish", "ls"),
        ("for f in *; do ls; done && exit", "bash", "for f in *; do ls; done"),
        ("exit 0", "bash", "exit 0"),
        ("echo 'a; exit'", "bash", "echo 'a; exit'"),
        ("echo a\\; exit", "bash", "echo a\\; exit"),
        ("sh -c 'ls; exit 3'", "bash", "sh -c 'ls; exit 3'"),
        ("(cd x || exit 1)", "bash", "(cd x || exit 1)"),
        ("f() { ls || exit 1; }", "bash", "f() { ls || exit 1; }"),
        ("while read x; do ls || exit 1\ndone", "bash", "while read x; do ls || exit 1\ndone"),
        ("ls && exiftool", "bash", "ls && exiftool"),
    ],
)
def test_the_terminal_is_not_closed_by_an_exit_at_the_end(command, shell, left):
    assert without_exit(command, shell) == left


@pytest.mark.parametrize(
    "text",
    ["cat a | sort | uniq" + " | grep -v x" * 3, "ls && cd .. && ls && cd .. && ls && cd .. && "],
)
def test_a_loop_is_heard(text):
    assert repeats_itself(text)


@pytest.mark.parametrize(
    "text",
    [
        "echo ------------------------------------------------",
        "git log --format='%h %an %s' | cut -d' ' -f1,2",
        "printf '%s %s %s %s\\n' a b c d",
        "touch file1 file2 file3 file4",
        "",
    ],
)
def test_what_only_looks_like_a_loop_is_left_alone(text):
    assert not any(repeats_itself(text[:end]) for end in range(len(text) + 1))
