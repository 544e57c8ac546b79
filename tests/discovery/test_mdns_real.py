"""The mDNS source between real hosts: network namespaces, Avahi, python-zeroconf, raw packets."""

from __future__ import annotations

import random
import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.discovery import mdns_packets as packets
from tests.discovery.mdns_programs import Listener, announce, send, until
from tests.discovery.netlab import NetLab, missing, service

if TYPE_CHECKING:
    from collections.abc import Iterator

MISSING = missing("avahi-daemon", "bash")
pytestmark = [pytest.mark.real, pytest.mark.skipif(bool(MISSING), reason=MISSING)]

VLLM = service(
    8000,
    txt={"v": "1", "transport": "http", "api": "openai", "base": "/v1", "model": "qwen"},
)
ID = "mdns/spark-1a2b:8000"
SOON_S = 2.0
"""From the start until what is there is listed."""
ANNOUNCED_S = 15.0
"""For Avahi to start and to probe its names, on a busy machine."""


@pytest.fixture
def lab() -> Iterator[NetLab]:
    with NetLab() as one:
        yield one


@pytest.fixture
def client(lab: NetLab) -> str:
    return lab.host("client", home="10.77.0.100/24")


def peer(lab: NetLab, number: int = 1, name: str = "spark-1a2b") -> str:
    return lab.host(name, home=f"10.77.0.{number}/24")


def established(lab: NetLab, *daemons: object) -> None:
    """They have announced everything."""
    for one in daemons:
        until(lambda one=one: "successfully established" in lab.log(one), ANNOUNCED_S)  # type: ignore[arg-type,misc]


def test_what_is_there_is_listed_at_once(lab: NetLab, client: str):
    established(lab, lab.avahi(peer(lab), VLLM))
    listener = Listener(lab, client, environment="home-lab", priority=10)
    until(lambda: ID in listener.there, ANNOUNCED_S)
    assert listener.at(ID) < SOON_S
    found = listener.there[ID]
    assert found["url"] == "http://10.77.0.1:8000"
    assert (found["kind"], found["model"]) == ("auto", "qwen")
    assert (found["environment"], found["priority"], found["source"]) == ("home-lab", 10, "mdns")
    labels = found["labels"]
    assert labels["host"] == "spark-1a2b.local"
    assert labels["instance"] == "spark-1a2b inference"
    assert (labels["interface"], labels["network"]) == ("eth0", "10.77.0.100/24")
    four, six = labels["addresses"].split()
    assert four == "10.77.0.1"
    assert six.startswith("fe80::")
    assert six.endswith("%eth0")
    assert listener.stop() == ""


def test_it_comes_changes_and_says_goodbye(lab: NetLab, client: str):
    listener = Listener(lab, client, "_inference._tcp.local", "_ollama._tcp.local")
    avahi = lab.avahi(peer(lab), VLLM)
    until(lambda: ID in listener.there, ANNOUNCED_S)
    lab.services(
        avahi, service(8000, txt={"model": "llama"}), service(11434, "_ollama._tcp", name="%h o")
    )
    until(lambda: listener.there.get(ID, {}).get("model") == "llama", ANNOUNCED_S)
    until(lambda: f"{ID[:-4]}11434#ollama" in listener.there, ANNOUNCED_S)
    assert listener.there[f"{ID[:-4]}11434#ollama"]["kind"] == "ollama"
    lab.kill(avahi, signal.SIGTERM)
    until(lambda: not listener.there, 5)
    assert listener.stop() == ""


def test_who_is_killed_stays_listed_and_comes_back(lab: NetLab, client: str):
    host = peer(lab)
    avahi = lab.avahi(host, VLLM)
    listener = Listener(lab, client)
    until(lambda: ID in listener.there, ANNOUNCED_S)
    lab.kill(avahi)
    again = lab.avahi(host, VLLM, service(8001, name="second"))
    until(lambda: len(listener.there) == 2, ANNOUNCED_S)
    assert not [event for event in listener.events if "removed" in event]
    lab.kill(again, signal.SIGTERM)
    until(lambda: not listener.there, 5)


def test_another_interface_comes_and_goes(lab: NetLab, client: str):
    other = lab.host("gx10-3c4d", office="10.88.0.1/24")
    established(lab, lab.avahi(peer(lab), VLLM), lab.avahi(other, VLLM))
    listener = Listener(lab, client)
    until(lambda: ID in listener.there, ANNOUNCED_S)
    name = lab.plug(client, "office", "10.88.0.100/24", dad=True)
    until(lambda: "mdns/gx10-3c4d:8000" in listener.there, ANNOUNCED_S)
    labels = listener.there["mdns/gx10-3c4d:8000"]["labels"]
    assert (labels["interface"], labels["network"]) == (name, "10.88.0.100/24")
    until(lambda: "%" in listener.there["mdns/gx10-3c4d:8000"]["labels"]["addresses"], 15)
    assert ID in listener.there
    lab.unplug(client, name)
    until(lambda: "mdns/gx10-3c4d:8000" not in listener.there, 8)
    assert ID in listener.there
    # The same address on a new interface: the groups joined on the old one are left.
    lab.plug(client, "office", "10.88.0.100/24", name=name)
    until(lambda: "mdns/gx10-3c4d:8000" in listener.there, ANNOUNCED_S)
    assert listener.stop() == ""


def test_no_network_yet(lab: NetLab):
    client = lab.host("client")
    established(lab, lab.avahi(peer(lab), VLLM))
    listener = Listener(lab, client)
    lab.plug(client, "home", "10.77.0.100/24")
    until(lambda: ID in listener.there, ANNOUNCED_S)
    assert listener.failure is None


def test_ipv6_only(lab: NetLab):
    client = lab.host("client", home="fd77::100/64")
    spark = lab.host("spark-1a2b", home="fd77::1/64")
    established(lab, lab.avahi(spark, VLLM, ipv4=False))
    listener = Listener(lab, client)
    until(lambda: ID in listener.there, ANNOUNCED_S)
    assert listener.there[ID]["url"] == "http://[fd77::1]:8000"
    assert listener.there[ID]["labels"]["network"] == "fd77::100/64"
    assert listener.at(ID) < SOON_S


def test_link_local_only_can_be_connected_to(lab: NetLab):
    """Two networks, so that the scope counts."""
    client = lab.host("client", other="", home="")
    spark = lab.host("spark-1a2b", home="")
    established(lab, lab.avahi(spark, VLLM, ipv4=False))
    serving = ("-m", "http.server", "--bind", "::", "8000")
    lab.popen(spark, "python3", *serving, stdout=-3, stderr=-3)
    listener = Listener(lab, client)
    until(lambda: ID in listener.there, ANNOUNCED_S)
    url = listener.there[ID]["url"]
    assert url.startswith("http://[fe80::")
    assert url.endswith("%eth1]:8000")
    assert lab.fetch(client, url) == 200


def test_its_address_changes(lab: NetLab, client: str):
    host = peer(lab)
    lab.avahi(host, VLLM)
    listener = Listener(lab, client)
    until(lambda: ID in listener.there, ANNOUNCED_S)
    lab.set(host, "net/ipv4/conf/eth0/promote_secondaries", 1)
    lab.address(host, "10.77.0.9/24")
    lab.address(host, "10.77.0.1/24", verb="del")
    until(lambda: listener.there.get(ID, {}).get("url") == "http://10.77.0.9:8000", ANNOUNCED_S)
    until(lambda: "10.77.0.1 " not in listener.there[ID]["labels"]["addresses"] + " ", 5)


def test_two_of_the_same_name(lab: NetLab, client: str):
    daemons = []
    for number in (1, 2):  # at once they would dodge each other ten times
        host = peer(lab, number, f"host{number}")
        daemons.append(lab.avahi(host, service(8000, name="Spark"), name="spark"))
        established(lab, daemons[-1])
    listener = Listener(lab, client)
    until(lambda: len(listener.there) == 2, 2 * ANNOUNCED_S)
    assert set(listener.there) == {"mdns/spark:8000", "mdns/spark-2:8000"}
    urls = {found["url"] for found in listener.there.values()}
    assert urls == {"http://10.77.0.1:8000", "http://10.77.0.2:8000"}
    assert len({found["labels"]["instance"] for found in listener.there.values()}) == 2
    for one in daemons:
        lab.kill(one, signal.SIGTERM)
    until(lambda: not listener.there, 5)


def test_one_box_by_several_kinds_of_service_and_a_subtype(lab: NetLab, client: str):
    plain = service(9000, name="plain")
    dgx = service(8000, "_inference._tcp", "_cmdai-dgx._tcp", subtype="_dgx._sub._inference._tcp")
    established(lab, lab.avahi(peer(lab), plain, dgx))
    both = Listener(lab, client, "_inference._tcp.local", "_cmdai-dgx._tcp.local")
    only = Listener(lab, client, "_dgx._sub._inference._tcp.local")
    until(lambda: len(both.there) == 3, ANNOUNCED_S)
    assert set(both.there) == {ID, f"{ID}#cmdai-dgx", "mdns/spark-1a2b:9000"}
    until(lambda: only.there, ANNOUNCED_S)
    assert set(only.there) == {ID}


def test_an_excluded_interface_is_not_heard(lab: NetLab, client: str):
    """Although the client's own Avahi has joined the group there, and so the machine hears it."""
    lab.plug(client, "pods", "172.17.0.1/16", name="docker0")
    pod = lab.host("pod", pods="172.17.0.2/16")
    own = lab.avahi(client, service(9000, name="own"), name="laptop")
    established(lab, own, lab.avahi(pod, VLLM), lab.avahi(peer(lab), VLLM))
    listener = Listener(lab, client, exclude_interfaces=["docker*"])
    until(lambda: {ID, "mdns/laptop:9000"} <= set(listener.there), ANNOUNCED_S)
    assert set(listener.there) == {ID, "mdns/laptop:9000"}
    open_ = Listener(lab, client, exclude_interfaces=[])
    until(lambda: "mdns/pod:8000" in open_.there, ANNOUNCED_S)
    assert set(listener.there) == {ID, "mdns/laptop:9000"}


def test_fifty(lab: NetLab, client: str):
    peers = [
        {"name": f"box {n}", "host": f"box{n}", "address": f"10.77.0.{n}", "port": 8000 + n}
        for n in range(1, 51)
    ]
    process = announce(lab, peer(lab), peers)
    listener = Listener(lab, client)
    until(lambda: len(listener.there) == 50, ANNOUNCED_S)
    assert max(listener.at(id_) for id_ in listener.there) < 2 * SOON_S
    lab.kill(process, signal.SIGTERM)
    until(lambda: not listener.there, 10)
    assert listener.stop() == ""


def test_a_port_that_another_program_holds(lab: NetLab, client: str):
    bind = "import socket; one = socket.socket(2, 2); one.bind(('', 5353)); print(1, flush=True)"
    holder = lab.popen(client, "python3", "-ic", bind, stdin=-1, stdout=-1, stderr=-1, text=True)
    assert holder.stdout.readline()
    listener = Listener(lab, client)
    until(lambda: listener.failure, 10)
    assert listener.failure
    assert "5353" in listener.failure[0]
    assert "avahi" in listener.failure[1]
    assert listener.stop() == ""


HOSTILE = [
    packets.service("\x1b]0;owned\x07\x1b[31mred", "10.77.0.66"),
    packets.service("\u202ereversed\u2066", "10.77.0.66", port=8001),
    packets.service(b"\xff\xfe\xfd", "10.77.0.66", port=8002),
    packets.service("a.b\\c;$(reboot)", "10.77.0.66", port=8003),
    packets.service("x" * 63, "10.77.0.66", port=8004, txt=[b"k=" + b"v" * 250] * 30),
    packets.service("loopback", "127.0.0.1", "::1", host="l.local"),
    packets.service("public", "8.8.8.8", "2606:4700::1111", host="p.local"),
    packets.service("many", "224.0.0.1", "ff02::1", "255.255.255.255", host="m.local"),
    packets.service("nowhere", "0.0.0.0", "::", "10.77.0.255", host="n.local"),
    packets.service("mapped", "::ffff:127.0.0.1", host="v.local"),
    packets.service("port", "10.77.0.66", port=0),
    packets.service("self", "10.77.0.66", host="localhost"),
    packets.service("tail", "10.77.0.66", port=8005, host="\x1b[2J.local"),
    packets.answer(packets.ptr(b"no-records")),
    packets.answer(packets.ptr(b"")[:-3]),
    packets.service("cut", "10.77.0.66")[:-9],
    b"\0" * 12,
    b"\xff" * 300,
    b"",
]


def test_hostile_announcements(lab: NetLab, client: str):
    evil = lab.host("evil", home="10.77.0.66/24")
    listener = Listener(lab, client)
    generator = random.Random(5)
    noise = [generator.randbytes(generator.randrange(1, 400)) for _ in range(200)]
    send(lab, evil, HOSTILE + noise, seconds=1)
    lab.avahi(peer(lab), VLLM)
    until(lambda: ID in listener.there, ANNOUNCED_S)
    found = {each["url"] for each in listener.there.values()}
    assert found <= {
        "http://10.77.0.1:8000",
        *(f"http://10.77.0.66:{n}" for n in range(8000, 8006)),
    }
    assert "http://10.77.0.66:8001" in found
    for each in listener.there.values():
        for text in (each["id"], each["model"], each["url"], *each["labels"].values()):
            assert text.isprintable()
            assert len(text) <= 400
    assert listener.process.poll() is None
    assert listener.stop() == ""


def test_another_host_in_its_name(lab: NetLab, client: str):
    """A server can be displaced: that is mDNS. It is listed again when it is heard again, and who
    alternates a hundred times a second does not cause as much work."""
    avahi = lab.avahi(peer(lab), VLLM)
    evil = lab.host("evil", home="10.77.0.66/24")
    listener = Listener(lab, client)
    until(lambda: ID in listener.there, ANNOUNCED_S)
    spoof = packets.service("spark-1a2b inference", "10.77.0.66", port=1, host="evil.local")
    send(lab, evil, [spoof], seconds=3, count=300)
    assert len(listener.events) < 20

    def urls() -> set[str]:
        return {found["url"] for found in listener.there.values()}

    until(lambda: "http://10.77.0.1:8000" in urls(), 2 * ANNOUNCED_S)
    lab.kill(avahi, signal.SIGTERM)
    until(lambda: "http://10.77.0.1:8000" not in urls(), 10)


def test_thousands(lab: NetLab, client: str):
    avahi = lab.avahi(peer(lab), VLLM)
    evil = lab.host("evil", home="10.77.0.66/24")
    listener = Listener(lab, client)
    until(lambda: ID in listener.there, ANNOUNCED_S)
    before = psutil.Process(listener.process.pid).memory_info().rss
    many = [
        packets.service(f"fake {n}", "10.77.0.66", port=1 + n % 60_000, txt=[b"x" * 200] * 5)
        for n in range(10_000)
    ]
    send(lab, evil, many, seconds=5)
    grown = psutil.Process(listener.process.pid).memory_info().rss - before
    assert grown < 80 * 2**20
    assert len(listener.events) < 500
    assert len(listener.there) <= 200
    assert ID in listener.there
    lab.kill(avahi, signal.SIGTERM)
    assert listener.process.poll() is None
    assert listener.stop() == ""
