"""Why a command failed, and what is then no cure."""

from __future__ import annotations

import pytest

from cmdai_shell.core import SuggestRequest
from cmdai_shell.suggest.mend import UNKNOWN, failure, is_cure
from tests.fakes.dict_look import DictLook
from tests.suggest.mend.conftest import CWD, PROGRAMS


@pytest.fixture
def why():
    def why(command, status=1, files=(), **host):
        look = DictLook(PROGRAMS, files={f"{CWD}/": "", **{_full(f): "" for f in files}}, **host)
        request = SuggestRequest(cwd=CWD, path="/usr/bin", last_command=command, last_status=status)
        return request, failure(request, look)

    return why


def _full(path):
    return path if path.startswith("/") else f"{CWD}/{path}"


@pytest.mark.parametrize(
    ("command", "status", "files", "hint"),
    [
        ("cp a b", 1, ("b",), "there is no a here"),
        ("cat notes.txt", 1, (), "there is no notes.txt here"),
        ("cat /etc/nope", 1, (), "there is no /etc/nope"),
        ("sort < nope", 1, (), "there is no nope here"),
        ("grep -n x notes.txt", 2, (), "there is no notes.txt here"),
        ("cd src", 1, (), "there is no src here"),
        ("./run.sh --fast now", 127, (), "there is no ./run.sh here"),
        ("make", 2, ("main.c",), "there is no Makefile in this folder"),
        ("make install", 2, (), "there is no Makefile in this folder"),
        ("npm run build", 254, (), "there is no package.json in this folder or above it"),
        ("cargo build", 101, (), "there is no Cargo.toml in this folder or above it"),
        ("git push", 128, (), "this folder is in no git repository"),
    ],
)
def test_what_is_plain_to_see_is_said_without_a_model(why, command, status, files, hint):
    _, found = why(command, status, files)
    assert (found.hint, found.is_sure) == (hint, True)


@pytest.mark.parametrize(
    ("command", "status", "files"),
    [
        ("make", 2, ("Makefile",)),
        ("make -C build", 2, ()),
        ("make -f other.mk", 2, ()),
        ("npm install left-pad", 1, ()),
        ("cargo build", 101, ("/home/ada/Cargo.toml",)),
        ("git push", 128, ("/home/ada/.git/HEAD", "/home/ada/.git")),
        ("git clone x", 128, ()),
        ("git rm gone.txt", 128, (".git",)),
        ("python3 run main.py", 2, ("main.py",)),
        ("mv a to b", 1, ("a",)),
        ("gzip -d notes", 1, ("notes.gz",)),
        ("cp *.txt b", 1, ()),
        ("cat $FILE", 1, ()),
        ("curl https://example.com/a.txt", 6, ()),
        ("cd build && cat log", 1, ("build/x",)),
        ("false", 1, ()),
        ("rm -f nope; false", 1, ()),
        ("make && ls", 2, ()),
        ("cat nope | wc -l && false", 1, ()),
    ],
)
def test_what_is_not_sure_is_left_to_the_model(why, command, status, files):
    _, found = why(command, status, files)
    assert not found.is_sure


@pytest.mark.parametrize(
    ("command", "status", "files", "answer", "cures"),
    [
        ("mv a to b", 1, ("a",), "mv a b", True),
        ("mv a to b", 1, ("a",), "mv -v a to b", False),
        ("mv a to b", 1, ("a",), "sudo mv a to b", False),
        ("mv a to b", 1, ("a",), "mkdir to && mv a to b", True),
        ("make", 2, ("Makefile",), "sudo make", False),
        ("make", 2, ("Makefile",), "make -v", False),
        ("make", 2, ("Makefile",), "make -f", False),
        ("make", 2, ("Makefile",), "make", False),
        ("cp a to b", 1, (), "cp -a a to b", False),
        ("docker rm web", 1, (), "docker rm -f web", True),
        ("head 5 a.txt", 1, ("a.txt",), "head -n 5 a.txt", True),
        ("find . -iname *.md", 1, (), "find . -iname '*.md'", True),
        ("kubectl apply a.yaml", 1, ("a.yaml",), "kubectl apply -f a.yaml", True),
        ("ln src code", 1, ("src/x",), "ln -s src code", True),
        ("kill 4321", 1, (), "kill -9 4321", True),
        ("make", 2, ("Makefile",), "make clean all", True),
        ("pip3 install x", 1, (), "pip3 install --user x", True),
        ("npm test", 1, ("package.json",), "npm test --verbose", False),
        ("ip link set eth0 up", 2, (), "sudo ip link set eth0 up", True),
        ("docker ps", 1, (), "sudo docker ps", True),
        ("frob x", 127, (), "frob --help", False),
        ("frob x", 127, (), "sudo frob x", False),
        ("frob x", 127, (), "sed -i s/frob/x/ x", False),
        ("frob x", 127, (), "apt install frob", True),
        ("frob x", 127, (), "sudo apt install frob", True),
        ("frob x", 127, (), "git x", True),
        ("false", 1, (), "if [ 1 = 2 ]; then", False),
    ],
)
def test_cures(why, command, status, files, answer, cures):
    request, found = why(command, status, files)
    assert is_cure(answer, request, found) is cures


def test_of_a_folder_that_we_cannot_see_nothing_is_known():
    request = SuggestRequest(cwd="/in/a/container", last_command="cat a", last_status=1)
    assert failure(request, DictLook()) == UNKNOWN


def test_sudo_cures_nothing_of_roots(why):
    request, found = why("ip link set eth0 up", 2, root=True)
    assert not is_cure("sudo ip link set eth0 up", request, found)
