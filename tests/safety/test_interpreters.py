"""Where a program text stands, and the shell commands in it."""

import pytest

from cmdai_shell.safety import parse
from cmdai_shell.safety.interpreters import (
    code_of,
    language,
    program_words,
    reads_program,
    shell_texts,
)
from cmdai_shell.safety.script import Call


def last(command: str) -> Call:
    return parse(command).commands[-1]


@pytest.mark.parametrize(
    ("program", "name"),
    [("python3.12", "python"), ("python", "python"), ("perl", "perl"), ("ls", ""), ("7z", "")],
)
def test_a_language_is_known_in_every_version(program: str, name: str) -> None:
    assert language(program) == name


@pytest.mark.parametrize(
    ("command", "reads"),
    [
        ("x | bash", True),
        ("x | bash -", True),
        ("x | bash -s -- --yes", True),
        ("x | bash -x", True),
        ("x | bash -o pipefail", True),
        ("x | bash /dev/stdin a", True),
        ("x | bash script.sh", False),
        ("x | bash -c true", False),
        ("x | python3", True),
        ("x | python3 -u -", True),
        ("x | python3 -m json.tool", False),
        ("x | python3 script.py", False),
        ("x | perl -ne print", False),
        ("x | node", True),
        ("x | su", True),
        ("x | grep y", False),
    ],
)
def test_what_reads_its_program_from_its_input(command: str, reads: bool) -> None:
    assert reads_program(last(command)) is reads


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("bash -ec 'ls; pwd' x", ["ls; pwd"]),
        ("python3 -c 'print(1)' a", ["print(1)"]),
        ("bash script.sh a", ["script.sh"]),
        ("source env.sh", ["env.sh"]),
        ("eval a b", ["a", "b"]),
        ("grep -c x y", ["grep"]),
    ],
)
def test_the_words_that_say_what_runs(command: str, words: list[str]) -> None:
    call = parse(command).commands[0]
    assert [word.text for word in program_words(call)] == words


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("python3 -c 'print(1)'", "print(1)"),
        ("perl -le 'print 1'", "print 1"),
        ("python3 <<'EOF'\nprint(1)\nEOF", "print(1)\n"),
        ("awk -F: '{ print $1 }' f", "{ print $1 }"),
        ("python3 script.py", ""),
        ("ls -c x", ""),
    ],
)
def test_the_code_on_a_line(command: str, code: str) -> None:
    assert code_of(last(command)) == code


@pytest.mark.parametrize(
    ("command", "texts"),
    [
        ("python3 -c 'import os; os.system(\"ls -l\")'", ["ls -l"]),
        ('python3 -c \'subprocess.run(["ls", "-l"])\'', ["ls -l"]),
        ("perl -e 'print `ls -l`'", ["ls -l"]),
        ("awk 'BEGIN { system(\"ls -l\") }'", ["ls -l"]),
        ("tar cf a --to-command='ls -l' b", ["ls -l"]),
        ("ssh -o ProxyCommand='ls -l' host", ["ls -l"]),
        ("vim -c '!ls -l'", ["ls -l"]),
        ("sed '1e ls -l' f", ["ls -l"]),
        ("git config alias.x '!ls -l'", ["ls -l"]),
        ("echo '!ls -l'", []),
        ("awk '!seen[$0]++' f", []),
        ("python3 -c 'print(\"ls -l\")'", []),
    ],
)
def test_shell_commands_inside_other_programs(command: str, texts: list[str]) -> None:
    call = parse(command).commands[0]
    assert [text for text in shell_texts(call) if text] == texts
