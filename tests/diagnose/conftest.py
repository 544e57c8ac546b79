"""A machine on which nothing is wrong; each test varies one thing."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from cmdai_shell import __version__
from cmdai_shell.backends.embedded.store import Manifest
from cmdai_shell.config import Config, paths
from cmdai_shell.config.schema import Discovery, Embedded
from cmdai_shell.diagnose import table
from cmdai_shell.diagnose.check import Finding, examine
from cmdai_shell.diagnose.surroundings import Said, Surroundings, ask, writable
from cmdai_shell.hooks.install import apply, plan_install
from cmdai_shell.hooks.render import SHELLS, Relay

if TYPE_CHECKING:
    from collections.abc import Mapping

NC = Relay("nc", "/usr/bin/nc")
WEIGHTS = b"GGUF small weights"
BUILT = "CPU : AVX = 1 | AVX2 = 1 | OPENMP = 1 | REPACK = 1 |"


def put_model(data_dir: Path, content: bytes = WEIGHTS, *, size: int = len(WEIGHTS)) -> None:
    home = data_dir / "models" / "tiny"
    home.mkdir(parents=True, exist_ok=True)
    (home / "tiny.gguf").write_bytes(content)
    manifest = Manifest(
        id="tiny",
        file="tiny.gguf",
        sha256="5e3d8d4e0aaa43b8b5a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9a9",
        size=size,
        template="",
        licence="",
        origin="import",
    )
    (home / "manifest.json").write_bytes(msgspec.json.encode(manifest))


def version_of(command: Any, seconds: float) -> Said:
    """Shells say their version; anything else a check runs is a test's own affair."""
    assert command[1:] == ["--version"], command
    return Said(0, f"{Path(command[0]).name}, version 5.9.1(1)-release (x86_64)")


def status(**model: Any) -> Mapping[str, Any]:
    return {
        "version": __version__,
        "pid": 7,
        "data_dir": str(paths.data_dir()),
        "config_dir": str(paths.config_dir()),
        "model": {"id": "tiny", "rss_bytes": 0, **model},
    }


@pytest.fixture
def healthy(tmp_path: Path, runtime_dir: Path) -> Surroundings:
    apply(plan_install(SHELLS, relay=NC))
    put_model(paths.data_dir())
    return Surroundings(
        environ={"TERM": "xterm-256color", "LANG": "en_US.UTF-8"},
        system="Linux",
        machine="x86_64",
        uid=runtime_dir.stat().st_uid,
        python=sys.executable,
        home=Path.home(),
        runtime_dir=runtime_dir,
        config_dir=paths.config_dir(),
        data_dir=paths.data_dir(),
        cache_dir=paths.cache_dir(),
        log_dir=paths.log_dir(),
        shells=SHELLS,
        config=lambda: Config(discovery=Discovery(mdns=False)),
        daemon=status,
        relay=lambda: NC,
        llama=lambda: Said(0, BUILT),
        ask=version_of,
        which=lambda program: f"/usr/bin/{program}",
        writable=writable,
        available_memory=8 * 10**9,
        free_disk=lambda _: 50 * 10**9,
        cpu_flags=frozenset({"avx", "avx2"}),
    )


def look(name: str, around: Surroundings, **changes: Any) -> Finding:
    """The finding of one check, with something changed in the surroundings."""
    check = next(c for c in (*table.CHECKS, *table.ON_REQUEST) if c.name == name)
    return examine([check], replace(around, **changes))[0][1]


def only(*programs: str) -> Any:
    """A ``which`` that finds just those."""
    return lambda program: f"/usr/bin/{program}" if program in programs else ""


def with_engine(engine: Any) -> Any:
    return lambda: Config(embedded=Embedded(engine=engine))


__all__ = ["BUILT", "NC", "ask", "look", "only", "put_model", "status", "with_engine"]
