"""Programs that print a secret, and those that make it hard to have."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from cmdai_shell.auth import command
from cmdai_shell.auth.blocking import within
from cmdai_shell.auth.command import output
from cmdai_shell.auth.sealing import Seal
from cmdai_shell.auth.store import CredentialStore
from cmdai_shell.errors import BackendDenied

LEAVES_ONE_BEHIND = """\
import os, sys, time
child = os.fork()
if not child:
    os.setsid()
    {before}
    time.sleep(60)
    os._exit(0)
with open(sys.argv[1], "w") as file:
    print(child, file=file)
{after}
"""
"""It has left the session, so that it is not ended with it, and keeps the pipe open."""


def bounded(words: list[str], timeout: float) -> str:
    return within(20, lambda: output(words, timeout=timeout))


def end(pid_file: Path) -> None:
    os.kill(int(pid_file.read_text()), signal.SIGKILL)


def left_behind(pid_file: Path, after: str, before: str = "") -> list[str]:
    text = LEAVES_ONE_BEHIND.format(before=before, after=after)
    return [sys.executable, "-c", text, str(pid_file)]


def test_whoever_it_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    assert bounded(left_behind(tmp_path / "pid", "print('KEY')"), timeout=15) == "KEY"
    assert time.monotonic() - began < 10
    end(tmp_path / "pid")


def test_nor_after_its_time(tmp_path: Path) -> None:
    with pytest.raises(BackendDenied, match=r"took more than 2 s"):
        bounded(left_behind(tmp_path / "pid", "time.sleep(60)"), timeout=2)
    end(tmp_path / "pid")


def test_nor_believed_by_what_it_says_later(tmp_path: Path) -> None:
    late = "time.sleep(0.5); os.write(1, b'LATE')"
    with pytest.raises(BackendDenied, match="no secret"):
        bounded(left_behind(tmp_path / "pid", "sys.exit()", late), timeout=15)
    end(tmp_path / "pid")


@pytest.mark.parametrize(
    "text",
    ["print('x' * 200_000)", "while True: print('x')"],
    ids=["a long line", "without end"],
)
def test_too_much_is_said_to_be_too_much(text: str) -> None:
    with pytest.raises(BackendDenied, match="printed too much"):
        bounded([sys.executable, "-c", text], timeout=15)


def test_one_that_closes_its_output_and_goes_on() -> None:
    text = "import os, time; os.write(1, b'KEY'); os.close(1); time.sleep({})"
    assert bounded([sys.executable, "-c", text.format(0.3)], timeout=15) == "KEY"
    with pytest.raises(BackendDenied, match="took more than 1 s"):
        bounded([sys.executable, "-c", text.format(60)], timeout=1)


def test_no_open_file_is_left() -> None:
    bounded(["echo", "KEY"], timeout=15)
    before = len(list(Path("/dev/fd").iterdir()))
    for words in (["echo", "KEY"], ["sleep", "60"], ["false"]):
        try:
            bounded(words, timeout=0.2)
        except BackendDenied:
            continue
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_while_a_passphrase_is_asked_for_the_store_is_nobodys(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "store"

    def store(passphrase: str) -> CredentialStore:
        words = [sys.executable, "-c", passphrase]
        return CredentialStore(
            folder, choice="encrypted-file", seal=Seal(lambda: command.passphrase(words), cost=4)
        )

    def ask() -> str:
        """What opens the store while somebody types."""
        store("print('word')").write("other", "api-key", "written meanwhile")
        return "word"

    CredentialStore(folder, choice="encrypted-file", seal=Seal(ask, cost=4)).write(
        "mine", "api-key", "k"
    )
    again = store("print('word')")
    assert again.read("mine", "api-key") == "k"
    assert again.read("other", "api-key") == "written meanwhile"
