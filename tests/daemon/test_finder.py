"""From what is found to members: nobody is asked anything before the person has said so."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from cmdai_shell.config import Config, load, paths
from cmdai_shell.core import Hint, Removed, Suggestion, SuggestRequest
from cmdai_shell.daemon import compose, finder
from cmdai_shell.daemon.compose import Chain
from cmdai_shell.daemon.desk import Desk
from cmdai_shell.discovery import pins
from cmdai_shell.discovery.trust import TrustStore
from cmdai_shell.errors import ConfigError, DiscoveryError
from tests.daemon.conftest import until
from tests.daemon.test_desk import Engine
from tests.fakes.scripted_server import ScriptedServer
from tests.fakes.scripted_source import ScriptedSource, there

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cmdai_shell.core import Update
    from cmdai_shell.discovery.candidate import Candidate

SPARK = {"host": "spark.local", "addresses": "192.168.1.7", "network": "192.168.1.2/24"}


class House:
    """A desk whose chain hears what ``said`` has, from a source of that name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *said: Any, source: str = "mdns") -> None:
        self.source = ScriptedSource(source, [*said, inf])
        self.servers: dict[str, ScriptedServer] = {}
        monkeypatch.setattr(finder, "BEGIN_S", 0.0)
        monkeypatch.setattr(finder, "sources", lambda config: [self.source])
        monkeypatch.setattr(finder, "connected", self._connected)
        monkeypatch.setattr(finder, "_own_addresses", lambda: ("192.168.1.2", "fe80::1%eth0"))
        monkeypatch.setattr(compose, "_engine", lambda config, clock: Engine())
        self.desk = Desk(lambda former: Chain(load(), time.monotonic, former=former),
                         clock=time.monotonic)  # fmt: skip

    def _connected(self, candidate: Candidate, *_: object) -> ScriptedServer:
        made = ScriptedServer(candidate.name, url=candidate.endpoint.url)
        made.endpoint = replace(made.endpoint, environment=candidate.endpoint.environment)
        self.servers[candidate.name] = made
        return made

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[House]:
        async with asyncio.TaskGroup() as group:
            life = group.create_task(self.desk.live())
            yield self
            life.cancel()

    @property
    def finder(self) -> finder.Finder:
        return self.desk.finder()

    @property
    def members(self) -> list[str]:
        return [member.id for member in self.desk.chain().pool]

    def state(self, name: str) -> str:
        return {c.name: c.state for c in self.finder.found.candidates()}.get(name, "")

    async def press(self, line: str = "list files", **more: Any) -> Update:
        request = SuggestRequest(line=line, shell_version="5.2", **more)
        found = [update async for update in self.desk.answer(request)][-1]
        assert not isinstance(found, Exception), found
        return found


async def found(house: House, name: str = "spark:8000") -> None:
    await until(lambda: house.state(name) != "")


@pytest.fixture
def settings() -> Any:
    def write(text: str) -> Config:
        paths.config_dir().mkdir(parents=True, exist_ok=True)
        (paths.config_dir() / "config.toml").write_text(text)
        return load()

    return write


async def test_a_candidate_is_no_member_and_is_sent_nothing(monkeypatch):
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)
        assert house.members == []
        assert isinstance(await house.press(), Suggestion)
        assert house.servers == {}


async def test_once_trusted_it_answers(monkeypatch):
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)
        shown = await house.finder.trust("spark")
        assert (shown["name"], shown["state"]) == ("spark:8000", "approved")
        assert house.members == ["spark:8000"]
        suggestion = await house.press()
        assert isinstance(suggestion, Suggestion)
        assert suggestion.backend == "spark:8000"


async def test_who_was_approved_is_asked_before_anybody_is_found(monkeypatch):
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)
        await house.finder.trust("spark:8000", called="desk")
    async with House(monkeypatch).alive() as later:
        await until(lambda: later.members == ["desk"])
        assert later.servers["desk"].endpoint.url == "http://192.168.1.7:8000"


async def test_but_not_in_a_network_where_somebody_else_may_have_its_address(monkeypatch):
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)
        await house.finder.trust("spark:8000")
    monkeypatch.setattr(finder, "LOOK_EVERY_S", 0.05)
    async with House(monkeypatch).alive() as later:
        monkeypatch.setattr(finder, "_own_addresses", lambda: ("10.9.8.7",))
        await until(lambda: later.state("spark:8000") == "approved")
        assert later.members == []
        monkeypatch.setattr(finder, "_own_addresses", lambda: ("10.9.8.7", "192.168.1.2"))
        await until(lambda: later.members == ["spark:8000"])  # at home again


async def test_of_https_the_key_is_kept_before_the_first_request(monkeypatch):
    key = "sha256/" + "A" * 43 + "="
    asked = []

    async def learn(host: str, port: int, timeout: float) -> pins.LearnedIdentity:
        asked.append((host, port))
        return pins.LearnedIdentity(
            spki=key, subject="CN=spark", is_chain_valid=False, not_after=9e9, address=host
        )

    monkeypatch.setattr(pins, "learn", learn)
    said = there("a", "https://192.168.1.7:8443", labels=SPARK)
    async with House(monkeypatch, said).alive() as house:
        await found(house, "spark:8443")
        assert asked == []  # not even that, of who is not trusted
        await house.finder.trust("spark:8443")
        await until(lambda: house.members == ["spark:8443"])
        assert asked == [("192.168.1.7", 8443)]
        (approval,) = TrustStore(paths.data_dir()).approvals()
        assert (approval.pin, approval.is_key_alone) == (key, True)
        house.finder._other_key(house.finder.found.candidates()[0])("sha256/" + "B" * 43 + "=")
        await until(lambda: house.members == [])
        assert house.state("spark:8443") == "changed"


async def test_and_stays_when_it_is_announced_no_longer(monkeypatch):
    """Goodbye or not: whether it is well the router finds out."""
    turn = there("a", labels=SPARK), 0.5, Removed(id="a")
    async with House(monkeypatch, *turn).alive() as house:
        await found(house)
        await house.finder.trust("spark:8000")
        await until(lambda: not house.finder.status()["sources"][0]["known"])
        assert house.members == ["spark:8000"]


async def test_forgotten_it_is_gone_at_once(monkeypatch):
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)
        await house.finder.trust("spark:8000")
        assert await house.finder.forget("spark:8000") == "spark:8000"
        assert house.members == []
        assert TrustStore(paths.data_dir()).approvals() == ()
        with pytest.raises(ConfigError, match="no server 'spark:8000' was approved"):
            await house.finder.forget("spark:8000")


async def test_an_unknown_name_says_which_there_are(monkeypatch):
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)
        with pytest.raises(DiscoveryError) as error:
            await house.finder.trust("sprak")
        assert error.value.hint == "choose of: spark:8000"
        with pytest.raises(ConfigError, match="no environment 'lab'"):
            await house.finder.trust("spark:8000", environment="lab")


async def test_by_policy_it_needs_no_word(monkeypatch, settings):
    settings('[discovery]\ntrust_subnets = ["192.168.1.0/24"]\n')
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await until(lambda: house.members == ["spark:8000"])
        assert house.state("spark:8000") == "by-policy"


async def test_one_that_is_written_down_is_not_a_second_member(monkeypatch, settings):
    settings('[environments.lab]\nendpoints = ["http://192.168.1.7:8000"]\n')
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await until(lambda: house.finder.status()["sources"] != [])
        await until(lambda: house.finder.status()["sources"][0]["known"] == 1)
        assert house.members == ["lab/192.168.1.7:8000"]
        assert house.finder.waiting() == ()


class TestAtThePrompt:
    async def test_the_key_on_an_empty_line_offers_to_trust(self, monkeypatch):
        async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
            assert isinstance(await house.press(""), Hint | Suggestion)
            await found(house)
            offer = await house.press("")
            assert isinstance(offer, Suggestion)
            assert offer.command == "cmdai-shell backends trust spark:8000"
            assert (offer.action, offer.verdict.risk) == ("insert", 0)
            assert "192.168.1.7:8000" in offer.explanation
            await house.finder.trust("spark:8000")
            assert isinstance(await house.press(""), Hint)

    async def test_but_a_failed_command_goes_first(self, monkeypatch):
        async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
            await found(house)
            fixed = await house.press("", last_command="gti status", last_status=127)
            assert isinstance(fixed, Suggestion)
            assert "trust" not in fixed.command

    async def test_the_next_suggestion_says_that_one_was_found_and_only_that(self, monkeypatch):
        async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
            await found(house)
            said = [await house.press(f"list files {number}") for number in range(3)]
            texts = [update.explanation for update in said if isinstance(update, Suggestion)]
            assert texts == ["found spark:8000: the key on an empty line offers it", "", ""]


async def test_the_settings_read_again_keep_what_was_found(monkeypatch, settings):
    settings('log_level = "info"\n')
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)
        await house.finder.trust("spark:8000")
        before = house.finder
        settings('log_level = "debug"\n')
        house.desk.reload()
        assert house.finder is before
        assert house.members == ["spark:8000"]
        settings('[discovery]\ndns_domains = ["example.org"]\n')
        house.desk.reload()
        assert house.finder is not before
        await until(lambda: house.members == ["spark:8000"])  # it was approved


async def test_with_no_server_wanted_nobody_is_looked_for(monkeypatch, settings):
    settings('active_environment = "none"\n')
    house = House(monkeypatch, there("a", labels=SPARK))
    async with house.alive():
        assert isinstance(await house.press(), Suggestion)
        assert house.source.begun == 0
        with pytest.raises(ConfigError, match="no server is looked for"):
            house.finder  # noqa: B018


async def test_a_source_that_cannot_be_had_is_said(monkeypatch):
    async with House(
        monkeypatch, DiscoveryError("no multicast", "cmdai-shell doctor")
    ).alive() as h:
        await until(lambda: bool(h.finder.status()["sources"]))
        await until(lambda: h.finder.status()["sources"][0]["state"] == "failed")
        (source,) = h.finder.status()["sources"]
        assert (source["problem"], source["hint"]) == ("no multicast", "cmdai-shell doctor")
        assert isinstance(await h.press(), Suggestion)
