from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config import load, migration
from cmdai_shell.config.migration import carry_out, found, plan
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

CMDAI = """\
safety_level = "strict"
default_shell = "powershell"
log_level = "warn"
default_model = "phi-3"
log_rotation_days = 7
cache_max_size_gb = 20
active_environment = "lab"

[load_balancing]
strategy = "round_robin"
health_check_interval_s = 30

[safety]
trusted_commands = ["git push"]
trusted_domains = ["example.com"]

[environments]
lab = { import = "environments/lab.toml" }
bad = { endpoints = ["nowhere"] }
"""


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    file = tmp_path / "home" / ".config" / "cmdai" / "config.toml"
    (file.parent / "environments").mkdir(parents=True)
    file.write_text(CMDAI)
    lab = "name = 'Lab'\nendpoints = ['http://10.0.0.1:8000']\npriority = 10\n"
    (file.parent / "environments" / "lab.toml").write_text(lab)
    return file


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return tmp_path / "config" / "config.toml"


def test_what_has_its_like_is_carried_and_the_rest_is_named(theirs: Path, ours: Path) -> None:
    account = carry_out(plan(theirs, ours))
    config = load(ours, {})
    assert (config.safety_level, config.log_level, config.cache_max_size_gb) == (
        "strict",
        "warning",
        20,
    )
    assert config.load_balancing.strategy == "round_robin"
    assert config.safety.allow == ("git push",)
    assert config.active_environment == "lab"
    lab = config.environments["lab"]
    assert (lab.title, lab.priority) == ("Lab", 10)
    left = dict(account.left)
    assert left["default_shell"].startswith('default_shell = "powershell": choose bash, zsh, fish')
    assert left["default_model"] == "models are others here: cmdai-shell model list"
    assert left["trusted_domains"].startswith("no such rule")
    assert "an address begins with http" in left["environments.bad"]
    assert dict(account.carried)["trusted_commands"] == 'safety.allow = ["git push"]'
    assert theirs.read_text() == CMDAI


def test_nothing_of_one_s_own_is_overwritten(theirs: Path, ours: Path) -> None:
    (ours.parent / "environments").mkdir(parents=True)
    ours.write_text("# mine\nsafety_level = 'permissive'\n")
    own = "endpoints = ['http://10.9.9.9']\n"
    (ours.parent / "environments" / "lab.toml").write_text(own)
    account = carry_out(plan(theirs, ours))
    assert load(ours, {}).safety_level == "permissive"
    assert ours.read_text().startswith("# mine\n")
    assert (ours.parent / "environments" / "lab.toml").read_text() == own
    assert dict(account.left)["safety_level"] == "your own safety_level is kept"
    assert dict(account.left)["environments.lab"] == "your own environment lab is kept"
    assert account.backup
    assert account.backup.read_text() == "# mine\nsafety_level = 'permissive'\n"
    again = carry_out(plan(theirs, ours))
    assert (again.files, again.backup) == ({}, None)


def test_sections_of_caro_are_the_same_keys(tmp_path: Path, ours: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[general]\nsafety_level='strict'\n[cache]\nmax_size_gb=5\n[telemetry]\nx=1\n")
    account = plan(file, ours)
    assert [key for key, _ in account.carried] == ["safety_level", "max_size_gb"]
    assert [key for key, _ in account.left] == ["telemetry.x"]
    assert not ours.exists()  # a plan changes nothing


def test_the_younger_program_goes_first(theirs: Path) -> None:
    home = theirs.parent.parent
    assert found(home) == theirs
    (home / "caro").mkdir()
    (home / "caro" / "config.toml").write_text("")
    assert found(home) == home / "caro" / "config.toml"
    assert found(home / "nowhere") is None


def test_keys_of_ours_that_have_another_name_now(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration, "RENAMED", {"level": "safety_level", "a.b": "embedded.threads"})
    ours.parent.mkdir()
    ours.write_text("# mine\nlevel = 'strict' # why\n\n[a]\nb = 3\n[embedded]\nmodel = 'x'\n")
    account = carry_out(plan(ours, ours))
    assert load(ours, {}).safety_level == "strict"
    assert load(ours, {}).embedded.threads == 3
    assert "# mine" in ours.read_text()
    assert account.carried[0] == ("level", 'safety_level = "strict"')
    assert account.backup == ours.with_name("config.toml.bak")


def test_unknown_keys_of_ours_are_named(ours: Path) -> None:
    ours.parent.mkdir()
    ours.write_text("thread = 1\n")
    account = carry_out(plan(ours, ours))
    assert account.left == [("thread", "unknown: did you mean embedded.threads?")]
    assert ours.read_text() == "thread = 1\n"


def test_a_broken_file_of_theirs_is_named(theirs: Path, ours: Path) -> None:
    theirs.write_text("a = [")
    with pytest.raises(ConfigError, match=r"cmdai/config.toml:1: not valid TOML"):
        plan(theirs, ours)


def test_each_backup_has_its_own_name(theirs: Path, ours: Path) -> None:
    ours.parent.mkdir()
    for number, name in ((1, "config.toml.bak"), (2, "config.toml.bak2")):
        ours.write_text(f"# {number}\n")
        assert carry_out(plan(theirs, ours)).backup == ours.with_name(name)
