"""From a service that was announced to an endpoint."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.backends import REMOTE
from cmdai_shell.config.environments import checked_url
from cmdai_shell.discovery.interfaces import Link, Links
from cmdai_shell.discovery.multicast.announcement import Announcement, endpoint

WIFI = Link(
    name="wlan0",
    index=3,
    addresses=tuple(map(ipaddress.ip_interface, ("192.168.1.23/24", "fe80::23/64"))),
)
HOME = Links(heard=(WIFI,))
SPARK = Announcement(
    instance="Spark inference",
    service="_inference._tcp",
    host="spark-1a2b.local",
    port=8000,
    txt={},
    addresses=("fe80::5%3", "192.168.1.5"),
)


def made(**changes: Any) -> Any:
    found = endpoint(replace(SPARK, **changes), HOME)
    assert found is not None
    return found


def test_all_that_is_known():
    txt = {
        "transport": "https",
        "model": "qwen",
        "auth": "Bearer",
        "id": "6f9619ff",
        "spki": f"sha256/{'a' * 43}=",
    }
    found = endpoint(replace(SPARK, txt=txt), HOME, environment="home-lab", priority=10)
    assert found
    assert (found.id, found.url) == ("mdns/spark-1a2b:8000", "https://192.168.1.5:8000")
    assert (found.source, found.environment, found.priority) == ("mdns", "home-lab", 10)
    assert (found.kind, found.model) == ("auto", "qwen")
    assert found.labels == {
        "host": "spark-1a2b.local",
        "addresses": "192.168.1.5 fe80::5%wlan0",
        "interface": "wlan0",
        "network": "192.168.1.23/24",
        "instance": "Spark inference",
        "uuid": "6f9619ff",
        "spki": f"sha256/{'a' * 43}=",
        "auth": "bearer",
    }


@pytest.mark.parametrize(
    ("changes", "id_"),
    [
        ({"service": "_ollama._tcp", "port": 11434}, "mdns/spark-1a2b:11434#ollama"),
        ({"service": "_cmdai-dgx._tcp"}, "mdns/spark-1a2b:8000#cmdai-dgx"),
        ({"host": "spark.example.org"}, "mdns/spark.example.org:8000"),
        ({"host": ""}, "mdns/Spark-inference:8000"),
        ({"host": "", "instance": "ü"}, "mdns/192.168.1.5:8000"),
    ],
)
def test_its_name(changes: dict[str, Any], id_: str):
    assert made(**changes).id == id_


@pytest.mark.parametrize(
    ("service", "txt", "kind"),
    [
        ("_inference._tcp", {}, "auto"),
        ("_inference._tcp", {"api": "openai"}, "auto"),
        ("_inference._tcp", {"api": "tgi"}, "tgi"),
        ("_inference._tcp", {"api": "kserve2"}, "triton"),
        ("_inference._tcp", {"api": "ollama"}, "ollama"),
        ("_inference._tcp", {"api": "openai", "kind": "vllm"}, "vllm"),
        ("_inference._tcp", {"api": "sagemaker"}, "auto"),
        ("_inference._tcp", {"kind": "azure"}, "auto"),
        ("_inference._tcp", {"kind": "../../x"}, "auto"),
        ("_ollama._tcp", {}, "ollama"),
        ("_vllm._tcp", {"api": "openai"}, "vllm"),
        ("_lmstudio._tcp", {}, "lmstudio"),
        ("_llm._tcp", {}, "auto"),
    ],
)
def test_its_kind(service: str, txt: dict[str, str], kind: str):
    assert made(service=service, txt=txt).kind == kind


@pytest.mark.parametrize(
    ("txt", "url"),
    [
        ({}, "http://192.168.1.5:8000"),
        ({"base": "/v1"}, "http://192.168.1.5:8000"),
        ({"base": "/v1/"}, "http://192.168.1.5:8000"),
        ({"base": "/"}, "http://192.168.1.5:8000"),
        ({"base": "/openai/v1"}, "http://192.168.1.5:8000/openai/v1"),
        ({"base": "/api"}, "http://192.168.1.5:8000/api"),
        ({"base": "/../x"}, "http://192.168.1.5:8000"),
        ({"base": "//evil.example/v1"}, "http://192.168.1.5:8000"),
        ({"base": "http://evil.example/v1"}, "http://192.168.1.5:8000"),
        ({"base": "@evil.example"}, "http://192.168.1.5:8000"),
        ({"base": "/a?b#c"}, "http://192.168.1.5:8000"),
        ({"base": "/" + "a" * 300}, "http://192.168.1.5:8000"),
        ({"transport": "HTTPS"}, "https://192.168.1.5:8000"),
        ({"tls": "1"}, "https://192.168.1.5:8000"),
        ({"tls": "0"}, "http://192.168.1.5:8000"),
        ({"auth": "mtls"}, "https://192.168.1.5:8000"),
        ({"auth": "bearer"}, "http://192.168.1.5:8000"),
        ({"transport": "gopher"}, "http://192.168.1.5:8000"),
    ],
)
def test_its_url(txt: dict[str, str], url: str):
    assert made(txt=txt).url == url


def test_link_local_alone():
    found = made(addresses=("fe80::5%3",))
    assert found.url == "http://[fe80::5%wlan0]:8000"
    assert found.labels["network"] == "fe80::23/64"


@pytest.mark.parametrize(
    ("pri", "tier"), [("", 0), ("0", 0), ("10", 0), ("11", -1), ("9" * 9, -1), ("-5", 0), ("²", 0)]
)
def test_nobody_pushes_forward(pri: str, tier: int):
    assert made(txt={"pri": pri}).priority == tier


@pytest.mark.parametrize(
    "changes",
    [
        {"port": 0},
        {"port": 70_000},
        {"addresses": ()},
        {"addresses": ("127.0.0.1", "8.8.8.8", "224.0.0.1", "0.0.0.0", "fe80::5")},
    ],
)
def test_what_cannot_be_used_is_not_there(changes: dict[str, Any]):
    assert endpoint(replace(SPARK, **changes), HOME) is None


def test_it_stays_where_it_was_among_equals():
    two = replace(SPARK, addresses=("192.168.1.5", "192.168.1.9"))
    found = endpoint(two, HOME, before="http://192.168.1.9:8000")
    assert found
    assert found.url == "http://192.168.1.9:8000"


LINE = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=60)


@given(
    st.dictionaries(
        st.sampled_from(["transport", "base", "api", "kind", "pri", "auth", "tls", "id", "spki"]),
        st.one_of(LINE, st.from_regex(r"/[ -~]{0,50}", fullmatch=True)),
    ),
    st.integers(-1, 70_000),
)
def test_whatever_it_says_its_url_is_one_at_its_address(txt: dict[str, str], port: int):
    found = endpoint(replace(SPARK, txt=txt, port=port), HOME)
    if found is not None:
        assert checked_url(found.url) == found.url
        assert found.url.partition("://")[2].startswith(f"192.168.1.5:{port}")
        assert found.kind in REMOTE
