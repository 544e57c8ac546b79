"""Which name servers, and which search domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.discovery.nameservers import (
    MOST_DOMAINS,
    MOST_SERVERS,
    NameServer,
    configured,
    hostname,
    parsed,
    system,
)
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("192.168.1.1", ("192.168.1.1", 53)),
        ("192.168.1.1:5353", ("192.168.1.1", 5353)),
        ("fd00::1", ("fd00::1", 53)),
        ("[fd00::1]", ("fd00::1", 53)),
        ("[fd00::1]:5353", ("fd00::1", 5353)),
        ("fe80::1%eth0", ("fe80::1%eth0", 53)),
        ("ns.corp.example", ("ns.corp.example", 53)),
        ("localhost:15353", ("localhost", 15353)),
    ],
)
def test_configured(text: str, wanted: tuple[str, int]):
    assert configured([text]) == (wanted,)
    assert configured([str(NameServer(*wanted))]) == (wanted,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.4:",
        "1.2.3.4:0",
        "1.2.3.4:65536",
        "1.2.3.4:٥٣",
        "[1.2.3.4]:53",
        "[fd00::1",
        "fd00::1:x",
        "[ns.example]:53",
        "ns example",
        "https://dns.example",
        "münchen.example",
        "-ns.example",
    ],
)
def test_what_is_no_name_server(text: str):
    with pytest.raises(ConfigError, match="is no name server") as error:
        configured([text])
    assert "192.168.1.1:5353" in error.value.hint


def test_resolv_conf():
    found = parsed(
        "# by NetworkManager\n; more\nnameserver 10.0.0.1\nnameserver\t fe80::1%eth0 # router\n"
        "nameserver not-an-address\nnameserver 10.0.0.1\ndomain old.example\n"
        "search Corp.Example. lab.corp.example . corp.example local\noptions edns0 ndots:2\n",
        own_domain="own.example",
    )
    assert found.servers == (NameServer("10.0.0.1"), NameServer("fe80::1%eth0"))
    assert found.search == ("corp.example", "lab.corp.example")


def test_the_last_of_domain_and_search_counts():
    assert parsed("search a.example b.example\ndomain c.example").search == ("c.example",)


def test_what_the_environment_and_the_hosts_name_say():
    assert parsed("", own_domain="own.example").search == ("own.example",)
    assert parsed("", own_domain="").search == ()
    assert parsed("search a.example", localdomain="b.example c.example").search == (
        "b.example",
        "c.example",
    )


def test_without_servers_this_machine_is_asked():
    assert parsed("search a.example").servers == (NameServer("127.0.0.1"),)


def test_no_more_than_so_many():
    text = "\n".join(f"nameserver 10.0.0.{i}" for i in range(99))
    found = parsed(text + "\nsearch " + " ".join(f"d{i}.example" for i in range(99)))
    assert (len(found.servers), len(found.search)) == (MOST_SERVERS, MOST_DOMAINS)


def test_the_file(tmp_path: Path):
    path = tmp_path / "resolv.conf"
    assert system(path, {}).servers == (NameServer("127.0.0.1"),)
    path.write_bytes(b"\xff\xfe\nnameserver 10.0.0.1\nsearch a.example\n")
    assert system(path, {}).servers == (NameServer("10.0.0.1"),)
    assert system(path, {}).search == ("a.example",)
    assert system(path, {"LOCALDOMAIN": "b.example"}).search == ("b.example",)


@given(st.text(st.sampled_from("nameserver search domain.1:%\n\t\x00#é"), max_size=200))
def test_any_file_is_read(text: str):
    found = parsed(text)
    assert found.servers
    assert all(name == hostname(name) for name in found.search)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("DGX1.Example.ORG.", "dgx1.example.org"),
        ("_cmdai._tcp.example.org", "_cmdai._tcp.example.org"),
        ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("1.example", "1.example"),
        ("", ""),
        (".", ""),
        ("a..b", ""),
        ("a.b..", ""),
        ("münchen.example", ""),
        ("\u212aelvin.example", ""),  # the Kelvin sign, whose small letter is k
        ("a/b.example", ""),
        ("a\\000.example", ""),
        ("a.example\n", ""),
        ("a b", ""),
        ("-a.example", ""),
        ("a-.example", ""),
        ("127.0.0.1", ""),
        ("0x7f.1", ""),
        ("a.0x7f", ""),
        ("2130706433", ""),
        ("a" * 64 + ".example", ""),
        (".".join(["a" * 60] * 5), ""),
    ],
)
def test_hostname(text: str, wanted: str):
    assert hostname(text) == wanted


@given(st.text())
def test_a_hostname_is_plain(text: str):
    name = hostname(text)
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789.-_")
    assert hostname(name) == name
