"""What DNS says, and what comes of it. All of it may be a stranger's."""

from __future__ import annotations

import ipaddress
from random import Random
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.config.environments import checked_url
from cmdai_shell.discovery.rfc2782 import Record
from cmdai_shell.discovery.srv_records import (
    MOST,
    MOST_ADDRESSES,
    Answer,
    Naming,
    Owner,
    Reading,
    is_private,
    owners,
    read,
    targets,
    text_fields,
    usable,
)
from cmdai_shell.errors import ConfigError

OWNER = Owner("_cmdai._tcp.example.org", "example.org")
TLS = Owner("_inference-tls._tcp.example.org", "example.org", is_tls=True)
HOST = "spark.example.org."
PLAIN = Naming()
ID = "dns/spark.example.org:8000"


def reading(
    *texts: str,
    addresses: tuple[str, ...] | None = ("10.0.0.7",),
    target: str = HOST,
    port: int = 8000,
    owner: Owner = OWNER,
    naming: Naming = PLAIN,
) -> Reading:
    """Of one record."""
    known = {} if addresses is None else {target: addresses}
    answer = Answer(records=[Record(10, 60, port, target)], texts=texts, addresses=known)
    return read(owner, answer, naming, Random(1).random)


def url(*texts: str, **more: object) -> str:
    found = reading(*texts, **more)  # type: ignore[arg-type]
    return next((endpoint.url for endpoint in found.endpoints.values()), "")


def test_an_endpoint():
    found = reading(
        "api=vllm",
        "model=Qwen/Qwen2.5-Coder-32B",
        "auth=Bearer",
        "id=5f2c",
        "base=/llm/v1/",
        addresses=("10.0.0.7", "fd00::7"),
        naming=Naming(environment="corp", priority=8),
    )
    endpoint = found.endpoints["dns/corp/spark.example.org:8000"]
    assert endpoint.id == "dns/corp/spark.example.org:8000"
    assert endpoint.url == "http://spark.example.org:8000/llm/v1"
    assert (endpoint.kind, endpoint.model) == ("vllm", "Qwen/Qwen2.5-Coder-32B")
    assert (endpoint.priority, endpoint.weight) == (8, 60)
    assert (endpoint.source, endpoint.environment) == ("dns", "corp")
    assert endpoint.labels == {
        "host": "spark.example.org",
        "addresses": "10.0.0.7 fd00::7",
        "domain": "example.org",
        "auth": "bearer",
        "uuid": "5f2c",
    }
    assert not found.refused


def test_without_txt():
    (endpoint,) = reading().endpoints.values()
    assert (endpoint.id, endpoint.kind, endpoint.model) == (ID, "auto", "")
    assert set(endpoint.labels) == {"host", "addresses", "domain"}


@pytest.mark.parametrize(
    ("wanted", "texts", "more"),
    [
        ("http", (), {}),
        ("https", (), {"addresses": ("198.51.100.7", "10.0.0.7")}),
        ("https", (), {"addresses": ("1.1.1.1",)}),
        ("https", (), {"addresses": ("10.0.0.7", "2606:4700::1")}),
        ("https", (), {"addresses": ("198.18.0.7",)}),  # what some proxies answer for all names
        ("https", (), {"addresses": ("::ffff:8.8.8.8",)}),
        ("https", (), {"addresses": ("2001::1",)}),  # Teredo
        ("https", (), {"addresses": ("64:ff9b::808:808",)}),  # NAT64
        ("http", (), {"addresses": ("::ffff:10.0.0.7",)}),
        ("http", (), {"addresses": ("100.64.0.7", "fd00::7", "169.254.3.4")}),
        ("https", (), {"port": 443}),
        ("https", (), {"port": 8443}),
        ("http", ("transport=http",), {"port": 8443}),
        ("https", ("transport=https",), {}),
        ("https", ("Transport=HTTPS",), {}),
        ("https", ("tls=1",), {}),
        ("https", (), {"owner": TLS}),
        ("https", ("transport=http",), {"owner": TLS}),
        ("https", ("transport=http", "tls=1"), {}),
        ("", ("transport=grpc",), {}),
        ("", ("transport=http",), {"addresses": ("1.1.1.1",)}),
        ("", ("transport=http",), {"addresses": ("::ffff:8.8.8.8",)}),
        ("", ("transport=http",), {"addresses": ("64:ff9b::808:808", "2001::1", "198.18.0.1")}),
    ],
)
def test_the_scheme(wanted: str, texts: tuple[str, ...], more: dict[str, object]):
    assert urlsplit(url(*texts, **more)).scheme == wanted


def test_http_knows_only_the_private_addresses():
    found = reading("transport=http", addresses=("1.1.1.1", "10.0.0.7"))
    assert found.endpoints[ID].labels["addresses"] == "10.0.0.7"


def test_what_cannot_be_used_is_said():
    assert reading("transport=http", addresses=("1.1.1.1",)).refused == (
        "spark.example.org is on the open Internet: no http:// there",
    )
    assert reading("base=//evil/v1", "model=a b").refused == (
        "TXT base='//evil/v1' is not understood",
        "TXT model='a b' is not understood",
    )


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1.",
        "0x7f.1.",
        "2130706433.",
        "a/b.example.",
        "a?b.example.",
        "a#b.example.",
        "user\\@host.example.",
        "a\\000b.example.",
        "a\\027[31m.example.",
        "a\x1b[31m.example.",
        "\\195\\188.example.",
        "münchen.example.",
        "a b.example.",
        "-a.example.",
        "[::1].",
        "a:1.example.",
        "..",
    ],
)
def test_hostile_names(target: str):
    found = reading(target=target)
    assert not found.endpoints
    (reason,) = found.refused
    assert reason.isprintable()
    assert "is no host and port" in reason


def test_port_0_is_none():
    assert not reading(port=0).endpoints


@pytest.mark.parametrize("base", ["v1", "//evil.example", "/a/../b", "/a b", "/a?b", "/a%2f", "@x"])
def test_a_base_that_is_no_path_is_left_out(base: str):
    assert url(f"base={base}") == "http://spark.example.org:8000"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("api=openai", "openai"),
        ("api=TGI", "tgi"),
        ("api=kserve2", "triton"),
        ("api=ollama", "ollama"),
        ("api=cmdai_shell.os:system", "auto"),
        ("api=llama-server", "auto"),  # the embedded engine's word, no server's
        ("api=", "auto"),
    ],
)
def test_the_kind(text: str, kind: str):
    assert reading(text).endpoints[ID].kind == kind


def test_a_login_that_nobody_knows_is_not_none():
    assert reading("auth=\u202enone").endpoints[ID].labels["auth"] == "none"
    assert reading("auth=ask the boss").endpoints[ID].labels["auth"] == "unknown"


def test_one_identity_is_not_that_of_several_targets():
    answer = Answer(
        records=[Record(1, 1, 8000, "a."), Record(1, 1, 8000, "b.")],
        texts=["uuid=5f2c"],
        addresses={"a.": ["10.0.0.1"], "b.": ["10.0.0.2"]},
    )
    found = read(OWNER, answer, Naming(), Random(1).random)
    assert [one.labels.get("uuid") for one in found.endpoints.values()] == [None, None]


def test_priorities_are_tiers_below_the_sources_own():
    answer = Answer(
        records=[
            Record(20, 0, 8000, "c."),
            Record(10, 60, 8000, "a."),
            Record(10, 40, 8000, "b."),
            Record(900, 1, 8000, "d."),
            Record(0, 0, 0, "."),
        ],
        addresses={f"{name}.": ["10.0.0.1"] for name in "abcd"},
    )
    found = read(OWNER, answer, Naming(priority=5), Random(1).random).endpoints.values()
    assert {one.labels["host"]: (one.priority, one.weight) for one in found} == {
        "a": (5, 60),
        "b": (5, 40),
        "c": (4, 1),
        "d": (3, 1),
    }
    assert [one.priority for one in found] == [5, 5, 4, 3]  # and in this order


def test_targets_without_addresses():
    unknown = reading(addresses=None)
    assert (unknown.unknown, unknown.homeless) == ({ID}, set())
    for addresses in ((), ("0.0.0.0",), ("fe80::1",), ("224.0.0.1", "ff02::1", "255.255.255.255")):
        homeless = reading(addresses=addresses)
        assert (homeless.unknown, homeless.homeless) == (set(), {ID})
        assert not homeless.endpoints


def test_the_best_of_too_many():
    many = [Record(i % 7, i % 11, 8000, f"h{i}.") for i in range(3 * MOST)]
    found = targets(many)
    assert len(found) == MOST
    assert {record.priority for record in found} == {0, 1, 2}
    assert found == targets(reversed(many))
    answer = Answer(records=many, addresses={r.target: ["10.0.0.1"] for r in many})
    whole = read(OWNER, answer, Naming(), Random(1).random)
    assert len(whole.endpoints) == MOST
    assert whole.refused == (f"{2 * MOST} records beyond the first {MOST}",)


def test_no_two_at_one_place():
    twice = [Record(2, 1, 80, "A."), Record(1, 1, 80, "a."), Record(1, 1, 81, "a.")]
    assert targets(twice) == [twice[1], twice[2]]


def test_no_service():
    assert Answer(records=[Record(0, 0, 1, ".")]).is_denial
    assert not Answer(records=[Record(0, 0, 1, "."), Record(0, 0, 1, "a.")]).is_denial
    assert targets([Record(0, 0, 1, ".")]) == []


def test_the_names_that_are_asked_for():
    found = owners(
        ("Example.org.", "_cmdai._tcp.dgx.example.com", "search", "example.org"), ("corp.example",)
    )
    assert found == (
        Owner("_cmdai._tcp.example.org", "example.org"),
        Owner("_inference._tcp.example.org", "example.org"),
        Owner("_inference-tls._tcp.example.org", "example.org", is_tls=True),
        Owner("_cmdai._tcp.dgx.example.com", "dgx.example.com"),
        Owner("_cmdai._tcp.corp.example", "corp.example"),
        Owner("_inference._tcp.corp.example", "corp.example"),
        Owner("_inference-tls._tcp.corp.example", "corp.example", is_tls=True),
    )
    assert owners(("_inference-tls._tcp.example.org",)) == (TLS,)
    assert owners(("search",)) == ()


def test_a_search_domain_that_is_too_long_is_left_out():
    long = ".".join(["a" * 60] * 4)
    assert owners(("search",), (long,)) == ()


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "example.org"),
        ("exa mple.org", "example.org"),
        ("10.0.0.1", "example.org"),
        ("münchen.example", "xn--"),
        ("_cmdai", "_cmdai._tcp.example.org"),
        ("_cmdai._tcp", "_cmdai._tcp.example.org"),
        ("_cmdai._tcp..org", "_cmdai._tcp.example.org"),
    ],
)
def test_what_is_no_domain(text: str, hint: str):
    with pytest.raises(ConfigError) as error:
        owners((text,))
    assert hint in error.value.hint


def test_text_fields():
    assert text_fields(["A=1", "a=2", "b", "=c", "d=", "e=x=y", "\x1b[31mf=\x07g "]) == {
        "a": "1",
        "d": "",
        "e": "x=y",
        "f": "g",
    }
    assert len(text_fields(f"k{i}=v" for i in range(10_000))) == 64


def test_usable_addresses():
    assert usable(["::ffff:10.0.0.7", "10.0.0.7", "nonsense", "FD00:0::7", "::1"]) == (
        "10.0.0.7",
        "fd00::7",
        "::1",
    )
    assert len(usable(f"10.0.0.{i}" for i in range(99))) == MOST_ADDRESSES


addresses = st.lists(st.ip_addresses().map(str) | st.text(max_size=9), max_size=4)
names = st.text(st.characters(max_codepoint=300), max_size=40)
keys = st.sampled_from(["transport", "base", "api", "model", "auth", "uuid", "id", "spki", "tls"])
texts = st.lists(
    st.builds("{}={}".format, keys, st.sampled_from(["http", "https", "/v1", "1"]) | st.text())
)


@given(
    st.lists(st.builds(Record, st.integers(0, 9), st.integers(0, 9), st.integers(0, 65535), names)),
    st.data(),
    texts,
    st.sampled_from([OWNER, TLS]),
)
def test_whatever_comes(
    records: list[Record], data: st.DataObject, strings: list[str], owner: Owner
):
    where = {record.target: data.draw(st.none() | addresses) for record in records}
    answer = Answer(records=records, texts=strings, addresses=where)
    found = read(owner, answer, Naming(priority=3), Random(0).random)
    for name, endpoint in found.endpoints.items():
        assert endpoint.id == name
        assert checked_url(endpoint.url) == endpoint.url
        host = urlsplit(endpoint.url).hostname
        assert name == f"dns/{host}:{urlsplit(endpoint.url).port}"
        assert endpoint.weight >= 1
        assert endpoint.priority <= 3
        assert endpoint.labels["host"] == host
        known = endpoint.labels["addresses"].split()
        assert known
        for address in known:
            assert endpoint.url.startswith("https:") or is_private(address)
            assert not ipaddress.ip_address(address).is_multicast
        assert all(f"{key}{value}".isprintable() for key, value in endpoint.labels.items())
    assert all(reason.isprintable() for reason in found.refused)
    assert not found.endpoints.keys() & (found.unknown | found.homeless)
