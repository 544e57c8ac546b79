from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.suggest import usage
from tests.fakes.dict_manual import EVERYDAY


def parts(line: str) -> list[str]:
    """Each part as its kind's initial and how it is read; a "?" marks an unknown option."""
    told = []
    for part in usage.read(shlex.split(line), EVERYDAY):
        unknown = "?" if part.kind == "option" and part.option is None else ""
        value = f"={part.value}" if part.value else ""
        told.append(f"{part.kind[0]}:{part.name}{value}{unknown}")
    return told


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("ls -lah x", "c:ls o:-l o:-a o:-h o:x"),
        ("ls --sort=size --col", "c:ls o:--sort=size o:--col"),
        ("ls --sort size x", "c:ls o:--sort=size o:x"),
        ("ls --color x", "c:ls o:--color o:x"),
        ("ls -lQ --frob", "c:ls o:-l o:-Q? o:--frob?"),
        ("ls -- -x", "c:ls e:-- o:-x"),
        ("tar -xzf a.tgz -C src", "c:tar o:-x o:-z o:-f=a.tgz o:-C=src"),
        ("tar xzf a.tgz b", "c:tar o:x o:z o:f=a.tgz o:b"),
        ("ps aux", "c:ps o:a o:u o:x"),
        ("find . -name x -newermt y -delete", "c:find o:. o:-name=x o:-newermt=y o:-delete"),
        ("find . -not -perm -u=x", "c:find o:. o:-not o:-perm=-u=x"),
        ("find . -nam x", "c:find o:. o:-nam? o:x"),
        ("find . -exec rm -f {} ; -type f", "c:find o:. o:-exec=rm -f {} ; o:-type=f"),
        ("sort -t, -k2,2n", "c:sort o:-t=, o:-k=2,2n"),
        (
            "git -C x log --oneline -5 --no-mailmap",
            "c:git o:-C=x c:log o:--oneline o:-5 o:--no-mailmap",
        ),
        ("git frob --x", "c:git o:frob o:--x?"),
        ("kill -9 1", "c:kill o:-9 o:1"),
        ("kill -KILL 1", "c:kill o:-KILL o:1"),
        ("chmod -x f", "c:chmod o:-x o:f"),
        ("chmod -R u+x f", "c:chmod o:-R o:u+x o:f"),
        ("xargs -n 1 rm -rf", "c:xargs o:-n=1 i:rm"),
        ("sudo -u bob ls -l", "c:sudo o:-u=bob? i:ls"),
        ("nope -x --y=z", "c:nope o:-x? o:--y=z?"),
        ("python3 x.py --flag", "c:python3 o:x.py i:--flag"),
    ],
)
def test_read(line: str, read: str) -> None:
    assert " ".join(parts(line)) == read


@given(st.lists(st.text(alphabet="-=xzfaC{};+ls ", max_size=6), max_size=12))
def test_every_word_has_its_part(words: list[str]) -> None:
    for program in ("ls", "tar", "find", "git", "sudo", "xargs", "ps", "nope", "kill", "chmod"):
        found = usage.read([program, *words], EVERYDAY)
        assert found[0].name == program
        assert all(0 <= part.at <= len(words) for part in found)
    assert usage.read([], EVERYDAY) == ()
