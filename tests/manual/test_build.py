"""The builder as the daemon runs it: a process of its own, that may be killed at any moment."""

from __future__ import annotations

import gzip
import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.manual import build, store
from cmdai_shell.manual.index import Index
from tests.fakes.dict_manual import source

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = (sys.executable, "-I", "-m", "cmdai_shell.manual.build")


def put(folder: Path, number: int) -> None:
    section = folder / "man1"
    section.mkdir(parents=True, exist_ok=True)
    text = source(f"tool{number}", f"tool of number {number}", (r"\-a, \-\-all", "all of them"))
    (section / f"tool{number}.1.gz").write_bytes(gzip.compress(text.encode()))


@pytest.fixture
def man(tmp_path: Path) -> Path:
    for number in range(40):
        put(tmp_path / "man", number)
    return tmp_path / "man"


def started(path: Path, man: Path) -> subprocess.Popen[bytes]:
    environ = {"MANPATH": str(man), "PATH": "/nonexistent"}
    return subprocess.Popen((*COMMAND, str(path)), env=environ, stderr=subprocess.PIPE)


def ended(builder: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    error = builder.communicate(timeout=50)[1]
    return builder.returncode, error


def test_an_index_of_all_pages(tmp_path: Path, man: Path) -> None:
    path = tmp_path / "cache" / store.NAME
    (man / "man1" / "three.1.gz").symlink_to("tool3.1.gz")
    path.parent.mkdir()
    meta = build.build(path, (man,), {})
    assert (meta["pages"], meta["options"]) == ("40", "40")
    index = Index(path)
    for name in ("tool3", "three"):
        page = index.page(name)
        assert page
        assert page.options[0].names == ("-a", "--all")


def test_a_name_in_no_encoding_and_a_pipe_are_no_pages(tmp_path: Path, man: Path) -> None:
    page = next((man / "man1").iterdir())
    (man / "man1" / os.fsdecode(b"caf\xe9.1.gz")).write_bytes(page.read_bytes())
    os.mkfifo(man / "man1" / "pipe.1")
    os.mkfifo(man / "man1" / "pipe.1.gz")
    path = tmp_path / "cache" / store.NAME
    path.parent.mkdir()
    assert build.build(path, (man,), {})["pages"] == "40"


def test_nothing_is_done_where_nothing_changed(tmp_path: Path, man: Path) -> None:
    path = tmp_path / store.NAME
    assert ended(started(path, man)) == (0, b"")
    before = path.stat()
    assert ended(started(path, man)) == (0, b"")
    assert path.stat().st_ino == before.st_ino
    put(man, 99)
    os.utime(man / "man1")  # on a file system of coarse times it may be the same as before
    assert ended(started(path, man)) == (0, b"")
    assert Index(path).page("tool99")


def test_two_at_once_are_one(tmp_path: Path, man: Path) -> None:
    path = tmp_path / store.NAME
    builders = [started(path, man) for _ in range(3)]
    assert [ended(builder) for builder in builders] == [(0, b"")] * 3
    assert Index(path).page("tool1")


def test_killed_at_any_moment(tmp_path: Path, man: Path) -> None:
    """The old index or the new one, whole; the next builder clears up."""
    path = tmp_path / store.NAME
    assert ended(started(path, man))[0] == 0
    begun = time.monotonic()
    put(man, 100)
    os.utime(man / "man1", ns=(1, 1))
    assert ended(started(path, man))[0] == 0
    takes = time.monotonic() - begun
    chance = random.Random(1)
    for turn in range(12):
        os.utime(man / "man1", ns=(turn + 2, turn + 2))
        builder = started(path, man)
        try:
            builder.wait(chance.uniform(0, takes))
        except subprocess.TimeoutExpired:
            builder.send_signal(signal.SIGKILL)
        builder.communicate(timeout=50)
        page = Index(path).page("tool100")
        assert page
        assert page.summary == "tool of number 100"
        assert store.meta(path)["pages"] == "41"
    assert ended(started(path, man)) == (0, b"")
    left = {entry.name for entry in tmp_path.iterdir()} - {"man", "home"}
    assert left == {store.NAME, f"{store.NAME}.lock"}


def test_wrong_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main([]) == 2
    assert build.USAGE in capsys.readouterr().err
