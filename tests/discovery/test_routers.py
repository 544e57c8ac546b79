"""Our routers' hardware addresses, as Linux has them."""

from __future__ import annotations

import json
import sys
from subprocess import DEVNULL
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.discovery import routers
from tests.discovery.netlab import NetLab, missing
from tests.integration.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

ROUTE = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
tun0	00000000	00000000	0001	0	0	50	00000000	0	0	0
wlan0	00000000	0101A8C0	0003	0	0	600	00000000	0	0	0
wlan0	0001A8C0	00000000	0001	0	0	600	00FFFFFF	0	0	0
"""
ARP = """\
IP address       HW type     Flags       HW address            Mask     Device
192.168.1.1      0x1         0x2         02:FC:00:00:00:05     *        wlan0
192.168.1.7      0x1         0x2         02:fc:00:00:00:07     *        wlan0
192.168.1.1      0x1         0x2         02:fc:00:00:00:09     *        eth0
"""


def there(folder: Path, route: str = ROUTE, arp: str = ARP) -> frozenset[str]:
    (folder / "route").write_text(route)
    (folder / "arp").write_text(arp)
    return routers.read(folder)


def test_the_one_that_the_default_route_goes_by(tmp_path: Path):
    """Behind a VPN, too; neither a neighbour, nor the like on another interface."""
    assert there(tmp_path) == {"192.168.1.1 02:fc:00:00:00:05"}


@pytest.mark.parametrize(
    "arp",
    [
        ARP.splitlines()[0] + "\n",
        ARP.replace("0x2         02:FC", "0x0         02:FC"),
        ARP.replace("02:FC:00:00:00:05", "00:00:00:00:00:00"),
    ],
)
def test_one_that_has_not_answered_is_not_known(tmp_path: Path, arp: str):
    assert there(tmp_path, arp=arp) == frozenset()
    assert routers.unknown(tmp_path) == {"192.168.1.1"}


def test_one_that_is_known_is_not_unknown(tmp_path: Path):
    there(tmp_path)
    assert routers.unknown(tmp_path) == frozenset()


def test_where_nothing_says_it(tmp_path: Path):
    assert routers.read(tmp_path / "absent") == frozenset()


@pytest.mark.real
@pytest.mark.skipif(bool(missing()), reason=missing())
def test_a_real_one():
    program = "import json; from cmdai_shell.discovery import routers; print(json.dumps(sorted(routers.read())))"  # noqa: E501
    with NetLab() as lab:
        lab.host("router", home="192.168.1.1/24")
        lab.host("client", home="192.168.1.2/24")
        assert json.loads(lab.run("client", sys.executable, "-c", program)) == []
        lab.run("client", "ip", "route", "add", "default", "via", "192.168.1.1")
        lab.popen("router", sys.executable, "-m", "http.server", "80", stderr=DEVNULL)
        until(lambda: "0050" in lab.run("router", "cat", "/proc/net/tcp"))
        assert lab.fetch("client", "http://192.168.1.1") == 200
        hardware = lab.run("router", "cat", "/sys/class/net/eth0/address").strip()
        found = json.loads(lab.run("client", sys.executable, "-c", program))
        assert found == [f"192.168.1.1 {hardware}"]
        lab.run("client", "ip", "neigh", "flush", "all")
        surely = """
import asyncio
from cmdai_shell.daemon.whereabouts import here, surely
print(here().routers, here().unknown)
print(sorted(asyncio.run(surely(lambda now: bool(now.routers))).routers))
"""
        lost, asked = lab.run("client", sys.executable, "-c", surely).splitlines()
        assert lost == "frozenset() frozenset({'192.168.1.1'})"
        assert asked == f"['192.168.1.1 {hardware}']"
