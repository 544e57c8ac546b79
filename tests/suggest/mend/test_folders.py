from __future__ import annotations

import pytest

FILES = {"a.txt": "", "b.txt": "", "src/main.py": "", "run.sh": "", "go.py": "", "ready": ""}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("mkdir new/deep/er", "mkdir -p new/deep/er"),
        ("touch new/x", "mkdir -p new && touch new/x"),
        ("cp a.txt new/", "mkdir -p new && cp a.txt new/"),
        ("cp a.txt b.txt new", "mkdir -p new && cp a.txt b.txt new"),
        ("mv a.txt new/x/a.txt", "mkdir -p new/x && mv a.txt new/x/a.txt"),
        ("cat a.txt | sort > out/sorted.txt", "mkdir -p out && cat a.txt | sort > out/sorted.txt"),
        ("ls && echo 1 >'my out/x'", "ls && mkdir -p 'my out' && echo 1 >'my out/x'"),
        ("sudo touch /opt/new/x", "sudo mkdir -p /opt/new && sudo touch /opt/new/x"),
        ("cp src copy", "cp -r src copy"),
        ("cp -v src copy", "cp -r -v src copy"),
        ("rm src", "rm -r src"),
        ("rm -f src", "rm -r -f src"),
        ("scp src host:", "scp -r src host:"),
        ("grep TODO src", "grep -r TODO src"),
        ("cat src", "ls src"),
        ("ln src link", "ln -s src link"),
        ("git rm src", "git rm -r src"),
    ],
)
def test_folders(fix, typed, meant):
    assert fix(typed, 1, files=FILES)[0] == meant


@pytest.mark.parametrize(
    "typed", ["mkdir src", "rmdir src", "cp -a src x", "rm -rf src", "touch a.txt/x", "rm nothere"]
)
def test_nothing_is_sure(fix, typed):
    assert fix(typed, 1, files=FILES) == ()


@pytest.mark.parametrize(
    ("typed", "status", "meant"),
    [
        ("./run.sh --all", 126, ("chmod +x ./run.sh && ./run.sh --all", "bash ./run.sh --all")),
        ("run.sh --all", 127, ("chmod +x run.sh && ./run.sh --all", "bash run.sh --all")),
        ("ready now", 127, ("./ready now",)),
        ("go.py", 127, ("chmod +x go.py && ./go.py", "python3 go.py")),
        ("./src", 126, ("cd ./src",)),
        ("src", 127, ("cd src",)),
        ("./rnu.sh", 127, ("chmod +x ./run.sh && ./run.sh",)),
    ],
)
def test_scripts(fix, typed, status, meant):
    found = fix(typed, status, files=FILES, runnable=["ready"])
    assert found == meant
