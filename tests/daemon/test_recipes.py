"""The recipes' index on disk."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.daemon import recipes
from cmdai_shell.daemon.recipes import Shelf

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def works(shelf: Shelf) -> bool:
    return bool(shelf.near("how big is this folder", "bash", "GNU", 3, bool))


def stocked(cache: Path) -> Shelf:
    shelf = Shelf(cache)
    asyncio.run(shelf.make())
    return shelf


def test_it_is_made_once_and_the_one_of_another_version_goes(cache: Path) -> None:
    cache.mkdir()
    old = cache / "recipes-1-0123456789abcdef.sqlite"
    old.touch()
    assert not works(Shelf(cache))
    assert works(stocked(cache))
    (made,) = cache.iterdir()
    assert made != old
    assert made.stat().st_mode & 0o777 == 0o600
    before = made.stat().st_mtime_ns
    assert works(Shelf(cache))
    assert works(stocked(cache))
    assert made.stat().st_mtime_ns == before


def test_a_folder_that_cannot_be_written_is_no_obstacle(cache: Path) -> None:
    cache.touch()
    assert works(stocked(cache))


def test_a_broken_index_is_no_obstacle(cache: Path) -> None:
    stocked(cache)
    (made,) = cache.iterdir()
    made.write_bytes(b"no database" * 1000)
    assert works(stocked(cache))


async def test_a_press_meanwhile_waits_for_it_a_moment(cache: Path) -> None:
    shelf = Shelf(cache)
    await shelf.stocked()
    assert not works(shelf), "nobody makes it"
    async with asyncio.TaskGroup() as group:
        making = group.create_task(shelf.make())
        await asyncio.sleep(0)
        await shelf.stocked()
        assert works(shelf) or not making.done()


def test_a_kill_while_it_is_made_leaves_nothing_that_is_taken_for_it(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_base: sqlite3.Connection, _texts: list[str]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cmdai_shell.suggest.recall.fill", killed)
        with pytest.raises(KeyboardInterrupt):
            recipes.make(cache / "recipes-0-0.sqlite")
    assert not list(cache.glob("*.sqlite"))
