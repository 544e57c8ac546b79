"""What the person's probe found is known for a while, and by a file that nobody else wrote."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.core import Endpoint
from cmdai_shell.discovery.probed import KEPT_S, NAME, Probed
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

HERE = (ip_network("10.9.0.0/16"), ip_network("192.168.1.0/24"))
ONE = Endpoint(id="probe/a", url="http://192.168.1.7:8000", source="probe", labels={"host": "a"})


def test_kept_for_a_quarter_of_an_hour_with_the_network_that_it_is_in(tmp_path: Path):
    now = 1_000.0
    probed = Probed(tmp_path, wall=lambda: now)
    assert probed.recent() == ()
    probed.keep([ONE], HERE)
    (kept,) = probed.recent()
    assert (kept.url, kept.labels["network"]) == (ONE.url, "192.168.1.0/24")
    now += KEPT_S
    assert probed.recent() == ()
    now = 999.0  # the clock was set back: nobody knows how old it is
    assert probed.recent() == ()


def test_what_cannot_be_read_is_nothing(tmp_path: Path):
    probed = Probed(tmp_path)
    probed.keep([ONE], HERE)
    (tmp_path / "trust" / NAME).write_text("nonsense")
    assert probed.recent() == ()


def test_a_file_that_others_can_write_names_nobody(tmp_path: Path):
    probed = Probed(tmp_path)
    probed.keep([ONE], HERE)
    assert (tmp_path / "trust" / NAME).stat().st_mode & 0o777 == 0o600
    (tmp_path / "trust" / NAME).chmod(0o666)
    with pytest.raises(ConfigError, match="others can write"):
        probed.recent()
