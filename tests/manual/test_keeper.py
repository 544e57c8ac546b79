from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from cmdai_shell.daemon import compose
from cmdai_shell.manual import keeper, store
from cmdai_shell.manual.keeper import Keeper
from tests.fakes.scripted_backend import ScriptedBackend
from tests.manual.test_build import put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def man(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for number in range(3):
        put(tmp_path / "man", number)
    monkeypatch.setenv("MANPATH", str(tmp_path / "man"))
    monkeypatch.setenv("PATH", "/nonexistent")  # no tools to ask
    return tmp_path / "man"


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(40):
        while not condition():  # noqa: ASYNC110  the condition is anything
            await asyncio.sleep(0.01)


async def test_it_builds_and_tells(tmp_path: Path, man: Path) -> None:
    kept = Keeper(tmp_path)
    assert kept.status() == {"building": False, "pages": 0, "options": 0, "built_at": 0.0}
    await kept.build()
    told = kept.status()
    assert (told["building"], told["pages"], told["options"]) == (False, 3, 3)
    assert abs(told["built_at"] - time.time()) < 60
    assert kept.index.page("tool1")


async def test_the_builder_ends_with_the_daemon(
    tmp_path: Path, man: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "START_AFTER", 0.0)
    for number in range(3, 400):
        put(man, number)
    kept = Keeper(tmp_path)
    running = asyncio.get_running_loop().create_task(kept.run())
    await until(lambda: kept.status()["building"])
    (builder,) = [child for child in psutil.Process(os.getpid()).children() if _is_builder(child)]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: not builder.is_running() or builder.status() == psutil.STATUS_ZOMBIE)


def _is_builder(process: psutil.Process) -> bool:
    try:
        return "cmdai_shell.manual.build" in process.cmdline()
    except psutil.Error:
        return False


async def test_a_builder_that_cannot_start_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "START_AFTER", 0.0)
    monkeypatch.setattr(keeper.sys, "executable", str(tmp_path / "missing"))
    running = asyncio.get_running_loop().create_task(Keeper(tmp_path).run())
    done, _ = await asyncio.wait([running], timeout=0.3)
    assert not done
    running.cancel()


@pytest.mark.parametrize("on", [True, False])
async def test_the_daemon_builds_it_in_the_background(
    on: bool, tmp_path: Path, man: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "START_AFTER", 0.0)
    monkeypatch.setenv("CMDAI_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CMDAI_MANUAL_ENABLED", str(on).lower())
    chain = compose.compose(time.monotonic, lambda: [ScriptedBackend()])
    living = asyncio.get_running_loop().create_task(chain.live(asyncio.Event()))
    if on:
        await until(lambda: chain.manual and chain.manual.status()["pages"] == 3)
    else:
        assert chain.manual is None
        await asyncio.wait([living], timeout=0.1)
    chain.retire(chain)
    await living
    assert (tmp_path / "cache" / store.NAME).exists() is on
