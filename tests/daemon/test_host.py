"""The real machine, seen by the suggester."""

from __future__ import annotations

import os
from pathlib import Path

from cmdai_shell.daemon.host import MOST_ENTRIES, HostLook


def test_which_uses_the_path_it_is_given(tmp_path):
    tool = tmp_path / "mytool"
    tool.write_text("#!/bin/sh\n")
    look = HostLook()
    assert look.which("mytool", str(tmp_path)) == ""
    tool.chmod(0o755)
    assert look.which("mytool", str(tmp_path)) == str(tool)
    assert look.which("mytool", "") == ""


def test_platform_names_system_and_userland():
    facts = HostLook().platform()
    assert facts["system"]
    assert facts["userland"] in {"GNU", "BSD", "busybox", "toybox"}


def test_busybox_is_told_from_gnu(tmp_path, monkeypatch):
    busybox = tmp_path / "busybox"
    busybox.write_text("#!/bin/sh\n")
    busybox.chmod(0o755)
    Path(tmp_path / "ls").symlink_to(busybox)
    monkeypatch.setenv("PATH", str(tmp_path))
    if os.uname().sysname == "Linux":
        assert HostLook().platform()["userland"] == "busybox"


def test_programs_of_a_path_are_listed_afresh_when_it_changes(tmp_path):
    look = HostLook()
    tmp_path = _empty(tmp_path)
    assert look.programs(str(tmp_path)) == frozenset()
    (tmp_path / "mytool").write_text("")
    os.utime(tmp_path, ns=(1, 1))
    assert look.programs(str(tmp_path)) == {"mytool"}
    assert look.programs(f"{tmp_path}/none:relative") == frozenset()


def test_places_and_what_may_be_done_there(tmp_path):
    look = HostLook()
    tmp_path = _empty(tmp_path)
    script = tmp_path / "a script"
    script.write_text("x")
    script.chmod(0o644)
    assert look.place(str(script)).kind == "file"
    assert not look.place(str(script)).is_executable
    script.chmod(0o755)
    assert look.place(str(script)).is_executable
    assert look.place(str(tmp_path)).kind == "folder"
    assert look.place(str(tmp_path / "none")).kind == ""
    assert look.place(f"{script}/below").kind == ""
    assert look.place("~").kind == "folder"
    assert look.place("a\0b").kind == ""
    assert look.is_root() == (os.geteuid() == 0)


def test_entries_and_texts_are_bounded_and_never_raise(tmp_path):
    look = HostLook()
    tmp_path = _empty(tmp_path)
    (tmp_path / "b").write_text("x" * 100_000)
    (tmp_path / "a").mkdir()
    (tmp_path / "new\nline").write_text("")
    os.mkfifo(tmp_path / "pipe")
    assert look.entries(str(tmp_path)) == ("a", "b", "pipe")
    assert look.entries(str(tmp_path / "none")) == ()
    assert len(look.text(str(tmp_path / "b"))) == 65_536
    assert look.text(str(tmp_path / "a")) == look.text(str(tmp_path / "pipe")) == ""
    assert look.text("a\0b") == look.text(str(tmp_path / "none")) == ""


def _empty(folder):
    (folder / "empty").mkdir()
    return folder / "empty"


def test_an_empty_path_is_the_daemons_own(tmp_path, monkeypatch):
    tmp_path = _empty(tmp_path)
    (tmp_path / "mytool").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert HostLook().programs("") == {"mytool"}


def test_a_folder_of_many_programs_is_read_to_its_end(tmp_path):
    tmp_path = _empty(tmp_path)
    for number in range(MOST_ENTRIES + 10):
        (tmp_path / f"t{number}").touch()
    assert len(HostLook().programs(str(tmp_path))) == MOST_ENTRIES + 10
