"""Who is who among what was announced; nobody becomes approved by what he says."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from cmdai_shell.config.schema import Discovery
from cmdai_shell.core import Added, Endpoint, Removed
from cmdai_shell.discovery.approval import NAMES, Approval, Ignored
from cmdai_shell.discovery.candidate import Candidate, Names, cleaned
from cmdai_shell.discovery.found import MOST_AT_A_PLACE, Found
from cmdai_shell.discovery.policy import Policy, Spot, spot

PIN, OTHER = f"sha256/{'A' * 43}=", f"sha256/{'B' * 43}="
REAL, FALSE = "http://192.168.1.100:8000", "http://192.168.1.66:8000"
TLS, TLS_FALSE = "https://192.168.1.100:8443", "https://192.168.1.66:8443"

SPARK = Approval(
    name="spark:8000",
    url=REAL,
    source="mdns",
    host="spark.local",
    instance="spark inference",
    uuid="u-1",
    addresses=("192.168.1.100", "fd00::100"),
    networks=("192.168.1.0/24",),
    kind="vllm",
    model="qwen",
)
VAULT = Approval(name="vault:8443", url=TLS, source="mdns", host="vault.local", uuid="u-2", pin=PIN)


def added(id_: str, url: str = REAL, **more: object) -> Added:
    known = {"kind", "model", "environment", "priority", "weight"}
    fields = {key: value for key, value in more.items() if key in known}
    labels = {key: value for key, value in more.items() if key not in known}
    return Added(
        endpoint=Endpoint(id=id_, url=url, source="mdns", labels=labels, **fields)  # type: ignore[arg-type]
    )


def real(id_: str = "real") -> Added:
    return added(
        id_,
        REAL,
        host="spark.local",
        instance="spark inference",
        uuid="u-1",
        addresses="192.168.1.100 fd00::100",
        network="192.168.1.23/24",
    )


def heard(found: Found, *events: Added | Removed, source: str = "mdns") -> tuple[Candidate, ...]:
    for event in events:
        found.apply(source, event)
    return found.candidates()


def one(candidates: tuple[Candidate, ...]) -> Candidate:
    (found,) = candidates
    return found


def by_url(found: Found, url: str) -> Candidate:
    return one(tuple(each for each in found.candidates() if each.endpoint.url == url))


# --- candidates


def test_found_and_not_trusted() -> None:
    found = Found()
    candidate = one(heard(found, real()))
    assert (candidate.name, candidate.state) == ("spark:8000", "candidate")
    assert candidate.endpoint.id == "spark:8000"
    assert candidate.endpoint.url == REAL
    assert candidate.sources == ("mdns",)
    assert found.waiting() == (candidate,)


def test_gone_again() -> None:
    found = Found()
    assert heard(found, real(), Removed(id="other"), Removed(id="real")) == ()


def test_one_source_cannot_take_back_what_another_says() -> None:
    found = Found()
    heard(found, real())
    heard(found, Removed(id="real"), source="dns:example.org")
    assert len(found.candidates()) == 1


def test_a_source_that_is_left_alone_says_nothing_more() -> None:
    found = Found()
    heard(found, real())
    heard(found, real(), source="dns:example.org")
    found.end("mdns")
    assert one(found.candidates()).sources == ("dns:example.org",)


def test_seen_several_ways_it_is_one() -> None:
    found = Found()
    heard(found, real("a"), real("b"))
    heard(found, added("c", REAL + "/v1", host="gpu.example.org"), source="dns:example.org")
    assert one(found.candidates()).sources == ("dns:example.org", "mdns")


@pytest.mark.parametrize(
    "other",
    ["http://192.168.1.100:8001", "https://192.168.1.100:8000", "http://192.168.1.101:8000"],
)
def test_what_only_says_that_it_is_the_same_is_another(other: str) -> None:
    found = Found()
    same = real().endpoint
    first, second = heard(found, real(), Added(endpoint=replace(same, id="b", url=other)))
    assert first.also == (second.name,)
    assert second.also == (first.name,)


def test_the_same_key_is_the_same_server() -> None:
    found = Found()
    heard(found, added("a", TLS), added("b", TLS_FALSE))
    assert len(found.candidates()) == 2
    found.saw_key(TLS, PIN)
    found.saw_key(TLS_FALSE, PIN, is_key_alone=True)
    candidate = one(found.candidates())
    assert candidate.key == PIN
    found.saw_key(TLS_FALSE, OTHER)
    assert len(found.candidates()) == 2


def test_a_key_that_is_only_claimed_makes_nothing_the_same() -> None:
    found = Found()
    assert len(heard(found, added("a", TLS, spki=PIN), added("b", TLS_FALSE, spki=PIN))) == 2


def test_what_was_seen_of_one_who_left_says_nothing_of_who_comes() -> None:
    found = Found()
    heard(found, added("a", TLS))
    found.saw_key(TLS, PIN)
    heard(found, Removed(id="a"), added("b", TLS))
    assert one(found.candidates()).key == ""


def test_a_name_and_the_address_that_it_stands_for_are_one() -> None:
    found = Found()
    heard(found, real(), added("b", "http://spark.local:8000"))
    assert len(found.candidates()) == 2
    found.resolved("spark.local", ["fd00::100", "192.168.1.100"])
    assert one(found.candidates()).endpoint.url in (REAL, "http://spark.local:8000")
    found.resolved("spark.local", [])
    assert len(found.candidates()) == 2


def test_ipv4_and_what_every_machine_reaches_first() -> None:
    found = Found()
    urls = ["https://[fe80::1%25eth0]:8443", "https://[fd00::1]:8443", TLS]
    for number, url in enumerate(urls):
        heard(found, added(str(number), url))
        found.saw_key(url, PIN)
    assert one(found.candidates()).endpoint.url == TLS


# --- names


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({"host": "spark-1a2b.local."}, "spark-1a2b:8000"),
        ({"host": "GPU.example.org"}, "gpu.example.org:8000"),
        ({"instance": "Lab's  box._inference._tcp.local"}, "Lab-s-box:8000"),
        ({"host": "$(reboot)"}, "reboot:8000"),
        ({"host": "-rf/../../etc"}, "rf-..-..-etc:8000"),
        ({"instance": "\x1b]0;x\x07\u202eevil\n"}, "evil:8000"),
        ({"instance": "спарк"}, "192.168.1.100:8000"),
        ({"host": "x" * 300}, "x" * 40 + ":8000"),
        ({}, "192.168.1.100:8000"),
    ],
)
def test_a_name_that_can_be_typed(labels: dict[str, object], name: str) -> None:
    assert one(heard(Found(), added("a", REAL, **labels))).name == name


def test_a_name_never_comes_to_mean_another() -> None:
    found = Found()
    heard(found, real(), added("false", FALSE, host="spark.local"))
    assert by_url(found, FALSE).name == "spark-2:8000"
    heard(found, Removed(id="real"))
    assert one(found.candidates()).name == "spark-2:8000"
    heard(found, added("third", "http://192.168.1.7:8000", host="spark.local"), real())
    assert by_url(found, REAL).name == "spark:8000"
    assert by_url(found, "http://192.168.1.7:8000").name == "spark-3:8000"


def test_the_name_of_an_approved_one_is_taken() -> None:
    found = Found(approvals=[replace_(SPARK, name="desk:8000")])
    heard(found, added("a", FALSE, host="desk.local"))
    assert by_url(found, FALSE).name == "desk-2:8000"


def test_after_it_was_forgotten_it_is_called_the_same() -> None:
    found = Found(approvals=[SPARK])
    heard(found, real())
    found.settle(approvals=[])
    assert one(found.candidates()).name == "spark:8000"
    assert one(found.candidates()).state == "candidate"


def test_the_persons_name_goes_before_one_that_was_made_up() -> None:
    found = Found()
    heard(found, added("a", FALSE, host="desk.local"), real())
    found.settle(approvals=[replace_(SPARK, name="desk:8000")])
    assert by_url(found, REAL).name == "desk:8000"
    assert by_url(found, FALSE).name == "desk-2:8000"


def test_very_many_names_are_not_kept_for_ever() -> None:
    names = Names()
    present = Spot("http", "10.0.0.1", 1)
    names.of(present, ())
    for port in range(1, 5_000):
        names.of(Spot("http", "10.0.0.2", port), ())
        names.keep({present})
    assert len(names._of) == len(names._where) <= 4_001
    assert present in names._of


# --- approved


def replace_(approval: Any, **more: object) -> Any:
    import msgspec

    return msgspec.structs.replace(approval, **more)


def test_approved_and_seen() -> None:
    candidate = one(heard(Found(approvals=[SPARK]), real()))
    assert candidate.state == "approved"
    assert candidate.approval == SPARK
    assert candidate.sources == ("mdns",)


def test_approved_and_remembered_before_anybody_is_seen() -> None:
    candidate = one(Found(approvals=[SPARK]).candidates())
    assert (candidate.state, candidate.sources) == ("approved", ())
    assert candidate.endpoint == SPARK.endpoint


def test_nothing_that_is_announced_gets_into_where_an_approved_one_is_asked() -> None:
    found = Found(approvals=[SPARK])
    heard(
        found,
        real(),
        added("evil", REAL + "/evil", host="spark.local", uuid="u-1", kind="ollama", model="x"),
    )
    assert one(found.candidates()).endpoint == SPARK.endpoint


def test_a_source_that_says_less_or_names_it_otherwise_contradicts_nothing() -> None:
    found = Found(approvals=[SPARK])
    heard(found, added("a", REAL, host="gpu.example.org"), source="dns:example.org")
    assert one(found.candidates()).state == "approved"
    found = Found(approvals=[SPARK])
    heard(found, added("a", REAL))
    assert one(found.candidates()).state == "approved"


@pytest.mark.parametrize(
    "labels", [{"host": "spark.local", "uuid": "u-9"}, {"host": "other.local"}]
)
def test_another_at_the_approved_address_is_blocked(labels: dict[str, object]) -> None:
    """Its address went to another machine."""
    found = Found(approvals=[SPARK])
    candidate = one(heard(found, added("a", REAL, **labels)))
    assert candidate.state == "changed"
    assert candidate.name == "spark:8000"
    assert "spark.local (id u-1) was approved" in candidate.story
    assert str(labels.get("uuid", "other.local")) in candidate.story
    assert candidate.hint.endswith("cmdai-shell backends trust spark:8000")
    assert found.waiting() == (candidate,)  # one word of the person's resolves it


def test_a_wrong_word_beside_the_right_one_stops_nobody() -> None:
    found = Found(approvals=[SPARK])
    heard(found, real(), added("false", REAL, host="spark.local", uuid="u-9"))
    assert one(found.candidates()).state == "approved"
    heard(found, Removed(id="real"))
    assert one(found.candidates()).state == "changed"
    heard(found, Removed(id="false"))
    assert one(found.candidates()).state == "approved"


@pytest.mark.parametrize(
    "labels",
    [
        {"host": "spark.local"},
        {"host": "SPARK.local."},
        {"uuid": "u-1"},
        {"instance": "spark inference"},
        {"host": "spark.local", "uuid": "u-1", "network": "192.168.1.23/24"},
    ],
)
def test_who_pretends_to_be_an_approved_one_gets_nothing(labels: dict[str, object]) -> None:
    found = Found(approvals=[SPARK])
    heard(found, real(), added("false", FALSE, **labels))
    assert by_url(found, REAL).state == "approved"
    false = by_url(found, FALSE)
    assert false.state == "changed"
    assert REAL in false.story
    assert false.hint.endswith(f"backends forget spark:8000; cmdai-shell backends trust {FALSE}")
    assert false.name != "spark:8000"
    assert found.waiting() == ()


def test_its_other_address_is_no_news_and_gets_nothing() -> None:
    found = Found(approvals=[SPARK])
    url = "http://[fd00::100]:8000"
    heard(found, real(), added("six", url, host="spark.local", uuid="u-1"))
    other = by_url(found, url)
    assert (other.state, other.is_quiet) == ("candidate", True)
    assert "says that it is spark:8000" in other.story
    assert found.waiting() == ()


def test_another_server_on_the_same_machine_is_a_plain_candidate() -> None:
    found = Found(approvals=[SPARK])
    url = "http://192.168.1.100:11434"
    heard(found, real(), added("ollama", url, host="spark.local", uuid="u-1"))
    assert [each.endpoint.url for each in found.waiting()] == [url]


# --- moved


def moved(**more: object) -> Added:
    labels: dict[str, object] = {"host": "spark.local", "uuid": "u-1", **more}
    return added("real", str(labels.pop("url", "http://192.168.1.150:8000")), **labels)


def silent(*events: Added | Removed) -> Found:
    found = Found(approvals=[SPARK])
    heard(found, *events)
    found.saw_silence(REAL, is_silent=True)
    return found


NEW = "http://192.168.1.150:8000"


def test_over_http_nobody_is_believed_to_have_moved_but_the_person_is_asked() -> None:
    """Both its name and its uuid can be copied by whoever hears them once."""
    found = silent(moved(model="evil", kind="ollama"))
    assert by_url(found, REAL).state == "approved"
    new = by_url(found, NEW)
    assert (new.state, new.approval) == ("moved", SPARK)
    assert "over http nobody can tell" in new.story
    assert new.hint == f"if it has: cmdai-shell backends trust {NEW}"
    assert found.waiting() == (new,)
    assert (new.endpoint.kind, new.endpoint.model) == ("vllm", "qwen")


def test_one_without_a_uuid_is_asked_about_too() -> None:
    found = Found(approvals=[replace_(SPARK, uuid="")])
    heard(found, moved(uuid=""))
    found.saw_silence(REAL, is_silent=True)
    assert by_url(found, NEW).state == "moved"


def test_while_the_old_address_answers_nobody_has_moved() -> None:
    found = silent(moved())
    found.saw_silence(REAL, is_silent=False)
    assert by_url(found, REAL).state == "approved"
    assert by_url(found, "http://192.168.1.150:8000").state == "changed"


@pytest.mark.parametrize(
    "more",
    [
        {"uuid": "u-9"},
        {"uuid": ""},
        {"host": "other.local"},
        {"url": "http://192.168.2.150:8000"},
        {"url": "http://192.168.1.150:9000"},
        {"url": "https://192.168.1.150:8000"},
        {"url": "http://8.8.8.8:8000"},
        {"url": "http://127.0.0.1:8000"},
        {"url": "http://spark.local:8000"},
    ],
)
def test_what_is_not_just_like_it_has_not_moved(more: dict[str, object]) -> None:
    found = silent(moved(**more))
    states = {each.endpoint.url: each.state for each in found.candidates()}
    assert states.pop(REAL) == "approved"
    assert "moved" not in states.values()


def test_of_two_that_might_be_it_neither_is() -> None:
    found = silent(moved(), added("b", "http://192.168.1.151:8000", host="spark.local", uuid="u-1"))
    states = {each.endpoint.url: each.state for each in found.candidates()}
    assert states.pop(REAL) == "approved"
    assert set(states.values()) == {"changed"}


def test_who_is_contradicted_has_not_moved() -> None:
    found = silent(moved(), added("b", "http://192.168.1.150:8000", uuid="u-9"))
    assert by_url(found, "http://192.168.1.150:8000").state == "changed"


def test_what_to_type_stays_the_same_once_the_old_address_is_known_to_be_silent() -> None:
    found = Found(approvals=[SPARK])
    heard(found, moved())
    before = by_url(found, NEW)
    found.saw_silence(REAL, is_silent=True)
    after = by_url(found, NEW)
    assert (before.state, after.state) == ("changed", "moved")
    assert before.may_have_moved
    assert before.hint.endswith(f": cmdai-shell backends trust {NEW}")
    assert after.hint.endswith(f": cmdai-shell backends trust {NEW}")


def test_while_the_old_one_is_announced_nobody_has_moved() -> None:
    found = silent(real("old"), moved())
    assert by_url(found, "http://192.168.1.150:8000").state == "changed"


def test_no_place_of_another_approved_one() -> None:
    found = Found(approvals=[SPARK, replace_(VAULT, url="http://192.168.1.150:8000", pin="")])
    heard(found, moved())
    found.saw_silence(REAL, is_silent=True)
    assert by_url(found, REAL).state == "approved"
    assert by_url(found, "http://192.168.1.150:8000").state == "changed"


# --- https


def test_of_https_the_key_decides() -> None:
    found = Found(approvals=[VAULT])
    heard(found, added("a", TLS, host="renamed.local", uuid="u-9"))
    assert one(found.candidates()).state == "approved"  # who asks it checks the key
    found.saw_key(TLS, PIN)
    assert one(found.candidates()).state == "approved"
    found.saw_key(TLS, OTHER)
    candidate = one(found.candidates())
    assert candidate.state == "changed"
    assert PIN in candidate.story
    assert OTHER in candidate.story
    assert candidate.hint.endswith("cmdai-shell backends trust vault:8443")
    found.saw_key(TLS, PIN)
    assert one(found.candidates()).state == "approved"


def test_the_key_at_another_address_is_the_approved_server() -> None:
    found = Found(approvals=[VAULT])
    new = "https://192.168.1.7:8443"
    heard(found, added("a", new))
    found.saw_key(new, PIN)
    found.saw_silence(TLS, is_silent=True)
    candidate = one(found.candidates())
    assert (candidate.state, candidate.endpoint.url) == ("approved", new)


def test_who_passes_handshakes_on_does_not_take_the_place_of_one_that_answers() -> None:
    """The key is real, the way to it is another's, who can end it at any time."""
    found = Found(approvals=[VAULT])
    relay = "https://192.168.1.7:8443"
    heard(found, added("real", TLS), added("a", relay, host="vault.local", uuid="u-2"))
    found.saw_key(relay, PIN)
    assert one(found.candidates()).endpoint.url == TLS
    found.settle(approvals=[replace_(VAULT, url=relay)])  # while the real one was off
    found.saw_silence(relay, is_silent=True)
    found.saw_key(TLS, PIN)
    assert one(found.candidates()).endpoint.url == TLS


def test_who_is_at_the_old_address_with_another_key_gets_nothing() -> None:
    found = Found(approvals=[VAULT])
    new = "https://192.168.1.7:8443"
    heard(found, added("a", new), added("b", TLS, host="vault.local"))
    found.saw_key(new, PIN)
    found.saw_key(TLS, OTHER)
    assert by_url(found, new).state == "approved"
    assert by_url(found, TLS).state == "changed"
    assert by_url(found, TLS).name == "vault-2:8443"


def test_who_pretends_is_looked_at_and_then_blocked() -> None:
    found = Found(approvals=[VAULT])
    heard(found, added("false", TLS_FALSE, host="vault.local", uuid="u-2", spki=PIN))
    false = by_url(found, TLS_FALSE)
    assert (false.state, false.is_quiet) == ("candidate", True)
    assert found.unverified() == (TLS_FALSE,)
    found.saw_key(TLS_FALSE, OTHER)
    false = by_url(found, TLS_FALSE)
    assert false.state == "changed"
    assert OTHER in false.story
    assert found.unverified() == ()


def test_nobody_takes_its_place_without_tls() -> None:
    found = Found(approvals=[VAULT])
    for url in ("http://192.168.1.66:8443", "http://192.168.1.100:8443"):
        heard(found, added(url, url, host="vault.local", uuid="u-2", spki=PIN))
        found.saw_silence(TLS, is_silent=True)
        found.saw_key(url, PIN)
        assert by_url(found, url).state != "approved"
        assert by_url(found, TLS).state == "approved"


def test_one_that_has_no_pin_yet_wants_one() -> None:
    found = Found(approvals=[replace_(VAULT, pin="")])
    assert found.unverified() == (TLS,)
    found.saw_key(TLS, PIN, is_key_alone=True)
    candidate = one(found.candidates())
    assert (candidate.key, candidate.is_key_alone, candidate.state) == (PIN, True, "approved")
    assert (candidate.pin, candidate.is_unkept) == ("", True)
    assert found.unverified() == ()
    found.settle(approvals=[VAULT])
    candidate = one(found.candidates())
    assert (candidate.pin, candidate.is_unkept) == (PIN, False)


def test_not_too_many_are_looked_at_at_once() -> None:
    found = Found(approvals=[VAULT])
    for number in range(100):
        heard(found, added(str(number), f"https://192.168.1.66:{9000 + number}", uuid="u-2"))
    assert len(found.unverified()) == 16


# --- what the configuration says


def trusting(**more: object) -> Policy:
    return Policy.of(Discovery(**more))  # type: ignore[arg-type]


def test_by_policy() -> None:
    found = Found(trusting(trust_subnets=("192.168.1.0/24",)))
    candidate = one(heard(found, real()))
    assert candidate.state == "by-policy"
    assert candidate.story == "discovery.trust_subnets has 192.168.1.0/24"
    assert found.waiting() == ()


def test_by_policy_the_source_that_knows_is_the_one_believed() -> None:
    found = Found(trusting(trust_namespaces=("ml",)))
    heard(found, added("a", REAL, namespace="ml"))
    assert one(found.candidates()).state == "candidate"
    heard(found, added("b", REAL + "/right", namespace="ml"), source="kubernetes:prod")
    candidate = one(found.candidates())
    assert candidate.state == "by-policy"
    assert candidate.endpoint.url == REAL + "/right"


def test_by_policy_a_name_needs_its_addresses() -> None:
    found = Found(trusting(trust_subnets=("192.168.1.0/24",)))
    heard(found, added("a", "http://gpu.lan:8000", addresses="192.168.1.1"))
    assert one(found.candidates()).state == "candidate"
    found.resolved("gpu.lan", ["192.168.1.1"])
    assert one(found.candidates()).state == "by-policy"
    found.resolved("gpu.lan", ["192.168.1.1", "10.0.0.1"])
    assert one(found.candidates()).state == "candidate"


def test_by_policy_nobody_pretends_to_be_an_approved_one() -> None:
    found = Found(trusting(trust_subnets=("192.168.1.0/24",)), approvals=[SPARK])
    heard(found, real(), added("false", FALSE, host="spark.local"))
    assert by_url(found, FALSE).state == "changed"


def test_by_policy_a_key_that_was_seen_holds() -> None:
    policy = trusting(trust_subnets=("192.168.1.0/24",))
    found = Found(policy, keys={TLS: PIN})
    heard(found, added("a", TLS))
    assert one(found.candidates()).state == "by-policy"
    assert found.unverified() == (TLS,)
    found.saw_key(TLS, OTHER)
    candidate = one(found.candidates())
    assert candidate.state == "changed"
    assert PIN in candidate.story
    found.settle(keys={})
    assert one(found.candidates()).state == "by-policy"


def test_by_policy_a_key_that_is_seen_first_has_to_be_kept() -> None:
    found = Found(trusting(trust_subnets=("192.168.1.0/24",)))
    heard(found, added("a", TLS), real("b"))
    found.saw_key(TLS, PIN)
    assert by_url(found, TLS).is_unkept
    assert not by_url(found, REAL).is_unkept
    found.settle(keys={TLS: PIN})
    assert (by_url(found, TLS).is_unkept, by_url(found, TLS).pin) == (False, PIN)


def test_what_is_written_down_is_that_and_no_news() -> None:
    written = Endpoint(id="home-lab/spark:8000", url="http://192.168.1.100:8000", model="mine")
    found = Found(written=[written])
    candidate = one(heard(found, real()))
    assert (candidate.state, candidate.endpoint) == ("approved", written)
    assert candidate.sources == ("mdns",)
    assert Found(written=[written]).candidates() == ()


# --- ignored


IGNORED = Ignored(name="spark:8000", url=REAL, host="spark.local")


def test_an_ignored_one_waits_for_nobody_and_is_listed() -> None:
    found = Found(ignored=[IGNORED])
    candidate = one(heard(found, real()))
    assert (candidate.state, candidate.name) == ("ignored", "spark:8000")
    assert candidate.hint.endswith(f"backends trust {REAL}")
    assert found.waiting() == ()
    found.settle(ignored=[])
    assert found.waiting() != ()


def test_an_ignored_one_is_called_as_the_person_knows_it() -> None:
    found = Found(ignored=[IGNORED])
    heard(found, added("a", "http://[fe80::1%25eth0]:8000", host="spark.local"), real("a"))
    assert by_url(found, REAL).name == "spark:8000"


def test_but_the_name_of_an_approved_one_is_its_own() -> None:
    found = Found(approvals=[replace_(SPARK, url=NEW)], ignored=[IGNORED])
    heard(found, real("a"))
    assert by_url(found, NEW).name == "spark:8000"
    assert by_url(found, REAL).name == "spark-2:8000"


def test_ignored_it_stays_after_its_address_has_changed_but_not_its_neighbours() -> None:
    found = Found(ignored=[IGNORED])
    heard(found, moved(), added("b", f"{REAL[:-4]}9000", host="other.local"))
    assert by_url(found, NEW).state == "ignored"
    assert by_url(found, "http://192.168.1.100:9000").state == "candidate"


def test_ignoring_goes_before_what_the_settings_trust() -> None:
    found = Found(trusting(trust_subnets=("192.168.1.0/24",)), ignored=[IGNORED])
    assert one(heard(found, real())).state == "ignored"


def test_who_is_trusted_is_not_silenced_by_a_name() -> None:
    found = Found(approvals=[SPARK], ignored=[replace_(IGNORED, url=FALSE)])
    assert one(heard(found, real())).state == "approved"


def test_what_the_person_has_just_probed_is_no_news() -> None:
    found = Found()
    heard(found, real(), source="probe")
    assert one(found.candidates()).state == "candidate"
    assert found.waiting() == ()


# --- refused, and hostile


@pytest.mark.parametrize(
    ("url", "story"),
    [
        ("http://8.8.8.8:8000", "open Internet"),
        ("http://127.0.0.1:8000", "this machine"),
        ("http://0.0.0.0:8000", "this machine"),
        ("https://[::1]:8000", "this machine"),
        ("http://localhost:8000", "this machine"),
        ("http://gpu.example.org:8000", "open Internet"),
    ],
)
def test_refused(url: str, story: str) -> None:
    found = Found(trusting(trust_subnets=("8.0.0.0/8", "127.0.0.0/8", "::1")))
    candidate = one(heard(found, added("a", url, host="spark.local", uuid="u-1")))
    assert candidate.state == "refused"
    assert story in candidate.story
    assert found.waiting() == ()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "ftp://10.0.0.1",
        "http://user:pw@10.0.0.1",
        "http://10.0.0.1:0",
        "http://8.8.8.8 :1",
        "http://8.8.8.8\n:1",
        "http://10.0.0.1/?q",
        "http://" + "a" * 3_000,
    ],
)
def test_what_is_no_address_is_dropped(url: str) -> None:
    found = Found()
    assert heard(found, added("a", url)) == ()
    assert found.dropped == 1


def test_one_that_comes_to_be_no_address_is_gone() -> None:
    assert heard(Found(), real(), added("real", "nonsense")) == ()


def test_only_what_we_know_is_kept_of_an_announcement() -> None:
    endpoint = cleaned(
        added(
            "a",
            REAL,
            kind="evil",
            model="x\x1b[2J\n" * 500,
            priority=10**9,
            weight=-5,
            chat_template="evil",
            metrics_port="1",
            uuid="u" * 500,
            host="a\u202eb\x00.LOCAL.",
        ).endpoint
    )
    assert endpoint is not None
    assert endpoint.kind == "auto"
    assert endpoint.model.isprintable()
    assert len(endpoint.model) == 200
    assert (endpoint.priority, endpoint.weight) == (1_000, 1)
    assert endpoint.labels == {"uuid": "u" * 64, "host": "ab.local"}


def test_a_flood_ends_and_leaves_room_for_others() -> None:
    found = Found(approvals=[SPARK], most=50)
    for number in range(500):
        found.apply("mdns", added(str(number), f"http://192.168.1.66:{1_000 + number}"))
    assert len(found.candidates()) == 51
    assert found.dropped == 450
    heard(found, real())
    assert by_url(found, REAL).sources == ("mdns",)
    heard(found, added("pod", "http://10.0.0.1:8000"), source="kubernetes")
    assert by_url(found, "http://10.0.0.1:8000").state == "candidate"
    assert len(found.candidates()) == 51


def test_a_flood_at_an_approved_place_ends() -> None:
    found = Found(approvals=[SPARK])
    heard(found, *(real(str(number)) for number in range(100)))
    assert found.dropped == 100 - MOST_AT_A_PLACE
    assert one(found.candidates()).state == "approved"


def test_five_hundred_are_judged_in_no_time() -> None:
    found = Found(approvals=[SPARK])
    for number in range(500):
        url = f"https://192.168.1.66:{1_000 + number}"
        found.apply("mdns", added(str(number), url, host="spark.local"))
    begun = time.perf_counter()
    found.saw_key(TLS, PIN)
    found.candidates()
    assert time.perf_counter() - begun < 5  # milliseconds


# --- whatever is announced, in whatever order

APPROVALS = (
    SPARK,
    VAULT,
    replace_(
        VAULT,
        name="new:8444",
        url="https://192.168.1.101:8444",
        uuid="u-3",
        pin="",
        host="new.local",
    ),
)
ALLOWED = {approval.url for approval in APPROVALS}
URLS = st.sampled_from(
    [
        *ALLOWED,
        FALSE,
        TLS_FALSE,
        "http://192.168.1.100:8443",
        "https://192.168.1.100:8000",
        "http://spark.local:8000",
        "https://192.168.1.66:8444",
        "http://[fd00::100]:8000",
        "http://[::ffff:192.168.1.100]:8000",
        "http://127.0.0.1:8000",
        "http://8.8.8.8:8000",
        REAL + "/evil",
        "http://SPARK.local.:8000/",
        "http://192.168.1.100.:8000",
    ]
)
TEXT = st.sampled_from(["", *"\x00\u202e$/", "x" * 300]) | st.text(max_size=8)


def label(*known: str) -> st.SearchStrategy[str]:
    return st.sampled_from(known) | TEXT


LABELS = st.fixed_dictionaries(
    {},
    optional={
        "host": label("spark.local", "vault.local", "new.local", "Spark.LOCAL.", "spark:8000"),
        "uuid": label("u-1", "u-2", "u-3", "u-9"),
        "instance": label("spark inference", "spark:8000"),
        "addresses": label("192.168.1.100", "192.168.1.100 192.168.1.66"),
        "network": label("192.168.1.23/24", "0.0.0.0/0"),
        "spki": label(PIN, OTHER),
        "auth": label("none", "bearer"),
    },
)
SOURCES = st.sampled_from(["mdns", "mdns:eth1", "dns:example.org", "kubernetes", "static"])
IDS = st.sampled_from(["a", "b", "c", "spark:8000", "real"])


class Announcements(RuleBasedStateMachine):
    """Others say what they like; ``keys`` is what connections really showed."""

    def __init__(self) -> None:
        super().__init__()
        self.found = Found(approvals=APPROVALS, most=6)
        self.keys: dict[Spot, str] = {}

    @rule(source=SOURCES, id_=IDS, url=URLS, labels=LABELS, kind=TEXT, model=TEXT)
    def add(
        self, source: str, id_: str, url: str, labels: dict[str, str], kind: str, model: str
    ) -> None:
        endpoint = Endpoint(id=id_, url=url, source=source, labels=labels, kind=kind, model=model)
        self.found.apply(source, Added(endpoint=endpoint))

    @rule(source=SOURCES, id_=IDS, url=URLS)
    def copy(self, source: str, id_: str, url: str) -> None:
        """All that the real one says, at another place."""
        endpoint = replace(real(id_).endpoint, url=url)
        self.found.apply(source, Added(endpoint=endpoint))

    @rule(source=SOURCES, id_=IDS)
    def remove(self, source: str, id_: str) -> None:
        self.found.apply(source, Removed(id=id_))

    @rule(source=SOURCES)
    def end(self, source: str) -> None:
        self.found.end(source)

    @rule(url=URLS, key=st.sampled_from([PIN, OTHER, ""]))
    def see_key(self, url: str, key: str) -> None:
        self.found.saw_key(url, key)
        where = spot(url)
        assert where is not None
        self.keys[where] = key

    @rule(
        host=st.sampled_from(["spark.local", "vault.local"]),
        addresses=st.lists(st.sampled_from(["192.168.1.66", "192.168.1.100", "x"]), max_size=2),
    )
    def look_up(self, host: str, addresses: list[str]) -> None:
        self.found.resolved(host, addresses)

    @invariant()
    def only_what_was_approved_is(self) -> None:
        for each in self.found.candidates():
            if each.state == "approved":
                has_key = self.keys.get(spot(each.endpoint.url)) == PIN  # type: ignore[arg-type]
                is_tls = each.endpoint.url.startswith("https:")
                assert each.endpoint.url in ALLOWED or (is_tls and has_key)
                assert each.approval in APPROVALS
                assert each.endpoint.kind == each.approval.kind  # type: ignore[union-attr]
            assert each.state != "by-policy"

    @invariant()
    def every_approved_one_is_there_once_by_its_name(self) -> None:
        names = [each.name for each in self.found.candidates()]
        assert len(set(names)) == len(names)
        assert {approval.name for approval in APPROVALS} <= set(names)
        assert all(NAMES.fullmatch(name) for name in names)

    @invariant()
    def it_is_bounded(self) -> None:
        assert len(self.found.candidates()) <= 6 + MOST_AT_A_PLACE * len(APPROVALS)

    @invariant()
    def what_waits_is_undecided(self) -> None:
        assert {each.state for each in self.found.waiting()} <= {"candidate", "changed", "moved"}


Announcements.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestAnnouncements = Announcements.TestCase


@given(st.lists(st.tuples(SOURCES, IDS, URLS, LABELS), max_size=20), st.booleans())
def test_even_while_it_is_silent_nobody_takes_its_place(
    said: list[tuple[str, str, str, dict[str, str]]], is_silent: bool
) -> None:
    found = Found(approvals=[SPARK])
    found.saw_silence(REAL, is_silent=is_silent)
    for source, id_, url, labels in said:
        found.apply(source, Added(endpoint=Endpoint(id=id_, url=url, labels=labels)))
    (approved,) = [
        each for each in found.candidates() if each.approval == SPARK and each.name == "spark:8000"
    ]
    assert approved.endpoint.url == REAL
    offered = [each.endpoint.url for each in found.candidates() if each.state == "moved"]
    assert offered in ([], [FALSE])
    assert is_silent or not offered


def test_of_a_name_with_several_addresses_each_counts() -> None:
    """A connection goes to any of them."""
    found = Found(Policy.of(Discovery(trust_subnets=("10.0.0.0/8",))))
    said = added("a", "http://dgx.lan:8000")
    heard(found, said)
    found.resolved("dgx.lan", ("10.0.0.5",))
    assert one(found.candidates()).state == "by-policy"
    found.resolved("dgx.lan", ("10.0.0.5", "192.168.9.9"))
    assert one(found.candidates()).state == "candidate"
    found.resolved("dgx.lan", ("10.0.0.5", "8.8.8.8"))
    assert one(found.candidates()).state == "refused"


def test_an_approved_one_has_the_order_that_its_name_server_gives_it() -> None:
    """RFC 2782: the reserve is not asked like the first, also after both were approved."""
    dns = replace_(SPARK, name="dgx", url="http://10.0.0.5:8000", source="dns")
    said = replace(added("a", dns.url, priority=-1, weight=60).endpoint, source="dns")
    mdns = replace(said, id="b", source="mdns", priority=500, weight=1)
    found = Found(approvals=[dns])
    heard(found, Added(endpoint=mdns))
    assert one(found.candidates()).endpoint.priority == 0
    heard(found, Added(endpoint=said), source="dns")
    endpoint = one(found.candidates()).endpoint
    assert (endpoint.priority, endpoint.weight) == (-1, 60)


def test_who_showed_another_key_is_looked_at_again() -> None:
    """A hotel's network answers for everybody; at home it is the approved one again."""
    found = Found(approvals=[VAULT])
    found.saw_key(TLS, OTHER)
    assert one(found.candidates()).state == "changed"
    assert found.unverified() == (TLS,)
    found.saw_key(TLS, PIN)
    assert one(found.candidates()).state == "approved"


def test_an_approved_one_that_is_written_down_since_is_one() -> None:
    written = Endpoint(id="lab/spark", url=REAL, source="static", environment="lab")
    found = Found(approvals=[SPARK], written=[written])
    assert found.candidates() == ()
    assert one(heard(found, real())).endpoint.source == "static"
