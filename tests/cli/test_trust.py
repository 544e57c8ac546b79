"""``cmdai-shell backends trust`` and ``forget``, as typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cmdai_shell.cli.client import Client
from cmdai_shell.config import paths
from cmdai_shell.core import Endpoint
from cmdai_shell.discovery.candidate import Candidate
from cmdai_shell.discovery.trust import TrustStore

if TYPE_CHECKING:
    from tests.cli.conftest import Call


def test_forgotten_also_while_no_server_is_wanted(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trust is taken back without putting servers to use first."""
    endpoint = Endpoint(id="spark:8000", url="http://192.168.1.7:8000", source="mdns")
    store = TrustStore(paths.data_dir())
    store.approve(Candidate(name="spark:8000", endpoint=endpoint, state="candidate"))
    monkeypatch.setenv("CMDAI_ACTIVE_ENVIRONMENT", "none")
    code, said, more = call("backends", "forget", "spark:8000")
    assert code == 0, more
    assert "spark:8000 is not used any longer" in said + more
    assert store.approvals() == ()
    code, _, more = call("backends", "forget", "spark:8000")
    assert code != 0
    assert "no server 'spark:8000' was approved" in more


def test_a_wrong_name_is_answered_with_those_that_there_are(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TrustStore(paths.data_dir())
    for name in ("desk", "attic"):
        endpoint = Endpoint(id=name, url=f"http://192.168.1.{len(name)}:8000", source="mdns")
        store.approve(Candidate(name=name, endpoint=endpoint, state="candidate"))
    monkeypatch.setenv("CMDAI_ACTIVE_ENVIRONMENT", "none")
    assert "choose of: desk, attic" in call("backends", "forget", "wrong-one")[2]
    assert "did you mean desk?" in call("backends", "forget", "desc")[2]


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("https://10.77.0.1:8443", "the key of desk is forgotten"),
        ("http://10.77.0.1:8000", "what you said of desk is forgotten"),
    ],
)
def test_a_key_is_forgotten_only_where_there_is_one(
    call: Call, monkeypatch: pytest.MonkeyPatch, url: str, what: str
) -> None:
    told = {"discovery": {"found": [{"name": "desk", "url": url, "state": "by-policy"}]}}
    monkeypatch.setattr(Client, "decide", lambda *_, **__: {"forgotten": "desk"})
    monkeypatch.setattr(Client, "status", lambda _: told)
    code, said, more = call("backends", "forget", "desk")
    assert code == 0, more
    assert f"{what}; your settings trust it still" in said + more
