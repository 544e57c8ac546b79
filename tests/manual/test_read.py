from __future__ import annotations

import bz2
import gzip
import lzma
import os
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.manual import read

if TYPE_CHECKING:
    from pathlib import Path

TEXT = ".SH NAME\nx \\- y\n"


def put(folder: Path, name: str, content: bytes = TEXT.encode()) -> Path:
    section = folder / f"man{name.partition('.')[2][0]}"
    section.mkdir(parents=True, exist_ok=True)
    (section / name).write_bytes(content)
    return section / name


def test_the_page_that_man_shows_comes_first(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    put(there, "a.1")
    put(here, "b.8.gz")
    put(here, "a.1.gz")
    put(here, "a.8")
    put(here, "c.1p")
    put(here, "d.1ssl")
    put(here, "e.5")
    found = [
        (entry.stem, entry.section, entry.folder.name) for entry in read.entries((here, there))
    ]
    assert found == [
        ("a", "1", "here"),
        ("a", "1", "there"),
        ("a", "8", "here"),
        ("b", "8", "here"),
        ("d", "1ssl", "here"),
    ]


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.1", bytes),
        ("a.1.gz", gzip.compress),
        ("a.1.bz2", bz2.compress),
        ("a.1.xz", lzma.compress),
    ],
)
def test_compressed_pages(tmp_path: Path, name: str, pack: type[bytes]) -> None:
    assert read.text(put(tmp_path, name, pack(TEXT.encode()))) == TEXT


@pytest.mark.parametrize("name", ["a.1.gz", "a.1.bz2", "a.1.xz", "a.1.Z", "a.1.zst"])
def test_what_cannot_be_read_is_empty(tmp_path: Path, name: str) -> None:
    assert read.text(put(tmp_path, name, b"\x1f\x8b not what it says")) == ""
    assert read.text(tmp_path / "missing.1.gz") == ""


def test_a_small_file_that_unpacks_to_much_is_read_up_to_a_limit(tmp_path: Path) -> None:
    page = put(tmp_path, "a.1.gz", gzip.compress(b"x" * (read.LONGEST * 3)))
    assert len(read.text(page)) == read.LONGEST


def test_odd_bytes(tmp_path: Path) -> None:
    assert read.text(put(tmp_path, "a.1", b"caf\xe9")) == "café"


def test_links_of_both_kinds(tmp_path: Path) -> None:
    real = put(tmp_path, "real.1.gz", gzip.compress(TEXT.encode()))
    put(tmp_path, "so.1", b'.\\" generated\n.so man1/real.1\n')
    (tmp_path / "man1" / "link.1").symlink_to("so.1")
    found = {entry.stem: read.target(entry).path for entry in read.entries((tmp_path,))}
    assert found == {"real": real, "so": real, "link": real}


@pytest.mark.parametrize("to", ["man1/loop.1", "man1/missing.1", "../outside.1", "/etc/passwd"])
def test_a_link_to_nowhere_leads_nowhere(tmp_path: Path, to: str) -> None:
    folder = tmp_path / "man"
    page = put(folder, "loop.1", f".so {to}\n".encode())
    (tmp_path / "outside.1").write_text(TEXT)
    (entry,) = read.entries((folder,))
    assert read.target(entry).path == page


def test_the_man_path_without_a_man(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "share" / "man").mkdir(parents=True)
    assert tmp_path / "share" / "man" in read.folders({"PATH": f"{tmp_path}/bin"})


def test_a_new_page_is_noticed(tmp_path: Path) -> None:
    page = put(tmp_path, "a.1")
    before = read.stamp((tmp_path,))
    os.utime(page.parent, (1, 1))
    assert read.stamp((tmp_path,)) != before
