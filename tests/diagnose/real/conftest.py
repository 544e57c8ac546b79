from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.diagnose.real.desk import (
    Desk,
    NameServer,
    started,
)
from tests.discovery.netlab import NetLab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def lab() -> Iterator[NetLab]:
    with NetLab() as made:
        yield made


@pytest.fixture
def desk(lab: NetLab, tmp_path: Path, runtime_dir: Path) -> Iterator[Desk]:
    made = Desk(lab, tmp_path, runtime_dir)
    yield made
    made.close()


@pytest.fixture
def names(lab: NetLab, tmp_path: Path) -> NameServer:
    return NameServer(lab, tmp_path / "bind")


@pytest.fixture
def server(lab: NetLab) -> str:
    """``spark``, healthy; its URL."""
    lab.host("spark", home="10.77.0.2/24")
    started(lab)
    return "http://10.77.0.2:8000"
