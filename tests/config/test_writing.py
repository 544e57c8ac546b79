from __future__ import annotations

import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.config import load, owned
from cmdai_shell.config.edit import set_value
from cmdai_shell.config.writing import alone, write
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

SET = """
import sys
from pathlib import Path
from cmdai_shell.config.edit import set_value
for value in range(1, 9):
    set_value(Path(sys.argv[1]), sys.argv[2], str(value))
"""


def test_of_values_that_are_set_at_once_none_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    keys = ("embedded.threads", "suggest.recipes", "load_balancing.failure_threshold")
    running = [subprocess.Popen([sys.executable, "-c", SET, str(path), key]) for key in keys]
    assert [one.wait(50) for one in running] == [0, 0, 0]
    config = load(path, {})
    found = config.embedded.threads, config.suggest.recipes, config.load_balancing.failure_threshold
    assert found == (8, 8, 8)


def test_who_holds_the_settings_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.toml"
    with alone(path):
        other = threading.Thread(target=set_value, args=(path, "log_level", "error"))
        other.start()
        other.join(0.1)
        assert not path.exists()
    other.join(5)
    assert load(path, {}).log_level == "error"
    monkeypatch.setattr(owned.hold, "__defaults__", (0.0,))
    with alone(path), pytest.raises(ConfigError, match="has been held for 0 s; nothing"):
        set_value(path, "log_level", "info")
    assert load(path, {}).log_level == "error"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o444])
def test_a_file_keeps_its_mode_and_a_new_one_is_ours_alone(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "config.toml"
    write(path, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(mode)
    write(path, "# new\n")
    assert path.read_text() == "# new\n"
    assert stat.S_IMODE(path.stat().st_mode) == mode
