from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.backends.embedded.partial import NoRoom, Partial, Quiet, digest, megabytes
from cmdai_shell.errors import ModelUnavailable
from tests.backends.embedded.model_parts import Watch

if TYPE_CHECKING:
    from pathlib import Path


def part(path: Path, size: int = 10) -> Partial:
    return Partial(path, size=size, progress=Quiet())


def test_goes_on_where_it_was_left(tmp_path: Path) -> None:
    with part(tmp_path / "a.part") as first:
        first.write(b"hello")
    with part(tmp_path / "a.part") as second:
        assert second.length == 5
        second.write(b"world")
        assert second.missing == 0
        assert second.sha256() == hashlib.sha256(b"helloworld").hexdigest()


def test_rewind_forgets_the_end(tmp_path: Path) -> None:
    with part(tmp_path / "a.part") as partial:
        partial.write(b"hellXXX")
        partial.rewind(4)
        partial.write(b"o")
        assert partial.sha256() == hashlib.sha256(b"hello").hexdigest()
    assert (tmp_path / "a.part").read_bytes() == b"hello"


def test_a_file_longer_than_the_model_is_cut(tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(b"x" * 50)
    with part(tmp_path / "a.part") as partial:
        assert partial.length == 10


def test_more_than_the_model_is_refused_whole(tmp_path: Path) -> None:
    with part(tmp_path / "a.part") as partial:
        partial.write(b"123456")
        with pytest.raises(ModelUnavailable, match="more bytes"):
            partial.write(b"12345")
        assert partial.length == 6


def test_seal_puts_it_under_its_name(tmp_path: Path) -> None:
    with part(tmp_path / "a.part") as partial:
        partial.write(b"0123456789")
        partial.seal(tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a"]


def test_a_full_disk_says_how_much_is_missing(tmp_path: Path) -> None:
    with part(tmp_path / "a.part", size=5_000_000) as partial:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, partial._file.fileno())
        os.close(full)
        with pytest.raises(NoRoom, match=r"full: 5 MB more") as error:
            partial.write(b"x" * 1000)
        assert partial.length == 0
    assert "free some space" in error.value.hint


def test_progress_counts_up_to_the_size(tmp_path: Path) -> None:
    watch = Watch()
    with Partial(tmp_path / "a.part", size=4, progress=watch) as partial:
        partial.write(b"ab")
        partial.write(b"cd")
    assert watch.done == [0, 2, 4]


def test_digest_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    watch = Watch()
    assert digest(tmp_path / "a", watch) == hashlib.sha256(b"abc").hexdigest()
    assert watch.done == [3]


@pytest.mark.parametrize(
    ("count", "text"), [(1_117_320_768, "1.1 GB"), (491_400_064, "491 MB"), (0, "0 MB")]
)
def test_sizes_as_people_read_them(count: int, text: str) -> None:
    assert megabytes(count) == text
