"""Adverts, read back by parsers that are not ours."""

from __future__ import annotations

import shutil
import subprocess
from ipaddress import IPv4Interface, ip_interface
from typing import TYPE_CHECKING, get_args
from xml.etree import ElementTree

import dns.zone
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.config.environment import Kind
from cmdai_shell.discovery import adverts, srv_records
from cmdai_shell.discovery.adverts import Advert
from cmdai_shell.discovery.interfaces import Link, Links
from cmdai_shell.discovery.multicast import announcement
from cmdai_shell.discovery.multicast.announcement import Announcement
from cmdai_shell.discovery.rfc2782 import Record
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

MODEL = "Qwen/Qwen2.5-Coder-32B-Instruct"
SPARK = Advert(
    url="http://spark-1a2b.local:8000", kind="vllm", model=MODEL, uuid="11-22", is_dgx=True
)
words = st.text(
    st.characters(blacklist_categories=["C", "Zl", "Zp", "Zs"]), min_size=1, max_size=40
)


def txt_of(service: ElementTree.Element) -> dict[str, str]:
    rows = [(record.text or "").partition("=") for record in service.findall("txt-record")]
    return {key: value for key, _, value in rows}


def test_txt() -> None:
    assert SPARK.txt == {
        "txtvers": "1",
        "v": "1",
        "transport": "http",
        "api": "vllm",
        "model": MODEL,
        "auth": "none",
        "id": "11-22",
    }
    assert (SPARK.host, SPARK.port, SPARK.title) == (
        "spark-1a2b.local",
        8000,
        "spark-1a2b vllm 8000",
    )


@pytest.mark.parametrize(
    ("url", "kind", "port", "transport", "api", "base"),
    [
        ("https://gpu.example.com", "auto", 443, "https", None, None),
        ("http://10.0.0.5/gw/v1/", "nim", 80, "http", "nim", "/gw/v1"),
        ("http://10.0.0.5:8000", "triton", 8000, "http", "triton", None),
        ("http://[fd00::5]:8080", "tgi", 8080, "http", "tgi", None),
    ],
)
def test_what_the_url_says(
    url: str, kind: str, port: int, transport: str, api: str | None, base: str | None
) -> None:
    advert = Advert(url=url, kind=kind)
    assert advert.port == port
    assert advert.txt["transport"] == transport
    assert (advert.txt.get("api"), advert.txt.get("base")) == (api, base)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_our_own_sources_read_it(kind: str) -> None:
    """By DNS and by mDNS the same; clouds are not announced."""
    said = Advert(url="http://10.0.0.7:8000/gw", kind=kind, model="m", uuid="u-1", auth="bearer")
    answer = srv_records.Answer(
        records=[Record(10, 60, said.port, "a.example.org.")],
        texts=[f"{key}={value}" for key, value in said.txt.items()],
        addresses={"a.example.org.": ["10.0.0.7"]},
    )
    owner = srv_records.Owner("_cmdai._tcp.example.org", "example.org")
    reading = srv_records.read(owner, answer, srv_records.Naming(), lambda: 0.0)
    (by_dns,) = reading.endpoints.values()
    own = ip_interface("10.0.0.1/24")
    assert isinstance(own, IPv4Interface)
    heard = Announcement(
        instance=said.title,
        service="_inference._tcp",
        host="a.local",
        port=said.port,
        txt=said.txt,
        addresses=("10.0.0.7",),
    )
    links = Links(heard=(Link(name="eth0", index=2, addresses=(own,)),))
    by_mdns = announcement.endpoint(heard, links)
    assert by_mdns
    wanted = "auto" if kind in ("azure", "sagemaker") else kind
    for found in (by_dns, by_mdns):
        assert found.url.endswith(":8000/gw")
        assert found.model == "m"
        assert (found.labels["uuid"], found.labels["auth"]) == ("u-1", "bearer")
    assert by_dns.kind == wanted
    assert by_mdns.kind == ("auto" if kind == "openai" else wanted)


@pytest.mark.parametrize(
    "bad",
    [
        {"url": "spark:8000"},
        {"url": "http://"},
        {"url": "http://a:99999"},
        {"url": "http://a b:8000"},
        {"url": "http://[fd00::5"},
        {"url": 'http://a"; x:1'},
        {"name": "a\nb"},
        {"name": "\x1b[31mred"},
        {"name": "é" * 32},
        {"model": "m" * 250},
        {"model": "m\x00"},
    ],
)
def test_what_no_record_can_hold(bad: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        Advert(**{"url": "http://a:8000", **bad})  # type: ignore[arg-type]


def test_avahi() -> None:
    group = ElementTree.fromstring(adverts.avahi(SPARK))
    name = group.find("name")
    assert name is not None
    assert (name.text, name.get("replace-wildcards")) == ("%h inference", "yes")
    types = [service.findtext("type") for service in group.findall("service")]
    assert types == ["_inference._tcp", "_cmdai-dgx._tcp"]
    first, second = group.findall("service")
    assert first.findtext("subtype") == "_dgx._sub._inference._tcp"
    assert second.find("subtype") is None
    assert {service.findtext("port") for service in (first, second)} == {"8000"}
    assert txt_of(first) == txt_of(second) == SPARK.txt


def test_a_name_is_taken_as_it_is() -> None:
    group = ElementTree.fromstring(adverts.avahi(Advert(url="http://a:1", name="%h <R&D>")))
    name = group.find("name")
    assert name is not None
    assert (name.text, name.get("replace-wildcards")) == ("%h <R&D>", None)
    assert group.find(".//subtype") is None


@given(name=words, model=words)
def test_any_words_come_back(name: str, model: str) -> None:
    try:
        advert = Advert(url="http://10.0.0.7:8000", name=name, model=model)
    except ConfigError:
        assert len(name.encode()) > 63
        return
    group = ElementTree.fromstring(adverts.avahi(advert))
    assert group.findtext("name") == name
    assert txt_of(group.findall("service")[0]) == advert.txt
    assert txt_strings(adverts.zone(advert, "example.org")) == advert.txt
    service = yaml.safe_load(adverts.kubernetes(advert))
    assert service["metadata"]["annotations"]["cmdai.ai/model"] == model


def txt_strings(text: str, domain: str = "example.org") -> dict[str, str]:
    zone = dns.zone.from_text(text, origin=f"{domain}.", check_origin=False)
    rdata = zone.find_rdataset("_cmdai._tcp", "TXT")[0]
    rows = [string.decode().partition("=") for string in rdata.strings]
    return {key: value for key, _, value in rows}


@pytest.mark.parametrize(
    ("url", "name", "target"),
    [
        ("http://dgx-node1.example.org:8000", "", "dgx-node1.example.org."),
        ("http://dgx-node1:8000", "", "dgx-node1.example.org."),
        ("http://192.168.1.100:8000", "", "dgx-node1.example.org."),
        ("http://[fd00::5]:8000", "Big Spark!", "big-spark.example.org."),
    ],
)
def test_srv(url: str, name: str, target: str) -> None:
    advert = Advert(url=url, kind="vllm", name=name, model='a "b" \\ ü')
    text = adverts.zone(advert, "Example.org.")
    zone = dns.zone.from_text(text, origin="example.org.", check_origin=False, relativize=False)
    found = zone.find_rdataset("_cmdai._tcp.example.org.", "SRV")
    (srv,) = found
    assert (srv.priority, srv.weight, srv.port, found.ttl) == (10, 60, 8000, 300)
    assert str(srv.target) == target
    assert txt_strings(text) == advert.txt
    if advert.host[0] in "1f":
        kind = "AAAA" if ":" in advert.host else "A"
        assert zone.find_rdataset(target, kind)[0].address == advert.host


def test_what_is_no_domain() -> None:
    with pytest.raises(ConfigError):
        adverts.zone(SPARK, 'x" "y')


@pytest.mark.real
@pytest.mark.skipif(not shutil.which("named-checkzone"), reason="BIND's tools are not installed")
def test_bind_takes_the_zone(tmp_path: Path) -> None:
    file = tmp_path / "zone"
    records = adverts.zone(Advert(url="http://10.0.0.7:8000", model='q"\\ü;'), "example.org")
    file.write_text(
        "example.org. 60 IN SOA ns.example.org. me.example.org. 1 60 60 60 60\n"
        "example.org. 60 IN NS ns.example.org.\nns.example.org. 60 IN A 10.0.0.1\n" + records
    )
    command = ["named-checkzone", "-i", "local", "example.org", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_kubernetes() -> None:
    service = yaml.safe_load(adverts.kubernetes(SPARK))
    assert service["kind"] == "Service"
    assert service["metadata"] == {
        "name": "cmdai-dgx-cluster",
        "namespace": "ml-inference",
        "annotations": {"cmdai.ai/backend-type": "vllm", "cmdai.ai/model": MODEL},
    }
    assert service["spec"]["ports"] == [{"name": "inference", "port": 8000}]
    assert service["spec"]["selector"] == {"app": "vllm-server"}
    guarded = Advert(url="https://a", kind="llama.cpp", auth="bearer")
    found = adverts.service_annotations(guarded)
    assert found == {"cmdai.ai/backend-type": "llama.cpp", "cmdai.ai/auth": "bearer"}
    assert 'app: "llama-cpp-server"' in adverts.kubernetes(guarded)
