"""What the person approved is kept, and nothing that somebody else wrote is taken for it."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.core import Added, Endpoint
from cmdai_shell.discovery import trust
from cmdai_shell.discovery.approval import Approval
from cmdai_shell.discovery.candidate import Candidate
from cmdai_shell.discovery.found import Found
from cmdai_shell.discovery.trust import SEEN_AGAIN, TrustStore
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

PIN, OTHER = f"sha256/{'A' * 43}=", f"sha256/{'B' * 43}="


class Wall:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def store(tmp_path: Path, wall: Wall) -> TrustStore:
    return TrustStore(tmp_path, wall=wall)


def candidate(
    name: str = "spark:8000", url: str = "http://192.168.1.100:8000", **more: object
) -> Candidate:
    labels = {
        "host": "spark.local",
        "addresses": "192.168.1.100 fe80::1%eth0",
        "network": "192.168.1.23/24",
        "uuid": "u-1",
        "instance": "spark inference",
    }
    endpoint = Endpoint(id=name, url=url, kind="vllm", source="mdns", model="qwen", labels=labels)
    return replace(Candidate(name=name, endpoint=endpoint, state="candidate"), **more)  # type: ignore[arg-type]


def test_nobody_is_approved_at_first_and_no_file_is_made(store: TrustStore) -> None:
    assert store.approvals() == store.remembered() == ()
    assert not store.path.parent.exists()


def test_what_was_approved_is_kept(store: TrustStore, tmp_path: Path, wall: Wall) -> None:
    approval = store.approve(candidate())
    assert TrustStore(tmp_path).approvals() == (approval,)
    assert approval == Approval(
        name="spark:8000",
        url="http://192.168.1.100:8000",
        source="mdns",
        host="spark.local",
        instance="spark inference",
        uuid="u-1",
        addresses=("192.168.1.100", "fe80::1%eth0"),
        networks=("192.168.1.0/24",),
        kind="vllm",
        model="qwen",
        approved_at=wall.now,
        last_seen=wall.now,
    )


def test_a_network_in_which_its_address_is_not_counts_for_nothing(store: TrustStore) -> None:
    assert store.approve(candidate(url="http://10.0.0.1:8000")).networks == ()


def test_the_persons_own_name_and_environment(store: TrustStore) -> None:
    approval = store.approve(candidate(), name="desk", environment="home")
    assert (approval.name, approval.environment) == ("desk", "home")


@pytest.mark.parametrize(
    "name", ["home-lab/spark", "a b", "", "-x", "embedded", "none", "x" * 65, "$(id)", "é", "a\n"]
)
def test_a_name_that_cannot_be_typed_or_means_something_else(store: TrustStore, name: str) -> None:
    with pytest.raises(ConfigError, match="is no name for a server"):
        store.approve(candidate(name=name))


def test_a_name_is_one_servers(store: TrustStore) -> None:
    store.approve(candidate())
    with pytest.raises(ConfigError, match=r"is http://192.168.1.100:8000 already") as caught:
        store.approve(candidate(url="http://192.168.1.101:8000"))
    assert "backends forget spark:8000" in caught.value.hint


def test_approved_once_more_it_gets_the_new_name_and_keeps_its_pin(store: TrustStore) -> None:
    store.approve(candidate(url="https://192.168.1.100:8000"))
    store.note_pin("spark:8000", PIN, is_key_alone=True)
    store.approve(candidate(url="https://192.168.1.100:8000", key=OTHER), name="desk")
    (approval,) = store.approvals()
    assert (approval.name, approval.pin, approval.is_key_alone) == ("desk", PIN, True)


@pytest.mark.parametrize("state", ["refused", "changed"])
def test_what_is_refused_cannot_be_approved(store: TrustStore, state: str) -> None:
    with pytest.raises(ConfigError, match="spark:8000: it is somebody else") as caught:
        store.approve(candidate(state=state, story="it is somebody else", hint="do that"))
    assert caught.value.hint == "do that"
    assert store.approvals() == ()


def test_forgotten(store: TrustStore) -> None:
    store.approve(candidate())
    assert store.forget("spark:8000").url == "http://192.168.1.100:8000"
    assert store.approvals() == ()


def test_forgetting_what_is_not_there_says_what_is(store: TrustStore) -> None:
    store.approve(candidate())
    with pytest.raises(ConfigError, match="no server 'spark:800'") as caught:
        store.forget("spark:800")
    assert "spark:8000" in caught.value.hint


def test_the_last_seen_are_remembered_first(store: TrustStore, wall: Wall) -> None:
    store.approve(candidate())
    wall.now += 10
    store.approve(candidate("box:1", "http://192.168.1.7:1"))
    wall.now += SEEN_AGAIN
    store.note_seen("spark:8000")
    first, second = store.remembered()
    assert (first.id, second.id) == ("spark:8000", "box:1")
    assert first.url == "http://192.168.1.100:8000"
    assert first.labels["network"] == "192.168.1.0/24"


def test_seeing_it_again_and_again_is_not_written(store: TrustStore, wall: Wall) -> None:
    store.approve(candidate())
    before = store.path.stat().st_ino
    wall.now += SEEN_AGAIN - 1
    store.note_seen("spark:8000")
    assert store.path.stat().st_ino == before
    wall.now += 1
    store.note_seen("spark:8000")
    assert store.approvals()[0].last_seen == wall.now


def test_a_new_address_is_written_at_once(store: TrustStore) -> None:
    store.approve(candidate())
    store.note_seen("spark:8000", Endpoint(id="x", url="http://192.168.1.7:8000"))
    assert store.approvals()[0].url == "http://192.168.1.7:8000"


def test_seen_after_it_was_forgotten(store: TrustStore) -> None:
    store.note_seen("spark:8000")
    store.note_pin("spark:8000", PIN)
    assert store.approvals() == ()


def test_a_pin_is_set_once(store: TrustStore) -> None:
    store.approve(candidate(url="https://192.168.1.100:8000"))
    store.note_pin("spark:8000", PIN)
    store.note_pin("spark:8000", PIN)
    with pytest.raises(ConfigError, match="pinned to another key") as caught:
        store.note_pin("spark:8000", OTHER)
    assert "backends forget spark:8000" in caught.value.hint
    assert store.approvals()[0].pin == PIN


def test_keys_of_those_that_the_policy_approves(store: TrustStore) -> None:
    store.note_key("https://10.0.0.1", PIN)
    with pytest.raises(ConfigError, match="another key"):
        store.note_key("https://10.0.0.1", OTHER)
    assert store.keys() == {"https://10.0.0.1": PIN}
    assert store.forget_key("https://10.0.0.1")
    assert not store.forget_key("https://10.0.0.1")
    assert store.keys() == {}


def test_keys_and_approvals_do_not_touch_each_other(store: TrustStore) -> None:
    store.approve(candidate())
    store.note_key("https://10.0.0.1", PIN)
    store.forget("spark:8000")
    assert store.keys() == {"https://10.0.0.1": PIN}


GOOD = b'{"approvals":[{"name":"a","url":"http://10.0.0.1:8000"}]}'


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"approvals":[{"name":"a","url":"http://8.8.8.8:80"}]}',
        b'{"approvals":[{"name":"a","url":"file:///etc/passwd"}]}',
        b'{"approvals":[{"name":"a b","url":"http://10.0.0.1"}]}',
        b'{"approvals":[{"name":"a\\n","url":"http://10.0.0.1"}]}',
        b'{"approvals":[{"name":"a","url":"http://10.0.0.1","pin":"md5/x"}]}',
        b'{"approvals":[{"name":"a","url":"http://10.0.0.1"},{"name":"a","url":"http://10.0.0.2"}]}',
        b'{"keys":{"https://a":"x"}}',
    ],
)
def test_a_damaged_file_is_set_aside_and_said(
    store: TrustStore, raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store.approve(candidate())
    store.path.write_bytes(raw)
    assert store.approvals() == ()
    (aside,) = store.aside()
    assert aside.name == "trust.json.damaged"
    assert aside.read_bytes() == raw
    assert "set aside" in caplog.text
    store.approve(candidate())
    assert len(store.approvals()) == 1


def test_a_file_of_a_later_version_is_wanted_again(store: TrustStore) -> None:
    store.approve(candidate())
    store.path.write_bytes(b'{"version":2,"approvals":{}}')
    assert store.approvals() == ()
    assert [path.name for path in store.aside()] == ["trust.json.version-2"]


def test_what_later_versions_of_ours_add_to_an_approval_is_no_damage(store: TrustStore) -> None:
    store.approve(candidate())
    store.path.write_bytes(GOOD.replace(b'"url"', b'"colour":"red","url"'))
    assert [approval.name for approval in store.approvals()] == ["a"]


def test_a_file_that_others_can_write_approves_nobody(store: TrustStore) -> None:
    store.approve(candidate())
    store.path.chmod(0o666)
    for act in (store.approvals, store.remembered, lambda: store.forget("spark:8000")):
        with pytest.raises(ConfigError, match="others can write") as caught:
            act()
        assert "chmod 600" in caught.value.hint


def test_two_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    def approve(number: int) -> None:
        store = TrustStore(tmp_path)
        for port in range(1, 9):
            store.approve(candidate(f"s{number}:{port}", f"http://10.0.0.{number}:{port}"))

    threads = [threading.Thread(target=approve, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(TrustStore(tmp_path).approvals()) == 32


def test_it_is_a_file_that_a_person_can_read(store: TrustStore) -> None:
    store.approve(candidate())
    text = store.path.read_text()
    assert text.endswith("}\n")
    assert '\n      "name": "spark:8000",\n' in text
    assert json.loads(text)["approvals"][0]["host"] == "spark.local"


@given(
    st.binary(max_size=300)
    | st.sampled_from([GOOD]).flatmap(
        lambda raw: st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)).map(
            lambda change: raw[: change[0]] + bytes([change[1]]) + raw[change[0] + 1 :]
        )
    )
)
def test_whatever_is_in_the_file(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    store = TrustStore(tmp_path_factory.mktemp("any"))
    store.approve(candidate())
    store.path.write_bytes(raw)
    for approval in store.approvals():
        assert approval.url.startswith(("http://", "https://"))
    assert store.path.exists() or store.aside()


@given(
    host=st.text(max_size=80),
    instance=st.text(max_size=80),
    addresses=st.lists(st.ip_addresses().map(str), max_size=70),
    url=st.sampled_from(
        [
            "http://192.168.1.7:8000/v1/",
            "https://8.8.8.8",
            "http://[fe80::1%25eth0]:8000",
            "http://[fd00::1]:8000",
            "https://Gpu.Example.org:8443",
        ]
    ),
)
def test_whoever_waits_can_be_approved_and_then_is(
    tmp_path_factory: pytest.TempPathFactory,
    host: str,
    instance: str,
    addresses: list[str],
    url: str,
) -> None:
    store = TrustStore(tmp_path_factory.mktemp("any"))
    labels = {"host": host, "instance": instance, "addresses": " ".join(addresses)}
    found = Found()
    found.apply("mdns", Added(endpoint=Endpoint(id="x", url=url, labels=labels)))
    (waiting,) = found.waiting()
    approval = store.approve(waiting)
    found.settle(approvals=store.approvals())
    (approved,) = found.candidates()
    assert (approved.state, approved.name) == ("approved", waiting.name)
    assert approved.endpoint == approval.endpoint
    assert approved.endpoint.url == waiting.endpoint.url
    found.settle(approvals=[])
    assert found.waiting() == (waiting,)


ROUTER, OTHER_ROUTER = "192.168.1.1 02:00:00:00:00:01", "192.168.1.1 02:00:00:00:00:66"


def test_where_we_were_is_kept_and_added_to(store: TrustStore) -> None:
    store.approve(candidate(), routers={ROUTER})
    store.approve(candidate(), routers={OTHER_ROUTER})
    assert set(store.approvals()[0].routers) == {ROUTER, OTHER_ROUTER}


@pytest.mark.parametrize("state", ["moved", "changed"])
def test_the_approval_of_one_that_moved_or_changed_is_replaced(
    store: TrustStore, state: str
) -> None:
    old = store.approve(candidate(), name="desk", routers={ROUTER})
    store.note_proven("desk")
    assert store.approvals()[0].is_proven
    new = candidate(
        "desk", "http://192.168.1.150:8000", state=state, approval=old, is_key_alone=False
    )
    store.approve(new, routers={OTHER_ROUTER})
    (approval,) = store.approvals()
    assert (approval.name, approval.url) == ("desk", "http://192.168.1.150:8000")
    assert (approval.routers, approval.is_proven) == ((OTHER_ROUTER,), False)


def test_a_stranger_that_pretends_is_not_approved(store: TrustStore) -> None:
    old = store.approve(candidate())
    false = candidate("spark-2:8000", "http://192.168.1.66:8000", state="changed", approval=old)
    with pytest.raises(ConfigError):
        store.approve(false)
    assert store.approvals() == (old,)


def test_ignored_until_it_is_trusted_or_forgotten(store: TrustStore) -> None:
    for undo in (lambda: store.approve(candidate()), lambda: store.forget("spark:8000")):
        store.ignore(candidate())
        assert [each.name for each in store.ignored()] == ["spark:8000"]
        undo()
        assert store.ignored() == ()
        store.forget("spark:8000") if store.approvals() else None


def test_who_is_trusted_cannot_be_ignored(store: TrustStore) -> None:
    store.approve(candidate())
    with pytest.raises(ConfigError, match="was trusted"):
        store.ignore(candidate(state="approved"))


def test_of_too_many_ignored_the_oldest_go(
    store: TrustStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "MOST", 3)
    for number in range(5):
        store.ignore(candidate(f"x:{number + 1}", f"http://10.0.0.1:{number + 1}"))
    assert [each.name for each in store.ignored()] == ["x:3", "x:4", "x:5"]
