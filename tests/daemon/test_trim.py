"""The cache folder keeps to cache_max_size_gb."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config import paths
from cmdai_shell.daemon import lifecycle, trim
from cmdai_shell.errors import ConfigError
from tests.daemon.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.daemon.desk import Desk


def file(path: Path, size: int, age: int) -> Path:
    """Sparse: it takes no room."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        out.truncate(size)
    os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return path


def test_the_oldest_go_first_and_no_more_than_need_be(tmp_path: Path):
    new = file(tmp_path / "manual.db", 100, age=1)
    middle = file(tmp_path / "prefixes" / "b.prefix", 100, age=2)
    old = file(tmp_path / "prefixes" / "a.prefix", 100, age=3)
    assert trim.trim(tmp_path, 300) == 0
    assert trim.trim(tmp_path, 299) == 100
    assert [path.exists() for path in (new, middle, old)] == [True, True, False]
    assert trim.trim(tmp_path, 0) == 200
    assert trim.trim(tmp_path, 0) == 0


def test_links_lead_nowhere(tmp_path: Path):
    elsewhere = file(tmp_path / "elsewhere" / "precious", 1000, age=9)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "file").symlink_to(elsewhere)
    (cache / "folder").symlink_to(elsewhere.parent)
    assert trim.trim(cache, 0) == 0
    assert elsewhere.exists()
    assert len(list(cache.iterdir())) == 2


def test_a_folder_that_is_not_there(tmp_path: Path):
    assert trim.trim(tmp_path / "nowhere", 0) == 0


def test_what_cannot_be_removed_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files = [file(tmp_path / name, 100, age) for name, age in (("theirs", 9), ("ours", 1))]
    unlink = os.unlink

    def ours_only(path: str) -> None:
        if path.endswith("theirs"):
            raise PermissionError(path)
        unlink(path)

    monkeypatch.setattr(os, "unlink", ours_only)
    assert trim.trim(tmp_path, 100) == 100
    assert [path.exists() for path in files] == [True, False]


async def test_while_the_configuration_is_wrong_nothing_goes(tmp_path: Path):
    kept, asked, is_wrong = file(tmp_path / "a", 2 * trim.GB, age=1), 0, True

    def limit() -> int:
        nonlocal asked
        asked += 1
        if is_wrong:
            raise ConfigError("wrong")
        return 1

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        keeping = group.create_task(trim.keep(tmp_path, limit, first=0, again=0.001))
        await until(lambda: asked > 2)
        assert kept.exists()
        is_wrong = False
        await until(lambda: not kept.exists())
        keeping.cancel()


@pytest.mark.parametrize(("gigabytes", "is_kept"), [(1, False), (2, True)])
async def test_cache_max_size_gb(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, gigabytes: int, is_kept: bool
):
    paths.config_dir().mkdir(parents=True)
    (paths.config_dir() / "config.toml").write_text(f"cache_max_size_gb = {gigabytes}\n")
    old = file(paths.cache_dir() / "prefixes" / "old.prefix", 1_500_000_000, age=9)
    older = file(paths.cache_dir() / "older", trim.GB, age=99)
    monkeypatch.setattr(trim, "FIRST_AFTER", 0.0)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        keeping = group.create_task(lifecycle.trimming(desk))
        await until(lambda: not older.exists() and old.exists() == is_kept)
        keeping.cancel()
