from __future__ import annotations

import json
import shutil
import struct
import sys
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.config import Config
from cmdai_shell.config.schema import Discovery
from cmdai_shell.diagnose import echo, network
from cmdai_shell.diagnose.echo import Echo
from cmdai_shell.diagnose.surroundings import Said
from cmdai_shell.discovery.interfaces import Link, Links
from tests.diagnose.conftest import look, only
from tests.discovery.mdns_programs import until
from tests.discovery.netlab import _AVAHI, NetLab, missing, service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cmdai_shell.diagnose.surroundings import Surroundings

EXCLUDE = Discovery().exclude_interfaces
NAMES = ("interfaces", "multicast", "client-isolation")


def link(name: str, address: str = "192.168.1.7/24", *, has_multicast: bool = True) -> Link:
    addresses = (ip_interface(address),)
    return Link(name=name, index=1, addresses=addresses, has_multicast=has_multicast)


LO = link("lo", "127.0.0.1/8", has_multicast=False)
ETHERNET, DOCKER = link("eth0"), link("docker0", "172.17.0.1/16")
VPN = link("wg0", "10.9.0.2/24", has_multicast=False)


@pytest.mark.parametrize("name", NAMES)
def test_switched_off(healthy: Surroundings, name: str) -> None:
    config = Config(discovery=Discovery(mdns=False))
    found = look(name, healthy, config=lambda: config)
    assert (found.severity, "discovery.mdns is false" in found.what) == ("ok", True)


class TestInterfaces:
    def test_which_and_why_not(self) -> None:
        links = Links(heard=(ETHERNET,), excluded=(LO, DOCKER, VPN))
        found = network.judged_interfaces(links, EXCLUDE)
        assert found.severity == "ok"
        assert found.what == ("listened on: eth0; left alone: docker0 (containers), wg0 (a VPN)")

    def test_without_a_network_there_is_nothing_to_find(self) -> None:
        assert network.judged_interfaces(Links(excluded=(LO,)), EXCLUDE).severity == "ok"
        assert network.judged_interfaces(Links(), EXCLUDE).severity == "ok"

    def test_all_left_alone(self) -> None:
        links = Links(heard=(link("ppp0", has_multicast=False),), excluded=(LO, DOCKER, VPN))
        found = network.judged_interfaces(links, EXCLUDE)
        assert found.severity == "warn"
        assert "docker0 (containers), wg0 (a VPN), ppp0 (a VPN, without multicast)" in found.what
        assert "discovery.dns_domains" in found.cure

    def test_a_real_one_that_the_person_left_out(self) -> None:
        found = network.judged_interfaces(Links(excluded=(ETHERNET,)), ("docker*", "e*"))
        assert found.severity == "warn"
        assert "eth0 (discovery.exclude_interfaces has e*)" in found.what
        command = """cmdai-shell config set discovery.exclude_interfaces '["docker*"]'"""
        assert found.cure == command


class TestMulticast:
    def test_all_heard(self, healthy: Surroundings) -> None:
        found = network.judged_echoes({"eth0": Echo("heard"), "wlan0": Echo("heard")}, healthy)
        assert (found.severity, found.what) == ("ok", "multicast works on eth0, wlan0")

    def test_nothing_to_listen_in(self) -> None:
        assert network.judged_silence({}).severity == "ok"
        left = {"docker0": "containers", "br-1": "containers", "eth9": "it has no multicast"}
        found = network.judged_silence(left)
        assert (found.severity, found.what.count("containers")) == ("warn", 1)
        assert "eth9: it has no multicast" in found.what

    @pytest.mark.parametrize(
        ("programs", "cure"),
        [
            (("ufw", "nft"), "sudo ufw allow 5353/udp"),
            (("firewall-cmd", "nft"), "sudo firewall-cmd --permanent --add-service=mdns && "),
            (("nft", "iptables"), "nft insert rule inet filter input udp dport 5353 accept"),
            (("iptables",), "sudo iptables -I INPUT -p udp --dport 5353 -j ACCEPT"),
            ((), "let UDP port 5353 in and out"),
        ],
    )
    def test_the_firewall_that_is_there(
        self,
        healthy: Surroundings,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        programs: tuple[str, ...],
        cure: str,
    ) -> None:
        (tmp_path / "ufw.conf").write_text("# firewall\nENABLED=yes\nLOGLEVEL=low\n")
        monkeypatch.setattr(network, "UFW", tmp_path / "ufw.conf")
        found = look_at(healthy, Echo("silent"), which=only(*programs), ask=_running)
        assert found.severity == "warn"
        assert cure in found.cure

    @pytest.mark.parametrize("text", ["ENABLED=no\n", "#ENABLED=yes\n", ""])
    def test_one_that_is_not_in_force_is_not_blamed(
        self, healthy: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        (tmp_path / "ufw.conf").write_text(text)
        monkeypatch.setattr(network, "UFW", tmp_path / "ufw.conf")
        which = only("ufw", "firewall-cmd", "iptables")
        found = look_at(healthy, Echo("silent"), which=which, ask=lambda *_: Said(252))
        assert "iptables" in found.cure

    def test_what_may_not_go_out(self, healthy: Surroundings) -> None:
        refused = Echo("refused", "operation not permitted")
        found = look_at(healthy, refused, which=only("iptables"))
        assert "does not let multicast out on eth0 (operation not permitted)" in found.what
        assert "OUTPUT" in found.cure

    def test_a_mac_asks_for_a_permission(self, healthy: Surroundings) -> None:
        found = look_at(healthy, Echo("refused", "no route to host"), system="Darwin")
        assert "Privacy & Security > Local Network" in found.cure

    def test_an_interface_that_cannot(self, healthy: Surroundings) -> None:
        found = look_at(healthy, Echo("failed", "no buffer space available"))
        assert "no buffer space available" in found.what
        assert '"eth0"]' in found.cure

    @pytest.mark.parametrize(
        ("programs", "system", "cure"),
        [
            (["dnsmasq (process 812)"], "Linux", "end it: kill 812"),
            (["avahi-daemon (process 3)"], "Linux", "disallow-other-stacks=no"),
            (["a (process 1)", "b (process 2)"], "Linux", "sudo ss -ulnp"),
            (["a program of root"], "Linux", "sudo ss -ulnp"),
            ([], "Darwin", "sudo lsof"),
        ],
    )
    def test_a_port_that_is_not_shared(
        self, healthy: Surroundings, programs: list[str], system: str, cure: str
    ) -> None:
        found = network.held(programs, _changed(healthy, system=system))
        assert found.severity == "warn"
        assert cure in found.cure
        assert (programs[0] if programs else "another program") in found.what


class TestClientIsolation:
    def test_others_are_heard(self) -> None:
        found = network.judged_others(["wlan0"], {"10.0.0.2"})
        assert (found.severity, "10.0.0.2" in found.what) == ("ok", True)

    def test_silence_is_a_possibility_and_no_verdict(self) -> None:
        found = network.judged_others(["wlan0"], ())
        assert found.severity == "warn"
        assert found.what.count("perhaps") == 2
        assert "ping" in found.cure

    def test_what_is_wireless(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(network, "NET", tmp_path)
        (tmp_path / "ath0" / "wireless").mkdir(parents=True)
        (tmp_path / "eth0").mkdir()
        wireless = [n for n in ("ath0", "eth0", "wlp3s0", "gone0") if network.is_wireless(n)]
        assert wireless == ["ath0", "wlp3s0"]

    def test_a_mac_is_asked_which_one_is(self, healthy: Surroundings) -> None:
        said = (
            "\nHardware Port: Ethernet\nDevice: en5\nEthernet Address: 00:00:00:00:00:00\n"
            "\nHardware Port: Wi-Fi\nDevice: en0\nEthernet Address: 00:00:00:00:00:00\n"
        )
        around = _changed(healthy, system="Darwin", ask=lambda *_: Said(0, said))
        assert network._wireless([link("en0"), link("en5")], around) == [link("en0")]


class TestPackets:
    def test_a_question_as_rfc_1035_writes_it(self) -> None:
        asked = echo.question("_a._udp.local")
        assert asked == b"\0\0\0\0\0\1\0\0\0\0\0\0\2_a\4_udp\5local\0\0\x0c\0\1"
        assert echo.is_question(asked)

    def test_an_answer_that_nobody_keeps(self) -> None:
        told = echo.answer("_a._udp.local", "x")
        assert not echo.is_question(told)
        assert told[12 + 15 :][:8] == struct.pack("!2HI", 12, 1, 0)  # PTR, IN, 0 seconds

    def test_dnspython_reads_them(self) -> None:
        import dns.message

        [record] = dns.message.from_wire(echo.answer("_a._udp.local", "x")).answer
        assert record.to_text() == "_a._udp.local. 0 IN PTR x._a._udp.local."

    @given(st.binary(max_size=64))
    def test_any_packet_can_come(self, packet: bytes) -> None:
        assert echo.is_question(packet) in (True, False)


def _running(command: Any, seconds: float) -> Said:
    assert command == ["firewall-cmd", "--state"]
    return Said(0, "running\n")


def _changed(around: Surroundings, **changes: Any) -> Surroundings:
    from dataclasses import replace

    return replace(around, **changes)


def look_at(around: Surroundings, echoed: Echo, **changes: Any) -> Any:
    return network.judged_echoes({"eth0": echoed}, _changed(around, **changes))


# --- in networks of our own

NO_LAB = missing()
real = pytest.mark.real
in_lab = pytest.mark.skipif(bool(NO_LAB), reason=NO_LAB)
with_nft = pytest.mark.skipif(not shutil.which("nft"), reason="no nft")
with_avahi = pytest.mark.skipif(not shutil.which("avahi-daemon"), reason="no avahi-daemon")
_DOCTOR = "from cmdai_shell.cli.main import main; main()"
_HOLD = """
import socket, sys, time
found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
found.bind(("", 5353))
print("held", flush=True)
time.sleep(60)
"""
_CHATTER = """
import socket, sys, time
found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
found.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
print("talking", flush=True)
for _ in range(1000):
    found.sendto(bytes(12), ("224.0.0.251", 5353))
    time.sleep(0.03)
"""
_TIMED = """
import sys, time
from cmdai_shell.config import Config
from cmdai_shell.diagnose import network
from cmdai_shell.diagnose.surroundings import here
around = here(dict)
begun = time.monotonic()
getattr(network, sys.argv[1])(around)
print(time.monotonic() - begun)
"""
LONGEST_S = 2.5


@pytest.fixture
def lab() -> Iterator[NetLab]:
    with NetLab() as one:
        yield one


def doctor(lab: NetLab, host: str, name: str) -> dict[str, str]:
    """What the program itself says there."""
    command = (sys.executable, "-c", _DOCTOR, "doctor", "--only", name, "--json")
    [found] = json.loads(lab.run(host, "env", "CMDAI_MDNS=true", *command))
    assert found["check"] == name
    return dict(found)


def seconds(lab: NetLab, host: str, function: str) -> float:
    command = (sys.executable, "-c", _TIMED, function)
    return float(lab.run(host, "env", "CMDAI_MDNS=true", *command))


def shut(lab: NetLab, host: str, chain: str = "input") -> None:
    """As Debian's nftables.conf calls it."""
    lab.run(host, "nft", "add table inet filter")
    hook = f"{{ type filter hook {chain} priority 0; policy drop; }}"
    lab.run(host, "nft", f"add chain inet filter {chain} {hook}")


@real
@in_lab
class TestInNamespaces:
    def test_a_healthy_network(self, lab: NetLab) -> None:
        host = lab.host("laptop", home="10.77.0.1/24")
        lab.plug(host, "office", "10.78.0.1/24", name="wlan0")
        assert doctor(lab, host, "multicast")["what"] == "multicast works on eth0, wlan0"
        assert doctor(lab, host, "interfaces")["what"] == "listened on: eth0, wlan0"
        assert seconds(lab, host, "multicast") < LONGEST_S / 2

    def test_by_ipv6_alone(self, lab: NetLab) -> None:
        host = lab.host("laptop", home="")
        assert doctor(lab, host, "multicast")["what"] == "multicast works on eth0"

    def test_no_network(self, lab: NetLab) -> None:
        host = lab.host("laptop")
        for name in NAMES:
            assert doctor(lab, host, name)["severity"] == "ok"

    def test_only_a_vpn_and_containers(self, lab: NetLab) -> None:
        host = lab.host("laptop")
        lab.plug(host, "vpn", "10.77.0.1/24", name="tun0")
        lab.plug(host, "pods", "172.17.0.1/16", name="docker0")
        found = doctor(lab, host, "multicast")
        assert found["severity"] == "warn"
        assert "only: a VPN; containers" in found["what"]
        found = doctor(lab, host, "interfaces")
        assert found["severity"] == "warn"
        assert "tun0 (a VPN), docker0 (containers)" in found["what"]

    @with_nft
    def test_a_firewall_and_its_cure(self, lab: NetLab) -> None:
        host = lab.host("laptop", home="10.77.0.1/24")
        shut(lab, host)
        found = doctor(lab, host, "multicast")
        assert found["severity"] == "warn"
        assert "multicast does not come back on eth0: a firewall" in found["what"]
        assert seconds(lab, host, "multicast") < LONGEST_S
        if "sudo nft insert" in found["cure"]:  # the machine may have ufw or firewalld
            lab.run(host, "sh", "-c", found["cure"].rpartition("sudo ")[2])
            assert doctor(lab, host, "multicast")["severity"] == "ok"

    @with_nft
    def test_what_may_not_go_out(self, lab: NetLab) -> None:
        host = lab.host("laptop", home="10.77.0.1/24")
        shut(lab, host, "output")
        found = doctor(lab, host, "multicast")
        assert "does not let multicast out on eth0" in found["what"]
        if "sudo nft insert" in found["cure"]:
            lab.run(host, "sh", "-c", found["cure"].rpartition("sudo ")[2])
            assert doctor(lab, host, "multicast")["severity"] == "ok"

    def test_a_port_that_is_not_shared(self, lab: NetLab) -> None:
        host = lab.host("laptop", home="10.77.0.1/24")
        holder = lab.popen(host, sys.executable, "-c", _HOLD, stdout=-1, text=True)
        assert holder.stdout.readline() == "held\n"
        found = doctor(lab, host, "multicast")
        assert found["severity"] == "warn"
        assert f"(process {holder.pid}), which shares it with nobody" in found["what"]
        assert found["cure"] == f"end it: kill {holder.pid}"
        lab.kill(holder)
        assert doctor(lab, host, "multicast")["severity"] == "ok"

    @with_avahi
    def test_avahi_where_it_shares_with_nobody(self, lab: NetLab) -> None:
        host = lab.host("laptop", home="10.77.0.1/24")
        avahi = lab.avahi(host, service(8000))
        until(lambda: "successfully established" in lab.log(avahi), 15)
        lab.kill(avahi)
        folder = avahi.folder  # type: ignore[attr-defined]
        config = (folder / "avahi.conf").read_text()
        alone = config.replace("disallow-other-stacks=no", "disallow-other-stacks=yes")
        (folder / "avahi.conf").write_text(alone)
        log = (folder / "log").open("w")
        lab.popen(host, "bash", "-c", _AVAHI, "avahi", str(folder), stdout=log, stderr=log)
        until(lambda: "successfully established" in lab.log(avahi), 15)
        found = doctor(lab, host, "multicast")
        log.close()
        assert "held by avahi-daemon (process" in found["what"]
        assert "disallow-other-stacks=no" in found["cure"]

    @with_avahi
    def test_others_on_the_port_that_share_it(self, lab: NetLab) -> None:
        host = lab.host("laptop", home="10.77.0.1/24")
        avahi = lab.avahi(host, service(8000))
        until(lambda: "successfully established" in lab.log(avahi), 15)
        assert doctor(lab, host, "multicast")["severity"] == "ok"


@real
@in_lab
@with_avahi
class TestWiFi:
    """Two clients of one access point; one of them announces something."""

    @pytest.fixture
    def laptop(self, lab: NetLab) -> str:
        host = lab.host("laptop")
        lab.plug(host, "air", "10.77.0.1/24", name="wlan0")  # p0
        spark = lab.host("spark")
        lab.plug(spark, "air", "10.77.0.2/24", name="wlan0")  # p1
        avahi = lab.avahi(spark, service(8000))
        until(lambda: "successfully established" in lab.log(avahi), 15)
        return host

    def test_others_are_heard(self, lab: NetLab, laptop: str) -> None:
        found = doctor(lab, laptop, "client-isolation")
        assert found["what"] == "other machines are heard on wlan0 (10.77.0.2)"

    def test_clients_that_are_kept_apart(self, lab: NetLab, laptop: str) -> None:
        for port in ("p0", "p1"):
            lab.run("", "ip", "link", "set", port, "type", "bridge_slave", "isolated", "on")
        found = doctor(lab, laptop, "client-isolation")
        assert found["severity"] == "warn"
        assert "client isolation" in found["what"]
        assert doctor(lab, laptop, "multicast")["severity"] == "ok"
        assert seconds(lab, laptop, "client_isolation") < LONGEST_S

    @with_nft
    def test_a_firewall_of_one_s_own_is_not_blamed_on_the_access_point(
        self, lab: NetLab, laptop: str
    ) -> None:
        shut(lab, laptop)
        assert "not tried" in doctor(lab, laptop, "client-isolation")["what"]

    def test_what_others_say_on_the_cable_is_not_heard_in_the_air(
        self, lab: NetLab, laptop: str
    ) -> None:
        lab.plug(laptop, "cable", "10.78.0.1/24", name="eth0")
        joined = lab.avahi(laptop)
        until(lambda: "Server startup complete" in lab.log(joined), 15)
        printer = lab.host("printer", cable="10.78.0.2/24")
        chatter = lab.popen(printer, sys.executable, "-c", _CHATTER, "10.78.0.2", stdout=-1)
        assert chatter.stdout.readline() == b"talking\n"
        for port in ("p0", "p1"):
            lab.run("", "ip", "link", "set", port, "type", "bridge_slave", "isolated", "on")
        assert doctor(lab, laptop, "client-isolation")["severity"] == "warn"
