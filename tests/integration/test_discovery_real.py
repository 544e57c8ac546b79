"""A server in the network, from its first announcement to its answer at the prompt: two hosts, real
Avahi, a real llama-server, the real daemon. And what strangers get meanwhile: nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.discovery.netlab import NetLab, missing, service
from tests.fakes.chat_server import PROGRAM
from tests.integration.conftest import until
from tests.models import model_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MISSING = missing("avahi-daemon", "bash") or ("" if PROGRAM else "llama-server is not installed")
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(180),
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
]
CLI = (sys.executable, "-I", "-c", "from cmdai_shell.cli.main import main; main()")
NAME = "spark-1a2b:8000"


class Lab:
    """``client`` is where the person sits."""

    def __init__(self, lab: NetLab, folder: Path, runtime: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.client = lab.host("client", home="10.77.0.100/24")
        self.environ = {**os.environ, "CMDAI_RUNTIME_DIR": str(runtime)}
        self.environ.pop("CMDAI_MDNS", None)

    def server(
        self, host: str, address: str, announced: str = "", uuid: str = "", network: str = "home"
    ) -> None:
        """A host with a server. ``announced``: under whose name."""
        self.lab.host(host, **{network: f"{address}/24"})
        log = self.folder / f"{host}.log"
        with log.open("w") as out:
            self.process = self.lab.popen(
                host, str(PROGRAM), "-m", str(model_path("smollm2-135m")), "--host", "0.0.0.0",
                "--port", "8000", "-c", "2048", "-t", "1", "-v", "-ngl", "0",
                stdout=out, stderr=out,
            )  # fmt: skip
        until(lambda: "listening" in log.read_text(), "the server", 60)
        self.avahi = self.lab.avahi(
            host,
            service(8000, txt={"v": "1", "transport": "http", **({"id": uuid} if uuid else {})}),
            name=announced or host,
        )

    def router(self, host: str, network: str) -> None:
        """Of which we know the hardware address, as of one that we talk through."""
        self.lab.host(host, **{network: "10.77.0.254/24"})
        self.lab.popen(host, sys.executable, "-m", "http.server", "80", stderr=subprocess.DEVNULL)
        until(lambda: ":0050 " in self.lab.run(host, "cat", "/proc/net/tcp"), "the router")
        self.lab.run(self.client, "ip", "route", "add", "default", "via", "10.77.0.254")
        assert self.lab.fetch(self.client, "http://10.77.0.254") == 200

    def trusted(self) -> None:
        """The first server, used."""
        until(lambda: NAME in self.found(), "the server to be found")
        said = self.cmdai("backends", "trust", NAME)
        assert said.returncode == 0, said.stderr
        until(lambda: [s["state"] for s in self.status()["servers"]] not in ([], ["new"]),
              "the handshake", 60)  # fmt: skip

    def connections(self, host: str) -> int:
        """That anybody made to it, ever."""
        names, values = (
            line.split()
            for line in self.lab.run(host, "cat", "/proc/net/snmp").splitlines()
            if line.startswith("Tcp:")
        )
        return int(values[names.index("PassiveOpens")])

    def cmdai(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ip", "netns", "exec", self.lab.namespace(self.client), *CLI, *words],
            env=self.environ, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def status(self) -> Any:
        return json.loads(self.cmdai("status", "--json").stdout)

    def found(self) -> dict[str, Any]:
        return {one["name"]: one for one in (self.status()["discovery"] or {}).get("found", [])}

    def start(self) -> float:
        assert self.cmdai("daemon", "start").returncode == 0
        return time.monotonic()


@pytest.fixture
def lab(tmp_path: Path, runtime_dir: Path) -> Iterator[Lab]:
    with NetLab() as inner:
        one = Lab(inner, tmp_path, runtime_dir)
        yield one
        one.cmdai("daemon", "stop")


def test_found_trusted_and_used_and_its_sudden_end_survived(lab: Lab):
    lab.server("spark-1a2b", "10.77.0.1")
    until(lambda: "successfully established" in lab.lab.log(lab.avahi), "Avahi")
    begun = lab.start()
    until(lambda: NAME in lab.found(), "the server to be found")
    assert time.monotonic() - begun < 5  # of which our own command line takes some at each look
    one = lab.found()[NAME]
    assert (one["state"], one["url"]) == ("candidate", "http://10.77.0.1:8000")
    lab.cmdai("list files")
    assert lab.connections("spark-1a2b") == 0, "it was asked something before the person trusted it"

    said = lab.cmdai("backends", "trust", NAME)
    assert said.returncode == 0, said.stderr
    until(lambda: [s for s in lab.status()["servers"] if s["state"] in ("ok", "slow")
                   or s["state"] == "wrong-answer"], "the handshake", 60)  # fmt: skip
    assert lab.connections("spark-1a2b") > 0

    lab.lab.kill(lab.process)
    begun = time.monotonic()
    lab.cmdai("list files by size")
    assert time.monotonic() - begun < 5 + 2
    assert NAME in lab.found()  # Avahi still announces it

    assert lab.cmdai("backends", "forget", NAME).returncode == 0
    assert lab.status()["servers"] == []


def test_who_takes_an_approved_name_gets_nothing(lab: Lab):
    lab.server("spark-1a2b", "10.77.0.1")
    lab.start()
    until(lambda: NAME in lab.found(), "the server to be found")
    assert lab.cmdai("backends", "trust", NAME).returncode == 0
    lab.server("evil", "10.77.0.66", announced="spark-1a2b")
    until(
        lambda: any("10.77.0.66" in one["url"] for one in lab.found().values()),
        "the stranger to be found",
        30,
    )
    for number in range(3):
        lab.cmdai(f"list files {number}")
    assert lab.connections("evil") == 0
    assert lab.connections("spark-1a2b") > 0
    states = {one["url"]: one["state"] for one in lab.found().values()}
    assert states["http://10.77.0.1:8000"] == "approved"
    assert states["http://10.77.0.66:8000"] in ("candidate", "changed", "refused")


def test_remembered_it_is_asked_before_anything_is_heard(lab: Lab):
    lab.server("spark-1a2b", "10.77.0.1")
    lab.start()
    until(lambda: NAME in lab.found(), "the server to be found")
    assert lab.cmdai("backends", "trust", NAME, "--as", "desk").returncode == 0
    assert lab.cmdai("daemon", "stop").returncode == 0
    lab.lab.kill(lab.avahi, 15)
    lab.start()
    until(lambda: [s["id"] for s in lab.status()["servers"]] == ["desk"], "the member")


def test_who_copies_the_announcement_of_one_that_is_off_gets_nothing(lab: Lab):
    """And the box that really moved is used again after one word of the person's."""
    lab.server("spark-1a2b", "10.77.0.1", uuid="u-1")
    lab.start()
    lab.trusted()
    lab.lab.kill(lab.process)
    lab.lab.kill(lab.avahi, 15)
    lab.server("evil", "10.77.0.66", announced="spark-1a2b", uuid="u-1")

    def moved() -> list[str]:
        lab.cmdai("list files")  # it finds out that the old address is silent
        return [one["url"] for one in lab.found().values() if one["state"] == "moved"]

    until(lambda: moved() == ["http://10.77.0.66:8000"], "the question", 60)
    for number in range(3):
        lab.cmdai(f"list files {number}")
    assert lab.connections("evil") == 0
    said = lab.cmdai("backends", "trust", "http://10.77.0.66:8000")
    assert said.returncode == 0, said.stderr
    until(lambda: lab.connections("evil") > 0, "the server at its new address", 30)
    (one,) = lab.status()["servers"]
    assert one["id"] == NAME


def test_in_a_cafe_with_the_same_addresses_nobody_is_asked(lab: Lab):
    lab.router("gateway", "home")
    lab.server("spark-1a2b", "10.77.0.1")
    lab.start()
    lab.trusted()
    lab.lab.unplug(lab.client, "eth0")
    lab.lab.plug(lab.client, "cafe", "10.77.0.100/24", name="wlan0")
    lab.router("strange-gateway", "cafe")
    lab.server("evil", "10.77.0.1", announced="spark-1a2b", network="cafe")
    for number in range(4):
        lab.cmdai(f"list files {number}")
    until(lambda: "not used here" in lab.found().get(NAME, {}).get("story", ""), "the story", 60)
    for number in range(4):
        lab.cmdai(f"list files by size {number}")
    assert lab.connections("evil") == 0


def test_what_the_probe_found_is_trusted_by_its_name(lab: Lab):
    lab.server("box", "10.77.0.1")
    lab.lab.kill(lab.avahi, 15)
    looked = lab.cmdai("backends", "discover", "--host", "10.77.0.1", "--json")
    (one,) = json.loads(looked.stdout)["found"]
    assert (one["name"], one["next"]) == (
        "10.77.0.1:8000",
        "cmdai-shell backends trust http://10.77.0.1:8000",
    )
    asked = lab.connections("box")
    lab.start()
    lab.cmdai("list files")
    assert lab.connections("box") == asked
    said = lab.cmdai("backends", "trust", "10.77.0.1:8000")
    assert said.returncode == 0, said.stderr
    until(lambda: lab.connections("box") > asked, "the handshake", 30)


def test_ignored_it_is_listed_so_and_trust_undoes_it(lab: Lab):
    lab.server("spark-1a2b", "10.77.0.1")
    lab.start()
    until(lambda: NAME in lab.found(), "the server to be found")
    said = lab.cmdai("backends", "ignore", NAME)
    assert (said.returncode, said.stdout) == (0, "")
    assert f"you will hear no more of {NAME}" in said.stderr
    assert lab.found()[NAME]["state"] == "ignored"
    looked = json.loads(lab.cmdai("backends", "discover", "--seconds", "3", "--json").stdout)
    assert [(each["name"], each["state"]) for each in looked["found"]] == [(NAME, "ignored")]
    assert lab.connections("spark-1a2b") == 0
    assert lab.cmdai("backends", "trust", NAME).returncode == 0
    assert lab.found()[NAME]["state"] == "approved"
