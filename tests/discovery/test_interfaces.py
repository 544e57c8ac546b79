"""Our own interfaces, and which addresses are reached by them."""

from __future__ import annotations

import ipaddress
import socket

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.discovery import interfaces
from cmdai_shell.discovery.interfaces import Link, Links, usable


def link(name: str, index: int, *addresses: str, has_multicast: bool = True) -> Link:
    return Link(
        name=name,
        index=index,
        addresses=tuple(map(ipaddress.ip_interface, addresses)),
        has_multicast=has_multicast,
    )


WIFI = link("wlan0", 3, "192.168.1.23/24", "fd00:1::23/64", "2001:db8:1::23/64", "fe80::23/64")
CABLE = link("eth0", 2, "169.254.7.7/16", "fe80::7/64")
DOCKER = link("docker0", 5, "172.17.0.1/16", "fe80::1/64")
HOME = Links(heard=(WIFI, CABLE), excluded=(DOCKER,))


def texts(
    *addresses: str, is_secure: bool = False, before: str = "", at: Links = HOME
) -> list[str]:
    return [way.text for way in usable(addresses, at, is_secure=is_secure, before=before)]


def test_the_best_first():
    found = texts(
        "10.9.9.9", "fe80::5%3", "169.254.9.9", "fd99::5", "fd00:1::5", "192.168.1.5", "fe80::5%2"
    )
    assert found == [
        "192.168.1.5",
        "fd00:1::5",
        "fd99::5",
        "169.254.9.9",
        "fe80::5%wlan0",
        "fe80::5%eth0",
        "10.9.9.9",
    ]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "::",
        "0.1.2.3",
        "255.255.255.255",
        "240.0.0.1",
        "192.168.1.255",
        "192.168.1.0",
        "fd00:1::",
        "224.0.0.251",
        "ff02::fb",
        "8.8.8.8",
        "2606:4700::1111",
        "::ffff:192.168.1.5",
        "::ffff:127.0.0.1",
        "64:ff9b::808:808",
        "fec0::1",
        "fe80::5",
        "fe80::5%5",
        "fe80::5%docker0",
        "fe80::5%99",
        "fe80::5%2;x",
        "172.17.0.2",
        "",
        "spark.local",
        "192.168.1.5.6",
        "1",
    ],
)
@pytest.mark.parametrize("is_secure", [False, True])
def test_what_no_announcement_may_point_at(address: str, is_secure: bool):
    assert texts(address, is_secure=is_secure) == []


def test_the_open_internet_counts_on_our_own_link_and_for_https():
    campus = Links(heard=(link("eth0", 2, "8.8.4.4/24", "2606:4700::1/64"),))
    addresses = ("8.8.4.9", "2606:4700::9", "8.8.8.8", "2606:4700:9::9")
    assert texts(*addresses, at=campus) == []
    assert texts(*addresses, at=campus, is_secure=True) == ["8.8.4.9", "2606:4700::9"]


def test_link_local_of_ipv4_only_where_we_have_one():
    assert texts("169.254.9.9", at=Links(heard=(WIFI,))) == []


def test_routed_ipv6_only_where_we_have_any():
    assert texts("fd99::5", at=Links(heard=(CABLE,))) == []


def test_among_equals_the_one_it_had():
    assert texts("192.168.1.9", "192.168.1.5") == ["192.168.1.5", "192.168.1.9"]
    assert texts("192.168.1.9", "192.168.1.5", before="192.168.1.9")[0] == "192.168.1.9"
    assert texts("192.168.1.9", "10.0.0.1", before="10.0.0.1")[0] == "192.168.1.9"


def test_how_it_is_reached():
    way, *_ = usable(["192.168.1.5"], HOME)
    assert (way.link, str(way.own), way.host) == (WIFI, "192.168.1.23/24", "192.168.1.5")
    way, *_ = usable(["fe80::5%2"], HOME)
    assert (way.link, str(way.own), way.host) == (CABLE, "fe80::7/64", "[fe80::5%eth0]")


def test_not_more_than_some():
    assert len(texts(*(f"192.168.1.{n}" for n in range(1, 200)))) == interfaces.MOST_ADDRESSES


def test_sockets_one_of_each_family():
    assert HOME.sockets() == ["192.168.1.23", "fe80::23%wlan0", "169.254.7.7", "fe80::7%eth0"]


def test_a_link_local_address_that_several_have_is_told_by_the_index():
    twins = Links(heard=(link("a0", 2, "fe80::1/64"),), excluded=(link("b0", 3, "fe80::1/64"),))
    assert twins.sockets() == [2]


def test_what_cannot_multicast_is_not_listened_on():
    tunnel = Links(heard=(link("ppp0", 2, "10.0.0.1/32", has_multicast=False),))
    assert not tunnel.can_listen
    assert Links(heard=(WIFI,)).can_listen


def test_an_interface_that_came_back_is_another():
    again = link("wlan0", 9, *map(str, WIFI.addresses))
    assert Links(heard=(WIFI,)).signature() != Links(heard=(again,)).signature()
    privacy = link("wlan0", 3, "192.168.1.23/24", "fd00:1::99/64", "fe80::23/64")
    assert Links(heard=(WIFI,)).signature() == Links(heard=(privacy,)).signature()


def test_those_of_this_machine():
    found = interfaces.read()
    everything = {each.name for each in (*found.heard, *found.excluded)}
    assert everything <= set(psutil.net_if_addrs())
    assert [each.name for each in found.excluded] == ["lo"]  # nobody else hears what is said there
    lo = found.excluded[0]
    assert lo.index == socket.if_nametoindex("lo")
    assert ipaddress.ip_interface("127.0.0.1/8") in lo.addresses


def test_patterns_mean_whole_names():
    name = interfaces.read().heard[0].name if interfaces.read().heard else ""
    if not name:
        pytest.skip("no network here")
    assert name in {each.name for each in interfaces.read([name[1:], f"?{name}"]).heard}
    assert name in {each.name for each in interfaces.read([f"{name[0]}*"]).excluded}
    assert not interfaces.read(["*"]).heard


def test_addresses_that_are_being_checked_for_duplicates():
    lines = [
        "fe800000000000000000000000000001 02 40 20 c0     eth0",
        "fe800000000000000000000000000002 02 40 20 80     eth0",
        "fd000000000000000000000000000003 02 40 00 88     eth0",
    ]
    found = {str(address) for _, address in interfaces._flagged(lines)}
    assert found == {"fe80::1", "fd00::3"}


ADDRESSES = st.one_of(st.ip_addresses().map(str), st.text(max_size=50))


@given(st.lists(ADDRESSES, max_size=40), st.booleans())
def test_any_addresses(addresses: list[str], is_secure: bool):
    for way in usable(addresses, HOME, is_secure=is_secure):
        found = ipaddress.ip_address(way.text)
        assert not any((found.is_loopback, found.is_multicast, found.is_unspecified))
        assert is_secure or not found.is_global
