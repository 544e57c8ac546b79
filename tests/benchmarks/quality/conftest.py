"""A small bench of its own: two tasks, one fixture, one stub."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.quality.box import Box, Unusable
from benchmarks.quality.sandbox import Sandbox
from benchmarks.quality.tasks import HERE

FIXTURE = """
mkdir -p src 'old stuff'
echo one > src/a.py
echo two > src/b.py
printf 'x\\n' > notes.txt
ln -s notes.txt link
mkdir odd.py
git init -q repo
cd repo && echo a > a && git add a && git commit -qm first
"""
BUSY = """
# start: bin/start
# Names: napper
mkdir bin; cp /bin/sleep bin/napper
printf '#!/bin/sh\\nbin/napper 60 &\\nsleep 0.1\\n' >bin/start
chmod +x bin/start
"""
TASKS = """
[[task]]
id = "sample-001"
request = "python files"
fixture = "small"
expert = "find . -name '*.py' -type f"
accept = ["ls -1 src/*.py"]
tags = ["constraint"]

[[task]]
id = "sample-002"
request = "rename notes.txt to todo.txt"
fixture = "small"
expert = "mv notes.txt todo.txt"
match = "none"
"""
STUB = """#!/bin/sh
echo "docker $*" >> "$CALLS"
"""


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for name, file, text in (
        ("fixtures", "small.sh", FIXTURE),
        ("fixtures", "busy.sh", BUSY),
        ("tasks", "sample.toml", TASKS),
        ("stubs", "docker", STUB),
    ):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / file).write_text(text)
    (folder / "stubs" / "docker").chmod(0o755)
    shutil.copytree(HERE / "etc", folder / "etc")
    return folder


@pytest.fixture(scope="session")
def sandbox(data, tmp_path_factory):
    home = tmp_path_factory.mktemp("try") / "home"
    (home / "work").mkdir(parents=True)
    try:
        Box(data, data / "none", "2024-01-01").run(home, "true", "bash", 5)
    except (Unusable, FileNotFoundError) as error:
        pytest.skip(f"no bubblewrap here: {error}")
    return Sandbox(tmp_path_factory.mktemp("cache"), data)
