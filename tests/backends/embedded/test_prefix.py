from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from cmdai_shell.backends.embedded.prefix import PrefixStore, key

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_written_is_read_and_private(tmp_path: Path) -> None:
    store = PrefixStore(tmp_path / "prefixes")
    store.write("a", b"state" * 1000)
    assert store.read("a") == b"state" * 1000
    (file,) = (tmp_path / "prefixes").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_damaged_file_is_no_state_and_goes_away(tmp_path: Path) -> None:
    store = PrefixStore(tmp_path)
    store.write("a", b"state" * 1000)
    file = tmp_path / "a.prefix"
    whole = file.read_bytes()
    for damage in (whole[:-1], b"", whole[:20], whole[:-1] + b"X", b"X" + whole):
        file.write_bytes(damage)
        assert store.read("a") is None
        assert not file.exists()


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    store = PrefixStore(tmp_path, keep=2)
    for age, name in enumerate(["old", "used"]):
        store.write(name, name.encode())
        os.utime(tmp_path / f"{name}.prefix", (age, age))
    assert store.read("old") == b"old"  # reading is using
    store.write("new", b"new")
    assert store.read("used") is None
    assert store.read("old") == b"old"
    assert store.read("new") == b"new"


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    store = PrefixStore(blocked / "prefixes")
    store.write("a", b"state")
    assert store.read("a") is None


def test_what_a_killed_writer_left_is_swept(tmp_path: Path) -> None:
    left = tmp_path / "tmpabc.part"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    PrefixStore(tmp_path).write("a", b"state")
    assert not left.exists()


def test_every_fact_makes_another_key() -> None:
    keys = {
        key("m", "0.3", tokens=[1, 2]),
        key("n", "0.3", tokens=[1, 2]),
        key("m", "0.4", tokens=[1, 2]),
        key("m", "0.3", tokens=[1, 2, 3]),
        key("m", "0.3", tokens=[12]),
    }
    assert len(keys) == 5
