"""The real machine, seen by the suggester."""

from __future__ import annotations

import os
from pathlib import Path

from cmdai_shell.daemon.host import HostLook


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
