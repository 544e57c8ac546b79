"""Which place a path is."""

from __future__ import annotations

import pytest

from cmdai_shell.safety.script import HOME, MAYBE, SOME, Call, Word
from cmdai_shell.safety.targets import Place, device, joined, place, system_file


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", Place.ROOT), ("//", Place.ROOT), ("/usr/..", Place.ROOT), (f"{MAYBE}/", Place.ROOT),
        ("/etc", Place.SYSTEM), ("/usr/lib/", Place.SYSTEM), ("/etc/passwd", Place.SYSTEM),
        (f"/{MAYBE}", Place.ROOT), (f"/{SOME}", Place.SYSTEM), (HOME, Place.HOME),
        ("/home", Place.HOME), ("/home/u", Place.HOME), (f"{HOME}/{MAYBE}", Place.HOME),
        (f"{HOME}/..", Place.HOME), ("/dev/sda1", Place.DEVICE), ("/dev/null", Place.SCRATCH),
        ("/dev/shm", Place.SCRATCH), ("/srv/www", Place.PRECIOUS),
        ("/etc/nginx/x", Place.PRECIOUS), (f"{HOME}/.ssh", Place.PRECIOUS),
        (".git", Place.PRECIOUS), (".", Place.HERE), ("..", Place.HERE), (MAYBE, Place.UNKNOWN),
        ("src", Place.ORDINARY), ("build", Place.SCRATCH), ("/tmp/x", Place.SCRATCH),
        ("/var/lib/docker/tmp/x", Place.SCRATCH), (f"{HOME}/notes", Place.ORDINARY),
    ],
)  # fmt: skip
def test_places(path, expected):
    assert place(Word(path), Call(())) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/*", Place.ROOT), ("/b*", Place.ROOT), ("/etc/*", Place.SYSTEM),
        (f"{HOME}/*", Place.HOME), (f"{MAYBE}/*", Place.ROOT), ("*", Place.HERE),
        ("./*", Place.HERE), ("*.log", Place.ORDINARY), ("/dev/sd*", Place.DEVICE),
        ("/tmp/*.sock", Place.SCRATCH),
    ],
)  # fmt: skip
def test_globs(path, expected):
    assert place(Word(path, glob=True), Call(())) == expected


def test_a_place_is_seen_from_every_folder_the_command_may_run_in():
    assert place(Word("*", glob=True), Call((), cwd=(".", "/"))) == Place.ROOT
    assert joined("/etc", "../x") == "/x"
    assert joined("/etc", "~") == HOME


def test_devices_and_system_files():
    assert device("/dev/nvme0n1p2")
    assert not device("/dev/urandom")
    assert system_file("/etc/sudoers.d/me")
    assert not system_file("/etc/nginx/nginx.conf")
