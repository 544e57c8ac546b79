from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config import Config
from cmdai_shell.config.schema import History
from cmdai_shell.history.entry import Entry
from cmdai_shell.history.store import Store
from tests.diagnose.conftest import look

if TYPE_CHECKING:
    from cmdai_shell.diagnose.surroundings import Surroundings


@pytest.fixture
def store(healthy: Surroundings) -> Store:
    made = Store(healthy.data_dir)
    made.keep([Entry(time=0.0, shell="bash", words="list files", suggested="ls")], 10)
    return made


def test_how_many_are_kept(healthy: Surroundings, store: Store) -> None:
    found = look("history", healthy)
    assert (found.severity, found.what) == ("ok", f"suggestions kept: 1, in {store.path}")


def test_nothing_is_made_to_look(healthy: Surroundings) -> None:
    assert look("history", healthy).severity == "ok"
    assert not Store(healthy.data_dir).folder.exists()


def test_switched_off(healthy: Surroundings, store: Store) -> None:
    found = look("history", healthy, config=lambda: Config(history=History(enabled=False)))
    assert (found.severity, "not kept" in found.what) == ("ok", True)


def test_one_that_was_set_aside(healthy: Surroundings, store: Store) -> None:
    store.path.write_bytes(b"damage" * 1000)
    found = look("history", healthy)
    assert found.severity == "warn"
    assert found.cure == f"rm {store.path}.damaged"


def test_a_folder_that_cannot_be_used(healthy: Surroundings, store: Store) -> None:
    store.path.unlink()
    store.path.mkdir()
    found = look("history", healthy)
    assert found.severity == "fail"
    assert found.cure == f"rm -r {store.folder}"
