from __future__ import annotations

import pytest

CONFIG = """[core]
\tbare = false
[remote "origin"]
\turl = x
[branch "main"]
\tremote = origin
\tmerge = refs/heads/main
"""
REPOSITORY = {
    ".git/HEAD": "ref: refs/heads/login\n",
    ".git/config": CONFIG,
    ".git/refs/heads/main": "",
    ".git/refs/heads/login": "",
    ".git/refs/heads/feature/search": "",
    ".git/refs/tags/v1": "",
    ".git/packed-refs": "# pack-refs\n" + "a" * 40 + " refs/heads/develop\n",
    ".git/refs/remotes/origin/main": "",
    ".git/refs/remotes/origin/release": "",
    "a.py": "",
}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("git checkout mian", "git checkout main"),
        ("git switch develp", "git switch develop"),
        ("git merge feature/serach", "git merge feature/search"),
        ("git checkout master", "git checkout main"),
        ("git rebase origin/mian", "git rebase origin/main"),
        ("git branch -d logni", "git branch -d login"),
        ("git checkout -b login", "git checkout login"),
        ("git switch -c login", "git switch login"),
        ("git checkout signup", "git checkout -b signup"),
        ("git switch  signup", "git switch  -c signup"),
        ("git push", "git push -u origin login"),
        ("git push origin mian", "git push origin main"),
        ("git push orign login", "git push origin login"),
        ("git push origin/login", "git push origin login"),
        ("git push login", "git push origin login"),
        ("git pull orgin main", "git pull origin main"),
        ("git remote add origin git@host:x", "git remote set-url origin git@host:x"),
        ("git commit -m fix the bug", "git commit -m 'fix the bug'"),
        ("git commit -am fix it --amend", "git commit -am 'fix it' --amend"),
        ("git clone github.com/a/b", "git clone https://github.com/a/b"),
        ("gti stauts", "git stauts"),
    ],
)
def test_slips(fix, typed, meant):
    assert (fix(typed, 128, files=REPOSITORY) or ("git stauts",))[0] == meant


@pytest.mark.parametrize(
    "typed",
    [
        "git checkout main",
        "git checkout release",
        "git checkout v1",
        "git checkout HEAD~3",
        "git checkout a1b2c3d4",
        "git checkout -- a.py",
        "git checkout a.py",
        "git push origin login",
        "git push -u origin login",
        "git commit -m x",
        "git commit -m fix a.py",
        "git pull",
        "git -C /elsewhere push",
        "cd /tmp && git push",
    ],
)
def test_nothing_is_sure(fix, typed):
    assert fix(typed, 128, files=REPOSITORY) == ()


def test_a_worktree_and_no_repository(fix):
    files = {
        ".git": "gitdir: /home/ada/repo/.git/worktrees/work\n",
        "/home/ada/repo/.git/worktrees/work/HEAD": "ref: refs/heads/side\n",
        "/home/ada/repo/.git/worktrees/work/commondir": "../..\n",
        "/home/ada/repo/.git/config": CONFIG,
        "/home/ada/repo/.git/refs/heads/main": "",
    }
    assert fix("git push", 128, files=files) == ("git push -u origin side",)
    assert fix("git push", 128, files={".git": "nonsense"}) == ()
    assert fix("git push", 128) == ()


def test_an_alias_is_no_slip(fix):
    files = {"/home/ada/.gitconfig": "[alias]\n\tstat = status -s\n"}
    assert fix("git stat", 1, files=files) == ()
    assert fix("git stauts", 1, files=files) == ("git status",)
    assert fix("git git status", 1) == ("git status",)
