"""The person's word on what moved, changed, was probed or is not wanted; and who gets words."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from cmdai_shell.config import paths
from cmdai_shell.core import Added, Endpoint, Handshake, Removed, Risk, Suggestion, SuggestRequest
from cmdai_shell.daemon import finder
from cmdai_shell.discovery import pins, routers
from cmdai_shell.discovery.probed import KEPT_S, Probed
from cmdai_shell.discovery.trust import TrustStore
from cmdai_shell.errors import ConfigError, DiscoveryError
from tests.daemon.conftest import until
from tests.daemon.house import SPARK, House, found, here, proven, trusted
from tests.fakes.scripted_server import REFUSED
from tests.fakes.scripted_source import there

NEW = "http://192.168.1.66:8000"
LABELS = {**SPARK, "uuid": "u-1"}
THERE = {**LABELS, "addresses": "192.168.1.66"}
DOWN = Handshake(state="unreachable", detail="the connection was refused")


def said(update: object) -> str:
    assert isinstance(update, Suggestion)
    return update.explanation


async def moving(house: House) -> None:
    """It was trusted and used, is silent now, and its like is announced elsewhere: just now."""
    await trusted(house)
    house.servers["spark:8000"].handshakes = [DOWN]
    house.finder._hear("mdns", Removed(id="a"))
    house.finder._hear("mdns", there("b", NEW, labels=THERE))


async def moved(house: House) -> None:
    """It was trusted and used, is silent now, and its like is announced elsewhere."""
    await trusted(house)
    (member,) = house.desk.chain().pool
    member.note_handshake(DOWN, 0.0)
    house.servers["spark:8000"].handshakes = [DOWN]
    house.servers["spark:8000"].turns = [REFUSED]
    house.finder._hear("mdns", Removed(id="a"))
    house.finder._hear("mdns", there("b", NEW, labels=THERE, model="evil"))
    await until(lambda: house.state("spark-2:8000") == "moved")
    await until(lambda: bool(house.finder.notices.waiting))


class TestMoved:
    async def test_nothing_is_sent_there_and_the_person_is_asked_once(self, monkeypatch):
        async with House(monkeypatch, there("a", labels=LABELS)).alive() as house:
            await moved(house)
            assert "spark:8000 may have moved" in said(await house.press())
            assert said(await house.press("list files by size")) == ""
            assert house.members == ["spark:8000"]
            assert {s.endpoint.url for s in house.servers.values()} == {"http://192.168.1.7:8000"}
            offer = await house.press("")
            assert isinstance(offer, Suggestion)
            assert offer.command == f"cmdai-shell backends trust {NEW}"
            assert offer.verdict.risk is Risk.CAUTION
            assert "or somebody pretends" in offer.verdict.reasons[0]

    @pytest.mark.parametrize("name", [NEW, "spark:8000", "spark-2:8000"])
    async def test_by_the_persons_word_the_approval_moves(self, monkeypatch, name):
        async with House(monkeypatch, there("a", labels=LABELS)).alive() as house:
            await moved(house)
            there_now = await house.finder.decisions.trust(name)
            assert (there_now.name, there_now.endpoint.url) == ("spark:8000", NEW)
            (approval,) = TrustStore(paths.data_dir()).approvals()
            assert (approval.name, approval.url, approval.model) == ("spark:8000", NEW, "")
            assert house.servers["spark:8000"].endpoint.url == NEW
            assert house.finder.notices.waiting == ()

    async def test_it_is_offered_before_the_next_round_of_health_checks(self, monkeypatch):
        async with House(monkeypatch, there("a", labels=LABELS)).alive() as house:
            await moving(house)
            await until(lambda: bool(house.finder.notices.waiting))
            assert house.offered == f"cmdai-shell backends trust {NEW}"

    async def test_by_its_new_address_it_is_trusted_at_once(self, monkeypatch):
        """Whoever is quicker than we are has read what to type in `backends discover`."""
        async with House(monkeypatch, there("a", labels=LABELS)).alive() as house:
            await moving(house)
            there_now = await house.finder.decisions.trust(NEW)
            assert (there_now.name, there_now.endpoint.url) == ("spark:8000", NEW)

    async def test_what_was_probed_at_the_old_address_is_no_second_server(self, monkeypatch):
        async with House(monkeypatch, there("a", labels=LABELS)).alive() as house:
            await moved(house)
            probed(host="spark.local")
            there_now = await house.finder.decisions.trust("spark:8000")
            assert (there_now.name, there_now.endpoint.url) == ("spark:8000", NEW)

    async def test_back_at_its_old_address_it_is_used_and_the_other_is_a_stranger(
        self, monkeypatch
    ):
        async with House(monkeypatch, there("a", labels=LABELS)).alive() as house:
            await moved(house)
            (member,) = house.desk.chain().pool
            member.note_handshake(Handshake(state="ok"), 0.0)
            house.servers["spark:8000"].handshakes = [Handshake(state="ok")]
            house.finder.look()
            await until(lambda: house.state("spark-2:8000") == "changed")
            await until(lambda: not house.finder.notices.waiting)
            with pytest.raises(ConfigError, match="somebody pretends"):
                await house.finder.decisions.trust("spark-2:8000")


class TestChanged:
    async def test_another_in_its_place_is_told_once_and_offered(self, monkeypatch):
        async with House(monkeypatch, there("a", labels=LABELS)).alive() as house:
            await trusted(house)
            house.finder._hear("mdns", there("a", labels={**LABELS, "uuid": "u-9"}))
            await until(lambda: bool(house.finder.notices.waiting))
            assert house.members == []
            assert "spark:8000 is not what you trusted" in said(await house.press())
            assert said(await house.press("list files by size")) == ""
            offer = await house.press("")
            assert isinstance(offer, Suggestion)
            assert offer.command == "cmdai-shell backends trust spark:8000"
            assert "somebody is in its place" in offer.verdict.reasons[0]
            await house.finder.decisions.trust("spark:8000")
            assert house.members == ["spark:8000"]
            (approval,) = TrustStore(paths.data_dir()).approvals()
            assert (approval.uuid, approval.is_proven) == ("u-9", False)

    async def test_in_another_network_that_is_no_news(self, monkeypatch):
        """A cafe has the same addresses, and somebody else at each."""
        house = House(monkeypatch, there("a", labels=LABELS))
        house.here = here("192.168.1.2", routers=("192.168.1.1 02:00:00:00:00:01",))
        async with house.alive():
            await found(house)
            await house.finder.decisions.trust("spark:8000")
            house.here = here("192.168.1.2", routers=("192.168.1.1 02:00:00:00:00:66",))
            house.finder._hear("mdns", there("a", labels={**LABELS, "uuid": "u-9"}))
            await until(lambda: house.state("spark:8000") == "changed")
            await until(lambda: house.finder._here == house.here)
            await asyncio.sleep(2 * finder.SETTLE_S)
            assert house.finder.notices.waiting == ()


class TestByItsAddress:
    @pytest.mark.parametrize("text", ["192.168.1.7", "192.168.1.7:8000"])
    async def test_as_the_notice_prints_it(self, monkeypatch, text: str):
        async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
            await found(house)
            assert (await house.finder.decisions.trust(text)).name == "spark:8000"
            with pytest.raises(DiscoveryError):
                await house.finder.decisions.trust("192.168.1.7:9")

    async def test_it_goes_before_what_somebody_calls_himself(self, monkeypatch):
        labels = {"instance": "192.168.1.7", "network": "192.168.1.2/24"}
        evil = there("b", "http://192.168.1.66:8000", labels=labels)
        async with House(monkeypatch, evil, there("a", labels=SPARK)).alive() as house:
            await found(house)
            assert house.state("192.168.1.7:8000") == "candidate"  # that is what he is called
            trusted = await house.finder.decisions.trust("192.168.1.7:8000")
            assert trusted.endpoint.url == "http://192.168.1.7:8000"

    async def test_of_several_at_one_the_port_says_which(self, monkeypatch):
        two = there("b", "http://192.168.1.7:8001", labels=SPARK)
        async with House(monkeypatch, there("a", labels=SPARK), two).alive() as house:
            await found(house, "spark:8001")
            with pytest.raises(DiscoveryError) as no:
                await house.finder.decisions.trust("192.168.1.7")
            assert no.value.hint == "choose of: spark:8000, spark:8001"


class TestTwoNames:
    async def test_the_one_that_a_name_server_has_is_as_good(self, monkeypatch):
        """It is announced in the own network, too, and that announcement is the one shown."""
        dns = there("b", "http://spark.lab.test:8000", source="dns")
        async with House(monkeypatch, there("a", labels=SPARK), dns).alive() as house:
            await found(house)
            house.finder.found.resolved("spark.lab.test", ("192.168.1.7",))
            shown = await house.finder.decisions.trust("http://spark.lab.test:8000")
            assert (shown.name, shown.state) == ("spark:8000", "approved")
            with pytest.raises(DiscoveryError):
                await house.finder.decisions.trust("http://other.lab.test:8000")


class TestIgnored:
    async def test_it_is_never_told_of_again_and_listed(self, monkeypatch):
        async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
            await found(house)
            assert await house.finder.decisions.ignore("spark:8000") == "spark:8000"
            assert said(await house.press()) == ""
            assert house.offered == ""
            (shown,) = house.finder.status()["found"]
            assert (shown["state"], shown["story"]) == ("ignored", "you do not want to hear of it")
        async with House(monkeypatch, there("a", labels=SPARK)).alive() as later:
            await until(lambda: later.state("spark:8000") == "ignored")
            assert said(await later.press()) == ""

    async def test_trust_undoes_it(self, monkeypatch):
        async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
            await found(house)
            await house.finder.decisions.ignore("spark:8000")
            assert (await house.finder.decisions.trust("spark:8000")).state == "approved"
            assert TrustStore(paths.data_dir()).ignored() == ()

    async def test_so_does_forget(self, monkeypatch):
        async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
            await found(house)
            await house.finder.decisions.ignore("spark:8000")
            assert await house.finder.decisions.forget("spark:8000") == "spark:8000"
            assert house.state("spark:8000") == "candidate"

    async def test_one_that_was_trusted_is_not_ignored_by_a_slip(self, monkeypatch):
        async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
            await found(house)
            await house.finder.decisions.trust("spark:8000")
            with pytest.raises(ConfigError, match="was trusted") as error:
                await house.finder.decisions.ignore("spark:8000")
            assert error.value.hint.endswith("cmdai-shell backends forget spark:8000")
            assert house.members == ["spark:8000"]


def probed(age: float = 0.0, host: str = "spark-1a2b.local") -> None:
    import time

    endpoint = Endpoint(
        id="probe/x",
        url="http://192.168.1.7:8000",
        source="probe",
        labels={"host": host, "addresses": "192.168.1.7", "network": "192.168.1.0/24"},
    )
    Probed(paths.data_dir(), wall=lambda: time.time() - age).keep([endpoint], ())


class TestProbed:
    async def test_it_is_trusted_by_its_name_and_sent_nothing_before(self, monkeypatch):
        async with House(monkeypatch).alive() as house:
            probed()
            assert said(await house.press()) == ""
            assert house.servers == {}
            shown = await house.finder.decisions.trust("spark-1a2b:8000")
            assert (shown.state, shown.endpoint.url) == ("approved", "http://192.168.1.7:8000")
            assert house.members == ["spark-1a2b:8000"]
        async with House(monkeypatch).alive() as later:  # though nobody announces it
            await until(lambda: later.members == ["spark-1a2b:8000"])

    async def test_for_a_quarter_of_an_hour(self, monkeypatch):
        async with House(monkeypatch).alive() as house:
            probed(age=KEPT_S)
            with pytest.raises(DiscoveryError, match="no server 'spark-1a2b:8000' was found"):
                await house.finder.decisions.trust("spark-1a2b:8000")

    async def test_one_that_announces_the_same_name_is_not_taken_for_it(self, monkeypatch):
        labels = {"host": "spark-1a2b.local", "network": "192.168.1.2/24"}
        async with House(monkeypatch, there("evil", NEW, labels=labels)).alive() as house:
            await found(house, "spark-1a2b:8000")
            probed()
            with pytest.raises(ConfigError, match="several call themselves"):
                await house.finder.decisions.trust("spark-1a2b:8000")
            shown = await house.finder.decisions.trust("http://192.168.1.7:8000")
            assert shown.endpoint.url == "http://192.168.1.7:8000"
            assert [s.endpoint.url for s in house.servers.values()] == ["http://192.168.1.7:8000"]


class TestBeforeItHasComputed:
    async def test_no_words_go_to_it_though_nobody_else_is_there(self, monkeypatch):
        house = House(monkeypatch, there("a", labels=SPARK))
        house.handshake = DOWN
        async with house.alive():
            await found(house)
            await house.finder.decisions.trust("spark:8000")
            await until(lambda: bool(house.servers["spark:8000"].handshaken))
            suggestion = await house.press()
            assert isinstance(suggestion, Suggestion)
            assert suggestion.backend != "spark:8000"
            assert house.servers["spark:8000"].asked == 0

    async def test_once_is_enough_also_for_the_next_daemon(self, monkeypatch):
        async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
            await found(house)
            await house.finder.decisions.trust("spark:8000")
            await until(lambda: TrustStore(paths.data_dir()).approvals()[0].is_proven)
        later = House(monkeypatch)
        later.handshake = DOWN
        async with later.alive():
            await until(lambda: later.members == ["spark:8000"])
            await proven(later, "spark:8000")

    async def test_where_no_keeper_looks_it_is_asked_to_compute_once(self, monkeypatch, settings):
        settings("[load_balancing]\nhealth_check_enabled = false\n")
        async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
            await trusted(house)
            suggestion = await house.press()
            assert isinstance(suggestion, Suggestion)
            assert suggestion.backend == "spark:8000"


async def test_who_is_named_and_is_down_is_told_of_beside_the_answer(monkeypatch):
    async with House(monkeypatch, there("a", labels=SPARK)).alive() as house:
        await found(house)
        await house.finder.decisions.trust("spark:8000", called="desk")
        await proven(house, "desk")
        house.servers["desk"].turns = [REFUSED]
        house.servers["desk"].handshakes = [DOWN]
        suggestion = await house.press(backend="desk")
        assert isinstance(suggestion, Suggestion)
        assert suggestion.is_fallback
        assert suggestion.attempts == ("desk: connection refused",)


class TestAnotherNetworkOfTheSameAddresses:
    async def test_it_is_not_asked_before_the_person_says_so(self, monkeypatch):
        """Nearly every home and cafe has 192.168.1.0/24."""
        house = House(monkeypatch, there("a", labels=SPARK))
        house.here = here("192.168.1.2", routers=("192.168.1.1 02:00:00:00:00:01",))
        async with house.alive():
            await found(house)
            await house.finder.decisions.trust("spark:8000")
            assert house.members == ["spark:8000"]
        monkeypatch.setattr(finder, "LOOK_EVERY_S", 0.05)
        later = House(monkeypatch, there("evil", labels=SPARK))
        later.here = here("192.168.1.2", routers=("192.168.1.1 02:00:00:00:00:66",))
        async with later.alive():
            await until(lambda: any(each.sources for each in later.finder.found.candidates()))
            await asyncio.sleep(0.3)
            assert (later.members, later.servers) == ([], {})
            (shown,) = later.finder.status()["found"]
            assert shown["story"].startswith("not used here: over http only in 192.168.1.0/24")
            assert shown["hint"].endswith("cmdai-shell backends trust spark:8000")
            await later.finder.decisions.trust("spark:8000")
            await until(lambda: later.members == ["spark:8000"])
            later.here = here("192.168.1.2", routers=("192.168.1.1 02:00:00:00:00:01",))
            await asyncio.sleep(0.2)
            assert later.members == ["spark:8000"]  # at home it is trusted still

    async def test_a_new_router_is_told_of_once_and_the_key_offers_what_accepts_it(
        self, monkeypatch
    ):
        monkeypatch.setattr(finder, "LOOK_EVERY_S", 0.05)
        house = House(monkeypatch, there("a", labels=SPARK))
        house.here = here("192.168.1.2", routers=("192.168.1.1 02:00:00:00:00:01",))
        async with house.alive():
            await found(house)
            await house.finder.decisions.trust("spark:8000")
            await until(lambda: house.members == ["spark:8000"])
            house.here = here("192.168.1.2", routers=("192.168.1.1 02:00:00:00:00:66",))
            await until(lambda: house.members == [] and bool(house.finder.notices.waiting))
            (shown,) = house.finder.status()["found"]
            assert shown["state"] == "elsewhere"
            with pytest.raises(ConfigError, match="spark:8000: not used here: over http") as no:
                house.desk.chain().addressed(SuggestRequest(line="x", backend="spark:8000"))
            assert no.value.hint.endswith("cmdai-shell backends trust spark:8000")
            assert "behind a new router: the key on an empty line" in said(await house.press())
            assert said(await house.press("list files by size")) == ""
            offer = await house.press("")
            assert isinstance(offer, Suggestion)
            assert offer.command == "cmdai-shell backends trust spark:8000"
            assert offer.verdict.risk is Risk.CAUTION  # it may be somebody else's network
            await house.finder.decisions.trust("spark:8000")
            assert house.members == ["spark:8000"]
            assert house.offered == ""

    async def test_in_a_network_of_other_addresses_nobody_is_told_of_it(self, monkeypatch):
        monkeypatch.setattr(finder, "LOOK_EVERY_S", 0.05)
        house = House(monkeypatch, there("a", labels=SPARK))
        house.here = here("192.168.1.2", routers=("192.168.1.1 02:00:00:00:00:01",))
        async with house.alive():
            await found(house)
            await house.finder.decisions.trust("spark:8000")
            house.here = here("10.9.8.7", routers=("10.9.8.1 02:00:00:00:00:66",))
            await until(lambda: house.members == [])
            (shown,) = house.finder.status()["found"]
            assert shown["state"] == "elsewhere"
            assert (said(await house.press()), house.offered) == ("", "")

    async def test_a_router_that_the_system_has_lost_is_asked_and_is_no_other(self, monkeypatch):
        monkeypatch.setattr(finder, "LOOK_EVERY_S", 0.05)
        home = here("192.168.1.2", routers=("192.168.1.1 02:00:00:00:00:01",))
        house = House(monkeypatch, there("a", labels=SPARK))
        house.here = home
        asked = []

        def ask(address: str) -> None:
            asked.append(address)
            house.here = home

        monkeypatch.setattr(routers, "ask", ask)
        async with house.alive():
            await found(house)
            await house.finder.decisions.trust("spark:8000")
            server = house.servers["spark:8000"]
            house.here = replace(home, routers=frozenset(), unknown=frozenset({"192.168.1.1"}))
            await until(lambda: asked == ["192.168.1.1"])
            await asyncio.sleep(0.2)
            assert house.members == ["spark:8000"]
            assert house.servers["spark:8000"] is server
            assert not server.closed

    async def test_who_cannot_be_known_by_its_router_is_not_said_to_be_used(self, monkeypatch):
        """Approved again while the router is off, it would not be asked."""
        monkeypatch.setattr(routers, "ask", lambda address: None)
        monkeypatch.setattr(routers, "ANSWER_S", 0.01)
        house = House(monkeypatch, there("a", labels=SPARK))
        house.here = here("192.168.1.2", routers=("192.168.1.1 02:00:00:00:00:01",))
        async with house.alive():
            await found(house)
            await house.finder.decisions.trust("spark:8000")
            house.here = replace(here("192.168.1.2"), unknown=frozenset({"192.168.1.1"}))
            house.finder._changed.set()
            await until(lambda: house.members == [])
            (shown,) = house.finder.status()["found"]
            assert "192.168.1.1, does not answer" in shown["story"]
            with pytest.raises(ConfigError, match=r"your router, 192\.168\.1\.1, does not") as no:
                await house.finder.decisions.trust("spark:8000")
            assert no.value.hint.startswith("once it answers: ")

    async def test_without_a_router_that_is_known_it_is_not_that_network(self, monkeypatch):
        """Whoever runs the cafe's network can give us the address that we had at home."""
        house = House(monkeypatch, there("a", labels=SPARK))
        house.here = here("192.168.1.2", routers=("192.168.1.1 02:00:00:00:00:01",))
        async with house.alive():
            await found(house)
            await house.finder.decisions.trust("spark:8000")
            house.here = here("192.168.1.2")
            house.finder._changed.set()
            await until(lambda: house.members == [])

    async def test_by_a_name_server_too(self, monkeypatch):
        """A cafe's name server answers for any domain."""
        one = there("a", "http://dgx.corp.lan:8000", source="dns", labels={"domain": "corp.lan"})
        house = House(monkeypatch, one, source="dns")
        house.here = here("10.1.0.2", routers=("10.1.0.1 02:00:00:00:00:01",))
        async with house.alive():
            await found(house, "dgx.corp.lan:8000")
            await house.finder.decisions.trust("dgx.corp.lan:8000")
            assert house.members == ["dgx.corp.lan:8000"]
            house.here = here("10.1.0.2", routers=("10.1.0.1 02:00:00:00:00:66",))
            house.finder._hear("dns", Added(endpoint=replace(one.endpoint, weight=2)))
            await until(lambda: house.members == [])

    async def test_a_telephone_that_goes_with_us_is_no_place(self, monkeypatch):
        phone = "172.20.10.1 02:00:00:00:00:99"
        house = House(monkeypatch, there("a", labels=SPARK))
        house.here = here("192.168.1.2", routers=("192.168.1.1 02:00:00:00:00:01", phone))
        async with house.alive():
            await found(house)
            await house.finder.decisions.trust("spark:8000")
            house.here = here("192.168.1.2", routers=("192.168.1.1 02:00:00:00:00:66", phone))
            house.finder._changed.set()
            await until(lambda: house.members == [])

    async def test_the_first_key_of_https_is_learned_at_home(self, monkeypatch):
        """Trusted while it was off, and in the cafe somebody answers at its address."""
        asked = []

        async def learn(host: str, *_: object, **__: object) -> pins.LearnedIdentity:
            asked.append(host)
            return pins.LearnedIdentity(
                spki=f"sha256/{'A' * 43}=", subject="CN=x", is_chain_valid=False, not_after=9e9,
                address=host, problem="self-signed certificate",
            )  # fmt: skip

        monkeypatch.setattr(pins, "learn", learn)
        house = House(monkeypatch, there("a", "https://192.168.1.7:8443", labels=SPARK))
        home = here("192.168.1.2", routers=("192.168.1.1 02:00:00:00:00:01",))
        house.here = home
        async with house.alive():
            await found(house, "spark:8443")
            cafe = here("192.168.1.2", routers=("192.168.1.1 02:00:00:00:00:66",))
            house.here = cafe
            (candidate,) = house.finder.found.candidates()
            TrustStore(paths.data_dir()).approve(candidate, routers=home.routers)
            await house.finder._settle()
            house.finder.inquiry.look()
            await until(lambda: "in the network" in house.finder.status()["found"][0]["story"])
            assert (asked, house.members) == ([], [])
            house.here = home
            house.finder.inquiry.again("https://192.168.1.7:8443")
            await until(lambda: house.members == ["spark:8443"])
