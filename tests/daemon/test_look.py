"""The host as the suggester sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cmdai_shell.daemon import look

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "frobnicate"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_programs_are_looked_up_on_the_shells_own_path(tool: Path) -> None:
    assert look.HostLook().which("frobnicate", f"/nowhere:{tool.parent}") == str(tool)
    assert look.HostLook().which("frobnicate", "/bin") == ""


def test_an_unusual_path_is_only_a_path(tool: Path) -> None:
    assert look.HostLook().which("frobnicate", f"/\udcff:{tool.parent}") == str(tool)


def test_the_facts_are_there() -> None:
    facts = look.HostLook().platform()
    assert facts["system"]
    assert facts["userland"] in {"GNU", "BSD", "busybox"}


def test_a_busybox_is_one(tmp_path: Path, tool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    busybox = tool.rename(tool.with_name("busybox"))
    (busybox.parent / "ls").symlink_to(busybox)
    monkeypatch.setenv("PATH", str(busybox.parent))
    monkeypatch.setattr("sys.platform", "linux")
    assert look._userland() == "busybox"
