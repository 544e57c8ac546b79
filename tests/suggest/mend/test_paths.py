from __future__ import annotations

import pytest

FILES = {
    "README.md": "",
    "src/main.py": "",
    "src/app/models.py": "",
    "docs/index.md": "",
    "My Notes.txt": "",
    "photos/Rome (2).jpg": "",
    "notes.txt": "",
    "report1.csv": "",
    "main.c": "",
    "it's.txt": "",
    "/etc/nginx/nginx.conf": "",
    "/etc/hosts": "",
    "/home/ada/Downloads/": "",
}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("cat raedme.md", "cat README.md"),
        ("cat  'REDME.md' | wc -l", "cat  'README.md' | wc -l"),
        ("cat src/mian.py", "cat src/main.py"),
        ("head -n 5 scr/app/model.py", "head -n 5 src/app/models.py"),
        ("cd Src", "cd src"),
        ("cd ~/Donwloads", "cd ~/Downloads"),
        ("cd ~/Donwloads/ && ls", "cd ~/Downloads/ && ls"),
        ("sudo cat /etc/ngnix/nginx.conf", "sudo cat /etc/nginx/nginx.conf"),
        ("cp REDME.md docs/", "cp README.md docs/"),
        ("cp README.md dosc/", "cp README.md docs/"),
        ("mv notes.txt dcos/new.txt", "mv notes.txt docs/new.txt"),
        ("touch dosc/new.md", "touch docs/new.md"),
        ("echo hi > dosc/new.md", "echo hi > docs/new.md"),
        ("sort < note.txt", "sort < notes.txt"),
        ("grep -n TODO src/mian.py", "grep -n TODO src/main.py"),
        ("python3 src/mian.py --all", "python3 src/main.py --all"),
        ("python3 src/main", "python3 src/main.py"),
        ("cat notes", "cat notes.txt"),
        ("cat etc/hosts", "cat /etc/hosts"),
        ("ls /src/app", "ls src/app"),
        ("cd ...", "cd ../.."),
        ("cat My Notes.txt", "cat 'My Notes.txt'"),
        ("cp My Notes.txt docs/", "cp 'My Notes.txt' docs/"),
        ("ls photos/Rome (2).jpg", "ls 'photos/Rome (2).jpg'"),
        ("cat it's.txt", 'cat "it\'s.txt"'),
        ("git add scr/main.py", "git add src/main.py"),
        ("frob src/mian.py", "frob src/main.py"),
        ("cat raedme.md src/mian.py", "cat README.md src/main.py"),
        ("sl scr/app", "sl scr/app"),
    ],
)
def test_slips(fix, typed, meant):
    found = fix(typed, 1, files=FILES, programs={"frob", "sl", *_PROGRAMS})
    assert (found or (typed,))[0] == meant


_PROGRAMS = frozenset(("cat", "head", "cp", "mv", "touch", "sort", "grep", "python3", "ls", "git"))


@pytest.mark.parametrize(
    "typed",
    [
        "cat README.md",
        "cat report2.csv",
        "cat main.h",
        "cat nothing-like-it",
        "cat $FILE",
        "cat *.py",
        "cd /tmp/elsewhere && cat raedme.md",
        "echo raedme.md",
        "git checkout raedme.md.x",
        "mkdir scr",
        "touch REDME.md",
        "cp README.md REDME.md",
        "cat -",
        "rm note.txt",
        "rm nots.txt",
        "rm mian.c",
        "truncate -s0 xnotes.txt",
    ],
)
def test_nothing_is_sure(fix, typed):
    assert fix(typed, 1, files=FILES) == ()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("rm dosc/index.md", None),
        ("rm docs/idnex.md", "rm docs/index.md"),
        ("rm docs/indx.md", None),
        ("rm chaptr.md", "rm chapter.md"),
        ("rm chapterr.md", "rm chapter.md"),
        ("rm chapters.md", None),
        ("rm chaqter.md", None),
        ("cat chaqter.md", "cat chapter.md"),
        ("rm a", None),
        ("rm a.txt", None),
        ("rm -r tst", None),
    ],
)
def test_what_removes_is_not_let_guess(fix, typed, meant):
    files = {"chapter.md": "", "docs/index.md": "", "b": "", "b.txt": "", "test/x": ""}
    found = fix(typed, 1, files=files)
    assert (found[0] if found else None) == meant


def test_several_are_alternatives(fix):
    assert fix("cat tst.py", files={"test.py": "", "tests.py": "", "tsst.py": ""})[:2] == (
        "cat test.py",
        "cat tsst.py",
    )


def test_without_a_folder_nothing_is_looked_up(fix):
    class Blind:
        def __getattr__(self, name):
            raise AssertionError(name)

    assert fix("", look=Blind()) == ()
