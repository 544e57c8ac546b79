"""``cmdai-shell backends discover``: what it shows, what it does not do, and the real thing."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import msgspec
import pytest

from cmdai_shell.cli import discover
from cmdai_shell.cli.discover import narrowed
from cmdai_shell.cli.rows import COLUMNS
from cmdai_shell.config import Config
from cmdai_shell.config.environment import Environment
from cmdai_shell.core import Endpoint
from cmdai_shell.daemon import found_servers
from cmdai_shell.discovery import adverts, interfaces
from cmdai_shell.discovery.adverts import Advert
from cmdai_shell.errors import CmdaiError, DiscoveryError
from tests.discovery.mdns_programs import announce
from tests.discovery.netlab import NetLab, missing
from tests.fakes.in_thread import in_thread
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.scripted_source import ScriptedSource, there

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FOREVER = float("inf")
PROGRAM = """
import sys
from importlib import import_module
from cmdai_shell.errors import CmdaiError
word, *rest = sys.argv[1:]
command = getattr(import_module(f"cmdai_shell.cli.{word}"), word)
try:
    sys.exit(command.main(rest, standalone_mode=False))
except CmdaiError as error:
    sys.exit(f"{error.message}: {error.hint}")
"""


@pytest.fixture(autouse=True)
def as_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings as they come: mDNS is listened to, of scripts or in networks of our own."""
    monkeypatch.delenv("CMDAI_MDNS", raising=False)


def run(
    capsys: pytest.CaptureFixture[str], *words: str, expect: type[CmdaiError] | None = None
) -> tuple[int, str, str]:
    if expect:
        with pytest.raises(expect) as caught:
            discover.discover.main(list(words), standalone_mode=False)
        return 78, "", str(caught.value)
    code = discover.discover.main(list(words), standalone_mode=False)
    said = capsys.readouterr()
    return int(code or 0), said.out, said.err


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Config]]:
    """These instead of those of the network; the settings that they were asked for by."""

    def instead(*found: ScriptedSource) -> list[Config]:
        asked: list[Config] = []

        def made(config: Config) -> Sequence[ScriptedSource]:
            asked.append(config)
            return found

        monkeypatch.setattr(found_servers, "sources", made)
        return asked

    return instead


# --- what is looked for


@pytest.mark.parametrize(
    ("network", "ways"),
    [
        (None, ["mdns"]),
        ("local", ["mdns"]),
        ("cloud", ["dns_srv"]),
        ("cluster", ["k8s_service"]),
        ("all", ["mdns", "dns_srv", "k8s_service"]),
    ],
)
def test_a_network_is_looked_at_whatever_the_settings_say(
    network: str | None, ways: list[str]
) -> None:
    wanted = dict(found_servers.wanted(narrowed(Config(), network)))
    assert list(wanted) == ways
    if "dns_srv" in ways:
        assert wanted["dns_srv"]["domains"] == ("search",)


def test_those_of_environments_are_looked_for_too() -> None:
    office = Environment(id="office", discovery_method="dns_srv", dns_srv_record="_a._tcp.b.org")
    config = msgspec.structs.replace(
        Config(), environments={"office": office, "lab": Environment(id="lab")}
    )
    wanted = list(found_servers.wanted(narrowed(config, "cloud")))
    assert [arguments["domains"] for _, arguments in wanted] == [("search",), ("_a._tcp.b.org",)]
    assert [way for way, _ in found_servers.wanted(narrowed(config, "local"))] == ["mdns"]


# --- what is shown


def test_what_was_found(
    capsys: pytest.CaptureFixture[str], sources: Callable[..., list[Config]]
) -> None:
    first = there("a", "http://192.168.1.7:8000", kind="vllm", model="m-7b")
    second = there("b", "http://8.8.8.8:8000")
    sources(ScriptedSource("mdns", [first, second, FOREVER]))
    code, out, err = run(capsys, "--seconds", "0.2")
    assert code == 0
    lines = [re.split(r" {2,}", line) for line in out.splitlines()]
    assert lines[0] == [
        "192.168.1.7:8000",
        "vllm",
        "http://192.168.1.7:8000",
        "mdns",
        "m-7b",
        "not used yet",
        "cmdai-shell backends trust http://192.168.1.7:8000",
    ]
    assert "cannot be used" in lines[1]
    assert "open Internet" in err
    assert err.splitlines()[-1].endswith("backends trust http://192.168.1.7:8000")


def test_as_json(capsys: pytest.CaptureFixture[str], sources: Callable[..., list[Config]]) -> None:
    sources(
        ScriptedSource("mdns", [there("a"), FOREVER]),
        ScriptedSource("kubernetes", [DiscoveryError("no cluster", "kubectl config")]),
    )
    code, out, _ = run(capsys, "--seconds", "0.2", "--json")
    said = json.loads(out)
    assert code == 0
    (found,) = said["found"]
    assert (found["state"], found["sources"]) == ("candidate", ["mdns"])
    assert found["next"].startswith("cmdai-shell backends trust ")
    assert said["troubles"] == [
        {"source": "kubernetes", "problem": "no cluster", "hint": "kubectl config"}
    ]


def test_nothing_found_says_why_and_what_to_do(
    capsys: pytest.CaptureFixture[str], sources: Callable[..., list[Config]]
) -> None:
    sources(ScriptedSource("mdns", [DiscoveryError("no multicast\x1b[2J", "ip link")]))
    code, out, err = run(capsys)
    assert (code, out) == (1, "")
    first, *rest = err.splitlines()
    assert first == "mdns: no multicast; ip link"
    assert "backends advertise" in "".join(rest)
    assert "--probe" in err
    code, out, _ = run(capsys, "--json")
    assert (code, json.loads(out)["found"]) == (1, [])


@pytest.mark.parametrize(
    ("network", "said", "unsaid"),
    [
        ("local", "mDNS crosses no router", "SRV"),
        ("cloud", "no SRV records", "mDNS"),
        ("cluster", "no service annotated", "mDNS"),
        ("all", "no service annotated", "xyz"),
    ],
)
def test_why_nothing_is_found_is_about_where_it_was_looked(
    capsys: pytest.CaptureFixture[str],
    sources: Callable[..., list[Config]],
    network: str,
    said: str,
    unsaid: str,
) -> None:
    sources(ScriptedSource("a", [DiscoveryError("x", "y")]))
    code, _, err = run(capsys, "--network", network)
    assert code == 1
    assert said in err
    assert unsaid not in err


def test_a_record_of_an_environment_that_is_not_there_is_named() -> None:
    srv = Environment(id="srv", discovery_method="dns_srv", dns_srv_record="_x._tcp.lab.test")
    config = msgspec.structs.replace(Config(), environments={"srv": srv})
    said = list(discover.hints(config, narrowed(config, "cloud"), (), is_probing=True))
    assert "  nor _x._tcp.lab.test, which your environments name" in said


def test_where_the_settings_do_not_look_is_said(
    capsys: pytest.CaptureFixture[str], sources: Callable[..., list[Config]]
) -> None:
    sources(ScriptedSource("kubernetes", [there("a"), FOREVER]))
    _, _, err = run(capsys, "--seconds", "0.2", "--network", "cluster")
    assert err.splitlines()[-1].endswith("cmdai-shell config set discovery.kubernetes true")


def test_a_machine_without_a_network_is_told(
    capsys: pytest.CaptureFixture[str],
    sources: Callable[..., list[Config]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interfaces, "read", lambda _: interfaces.Links())
    sources(ScriptedSource("mdns", [FOREVER]))
    _, _, err = run(capsys, "--seconds", "0.1")
    assert "in no network" in err


def test_who_looks_nowhere_is_told(
    capsys: pytest.CaptureFixture[str], sources: Callable[..., list[Config]]
) -> None:
    sources()
    _, _, err = run(capsys, expect=CmdaiError)
    assert "--network local" in err


def test_servers_of_the_settings_are_used_already(
    capsys: pytest.CaptureFixture[str], sources: Callable[..., list[Config]], call: Any
) -> None:
    url = "http://192.168.1.7:8000"
    assert call("config", "add-environment", "lab", "--url", url, "--no-test")[0] == 0
    sources(ScriptedSource("mdns", [there("a", url), FOREVER]))
    _, out, err = run(capsys, "--seconds", "0.2")
    assert out.split()[0] == "lab/192.168.1.7:8000"
    assert out.rstrip().endswith("used")
    assert "to use one" not in err


def test_nothing_is_sent_to_what_is_found(
    capsys: pytest.CaptureFixture[str], sources: Callable[..., list[Config]]
) -> None:
    fake = FakeOpenAI()
    with in_thread(fake.app()) as url:
        said = Endpoint(id="x", url=url, labels={"host": "spark-1.local", "addresses": "127.0.0.1"})
        sources(ScriptedSource("mdns", [there("a", url), there("b", said.url), FOREVER]))
        run(capsys, "--seconds", "0.3")
    assert fake.paths == []


def test_a_host_that_is_named_is_asked_and_nobody_else(
    capsys: pytest.CaptureFixture[str], sources: Callable[..., list[Config]]
) -> None:
    asked = sources(ScriptedSource("mdns", [there("a"), FOREVER]))
    code, out, err = run(capsys, "--host", "8.8.8.8", "--host", "a b")
    assert (code, out, asked) == (1, "", [])
    assert "8.8.8.8 is not in your own network" in err
    assert "'a b' is no name" in err


# --- how


def test_how_a_server_becomes_one_that_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--how")
    assert code == 0
    assert "_inference._tcp" in out
    assert "IN SRV 10 60 8000 dgx-node1.example.org." in out
    assert "cmdai.ai/backend-type" in out
    _, out, _ = run(capsys, "--how", "--json")
    texts = json.loads(out)
    assert list(texts) == ["avahi", "dns", "kubernetes"]
    assert ElementTree.fromstring(texts["avahi"]).tag == "service-group"


# --- a terminal


LIVE = """
import sys
from cmdai_shell.cli import discover
from cmdai_shell.daemon import found_servers
from tests.fakes.scripted_source import ScriptedSource, there
source = ScriptedSource("mdns", [0.3, there("a", model="m-7b"), float("inf")])
found_servers.sources = lambda _: [source]
sys.exit(discover.discover.main(["--seconds", "1"], standalone_mode=False))
"""


def test_on_a_terminal_the_table_is_live() -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", LIVE],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "40"},
    )
    os.close(follower)
    text = b""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if select.select([leader], [], [], 0.1)[0]:
            try:
                text += os.read(leader, 65536)
            except OSError:
                break
    assert process.wait(10) == 0
    os.close(leader)
    said = text.decode()
    assert re.search(r"looking, \d s left", said)
    for column in COLUMNS:
        assert column in said
    assert "to use one: cmdai-shell backends trust" in said
    assert said.count("192.168.1.7:8000") >= 3


# --- the real thing

real = [
    pytest.mark.real,
    pytest.mark.timeout(180),
    pytest.mark.skipif(bool(missing("avahi-daemon")), reason=missing("avahi-daemon")),
]
SERVE = """
import sys
from aiohttp import web
from tests.fakes.openai_server import FakeOpenAI
web.run_app(FakeOpenAI("vllm").app(), host=sys.argv[1], port=int(sys.argv[2]), print=None)
"""


def command(lab: NetLab, host: str, *words: str, expect: int = 0) -> tuple[str, str]:
    done = lab.popen(host, sys.executable, "-c", PROGRAM, *words, stdout=-1, stderr=-1, text=True)
    out, err = done.communicate(timeout=60)
    assert done.returncode == expect, (out, err)
    return out, err


def serve(lab: NetLab, host: str, address: str, port: int) -> None:
    lab.popen(host, sys.executable, "-c", SERVE, address, str(port))
    wait_for(lab, host, port)


def wait_for(lab: NetLab, host: str, port: int) -> None:
    """Until somebody listens there."""
    until = time.monotonic() + 30
    while f":{port}" not in lab.run(host, "ss", "-ltn"):
        assert time.monotonic() < until
        time.sleep(0.05)


class TestReal:
    pytestmark = real

    def test_a_stock_spark_is_found_by_asking(self) -> None:
        with NetLab() as lab:
            spark = lab.host("spark-1a2b", home="10.77.0.1/24")
            laptop = lab.host("laptop", home="10.77.0.2/24")
            serve(lab, spark, "0.0.0.0", 8000)
            ssh = {"name": "spark-1a2b", "host": "spark-1a2b", "address": "10.77.0.1"}
            announce(lab, spark, [{**ssh, "type": "_ssh._tcp", "port": 22}])
            command(lab, laptop, "discover", "--seconds", "2", "--json", expect=1)
            out, _ = command(lab, laptop, "discover", "--seconds", "3", "--probe", "--json")
        (found,) = json.loads(out)["found"]
        assert (found["name"], found["url"]) == ("spark-1a2b:8000", "http://10.77.0.1:8000")
        assert (found["kind"], found["state"], found["sources"]) == ("vllm", "open", ["probe"])

    def test_what_is_printed_for_avahi_makes_it_found(self) -> None:
        with NetLab() as lab:
            spark = lab.host("spark-1a2b", home="10.77.0.1/24")
            laptop = lab.host("laptop", home="10.77.0.2/24")
            words = ("--print", "--kind", "vllm", "--model", "Qwen/<Q&A>", "--port", "8001")
            text, _ = command(lab, spark, "advertise", *words)
            lab.avahi(spark, text)
            serve(lab, spark, "0.0.0.0", 8001)
            out, _ = command(lab, laptop, "discover", "--seconds", "5", "--json")
        (found,) = json.loads(out)["found"]
        assert found["url"] == "http://10.77.0.1:8001"
        assert (found["kind"], found["models"]) == ("vllm", ["Qwen/<Q&A>"])
        assert found["next"] == f"cmdai-shell backends trust {found['url']}"

    @pytest.mark.skipif(not shutil.which("named"), reason="BIND is not installed")
    def test_what_is_printed_for_a_zone_makes_it_found(self, tmp_path: Path) -> None:
        advert = Advert(url="http://10.77.0.1:8000", kind="vllm", model='a "7b"')
        (tmp_path / "zone").write_text(
            "example.org. 60 IN SOA ns.example.org. me.example.org. 1 60 60 60 60\n"
            "example.org. 60 IN NS ns.example.org.\nns.example.org. 60 IN A 10.77.0.1\n"
            + adverts.zone(advert, "example.org")
        )
        (tmp_path / "named.conf").write_text(
            f'options {{ directory "{tmp_path}"; pid-file none; listen-on {{ 10.77.0.1; }}; '
            "recursion no; }; controls {}; "
            'zone "example.org" { type primary; file "zone"; };'
        )
        with NetLab() as lab:
            server = lab.host("ns", home="10.77.0.1/24")
            laptop = lab.host("laptop", home="10.77.0.2/24")
            lab.popen(server, "named", "-g", "-c", str(tmp_path / "named.conf"), stderr=-3)
            wait_for(lab, server, 53)
            config = Path(os.environ["CMDAI_CONFIG_DIR"])
            config.mkdir()
            (config / "config.toml").write_text(
                '[discovery]\ndns_domains = ["example.org"]\ndns_servers = ["10.77.0.1"]\n'
            )
            out, _ = command(lab, laptop, "discover", "--network", "cloud", "--seconds", "3")
        assert out.split()[:4] == [
            "dgx-node1.example.org:8000",
            "vllm",
            "http://dgx-node1.example.org:8000",
            "dns",
        ]
