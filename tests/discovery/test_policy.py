"""Whom the configuration trusts unseen, and what nobody is trusted with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.config.schema import Discovery
from cmdai_shell.core import Endpoint
from cmdai_shell.discovery.policy import Policy, Spot, address, is_in, network, refusal, spot
from cmdai_shell.errors import ConfigError


def of(**settings: object) -> Policy:
    return Policy.of(Discovery(**settings))  # type: ignore[arg-type]


def endpoint(url: str, environment: str = "", **labels: str) -> Endpoint:
    return Endpoint(id="x", url=url, environment=environment, labels=labels)


def why(policy: Policy, url: str, *addresses: str, source: str = "mdns", **labels: str) -> str:
    return policy.why(source, endpoint(url, **labels), addresses)


# --- networks


@pytest.mark.parametrize(
    ("subnet", "inside"),
    [
        ("10.1.2.0/24", "10.1.2.3"),
        ("192.168.1.100", "192.168.1.100"),
        ("fd00:1::/64", "fd00:1::7"),
        ("fe80::/10", "fe80::1%eth0"),
        ("10.1.2.0/24", "::ffff:10.1.2.3"),
    ],
)
def test_an_address_in_a_network(subnet: str, inside: str) -> None:
    policy = of(trust_subnets=("172.30.0.0/16", subnet))
    host = f"[{inside}]" if ":" in inside else inside
    assert why(policy, f"http://{host}:8000", inside).startswith("discovery.trust_subnets has ")


@pytest.mark.parametrize("outside", ["10.1.3.3", "fd00:1::7", "10.1.2.3.4", "", "spark.local"])
def test_one_that_is_not(outside: str) -> None:
    assert why(of(trust_subnets=("10.1.2.0/24",)), "http://10.1.2.3:80", outside) == ""


def test_a_name_counts_by_every_address_that_it_stands_for() -> None:
    policy = of(trust_subnets=("10.1.2.0/24",))
    assert why(policy, "http://spark.local:8000", "10.1.2.3", "10.1.2.4")
    assert not why(policy, "http://spark.local:8000", "10.1.2.3", "10.9.9.9")
    assert not why(policy, "http://spark.local:8000")


def test_what_it_says_of_its_addresses_does_not_count() -> None:
    policy = of(trust_subnets=("10.1.2.0/24",))
    assert not why(policy, "http://10.9.9.9:80", "10.9.9.9", addresses="10.1.2.3")


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        ("10.1.2.3/24", "did you mean 10.1.2.0/24?"),
        ("fd00::1/64", "did you mean fd00::/64?"),
        ("10.1.2", "like 10.1.2.0/24"),
        ("home", "like 10.1.2.0/24"),
        ("10.0.0.0/33", "like 10.1.2.0/24"),
        ("0.0.0.0/0", "networks that are yours"),
        ("::/0", "networks that are yours"),
    ],
)
def test_an_entry_that_is_no_network_is_named(entry: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=r"is no network|is everybody") as caught:
        of(trust_subnets=("10.0.0.0/8", entry))
    assert repr(entry) in caught.value.message
    assert hint in caught.value.hint


# --- domains and namespaces


@pytest.mark.parametrize("domain", ["example.org", "gpu.example.org", "GPU.Example.ORG."])
def test_a_domain_and_all_below_it(domain: str) -> None:
    policy = of(trust_domains=(".Example.org",))
    found = why(policy, "https://a.b:1", source="dns:x", domain=domain)
    assert found == "discovery.trust_domains has example.org"


@pytest.mark.parametrize("domain", ["", ".", "org", "badexample.org", "example.org.evil.net"])
def test_a_domain_that_only_looks_like_it(domain: str) -> None:
    assert not why(of(trust_domains=("example.org",)), "https://a:1", source="dns", domain=domain)


def test_only_a_source_that_knows_says_domain_and_namespace() -> None:
    policy = of(trust_domains=("example.org",), trust_namespaces=("ml",))
    for source in ("mdns", "mdns:dns", "probe", "k8s_service:x", ""):
        assert not why(policy, "https://a:1", source=source, domain="example.org")
    for source in ("mdns", "dns:ml", "probe", ""):
        assert not why(policy, "https://a:1", source=source, namespace="ml")


def test_a_namespace() -> None:
    policy = of(trust_namespaces=("ml-inference",))
    for source in ("kubernetes", "kubernetes:prod", "k8s_service"):
        assert why(policy, "https://a:1", source=source, namespace="ml-inference")
        for other in ("ml", "ml-inference-2", "", "ML-inference"):
            assert not why(policy, "https://a:1", source=source, namespace=other)


@pytest.mark.parametrize(
    ("key", "entry", "hint"),
    [
        ("trust_domains", "*.example.org", "example.org: all below it counts, too"),
        ("trust_domains", "a b", "like example.org"),
        ("trust_domains", "10.0.0.1", "like example.org"),
        ("trust_domains", ".", "like example.org"),
        ("trust_domains", "example..org", "like example.org"),
        ("trust_namespaces", "*", "small letters"),
        ("trust_namespaces", "ML", "small letters"),
        ("trust_namespaces", "a/b", "small letters"),
    ],
)
def test_other_bad_entries_are_named(key: str, entry: str, hint: str) -> None:
    with pytest.raises(ConfigError, match="is no") as caught:
        of(**{key: (entry,)})
    assert repr(entry) in caught.value.message
    assert hint in caught.value.hint


# --- logins


def test_who_asks_for_a_login_needs_an_environment_that_has_one() -> None:
    discovery = Discovery(trust_subnets=("10.0.0.0/8",))
    policy = Policy.of(discovery, ["work"])
    for auth in ("", "none"):
        assert policy.why("mdns", endpoint("http://10.0.0.1", auth=auth), ["10.0.0.1"])
    for auth in ("bearer", "mtls", "oidc", "None", "none,bearer"):
        assert not policy.why("mdns", endpoint("http://10.0.0.1", auth=auth), ["10.0.0.1"])
        assert not policy.why("mdns", endpoint("http://10.0.0.1", "home", auth=auth), ["10.0.0.1"])
        assert policy.why("mdns", endpoint("http://10.0.0.1", "work", auth=auth), ["10.0.0.1"])


# --- what nobody is trusted with


@pytest.mark.parametrize(
    "url",
    [
        "http://8.8.8.8:80",
        "http://[2001:4860::1]:80",
        "http://[::ffff:8.8.8.8]:80",
        "http://[64:ff9b::808:808]:80",
        "http://[2002:808:808::1]:80",
        "http://example.org:80",
    ],
)
def test_plain_http_on_the_open_internet(url: str) -> None:
    assert "open Internet" in refusal("mdns", url)
    assert refusal("mdns", url.replace("http:", "https:")) == ""
    policy = of(trust_subnets=("8.0.0.0/8", "2001:4860::/32"), trust_domains=("example.org",))
    assert not why(
        policy, url, *filter(address, [spot(url).host]), source="dns", domain="example.org"
    )  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.8.8.8",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "[::]",
        "localhost",
        "x.localhost",
        "LOCALHOST.",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_this_machine_as_heard_in_the_network(scheme: str, host: str) -> None:
    assert "names this machine" in refusal("mdns", f"{scheme}://{host}:8000")
    policy = of(trust_subnets=("127.0.0.0/8", "::1/128", "::/127", "0.0.0.0/8"))
    assert not why(policy, f"{scheme}://{host}:8000", host.strip("[]"))


def test_a_name_that_stands_for_something_refused() -> None:
    assert "this machine" in refusal("mdns", "http://spark.local:80", ["10.0.0.1", "127.0.0.1"])
    assert "open Internet" in refusal("mdns", "http://spark.local:80", ["10.0.0.1", "8.8.8.8"])
    assert refusal("dns", "http://gpu.example.org:80", ["10.0.0.1"]) == ""


@pytest.mark.parametrize("host", ["224.0.0.251", "255.255.255.255", "[ff02::fb%25eth0]"])
def test_many_machines_are_no_server(host: str) -> None:
    assert refusal("mdns", f"https://{host}:8000")


@pytest.mark.parametrize(
    "url", ["", "ftp://10.0.0.1", "http://", "http://10.0.0.1:0", "http://[::", "x"]
)
def test_no_address_at_all(url: str) -> None:
    assert refusal("mdns", url)
    assert spot(url) is None


# --- places


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://10.0.0.1", Spot("http", "10.0.0.1", 80)),
        ("https://Spark.LOCAL./v1", Spot("https", "spark.local", 443)),
        ("http://[FD00:0::1]:8000/x", Spot("http", "fd00::1", 8000)),
        ("http://[::ffff:10.0.0.1]:80", Spot("http", "10.0.0.1", 80)),
        ("http://[fe80::1%25eth0]:80", Spot("http", "fe80::1%eth0", 80)),
        ("http://[fe80:0::1%eth0]:80", Spot("http", "fe80::1%eth0", 80)),
    ],
)
def test_one_spelling_of_a_place(url: str, expected: Spot) -> None:
    assert spot(url) == expected


def test_the_network_of_an_interface() -> None:
    assert str(network("192.168.1.23/24")) == "192.168.1.0/24"
    assert str(network("fe80::1%eth0/64")) == "fe80::/64"
    assert network("") is None
    assert network("x/24") is None


@given(st.text(max_size=60) | st.builds("http://{}".format, st.text(max_size=60)))
def test_any_text(text: str) -> None:
    refusal("mdns", text, [text])
    spot(text)
    network(text)
    policy = of(trust_subnets=("10.0.0.0/8",), trust_domains=("a.b",), trust_namespaces=("n",))
    found = why(policy, text, text, source="dns", domain=text, auth="")
    if found and "subnets" in found:
        assert is_in(text, network("10.0.0.0/8"))  # type: ignore[arg-type]


@given(st.ip_addresses())
def test_no_public_address_is_ever_approved_for_http(given_address: object) -> None:
    policy = of(trust_subnets=("0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"))
    found = address(str(given_address))
    assert found is not None
    url = f"http://[{given_address}]:80" if ":" in str(given_address) else f"http://{given_address}"
    if found.is_global or found.is_loopback or found.is_unspecified or found.is_multicast:
        assert not why(policy, url, str(given_address))
    elif str(found) != "255.255.255.255":
        assert why(policy, url, str(given_address))
