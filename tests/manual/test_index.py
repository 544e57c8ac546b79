from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.core import Option, Page
from cmdai_shell.manual import store
from cmdai_shell.manual.index import Index

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LS = Page(
    name="ls",
    summary="list",
    options=(Option(names=("-a", "--all"), text="all"), Option(names=("-w",), argument="COLS")),
    commands=(Option(names=("now",), text="at once"),),
    mentioned=("-x",),
)


def written(path: Path, pages: Iterable[Page]) -> None:
    writer = store.Writer(path)
    for number, page in enumerate(pages, 1):
        writer.add(number, page)
        writer.name([(page.name, number), ("alias", number)])
    writer.finish({"pages": "1"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "index").mkdir()
    return tmp_path / "index" / store.NAME


def test_a_page_comes_back_as_it_was(path: Path) -> None:
    written(path, [LS, Page(name="other")])
    index = Index(path)
    assert index.page("ls") == LS
    assert index.page("alias") == LS
    assert index.page("nothing") is None
    assert index.page("x'; drop table name; --") is None


def test_only_its_owner_may_read_it(path: Path) -> None:
    written(path, [LS])
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_new_index_is_noticed_and_a_lost_one(path: Path) -> None:
    index = Index(path)
    assert index.page("ls") is None
    written(path, [LS])
    assert index.page("ls") == LS
    written(path, [Page(name="ls", summary="another")])
    assert index.page("ls") == Page(name="ls", summary="another")
    path.unlink()
    assert index.page("ls") is None


@pytest.mark.parametrize("content", [b"", b"text", b"SQLite format 3\0" + bytes(5000)])
def test_a_broken_one_knows_nothing(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert Index(path).page("ls") is None
    assert store.meta(path) == {}


def test_a_broken_page_is_none(path: Path) -> None:
    written(path, [LS])
    whole = path.read_bytes()
    packed = store.packed(LS)
    path.write_bytes(whole.replace(packed, b"\xc1" * len(packed)))
    assert Index(path).page("ls") is None


def test_pages_are_kept_in_memory_up_to_a_number(path: Path) -> None:
    written(path, [LS])
    index = Index(path)
    for number in range(1000):
        index.page(f"no{number}")
    assert len(index._pages) < 100


def test_what_fails_half_way_leaves_the_old_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(path, [LS])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    writer = store.Writer(path)
    with pytest.raises(OSError, match="No space"):
        writer.finish({})
    assert Index(path).page("ls") == LS
