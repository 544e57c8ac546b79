"""What holds for every line."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cmdai_shell.core import SuggestRequest
from cmdai_shell.daemon.host import HostLook
from cmdai_shell.safety import parse
from cmdai_shell.suggest.mend import mend
from cmdai_shell.suggest.mend.line import quoted, tokens, written_like
from tests.fakes.dict_look import DictLook
from tests.suggest.mend.conftest import CWD, PROGRAMS

FILES = {
    f"{CWD}/{name}": ""
    for name in ("a b.txt", "src/main.py", "notes.txt", "x(1)", "run.sh", ".git/HEAD", "it's")
}
LOOK = DictLook(PROGRAMS, files=FILES)
PIECES = (
    *("gti", "git", "stauts", "push", "commit", "-m", "--ammend", "ls", "la", "cat", "note.txt"),
    *("scr/main.py", "a", "b.txt", "x(1)", "it's", "run.sh", "|", "&&", ";", "(", ")", ">", "2>&1"),
    *("sudo", "apt", "install", "cd", "..", "mkdir", "new/x", "'", '"', "`", "$(", "$x", "\\", "{"),
    *("docker", "run", "img", "-d", "tar", "-xfz", "find", "-name", "*.py", "for", "in", "done"),
    *(
        "[",
        "]",
        "if",
        "=",
        "sed",
        "s/a/b",
        "export",
        "\u201c",
        "\u2013x",
        "$",
        "#",
        "~/",
        "-",
        "--",
    ),
)


def request(command, status=1, shell="bash"):
    return SuggestRequest(
        op="fix", shell=shell, cwd=CWD, path="/bin", last_command=command, last_status=status
    )


lines = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=9).map(" ".join),
    st.lists(st.sampled_from(PIECES), max_size=7).map("".join),
    st.text(max_size=60),
)
statuses = st.sampled_from([1, 2, 100, 126, 127, 128, 129])
shells = st.sampled_from(["bash", "zsh", "fish"])


@settings(max_examples=400, deadline=None)
@given(lines, statuses, shells)
@example("find -name", 1, "bash")
@example("docker build", 1, "bash")
@example("mkdir", 1, "bash")
@example("export", 1, "bash")
def test_nothing_raises_and_every_candidate_is_another_whole_command(command, status, shell):
    found = mend(request(command, status, shell), LOOK)
    assert len(found) <= 3
    assert len(set(found)) == len(found)
    for candidate in found:
        assert candidate != command
        assert candidate.strip()
        assert not parse(candidate, shell).broken


@settings(max_examples=300, deadline=None)
@given(lines, statuses, shells)
def test_what_was_mended_stays(command, status, shell):
    """Pressing again after it failed once more brings nothing new for the same reason."""
    for candidate in mend(request(command, status, shell), LOOK)[:1]:
        again = mend(request(candidate, status, shell), LOOK)
        for _ in range(4):
            if not again:
                break
            last, again = again[0], mend(request(again[0], status, shell), LOOK)
            assert last not in again
        assert not again, "it comes to an end"


@pytest.mark.parametrize(
    "piece", ["a ", "'", '"$(', "$(", "${", "`", "{,", "\\", "((", "git ", "a/", "../", "=", "x'y "]
)
def test_long_lines_take_no_longer_than_long(piece):
    line = (piece * 2000)[:1999]
    start = time.perf_counter()
    mend(request(line), LOOK)
    mend(request(line, 127), LOOK)
    assert time.perf_counter() - start < 10
    assert mend(request(piece * 4000), LOOK) == ()


class Counting(DictLook):
    """It counts what it is asked; ``now`` goes on by that."""

    asked = 0

    def which(self, program, path):
        self.asked += 1
        return super().which(program, path)

    def now(self):
        return self.asked


@pytest.mark.parametrize("line", ["x|" * 990 + "x", "lss|" * 490 + "x"])
def test_a_line_of_many_programs_is_not_looked_up_for_each(line):
    look = Counting(PROGRAMS)
    mend(request(line, 127), look)
    assert look.asked < 1000


def test_when_its_time_is_up_it_ends():
    look = Counting(PROGRAMS)
    assert mend(request("gti status", 127), look, lambda: look.now() > 5) == ()
    assert look.asked < 10
    assert mend(request("gti status", 127), look, lambda: False) == ("git status",)


@given(st.text(max_size=40))
def test_tokens_are_the_line(line):
    for token in tokens(line) or ():
        assert line[token.start : token.end] == token.raw


@given(st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), min_size=1))
def test_a_quoted_name_is_one_word_again(name):
    found = tokens(quoted(name))
    assert found is not None
    assert [token.text for token in found] == [name]


def test_quotes_that_are_there_are_kept():
    (token,) = tokens('"a b"')
    assert written_like(token, "c d") == '"c d"'
    assert written_like(token, 'c"d') == "'c\"d'"


def test_it_is_instant_on_this_machine(tmp_path):
    """Some thousand programs and names."""
    for number in range(3000):
        (tmp_path / f"entry-{number:04}-name.txt").write_text("")
    look = HostLook()
    asked = SuggestRequest(
        shell="bash",
        cwd=str(tmp_path),
        path="/usr/local/bin:/usr/bin:/bin",
        last_command="cta entrie-0001-name.txt",
        last_status=127,
    )
    assert mend(asked, look) == ("cat entry-0001-name.txt",)
    start = time.process_time()  # of the CPU: other work on the machine does not count
    mend(asked, look)
    assert time.process_time() - start < 3
