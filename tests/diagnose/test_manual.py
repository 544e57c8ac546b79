from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config import Config
from cmdai_shell.config.schema import Manual
from cmdai_shell.core import Page
from cmdai_shell.errors import DaemonUnavailable
from cmdai_shell.manual import store
from tests.diagnose.conftest import look

if TYPE_CHECKING:
    from cmdai_shell.diagnose.surroundings import Surroundings


def index(around: Surroundings, pages: int) -> None:
    around.cache_dir.mkdir(parents=True, exist_ok=True)
    writer = store.Writer(around.cache_dir / store.NAME)
    writer.add(1, Page(name="ls"))
    writer.finish({"pages": str(pages), "options": "7"})


def test_pages_are_counted(healthy: Surroundings) -> None:
    index(healthy, 1200)
    assert look("manual", healthy).what == "1200 man pages and 7 options are known"


def test_a_machine_without_pages_is_told_of(healthy: Surroundings) -> None:
    index(healthy, 3)
    found = look("manual", healthy)
    assert (found.severity, found.what[:9]) == ("warn", "3 man pag")
    assert "unminimize" in found.cure


def test_before_the_first_time(healthy: Surroundings) -> None:
    assert "soon after" in look("manual", healthy).what

    def none() -> None:
        raise DaemonUnavailable("no daemon")

    found = look("manual", healthy, daemon=none)
    assert (found.severity, found.what) == ("ok", "man pages are read when the daemon runs")


def test_switched_off(healthy: Surroundings) -> None:
    config = Config(manual=Manual(enabled=False))
    assert "not used" in look("manual", healthy, config=lambda: config).what


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"x" * 5000])
def test_a_broken_index_counts_as_none(healthy: Surroundings, content: bytes) -> None:
    healthy.cache_dir.mkdir(parents=True, exist_ok=True)
    (healthy.cache_dir / store.NAME).write_bytes(content)
    assert look("manual", healthy).severity == "ok"
