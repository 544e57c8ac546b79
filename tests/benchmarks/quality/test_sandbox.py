"""What a command in the box can do, and what of it is seen."""

from __future__ import annotations

import pytest

from benchmarks.quality.box import Unusable
from benchmarks.quality.referee import rule
from benchmarks.quality.sandbox import Sandbox
from benchmarks.quality.tasks import load


def test_a_task_is_judged_by_what_commands_do(sandbox, data):
    python, rename = load(data / "tasks")
    assert rule(sandbox, python, "find src -type f", "bash").right
    assert rule(sandbox, python, "find src -type f", "fish").right
    wrong = rule(sandbox, python, "find . -name '*.py'", "bash")
    assert not wrong.right
    assert wrong.difference == "1 too many: odd.py"
    assert rule(sandbox, rename, "cp notes.txt todo.txt && rm notes.txt", "zsh").right
    lost = rule(sandbox, rename, "mv notes.txt todo.txt; rm src/a.py", "bash")
    assert lost.harmed == ("work/src/a.py",)
    assert rule(sandbox, rename, "mvv notes.txt todo.txt", "bash").invalid == ("no program mvv",)
    assert not rule(sandbox, rename, "docker exec -it db mysql", "bash").invalid
    assert rule(sandbox, rename, "mv 'notes.txt", "bash").invalid == ("syntax",)
    assert rule(sandbox, rename, "mv --quick notes.txt todo.txt", "bash").refused


def test_nothing_outside_is_reached_and_the_next_one_starts_afresh(sandbox):
    went = sandbox.run("small", "rm -rf ~/work/* /usr/bin/ls; touch /etc/x; cat /etc/shadow")
    assert "work/notes.txt" in went.changes
    again = sandbox.run("small", "id -u; ls; cat /proc/net/dev; ps ax | wc -l")
    assert again.stdout.startswith("1000\nlink\n")
    assert "eth" not in again.stdout
    assert not again.changes


@pytest.mark.parametrize(
    ("command", "changed"),
    [
        ("chmod 600 notes.txt", {"work/notes.txt"}),
        ("ln -sf src link", {"work/link"}),
        ("touch notes.txt; cat notes.txt", set()),
        ("sed -i s/x/y/ notes.txt", {"work/notes.txt"}),
        ("mkdir -p ~/backup && cp link ~/backup/", {"backup", "backup/link"}),
        ("git -C repo status", set()),
        ("echo b >> repo/a; git -C repo commit -qam second", {"work/repo/a", "work/repo/.git"}),
    ],
)
def test_changes(sandbox, command, changed):
    assert set(sandbox.run("small", command).changes) == changed


def test_equal_work_gives_equal_results(sandbox):
    one = sandbox.run("small", "tar czf s.tgz src; cd repo; touch b; git add b; git commit -qm x")
    other = sandbox.run(
        "small", "tar cf - ./src | gzip -1 >s.tgz; cd repo; touch b; git add .; git commit -q -m x"
    )
    assert one.changes == other.changes
    assert one.cwd == "/home/u/work/repo"
    assert sandbox.run("small", "tar cJf s.tgz src").changes != other.changes


def test_calls_of_stubs_are_noted(sandbox):
    assert sandbox.run("small", "docker rm -f web").calls == "docker rm -f web\n"


def test_endless_and_boundless_commands_are_ended(data, tmp_path, sandbox):
    hasty = Sandbox(tmp_path, data, timeout=0.3)
    assert hasty.run("small", "sleep 60").cut == "time"
    assert hasty.run("small", "yes").cut == "output"


def test_results_are_kept(data, tmp_path, sandbox):
    box = Sandbox(tmp_path, data)
    first = box.run("small", "echo $RANDOM$RANDOM$RANDOM")
    assert Sandbox(tmp_path, data).run("small", "echo $RANDOM$RANDOM$RANDOM") == first
    clock = box.run("small", "date +%N")
    assert box.run("small", "date +%N") != clock


def test_a_fixture_that_fails_is_said(data, tmp_path, sandbox):
    with pytest.raises(Unusable, match="nothing"):
        sandbox.fixture("nothing")


def test_programs_of_a_fixture_run_and_what_becomes_of_them_counts(sandbox):
    left = sandbox.run("busy", "pgrep -a napper")
    assert left.stdout.endswith(" bin/napper 60\n")
    assert left.processes == "0 S bin/napper 60"
    assert sandbox.run("busy", "pkill napper", "fish").processes == ""
    assert sandbox.run("busy", "pkill -STOP napper").processes == "0 T bin/napper 60"
    place = sandbox.fixture("busy").place
    assert place.programs == ("napper",)
    assert "napper" in place.pids.values()
