from __future__ import annotations

from typing import TYPE_CHECKING

from cmdai_shell.config import Config, load
from cmdai_shell.config.schema import Discovery
from cmdai_shell.diagnose.surroundings import existing
from tests.diagnose.conftest import look

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.diagnose.surroundings import Surroundings


def test_a_wrong_key_is_named_with_its_line(healthy: Surroundings) -> None:
    assert look("config", healthy, config=load).severity == "ok"
    healthy.config_dir.mkdir()
    (healthy.config_dir / "config.toml").write_text("\nsaftey_level = 'strict'\n")
    found = look("config", healthy, config=load)
    assert found.severity == "fail"
    assert "config.toml:2: unknown key saftey_level" in found.what
    assert "safety_level" in found.cure


def test_with_wrong_settings_the_others_go_by_the_defaults(healthy: Surroundings) -> None:
    healthy.config_dir.mkdir()
    (healthy.config_dir / "config.toml").write_text("nonsense")
    assert look("model", healthy, config=load).severity == "ok"


def test_a_home_that_cannot_be_written(healthy: Surroundings) -> None:
    for locked in (healthy.home, healthy.config_dir, healthy.data_dir, healthy.cache_dir):

        def writable(path: Path, locked: Path = locked) -> bool:
            return path != locked

        found = look("home", healthy, writable=writable)
        assert (found.severity, found.what) == ("fail", f"{locked} cannot be written")
        assert found.cure == f'sudo chown "$(id -u)" {existing(locked)}'


def test_a_log_folder_that_cannot_be_written(healthy: Surroundings) -> None:
    assert look("log-folder", healthy).severity == "ok"
    found = look("log-folder", healthy, writable=lambda path: path != healthy.log_dir)
    assert found.severity == "warn"
    assert "there is no log" in found.what


def test_defaults_are_what_an_empty_file_gives(healthy: Surroundings) -> None:
    assert healthy.settings() == Config(discovery=Discovery(mdns=False))
