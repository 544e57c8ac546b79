"""Faults of the network, made for real: ``doctor`` names each at the real command line; the cure is
typed as it is printed, and the finding is gone.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.diagnose.real.desk import (
    DNS,
    FIREWALL,
    Desk,
    NameServer,
    no_bind,
    real,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.discovery.netlab import NetLab

pytestmark = real


@pytest.mark.parametrize(
    ("chain", "what"),
    [("input", "does not come back on eth0"), ("output", "does not let multicast out on eth0")],
)
def test_a_firewall_shuts_multicast(desk: Desk, chain: str, what: str) -> None:
    desk.is_well("multicast")
    rules = FIREWALL.format(chain=chain, rule="udp dport 5353 drop")
    desk.type(f"nft -f - <<'end'\n{rules}\nend")
    cure = desk.is_named("multicast", what)
    assert f"nft insert rule inet filter {chain}" in cure
    desk.type(cure[cure.index(": ") + 2 :])
    desk.is_well("multicast")


HOLD = (
    "import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); "
    "s.bind(('', 5353)); print('held', flush=True); time.sleep(60)"
)


def test_somebody_holds_the_port_alone(desk: Desk) -> None:
    holder = desk.lab.popen(desk.host, sys.executable, "-c", HOLD, stdout=subprocess.PIPE)
    assert holder.stdout
    holder.stdout.readline()
    cure = desk.is_named("multicast", r"held by python\S* \(process \d+\)")
    assert cure == f"end it: kill {holder.pid}"
    desk.type(cure.removeprefix("end it: "))
    holder.wait(10)
    desk.is_well("multicast")


def test_only_a_vpn(lab: NetLab, tmp_path: Path, runtime_dir: Path) -> None:
    desk = Desk(lab, tmp_path, runtime_dir, network="wg0")
    try:
        cure = desk.is_named("interfaces", r"no interface is listened on: wg0 \(a VPN\)")
        desk.type(cure.rpartition("to listen no more: ")[2])
        desk.is_well("interfaces")
        desk.is_well("multicast")
    finally:
        desk.close()


@no_bind
def test_the_wrong_name_server(desk: Desk, names: NameServer) -> None:
    names.serve("_cmdai._tcp IN SRV 10 60 8000 spark.lab.test.")
    desk.resolv.write_text(f"nameserver {DNS}\n")
    desk.type("""cmdai-shell config set discovery.dns_domains '["lab.test"]'""")
    desk.is_well("name-servers")
    desk.type("""cmdai-shell config set discovery.dns_servers '["10.77.0.9"]'""")
    cure = desk.is_named("name-servers", r"no name server answers: 10\.77\.0\.9")
    desk.type(cure.removeprefix("ask the system's instead: "))
    desk.is_well("name-servers")
    desk.is_well("dns-records")


@no_bind
def test_a_zone_without_records(desk: Desk, names: NameServer) -> None:
    names.serve()
    desk.resolv.write_text(f"nameserver {DNS}\n")
    desk.type("""cmdai-shell config set discovery.dns_domains '["lab.test"]'""")
    cure = desk.is_named("dns-records", r"lab\.test is there, but has no SRV record")
    names.serve(cure.removeprefix("put into its zone: ").replace("HOST", "spark"))
    desk.is_well("dns-records")


@no_bind
def test_a_zone_that_cannot_be_read(desk: Desk, names: NameServer) -> None:
    names.serve("spark IN A 10.77.0.2")
    names.broken()
    desk.resolv.write_text(f"nameserver {DNS}\n")
    desk.type("""cmdai-shell config set discovery.dns_domains '["lab.test"]'""")
    cure = desk.is_named("dns-records", r"10\.77\.0\.1:53 fails at lab\.test \(SERVFAIL\)")
    assert "status: SERVFAIL" in desk.type(cure)
    names.serve("_cmdai._tcp IN SRV 10 60 8000 spark.lab.test.")
    desk.is_well("dns-records")


@no_bind
def test_records_whose_server_has_no_address(desk: Desk, names: NameServer) -> None:
    record = "_cmdai._tcp IN SRV 10 60 8000 dgx.lab.test."
    names.serve(record)
    desk.resolv.write_text(f"nameserver {DNS}\n")
    desk.type("""cmdai-shell config set discovery.dns_domains '["lab.test"]'""")
    cure = desk.is_named("dns-records", r"no address in DNS of dgx\.lab\.test")
    names.serve(record, cure.removeprefix("put into its zone: ").replace("ADDRESS", "10.77.0.2"))
    desk.is_well("dns-records")
