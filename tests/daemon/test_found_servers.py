"""From an approved candidate to its live server: where connections to it may go."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cmdai_shell.config import load
from cmdai_shell.core import Endpoint
from cmdai_shell.daemon import found_servers
from cmdai_shell.daemon.found_servers import reach
from cmdai_shell.discovery.candidate import Candidate, State
from cmdai_shell.discovery.dns_srv import Pace, Question
from cmdai_shell.discovery.srv_records import Owner

NAMED = "http://dgx.lan:8000"


def named(state: State, url: str = NAMED) -> Candidate:
    endpoint = Endpoint(id="dgx", url=url, source="dns", labels={"domain": "corp.lan"})
    return Candidate(name="dgx", endpoint=endpoint, state=state, sources=("dns",))


@pytest.mark.parametrize(
    ("address", "trusted", "by_subnet", "by_domain"),
    [
        ("10.1.2.3", True, True, True),
        ("192.168.9.9", True, False, True),
        ("8.8.8.8", False, False, False),
        ("127.0.0.1", False, False, False),
        ("0.0.0.0", False, False, False),
        ("224.0.0.1", False, False, False),
        ("::ffff:127.0.0.1", False, False, False),
        ("::1", False, False, False),
    ],
)
def test_a_name_leads_only_where_it_could_have_been_trusted(
    settings, address, trusted, by_subnet, by_domain
):
    assert reach(named("approved"), load())(address) is trusted
    config = settings('[discovery]\ntrust_subnets = ["10.1.0.0/16"]\n')
    assert reach(named("by-policy"), config)(address) is by_subnet
    config = settings('[discovery]\ntrust_domains = ["corp.lan"]\n')
    assert reach(named("by-policy"), config)(address) is by_domain


def test_over_https_the_key_says_who_it_is():
    assert reach(named("approved", "https://dgx.example.org"), load())("8.8.8.8")


def test_a_name_server_that_knows_of_no_record_is_told_with_the_name_that_was_asked_for() -> None:
    owner = Owner("_x._tcp.lab.test", "lab.test")
    question = Question(owner, Pace())
    watched: Any = SimpleNamespace(
        name="dns:lab", state="listening", problem="", hint="", known={},
        source=SimpleNamespace(questions=(question,)),
    )  # fmt: skip
    assert found_servers.listened_to(watched)["problem"] == ""
    question.note_absent(60.0, 0.0)
    assert found_servers.listened_to(watched)["problem"] == "no SRV record _x._tcp.lab.test"
