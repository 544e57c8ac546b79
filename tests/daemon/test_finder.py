"""From what is found to members: nobody is asked anything before the person has said so."""

from __future__ import annotations

import asyncio
import time
from math import inf
from typing import Any

import pytest

from cmdai_shell.config import Config, load, paths
from cmdai_shell.config.schema import Discovery
from cmdai_shell.core import Hint, Removed, Suggestion
from cmdai_shell.daemon import finder
from cmdai_shell.discovery import pins
from cmdai_shell.discovery.trust import TrustStore
from cmdai_shell.errors import BackendUnavailable, ConfigError, DiscoveryError
from cmdai_shell.routing import Pool
from tests.daemon.conftest import until
from tests.daemon.house import SPARK, House, found, here, proven
from tests.fakes.scripted_source import ScriptedSource, there


async def test_a_candidate_is_no_member_and_is_sent_nothing(monkeypatch):
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)
        assert house.members == []
        assert isinstance(await house.press(), Suggestion)
        assert house.servers == {}


async def test_once_trusted_it_answers(monkeypatch):
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)
        shown = await house.finder.decisions.trust("spark")
        assert (shown.name, shown.state) == ("spark:8000", "approved")
        assert house.members == ["spark:8000"]
        await proven(house, "spark:8000")
        suggestion = await house.press()
        assert isinstance(suggestion, Suggestion)
        assert suggestion.backend == "spark:8000"


async def test_who_was_approved_is_asked_before_anybody_is_found(monkeypatch):
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)
        await house.finder.decisions.trust("spark:8000", called="desk")
    async with House(monkeypatch).alive() as later:
        await until(lambda: later.members == ["desk"])
        assert later.servers["desk"].endpoint.url == "http://192.168.1.7:8000"


async def test_but_not_in_a_network_where_somebody_else_may_have_its_address(monkeypatch):
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)
        await house.finder.decisions.trust("spark:8000")
    monkeypatch.setattr(finder, "LOOK_EVERY_S", 0.05)
    async with House(monkeypatch).alive() as later:
        later.here = here("10.9.8.7")
        await until(lambda: later.state("spark:8000") == "approved")
        assert later.members == []
        later.here = here("10.9.8.7", "192.168.1.2")
        await until(lambda: later.members == ["spark:8000"])  # at home again


async def test_of_https_the_key_is_kept_before_the_first_request(monkeypatch):
    key = "sha256/" + "A" * 43 + "="
    asked = []

    async def learn(host: str, port: int, timeout: float, **_: object) -> pins.LearnedIdentity:
        asked.append((host, port))
        return pins.LearnedIdentity(
            spki=key, subject="CN=spark", is_chain_valid=False, not_after=9e9, address=host
        )

    monkeypatch.setattr(pins, "learn", learn)
    said = there("a", "https://192.168.1.7:8443", labels=SPARK)
    async with House(monkeypatch, said).alive() as house:
        await found(house, "spark:8443")
        assert asked == []  # not even that, of who is not trusted
        await house.finder.decisions.trust("spark:8443")
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
        await house.finder.decisions.trust("spark:8000")
        await until(lambda: not house.finder.status()["sources"][0]["known"])
        assert house.members == ["spark:8000"]


async def test_forgotten_it_is_gone_at_once(monkeypatch):
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)
        await house.finder.decisions.trust("spark:8000")
        assert await house.finder.decisions.forget("spark:8000") == "spark:8000"
        assert house.members == []
        assert TrustStore(paths.data_dir()).approvals() == ()
        with pytest.raises(ConfigError, match="no server 'spark:8000' was approved"):
            await house.finder.decisions.forget("spark:8000")


async def test_an_unknown_name_says_which_there_are(monkeypatch):
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)
        with pytest.raises(DiscoveryError) as error:
            await house.finder.decisions.trust("sprak")
        assert error.value.hint == "choose of: spark:8000"
        with pytest.raises(ConfigError, match="no environment 'lab'"):
            await house.finder.decisions.trust("spark:8000", environment="lab")


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
        assert house.finder.notices.waiting == ()


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
            await house.finder.decisions.trust("spark:8000")
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
        await house.finder.decisions.trust("spark:8000")
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


KEY, OTHER_KEY = (f"sha256/{letter * 43}=" for letter in "AB")


class Keys:
    """Who shows which key, in place of TLS handshakes; nobody else answers in time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, is_valid: bool = False) -> None:
        self.of: dict[str, str] = {}
        self.asked: list[str] = []
        self.is_valid = is_valid
        monkeypatch.setattr(pins, "learn", self._learn)

    async def _learn(self, host: str, _: int, timeout: float, **__: object) -> Any:
        self.asked.append(host)
        if host not in self.of:
            await asyncio.sleep(timeout)
            raise BackendUnavailable(f"{host} does not finish a TLS handshake", cause="connect")
        return pins.LearnedIdentity(
            spki=self.of[host], subject="CN=x", is_chain_valid=self.is_valid, not_after=9e9,
            address=host, problem="" if self.is_valid else "self-signed certificate",
        )  # fmt: skip


async def test_whom_nobody_vouches_for_is_not_believed_on_the_open_internet(monkeypatch):
    keys = Keys(monkeypatch)
    keys.of["8.8.4.4"] = KEY
    said = there("a", "https://8.8.4.4", source="dns", labels={"host": "dgx.example.org"})
    async with House(monkeypatch, said, source="dns").alive() as house:
        await found(house, "dgx.example.org:443")
        await house.finder.decisions.trust("dgx.example.org:443")
        await until(lambda: "not used yet" in house.finder.status()["found"][0]["story"])
        assert "an authority has to say" in house.finder.status()["found"][0]["story"]
        assert house.members == []
        assert TrustStore(paths.data_dir()).approvals()[0].pin == ""
        keys.is_valid = True
        house.finder.inquiry.again("https://8.8.4.4")
        await until(lambda: house.members == ["dgx.example.org:443"])


async def test_who_does_not_answer_holds_up_nobody(monkeypatch, settings):
    """Names that no name server knows, and servers that never finish a handshake."""
    settings('[discovery]\ntrust_subnets = ["192.168.1.0/24"]\n')
    keys = Keys(monkeypatch)
    keys.of["192.168.1.7"] = KEY

    async def lookup(*_: object) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr("cmdai_shell.backends.names.Names.lookup", lookup)
    names = [there(f"n{n}", f"http://gone-{n}.lan:8000") for n in range(50)]
    slow = [there(f"s{n}", f"https://192.168.1.{n + 100}:8443") for n in range(20)]
    last = there("a", "http://192.168.1.8:8000"), there("b", "https://192.168.1.7:8443")
    begun = time.monotonic()
    async with House(monkeypatch, *last, *names, *slow).alive() as house:
        await until(lambda: len(house.members) == 2)
        assert time.monotonic() - begun < 8
        assert len(keys.asked) <= 30


async def test_what_the_settings_trust_no_longer_is_not_asked_once_more(monkeypatch, settings):
    settings('[discovery]\ntrust_subnets = ["192.168.1.0/24"]\n')
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await until(lambda: house.members == ["spark:8000"])
        server = house.servers["spark:8000"]
        settings("[discovery]\ntrust_subnets = []\n")
        suggestion = await house.press()  # which finds that the file has changed
        assert isinstance(suggestion, Suggestion)
        assert suggestion.backend != "spark:8000"
        await found(house)
        assert house.state("spark:8000") == "candidate"
        assert house.members == []
        await until(lambda: server.closed)


async def test_in_another_network_nobody_gets_its_requests_by_announcing_its_address(monkeypatch):
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)
        await house.finder.decisions.trust("spark:8000")
    monkeypatch.setattr(finder, "LOOK_EVERY_S", 0.05)
    said = there("evil", labels={"network": "10.9.8.7/24"})
    async with House(monkeypatch, said).alive() as later:
        later.here = here("10.9.8.7", "fe80::1%eth0")
        await until(lambda: bool(later.finder.status()["sources"]))
        await until(lambda: later.finder.status()["sources"][0]["known"] == 1)
        await asyncio.sleep(0.3)
        assert later.members == []
        (shown,) = later.finder.status()["found"]
        assert shown["story"] == "not used here: over http only in 192.168.1.0/24"


async def test_the_settings_read_again_forget_who_has_left_meanwhile(monkeypatch, settings):
    settings('log_level = "info"\n')
    house = House(monkeypatch, there("a", labels=SPARK))
    house.source.turns.append((Removed(id="a"), inf))
    made = iter([[house.source], [ScriptedSource("mdns", [inf])]])  # a new one knows of nobody
    monkeypatch.setattr(finder, "sources", lambda config: next(made))
    async with house.alive():
        await found(house)
        settings('log_level = "debug"\n')
        house.desk.reload()
        await until(lambda: house.state("spark:8000") == "")
        assert (house.source.begun, house.source.closed) == (2, 1)


async def test_another_key_of_one_that_the_settings_trust_can_be_accepted(monkeypatch, settings):
    settings('[discovery]\ntrust_subnets = ["192.168.1.0/24"]\n')
    keys = Keys(monkeypatch)
    keys.of["192.168.1.7"] = KEY
    said = there("a", "https://192.168.1.7:8443", labels=SPARK)
    async with House(monkeypatch, said).alive() as house:
        await until(lambda: house.members == ["spark:8443"])
        keys.of["192.168.1.7"] = OTHER_KEY
        house.finder._other_key(house.finder.found.candidates()[0])(OTHER_KEY)
        await until(lambda: house.members == [])
        (shown,) = house.finder.status()["found"]
        assert shown["hint"].endswith("cmdai-shell backends trust spark:8443")
        assert (await house.finder.decisions.trust("spark:8443")).name == "spark:8443"
        await until(lambda: house.members == ["spark:8443"])
        assert TrustStore(paths.data_dir()).keys() == {"https://192.168.1.7:8443": OTHER_KEY}


async def test_of_self_signed_ones_a_new_key_can_be_accepted(monkeypatch):
    keys = Keys(monkeypatch)
    keys.of["192.168.1.7"] = KEY
    said = there("a", "https://192.168.1.7:8443", labels=SPARK)
    async with House(monkeypatch, said).alive() as house:
        await found(house, "spark:8443")
        await house.finder.decisions.trust("spark:8443")
        await until(lambda: house.members == ["spark:8443"])
        keys.of["192.168.1.7"] = OTHER_KEY
        house.finder._other_key(house.finder.found.candidates()[0])(OTHER_KEY)
        await until(lambda: house.members == [])
        await house.finder.decisions.forget("spark:8443")
        await house.finder.decisions.trust("spark:8443")
        await until(lambda: house.members == ["spark:8443"])
        (approval,) = TrustStore(paths.data_dir()).approvals()
        assert (approval.pin, approval.is_key_alone) == (OTHER_KEY, True)


async def test_what_cannot_be_kept_is_said_and_tried_no_faster(monkeypatch):
    keys = Keys(monkeypatch)
    keys.of["192.168.1.7"] = KEY
    tried = []

    def full(*_: object, **__: object) -> None:
        tried.append(1)
        raise ConfigError("cannot write trust.json: no space left on device")

    said = there("a", "https://192.168.1.7:8443", labels=SPARK)
    async with House(monkeypatch, said).alive() as house:
        await found(house, "spark:8443")
        monkeypatch.setattr(TrustStore, "note_pin", full)
        await house.finder.decisions.trust("spark:8443")
        await until(lambda: "no space left" in house.finder.status()["found"][0]["story"])
        await asyncio.sleep(0.5)
        assert len(tried) < 4
        assert house.members == []


async def test_by_its_url_it_is_the_one_that_was_seen(monkeypatch):
    """Two that call themselves the same: another process may have named them the other way."""
    twin = there("b", "http://192.168.1.66:8000", labels={"host": "spark.local"})
    async with House(monkeypatch, there("a", labels=SPARK), twin).alive() as house:
        await found(house, "spark-2:8000")
        with pytest.raises(ConfigError, match="several call themselves spark"):
            await house.finder.decisions.trust("spark-2:8000")
        shown = await house.finder.decisions.trust("http://192.168.1.66:8000")
        assert (shown.name, shown.endpoint.url) == ("spark-2:8000", "http://192.168.1.66:8000")
        assert house.members == ["spark-2:8000"]


async def test_an_approved_one_gets_another_name(monkeypatch):
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)
        await house.finder.decisions.trust("spark:8000")
        assert (await house.finder.decisions.trust("spark:8000", called="desk")).name == "desk"
        assert house.members == ["desk"]


async def test_the_key_on_an_empty_line_offers_the_one_that_was_told_of(monkeypatch):
    first = there("z", "http://192.168.1.9:8000", labels={"host": "zeus.local"})
    last = there("a", "http://192.168.1.7:8000", labels={"host": "aaa.local"})
    async with House(monkeypatch, first).alive() as house:
        await found(house, "zeus:8000")
        said = await house.press()
        assert isinstance(said, Suggestion)
        assert "zeus:8000" in said.explanation
        house.finder._hear("mdns", last)
        offer = await house.press("")
        assert isinstance(offer, Suggestion)
        assert offer.command == "cmdai-shell backends trust zeus:8000"


async def test_who_is_being_answered_by_one_that_is_dismissed_gets_the_answer(monkeypatch):
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)
        await house.finder.decisions.trust("spark:8000")
        (member,) = house.desk.chain().pool
        member.in_flight += 1
        await house.finder.decisions.forget("spark:8000")
        house.finder._changed.set()
        await asyncio.sleep(0.2)
        assert not house.servers["spark:8000"].closed
        member.in_flight -= 1
        house.finder._changed.set()
        await until(lambda: house.servers["spark:8000"].closed)


def test_the_order_of_a_source_is_kept_below_the_next_one():
    """With the real connector: no connection is made."""
    from cmdai_shell.daemon.found_servers import Logins, connected
    from cmdai_shell.discovery.candidate import Candidate

    def priority(source: str, said: int) -> int:
        endpoint = there("a", source=source, priority=said).endpoint
        candidate = Candidate(name="a", endpoint=endpoint, state="approved")
        store = TrustStore(paths.data_dir())
        config = load()
        made = connected(
            candidate, config, Logins(config), store, time.monotonic, lambda _: None, lambda _: True
        )
        return made.endpoint.priority

    assert [priority("dns", said) for said in (0, -1, -500, 500)] == [10, 9, 1, 10]
    assert priority("mdns", 0) == 30


def test_servers_of_one_environment_have_one_login_and_its_labels(settings):
    """Each with its own would get tokens of its own, at every change of what it announces."""
    from cmdai_shell.daemon.found_servers import Logins, connected
    from cmdai_shell.discovery.candidate import Candidate

    config = settings(
        '[environments.lab]\ndiscovery_method = "mdns"\nchat_template = "chatml"\n'
        'auth_type = "oauth2"\noauth_token_url = "https://id.example.org/token"\n'
        'oauth_client_id_env = "PATH"\noauth_client_secret_env = "PATH"\n'
    )
    logins, store = Logins(config), TrustStore(paths.data_dir())
    one, other = (there(n, f"http://192.168.1.{n}:8000", environment="lab").endpoint for n in "78")
    assert logins.of(one)._keeper is logins.of(other)._keeper
    assert logins.of(there("c").endpoint).ssl() is None
    candidate = Candidate(name="a", endpoint=one, state="approved")
    made = connected(
        candidate, config, logins, store, time.monotonic, lambda _: None, lambda _: True
    ).endpoint
    assert (made.labels["chat_template"], made.login, made.timeout) == ("chatml", "lab", 5.0)


async def test_a_flood_of_announcements_costs_little(monkeypatch):
    """And no press waits for hundreds to be judged."""
    async with House(monkeypatch).alive() as house:
        await until(lambda: bool(house.finder.status()["sources"]))
        judged = []
        real = house.finder.found._judged
        monkeypatch.setattr(house.finder.found, "_judged", lambda: judged.append(1) or real())
        until_ = time.monotonic() + 1.0
        number = 0
        while time.monotonic() < until_:
            number += 1
            url = f"http://192.168.{number % 2}.{number % 200 + 1}:8000"
            house.finder._hear("mdns", there(f"x{number % 400}", url))
            house.finder.notices.next()
            await asyncio.sleep(0.001)
        assert len(judged) < 25


async def test_one_of_which_no_server_can_be_made_says_why(monkeypatch):
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)

        def connected(*_: object) -> Any:
            raise ConfigError("no such dialect")

        monkeypatch.setattr(finder, "connected", connected)
        shown = house.finder.shown(await house.finder.decisions.trust("spark:8000"))
        assert shown["story"] == "not used yet: no such dialect"
        assert house.members == []


async def test_settings_that_nobody_can_follow_leave_the_one_before_in_office(monkeypatch):
    pool = Pool([])
    former = finder.Finder(Config(), pool, clock=time.monotonic)
    monkeypatch.setattr(former, "resign", lambda: pytest.fail("it resigned"))
    bad = Config(discovery=Discovery(trust_subnets=("nonsense",)))
    with pytest.raises(ConfigError, match="'nonsense' is no network"):
        finder.Finder(bad, pool, clock=time.monotonic, former=former)
