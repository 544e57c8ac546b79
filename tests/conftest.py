"""What every test gets: no environment of the developer's, folders of its own."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator


settings.register_profile("untimed", deadline=None)  # a busy machine is no fault
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def clean_environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every CMDAI_ and XDG_ folder points below tmp_path, HOME too: no test touches a real one. And
    none listens in the real network unasked."""
    for name in list(os.environ):
        if name.startswith(("CMDAI_", "XDG_", "READLINE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CMDAI_MDNS", "false")
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
    for kind in ("CONFIG", "DATA", "CACHE", "LOG"):
        monkeypatch.setenv(f"CMDAI_{kind}_DIR", str(tmp_path / kind.lower()))


@pytest.fixture
def runtime_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A 0700 runtime folder with a path short enough for a socket; nobody outlives it."""
    with tempfile.TemporaryDirectory(prefix="cmdai-", dir="/tmp") as folder:
        monkeypatch.setenv("CMDAI_RUNTIME_DIR", folder)
        yield Path(folder)
        while left := _processes_of(folder):
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=5)


def _processes_of(folder: str) -> list[psutil.Process]:
    """Daemons, and starts of one, that were given this runtime folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            environ = process.environ() if process.pid != os.getpid() else {}
            if folder in (environ.get("CMDAI_RUNTIME_DIR"), environ.get("XDG_RUNTIME_DIR")):
                found.append(process)
    return found
