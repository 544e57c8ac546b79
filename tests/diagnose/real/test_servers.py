"""Faults of servers, made for real: ``doctor`` names each at the real command line; the cure is
typed as it is printed, and the finding is gone.
"""

from __future__ import annotations

import re
import shlex
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import trustme

from cmdai_shell.config import paths
from tests.diagnose.real.desk import (
    DNS,
    FIREWALL,
    SERVER,
    Desk,
    NameServer,
    add,
    no_bind,
    real,
    started,
)
from tests.integration.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = real


@no_bind
def test_a_name_that_nobody_knows(desk: Desk, names: NameServer, server: str) -> None:
    names.serve()
    desk.resolv.write_text(f"nameserver {DNS}\n")
    add(desk, "http://sparky.lab.test:8000")
    cure = desk.is_named("server-name", "sparky.lab.test has no address: name or service not known")
    command, _, rest = cure.partition("; ")
    assert desk.type(command, code=2) == ""  # getent's word for: not found
    assert rest == "or put its address into the url in place of its name"
    names.serve("sparky IN A 10.77.0.2")
    desk.type(command)
    desk.is_well("server-name")
    desk.is_well("server-answers")


def test_no_name_server(desk: Desk, server: str) -> None:
    desk.resolv.write_text("nameserver 10.77.0.9\n")
    add(desk, "http://spark.lab.test:8000")
    desk.is_named("server-name", "no name server answers within 3 s|temporary failure")
    desk.type("cmdai-shell config set environments.lab.endpoints x", code=None)  # not this way
    desk.type(f"rm {shlex.quote(str(paths.config_dir()))}/environments/lab.toml")
    add(desk, server)  # its address in place of its name
    desk.is_well("server-name")


def test_no_route(desk: Desk) -> None:
    add(desk, "http://10.99.0.1:8000")
    cure = desk.is_named("server-route", r"there is no way to 10\.99\.0\.1")
    command, _, rest = cure.partition("; ")
    desk.type(command, code=2)
    assert rest == "see that the cable, Wi-Fi or VPN is up"
    desk.lab.run(desk.host, "ip", "route", "add", "10.99.0.0/24", "via", "10.77.0.2")
    desk.type(command)
    desk.is_well("server-route")


def test_the_cable_is_out(desk: Desk, server: str) -> None:
    add(desk, server)
    desk.is_well("server-route")
    desk.lab.run(desk.host, "ip", "link", "set", "eth0", "down")
    desk.is_named("server-route", r"there is no way to 10\.77\.0\.2")
    desk.lab.run(desk.host, "ip", "link", "set", "eth0", "up")
    desk.is_well("server-route")
    desk.is_well("server-connect")


def test_a_firewall_before_the_server(desk: Desk, server: str) -> None:
    add(desk, server)
    rules = FIREWALL.format(chain="input", rule="tcp dport 8000 drop")
    desk.lab.run("spark", "sh", "-c", f"nft -f - <<'end'\n{rules}\nend")
    cure = desk.is_named("server-connect", r"10\.77\.0\.2:8000 cannot be reached: no answer")
    assert cure == "on that host, if it is up: sudo ufw allow 8000/tcp"
    desk.lab.run("spark", "nft", "insert rule inet filter input tcp dport 8000 accept")
    desk.is_well("server-connect")


def test_a_server_that_listens_to_itself_alone(desk: Desk, server: str) -> None:
    add(desk, "http://10.77.0.2:8001")
    cure = desk.is_named("server-connect", r"nothing listens at 10\.77\.0\.2:8001")
    command = re.search("ss -ltn '[^']*'", cure)
    assert command
    assert "8001" not in desk.lab.run("spark", "sh", "-c", command[0])
    inside = [sys.executable, "-c", SERVER.replace("8000", "8001"), "127.0.0.1", ""]
    alone = desk.lab.popen("spark", *inside)
    until(lambda: "127.0.0.1:8001" in desk.lab.run("spark", "sh", "-c", command[0]))
    desk.is_named("server-connect", "nothing listens")
    desk.lab.kill(alone)
    desk.lab.popen("spark", *inside[:-2], "0.0.0.0", "")  # as the cure has it: --host 0.0.0.0
    until(lambda: "0.0.0.0:8001" in desk.lab.run("spark", "sh", "-c", command[0]))
    desk.is_well("server-connect")


def test_a_certificate_that_has_expired(desk: Desk, tmp_path: Path) -> None:
    lab, authority, now = desk.lab, trustme.CA(), datetime.now(UTC)
    lab.host("spark", home="10.77.0.2/24")
    chains = {"old": now - timedelta(days=2), "new": now + timedelta(days=90)}
    for name, ends in chains.items():
        made = authority.issue_cert("10.77.0.2", not_before=now - timedelta(days=9), not_after=ends)
        made.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / name))
    authority.cert_pem.write_to_path(str(tmp_path / "authority"))
    process = started(lab, "", str(tmp_path / "old"))
    add(desk, "https://10.77.0.2:8000")
    cure = desk.is_named("server-tls", "its certificate expired 2 days ago")
    assert cure.startswith("renew it on that host, then look: openssl s_client ")
    look = cure.rpartition("then look: ")[2]
    assert f"notAfter={chains['old']:%b} {chains['old'].day:2}" in desk.type(look)
    lab.kill(process)
    started(lab, "", str(tmp_path / "new"))
    assert f"notAfter={chains['new']:%b} {chains['new'].day:2}" in desk.type(look)
    cure = desk.is_named("server-tls", "cannot be trusted: .*local issuer")
    edit = "cmdai-shell config set environments.lab.tls_ca_path /path/ca.pem"
    assert cure == f"with its authority's file: {edit}; look: {look}"
    desk.type(edit.replace("/path/ca.pem", str(tmp_path / "authority")))
    desk.is_well("server-tls")
    desk.is_well("server-answers")


def test_the_wrong_key(desk: Desk) -> None:
    desk.lab.host("spark", home="10.77.0.2/24")
    started(desk.lab, "sk-right-key-of-test")
    add(desk, "http://10.77.0.2:8000", "--api-key-env", "GPU_KEY")
    cure = desk.is_named("server-login", r"the API key is missing: \$GPU_KEY is not set")
    desk.environ["GPU_KEY"] = "sk-wrong-key-of-test"
    assert desk.is_named("server-login", "answered 401") == cure
    line = cure.replace("...", "sk-right-key-of-test").replace(", then ", "; ")
    desk.before = line.partition(";")[0]
    desk.type(line)
    desk.is_well("server-login")
    desk.is_well("server-answers")
