from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.core import EMBEDDED
from cmdai_shell.diagnose import known_servers, reasons, topology
from cmdai_shell.diagnose.routes import Route, routes
from cmdai_shell.discovery.interfaces import Links
from tests.fakes.told_status import LINKS, URLS, decision, member, sight, told, tried

if TYPE_CHECKING:
    from cmdai_shell.diagnose.topology import Graph, Node

FAR = {"gpu.example.com": Route("203.0.113.5", "192.168.1.5")}


def drawn(status: dict[str, Any] | None = None, **other: Any) -> Graph:
    return topology.graph(status or told(), LINKS, **{"urls": URLS, "routes": FAR, **other})


def named(graph: Graph, title: str) -> Node:
    (found,) = [node for node in graph.nodes if node.title == title]
    return found


def path(graph: Graph, title: str) -> list[str]:
    """Titles from the daemon down to a node."""
    node, found = named(graph, title), [title]
    while above := [e.tail for e in graph.edges if e.head == node.id and node.kind != "daemon"]:
        (node,) = [each for each in graph.nodes if each.id == above[0]]
        found.insert(0, node.title)
    return found


def fact(node: Node, name: str) -> str:
    return dict(node.facts).get(name, "")


class TestTheWay:
    def test_from_the_shells_to_the_model(self) -> None:
        graph = drawn()
        assert [shell.title for shell in graph.shells] == ["zsh 5.9", "bash 5.2"]
        assert path(graph, "lab/spark:8000")[1:] == ["eth0", "192.168.1.0/24", "lab/spark:8000"]
        (model,) = graph.below(named(graph, "lab/spark:8000"))
        assert (model.kind, model.title) == ("model", "Qwen/Qwen2.5-Coder-32B-Instruct")

    def test_another_network_is_behind_another_interface(self) -> None:
        assert path(drawn(), "desk")[1:3] == ["wlan0", "10.7.0.0/16"]

    def test_what_is_behind_a_router_goes_by_the_address_that_leads_there(self) -> None:
        way = path(drawn(), "cloud/gpu.example.com")
        assert way[1:3] == ["eth0", "beyond a router"]

    @pytest.mark.parametrize(
        ("found", "way"),
        [
            ({}, ["no way is known", "its name has no address"]),
            ({"gpu.example.com": Route("203.0.113.5")}, ["no way is known", "no route"]),
        ],
    )
    def test_where_no_way_is_known(self, found: dict[str, Route], way: list[str]) -> None:
        assert path(drawn(routes=found), "cloud/gpu.example.com")[1:3] == way

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
    def test_a_server_on_this_machine(self, host: str) -> None:
        graph = drawn(told() | {"servers": [member("a")]}, urls={"a": f"http://{host}:8000"})
        assert path(graph, "a")[1:3] == ["lo", "this machine"]

    def test_the_address_in_a_name_will_do_without_the_settings(self) -> None:
        status = told() | {"servers": [member("lab/192.168.1.3:8000#2")], "discovery": None}
        assert path(drawn(status, urls={}), "lab/192.168.1.3:8000#2")[1] == "eth0"

    def test_the_model_here_has_no_network_before_it(self) -> None:
        graph = drawn()
        assert path(graph, "this CPU") == [*path(graph, "lab/spark:8000")[:1], "this CPU"]

    def test_without_servers_it_is_shown_what_is_listened_on(self) -> None:
        status = told() | {"servers": [], "discovery": None, "decisions": []}
        graph = drawn(status)
        assert {node.title for node in graph.nodes if node.kind == "interface"} == {"eth0", "wlan0"}
        assert fact(graph.daemon, "choice") == "nothing was asked yet"


class TestServers:
    def test_one_that_is_announced_and_written_down_is_one(self) -> None:
        titles = [node.title for node in drawn().nodes if node.kind == "server"]
        assert sorted(titles) == sorted(
            [
                "lab/spark:8000",
                "desk",
                "cloud/gpu.example.com",
                "spark-1a2b:8000",
                "old:8443",
                "this CPU",
            ]
        )

    @pytest.mark.parametrize(
        ("title", "trust", "health"),
        [
            ("lab/spark:8000", "written down", "well"),
            ("desk", "approved by you", "down"),
            ("cloud/gpu.example.com", "written down", "unused"),
            ("spark-1a2b:8000", "not trusted yet", "unused"),
            ("old:8443", "not the one that you trusted", "down"),
        ],
    )
    def test_trust_and_health(self, title: str, trust: str, health: str) -> None:
        node = named(drawn(), title)
        assert (fact(node, "trust"), node.health) == (trust, health)

    def test_who_waits_says_how_it_is_trusted_and_who_changed_does_not(self) -> None:
        graph = drawn()
        assert fact(named(graph, "spark-1a2b:8000"), "cure").endswith("trust spark-1a2b:8000")
        assert fact(named(graph, "old:8443"), "cure") == ""

    def test_state_latency_source(self) -> None:
        node = named(drawn(), "lab/spark:8000")
        assert fact(node, "state") == "ok, 0 waiting"
        assert fact(node, "latency") == "210 ms to the first token"
        assert fact(node, "source") == "settings, mdns"
        assert "left alone for 8 s" in fact(named(drawn(), "desk"), "state")

    def test_very_many_are_counted(self) -> None:
        found = [sight(f"s{n}:1", f"http://192.168.1.7:{n + 1}") for n in range(100)]
        graph = drawn(told() | {"servers": [], "discovery": {"sources": [], "found": found}})
        assert named(graph, "40 more servers")


class TestTheChoice:
    def test_the_way_that_was_gone(self) -> None:
        chosen = [node.title for node in drawn().nodes if node.is_chosen]
        model = "Qwen/Qwen2.5-Coder-32B-Instruct"
        assert chosen == ["eth0", "192.168.1.0/24", "lab/spark:8000", model]

    @pytest.mark.parametrize(
        ("last", "title", "why"),
        [
            (
                decision(tried("desk"), by="desk", order=[["desk", 0.1]]),
                "desk",
                "chosen: the only one",
            ),
            (
                decision(tried("desk", outcome="failed", detail="refused"), by=""),
                "desk",
                "asked, the only one; failed after 320 ms: refused",
            ),
            (
                decision(tried("desk", why="hedge", outcome="lost"), by="lab/spark:8000"),
                "desk",
                "asked, the one before was later than usual; another was faster after 320 ms",
            ),
            (
                decision(tried(EMBEDDED, why="beside"), by=EMBEDDED),
                "this CPU",
                "chosen: asked beside the servers",
            ),
            (
                decision(tried("desk"), by="desk"),
                "lab/spark:8000",
                "not needed: number 1 in order, 210 ms expected",
            ),
            (
                decision(by="", passed_over=[["desk", "no login"]]),
                "desk",
                "not asked: no login",
            ),
        ],
    )
    def test_why(self, last: dict[str, Any], title: str, why: str) -> None:
        assert fact(named(drawn(told() | {"decisions": [last]}), title), "why") == why

    def test_of_several_the_strategy_is_told(self) -> None:
        last = decision(tried("desk"), by="desk", order=[["desk", 0.1], ["lab/spark:8000", 0.2]])
        node = named(drawn(told() | {"decisions": [last]}), "desk")
        assert fact(node, "why") == "chosen: first of 2 (adaptive)"

    def test_the_last_decision_is_a_sentence(self) -> None:
        def said(**other: Any) -> str:
            last = decision(tried("desk"), **{"by": "desk", **other})
            return fact(drawn(told() | {"decisions": [last]}).daemon, "choice")

        assert said() == "desk answered in 320 ms"
        assert said(by=EMBEDDED) == "the model on this CPU answered in 320 ms"
        assert said(is_panic=True).endswith("; no server was well, so all were asked")
        assert said(by="") == "nobody answered the last request"


def test_of_a_daemon_that_has_no_chain() -> None:
    graph = topology.graph({"model": {"id": "", "state": "none"}}, Links())
    assert [node.kind for node in graph.nodes] == ["shell", "daemon"]


@given(st.text(max_size=300), st.text(max_size=300))
def test_whatever_a_server_is_called_it_is_one_bounded_line(name: str, story: str) -> None:
    status = told()
    status["servers"][0] |= {"id": name, "why": story, "model": story}
    status["discovery"]["found"].append(sight(name + "x", f"http://{story}", story=story))
    graph = drawn(status)
    texts = [text for node in graph.nodes for text in (node.title, *dict(node.facts).values())]
    assert all(text.isprintable() and len(text) <= known_servers.LONGEST for text in texts)


class TestRoutes:
    def test_to_this_machine(self) -> None:
        assert routes({"127.0.0.1"}) == {"127.0.0.1": Route("127.0.0.1", "127.0.0.1")}

    def test_a_name_that_is_none_has_none(self) -> None:
        assert routes({"", "a" * 70 + ".invalid", "\udcff"}, within=1) == {}


def test_a_latency_that_was_not_measured_is_not_told() -> None:
    """The router assumes one of who has not answered yet."""
    status = told() | {"servers": [member("a", state="unreachable", ttft=0.5)]}
    assert fact(named(drawn(status), "a"), "latency") == ""


@pytest.mark.parametrize(("value", "text"), [(0.0028, "3 ms"), (0.21, "210 ms"), (1.25, "1.25 s")])
def test_seconds(value: float, text: str) -> None:
    assert reasons.seconds(value) == text
