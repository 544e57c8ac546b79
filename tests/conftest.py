"""What every test gets: no environment of the developer's, folders of its own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def clean_environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every CMDAI_ and XDG_ folder points below tmp_path, HOME too: no test touches a real one."""
    for name in list(os.environ):
        if name.startswith(("CMDAI_", "XDG_", "READLINE_")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
    for kind in ("CONFIG", "DATA", "CACHE", "LOG"):
        monkeypatch.setenv(f"CMDAI_{kind}_DIR", str(tmp_path / kind.lower()))


@pytest.fixture
def runtime_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A 0700 runtime folder with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="cmdai-", dir="/tmp") as folder:
        monkeypatch.setenv("CMDAI_RUNTIME_DIR", folder)
        yield Path(folder)
