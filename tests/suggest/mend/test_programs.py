from __future__ import annotations

import pytest

from cmdai_shell.core import SuggestRequest
from cmdai_shell.suggest.mend import mend
from tests.fakes.dict_look import DictLook


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gti status", "git status"),
        ("sl", "ls"),
        ("sl -la  'a b'", "ls -la  'a b'"),
        ("grpe -r foo .", "grep -r foo ."),
        ("dokcer ps", "docker ps"),
        ("kubeclt get pods", "kubectl get pods"),
        ("ehco hi", "echo hi"),
        ("mkdri a", "mkdir a"),
        ("pyhton3 -V", "python3 -V"),
        ("python -V", "python3 -V"),
        ("pip list", "pip3 list"),
        ("LS", "ls"),
        ("cta a | gerp b", "cat a | grep b"),
        ("sudo atp update", "sudo apt update"),
        ("FOO=1 gti log", "FOO=1 git log"),
        ("gitstatus", "git status"),
        ("gi tpush", "git push"),
        ("gitp ush", "git push"),
        ("g it push", "git push"),
        ("cd..", "cd .."),
        ("cd~", "cd ~"),
        ("ls-la", "ls -la"),
        ("gti psuh", "git push"),
        ("ll", "ls -l"),
        ("docker-compose up", "docker compose up"),
        ("systmectl status ssh", "systemctl status ssh"),
        ("journalctl2 -u ssh", "journalctl -u ssh"),
    ],
)
def test_misspelled(fix, typed, meant):
    assert fix(typed, 127)[0] == meant


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        ("gti status", 1),  # an alias, then, or a function
        ("git status", 127),
        ("qqqqq", 127),
        ("xy", 127),
        ("$EDITR a", 127),
        ("", 127),
        ("ls; x", 127),
    ],
)
def test_nothing_is_sure(fix, typed, status):
    assert fix(typed, status) == ()


RISKY = (
    *("rm", "dd", "shred", "truncate", "kill", "halt", "reboot", "poweroff", "mkfs.ext4", "wipefs"),
    *("df", "ln", "help", "sudo", "ls", "grep", "cp", "sl2ps"),
)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("rg TODO src", ("grep -rn TODO src",)),  # known, only not there
        ("fd foo", ()),
        ("jq . x.json", ()),
        ("rn a b", ("ln a b",)),
        ("rb a.txt", ()),
        ("halp a.txt", ("help a.txt",)),
        ("shre a.txt", ()),
        ("rebot", ()),
        ("mkfs.ext3 /dev/sdb", ()),
        ("mr a.txt", ("rm a.txt",)),
        ("rrm a.txt", ("rm a.txt",)),
    ],
)
def test_what_destroys_is_no_guess(fix, typed, meant):
    assert fix(typed, 127, programs=RISKY, files={"src/main.py": "", "a.txt": ""}) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("mr src", "rm src"), ("grpe TODO src", "grep TODO src"), ("reboto", "reboot")],
)
def test_a_guess_does_no_more_than_was_typed(typed, meant):
    look = DictLook(RISKY, files={"/w/src/main.py": ""})
    failed = SuggestRequest(path="/bin", cwd="/w", last_command=typed, last_status=127)
    assert mend(failed, look) == (meant,)


def test_several_are_alternatives(fix):
    assert fix("les -l", 127) == ("ls -l", "less -l")


def test_rare_programs_are_found_by_one_slip(fix):
    assert fix("s2lps", 127) == ("sl2ps",)
