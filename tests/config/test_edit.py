from __future__ import annotations

import os
import stat
import tomllib
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config import Config, load
from cmdai_shell.config.edit import literal, set_value, template, write
from cmdai_shell.config.schema import KEYS
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
# my own words
log_level = "debug"   # noisy

[embedded] # the model
threads = 2

# last words
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "etc" / "config.toml"
    made.parent.mkdir()
    made.write_text(TEXT)
    return made


def test_comments_and_order_stay(path: Path) -> None:
    set_value(path, "embedded.threads", "4")
    assert path.read_text() == TEXT.replace("threads = 2", "threads = 4")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("safety_level", "strict", "strict"),
        ("embedded.model", "8", "8"),
        ("embedded.threads", "8", 8),
        ("embedded.threads", 8, 8),
        ("caching.enabled", "false", False),
        ("caching.enabled", False, False),
        ("safety.allow", '["a", "b"]', ("a", "b")),
        ("safety.allow", ["a"], ("a",)),
    ],
)
def test_a_value_of_each_kind(path: Path, key: str, value: object, expected: object) -> None:
    set_value(path, key, value)
    config = load(path, {})
    section, _, name = key.rpartition(".")
    assert getattr(getattr(config, section) if section else config, name) == expected
    assert "# my own words" in path.read_text()
    assert "# last words" in path.read_text()


def test_rules_as_tables(path: Path) -> None:
    set_value(path, "safety.rules", '[{match = "x", risk = "safe", reason = "r"}]')
    assert load(path, {}).safety.rules[0].match == "x"


@pytest.mark.parametrize("before", ["embedded.threads = 1\n", "embedded = {threads = 1}\n", ""])
def test_however_the_section_is_written(path: Path, before: str) -> None:
    path.write_text(before)
    set_value(path, "embedded.model", "mine")
    assert load(path, {}).embedded.model == "mine"
    assert load(path, {}).embedded.threads == (1 if before else 0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("embedded.threads", "-1"),
        ("embedded.threads", "two"),
        ("embedded.thread", "1"),
        ("embedded", "1"),
        ("safety_level", "loose"),
        ("safety.allow", "git push"),
        ("caching.enabled", "yes"),
    ],
)
def test_a_bad_value_leaves_the_file_untouched(path: Path, key: str, value: str) -> None:
    before = path.stat()
    with pytest.raises(ConfigError):
        set_value(path, key, value)
    assert path.read_text() == TEXT
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert list(path.parent.iterdir()) == [path]


def test_a_broken_file_is_not_made_worse(path: Path) -> None:
    path.write_text("thread = 1\n")
    with pytest.raises(ConfigError, match=r"config.toml:1: unknown key thread"):
        set_value(path, "embedded.threads", "2")
    assert path.read_text() == "thread = 1\n"


def test_the_file_and_its_folder_are_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "config.toml"
    set_value(path, "log_level", "error")
    assert path.read_text() == 'log_level = "error"\n'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_symbolic_link_stays_one(tmp_path: Path, path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    set_value(link, "embedded.threads", "3")
    assert link.is_symlink()
    assert load(path, {}).embedded.threads == 3


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot write .*; nothing was changed"):
        write(tmp_path / "file" / "config.toml", "")


def test_a_disk_that_is_full(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="no space left on device; nothing was changed"):
        set_value(path, "embedded.threads", "3")
    assert path.read_text() == TEXT
    assert list(path.parent.iterdir()) == [path]


def test_the_first_file_holds_every_default(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(template())
    assert load(path, {}) == Config()
    path.write_text(template().replace("# ", "", 1).replace("\n# ", "\n").replace("  # ", " # "))
    awake = tomllib.loads(path.read_text().partition("\n")[2])
    assert len(awake) + sum(len(v) for v in awake.values() if isinstance(v, dict)) == len(KEYS) + 8
    path.write_text(path.read_text().partition("\n")[2])
    assert load(path, {}) == Config()


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (3, "3"), ("a", '"a"'), ((), "[]"), (("a",), '["a"]')]
)
def test_values_as_toml(value: object, text: str) -> None:
    assert literal(value) == text
