"""An engine for tests: the real worker process, with a scripted model or with real weights."""

from __future__ import annotations

import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from cmdai_shell.backends.embedded.catalog import ModelFile
from cmdai_shell.backends.embedded.engine import EmbeddedBackend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

SCRIPTED = (sys.executable, str(Path(__file__).parents[2] / "fakes" / "scripted_worker.py"))


def model_file(path: str = "/models/scripted.gguf", sha256: str = "a") -> ModelFile:
    name = Path(path).stem
    return ModelFile(
        id=name, path=Path(path), sha256=sha256, size=1, template="chatml", licence="MIT"
    )


def engine(
    model: Callable[[], ModelFile] = model_file,
    *,
    cache_dir: Path,
    command: Sequence[str] | None = SCRIPTED,
    idle_unload_s: float = 0,
    context_tokens: int = 1024,
) -> EmbeddedBackend:
    return EmbeddedBackend(
        model=model,
        threads=1,
        context_tokens=context_tokens,
        idle_unload_s=idle_unload_s,
        cache_dir=cache_dir,
        clock=time.monotonic,
        worker_command=command,
    )


@asynccontextmanager
async def closing(backend: EmbeddedBackend) -> AsyncIterator[EmbeddedBackend]:
    """No test leaves a worker behind."""
    try:
        yield backend
    finally:
        await backend.aclose()
        assert not [child for child in psutil.Process().children() if _is_worker(child)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "worker" in " ".join(process.cmdline())
    except psutil.Error:
        return False


@pytest.fixture
async def scripted(tmp_path: Path) -> AsyncIterator[EmbeddedBackend]:
    async with closing(engine(cache_dir=tmp_path / "cache")) as backend:
        yield backend
