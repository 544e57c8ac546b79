from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config import loading

if TYPE_CHECKING:
    from tests.cli.conftest import Call


@pytest.fixture(autouse=True)
def no_daemon(runtime_dir: Path) -> Path:
    return runtime_dir


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    file = tmp_path / "home" / ".config" / "caro" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("safety_level = 'strict'\ndefault_model = 'phi'\n")
    return file


def test_the_account_is_printed(call: Call, theirs: Path) -> None:
    code, out, err = call("config", "migrate", str(theirs))
    assert code == 0
    assert out.splitlines() == [
        f"from {theirs}",
        '  carried  safety_level  ->  safety_level = "strict"',
        "  left     default_model: models are others here: cmdai-shell model list",
    ]
    assert err == f"wrote {loading.config_file()}\n"
    assert loading.load().safety_level == "strict"
    assert call("config", "migrate", str(theirs))[2] == "nothing to do\n"


def test_a_dry_run_writes_nothing(call: Call, theirs: Path) -> None:
    code, _, err = call("config", "migrate", str(theirs), "--dry-run")
    assert (code, err) == (0, "nothing was written; without --dry-run it would be\n")
    assert not loading.config_file().exists()


def test_a_backup_is_kept_and_named(call: Call, theirs: Path) -> None:
    path = loading.config_file()
    path.parent.mkdir()
    path.write_text("# mine\n")
    code, out, _ = call("config", "migrate", str(theirs), "--json")
    assert code == 0
    account = json.loads(out)
    assert Path(account["backup"]).read_text() == "# mine\n"
    assert account["is_done"] is True
    assert account["left"][0]["key"] == "default_model"


@pytest.mark.skipif(not Path("/proc").exists(), reason="elsewhere their folder is another")
def test_their_file_is_found(call: Call, theirs: Path) -> None:
    assert f"from {theirs}" in call("config", "migrate", "--dry-run")[1]


def test_no_such_file(call: Call, tmp_path: Path) -> None:
    assert call("config", "migrate", str(tmp_path / "absent.toml"))[0] == 78
    code, out, err = call("config", "migrate")
    assert (code, err) == (0, "nothing to do\n")
    assert out == f"from {loading.config_file()}\n"
