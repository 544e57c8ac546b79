from __future__ import annotations

import os
import stat
import tomllib
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config import Config, load
from cmdai_shell.config.edit import (
    add_environment,
    literal,
    set_value,
    template,
    with_value,
    without,
    write,
)
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
    assert len(awake) + sum(len(v) for v in awake.values() if isinstance(v, dict)) == len(KEYS) + 13
    path.write_text(path.read_text().partition("\n")[2])
    assert load(path, {}) == Config()


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (3, "3"), ("a", '"a"'), ((), "[]"), (("a",), '["a"]')]
)
def test_values_as_toml(value: object, text: str) -> None:
    assert literal(value) == text


class TestEnvironments:
    @pytest.fixture
    def folder(self, path: Path) -> Path:
        (path.parent / "environments").mkdir()
        return path.parent / "environments"

    def test_a_value_goes_where_the_environment_is(self, path: Path, folder: Path) -> None:
        text = "# mine\nendpoints = ['http://a']  # the box\n"
        (folder / "lab.toml").write_text(text)
        assert set_value(path, "environments.lab.timeout_ms", "900") == folder / "lab.toml"
        assert (folder / "lab.toml").read_text() == text + "timeout_ms = 900\n"
        assert path.read_text() == TEXT

    def test_or_into_its_table(self, path: Path, folder: Path) -> None:
        table = "[environments.lab] # here\nendpoints = ['http://a']\n"
        path.write_text(TEXT + table)
        assert set_value(path, "environments.lab.kind", "vllm") == path
        assert path.read_text() == TEXT + table + 'kind = "vllm"\n'

    def test_or_over_what_it_imports(self, path: Path, folder: Path) -> None:
        path.write_text("[environments]\nlab = { import = 'base.toml' }\n")
        base = "endpoints = ['http://a']\npriority = 1\n"
        (path.parent / "base.toml").write_text(base)
        set_value(path, "environments.lab.priority", "5")
        assert load(path, {}).environments["lab"].priority == 5
        assert (path.parent / "base.toml").read_text() == base

    def test_addresses_are_a_list(self, path: Path, folder: Path) -> None:
        (folder / "lab.toml").write_text("endpoints = ['http://a']\n")
        new = '["http://b", {url = "http://c", weight = 2}]'
        set_value(path, "environments.lab.endpoints", new)
        assert len(load(path, {}).environments["lab"].endpoints) == 2

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("environments.lab.kind", "vlm"),
            ("environments.lab.endpoints", "[]"),
            ("environments.lab.endpoints", '["nowhere"]'),
            ("environments.lab.auth_type", "oidc"),
            ("environments.lab.id", "x"),
            ("environments.lab", "x"),
            ("environments.other.kind", "vllm"),
            ("environments", "x"),
            ("active_environment", "other"),
        ],
    )
    def test_a_bad_value_changes_nothing(
        self, path: Path, folder: Path, key: str, value: str
    ) -> None:
        (folder / "lab.toml").write_text("endpoints = ['http://a']\n")
        with pytest.raises(ConfigError):
            set_value(path, key, value)
        assert (folder / "lab.toml").read_text() == "endpoints = ['http://a']\n"
        assert path.read_text() == TEXT

    def test_one_that_is_broken_is_repaired_by_the_right_value(
        self, path: Path, folder: Path
    ) -> None:
        (folder / "lab.toml").write_text("endpoints = ['http://a']\nkind = 'vlm'\n")
        set_value(path, "log_level", "error")  # is not about it
        set_value(path, "environments.lab.kind", "vllm")
        assert load(path, {}).environments["lab"].kind == "vllm"

    def test_a_new_one_is_checked_before_it_is_written(self, path: Path) -> None:
        with pytest.raises(ConfigError, match=r"^endpoints\[0\]: an address begins with http"):
            add_environment(path, "lab", {"endpoints": ["10.0.0.1"]})
        assert list(path.parent.iterdir()) == [path]
        file = add_environment(path, "lab", {"endpoints": ["http://10.0.0.1"], "priority": 2})
        assert file.read_text() == 'endpoints = ["http://10.0.0.1"]\npriority = 2\n'
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_what_cannot_be_changed_alone_is_not_changed(path: Path) -> None:
    for text in ("a.b = 1\n", "a = 1\n"):
        with pytest.raises(ConfigError, match=r"cannot change a\.b\.c without harm to the rest"):
            with_value(text, ("a", "b", "c"), 2)
    assert with_value("a.b = 1\n", ("a", "c"), 2) == "a.b = 1\na.c = 2\n"


def test_a_value_is_taken_out_and_the_rest_stays() -> None:
    text = "# mine\na = 1\n[b]\nc = 2\n"
    assert without(text, ("b", "c")) == "# mine\na = 1\n"
    assert without(text, ("a",)) == "# mine\n[b]\nc = 2\n"
    assert without(text, ("x", "y")) == text


def test_a_file_of_other_line_ends_keeps_them(path: Path) -> None:
    path.write_bytes(b"# mine\r\n[embedded]\r\nthreads = 1\r\n")
    set_value(path, "log_level", "error")
    set_value(path, "embedded.threads", "2")
    text = path.read_bytes()
    assert text.count(b"\r\n") == text.count(b"\n")
    assert load(path, {}).embedded.threads == 2


def test_a_value_that_is_wrong_beside_the_rest_changes_nothing(path: Path) -> None:
    (path.parent / "environments").mkdir()
    (path.parent / "base.toml").write_text("endpoints = ['http://a']\n")
    lab = path.parent / "environments" / "lab.toml"
    lab.write_text("endpoints = ['http://a']\nkind = 'sagemaker'\nregion = 'r'\nmodel = 'm'\n")
    other = path.parent / "environments" / "other.toml"
    other.write_text("import = 'lab.toml'\nendpoints = ['http://b']\nregion = 'r'\n")
    with pytest.raises(ConfigError):
        set_value(path, "environments.lab.model", "")
    assert "'m'" in lab.read_text()
