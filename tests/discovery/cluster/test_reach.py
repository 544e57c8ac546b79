"""Which address is offered, by where we run and what the cluster has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cmdai_shell.discovery.cluster import fronts, reach
from cmdai_shell.discovery.cluster.fronts import Gateway, Ingress, Listener, Route
from cmdai_shell.discovery.cluster.reach import Found, Unreachable, View
from cmdai_shell.discovery.cluster.shapes import Node, Pool, Port, Ready, Service, Slice

KEY = ("ml", "vllm")
PORT = Port(number=8000, name="inference")
SERVICE = Service(key=KEY, ports=(PORT,), cluster_ips=("10.96.0.7",))
PODS = (Ready(address="10.1.0.1", pod="vllm-a", node="n1"),)
SLICE = Slice(key=("ml", "vllm-x"), service="vllm", ports=(("inference", 8001),), ready=PODS)
INSIDE, OUTSIDE = View(is_inside=True), View()
BACKEND = fronts.Backend(group="", kind="Service", name="vllm", port=8000)
HTTPS = Listener(name="https", scheme="https", port=443, host="llm.example.com")
GATEWAY = Gateway(key=("ml", "gw"), listeners=(HTTPS,), addresses=("192.168.7.7",))
ROUTE = Route(
    key=("ml", "r"),
    parents=(fronts.Parent(gateway=GATEWAY.key),),
    hosts=("llm.example.com",),
    backends=(BACKEND,),
)


def urls(found: list[Found] | Unreachable) -> list[str]:
    assert isinstance(found, list), found
    return [one.way.url for one in found]


def reason(found: list[Found] | Unreachable) -> str:
    assert isinstance(found, Unreachable), found
    return found.reason


def outside(service: Service = SERVICE, **view: Any) -> list[Found] | Unreachable:
    return reach.of_service(service, [SLICE], replace(OUTSIDE, **view))


def test_inside_a_service_is_its_name():
    found = reach.of_service(SERVICE, [SLICE], INSIDE)
    assert urls(found) == ["http://vllm.ml.svc:8000"]


def test_inside_a_headless_service_is_its_pods_at_their_own_port():
    named = Ready(address="10.1.0.2", pod="vllm-1", host="vllm-1")
    headless = replace(SERVICE, is_headless=True, cluster_ips=())
    found = reach.of_service(headless, [replace(SLICE, ready=(*PODS, named))], INSIDE)
    assert urls(found) == ["http://10.1.0.1:8001", "http://vllm-1.vllm.ml.svc:8001"]
    assert isinstance(found, list)
    assert [one.name for one in found] == ["vllm-a", "vllm-1"]


def test_outside_a_headless_service_cannot_be_reached():
    assert "no address outside" in reason(outside(replace(SERVICE, is_headless=True)))


def test_without_a_pod_there_is_nothing():
    assert "no pod" in reason(reach.of_service(SERVICE, [], INSIDE))
    other = replace(SLICE, ports=(("metrics", 9000),))
    assert "no pod" in reason(reach.of_service(SERVICE, [other], INSIDE))


def test_a_port_without_a_number_is_every_port():
    every = replace(SLICE, ports=(("inference", None),))
    headless = replace(SERVICE, is_headless=True)
    assert urls(reach.of_service(headless, [every], INSIDE)) == ["http://10.1.0.1:8000"]


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("192.168.7.9", "http://192.168.7.9:8000"),
        ("fd00::9", "http://[fd00::9]:8000"),
        ("lb.example.com", "http://lb.example.com:8000"),
    ],
)
def test_outside_the_load_balancer_goes_first(host: str, url: str):
    found = outside(
        replace(SERVICE, balancers=(host,)), routes=[ROUTE], gateways={GATEWAY.key: GATEWAY}
    )
    assert urls(found) == [url]


def test_plain_http_does_not_cross_the_internet():
    public = replace(SERVICE, balancers=("9.9.9.9",))
    assert "plain http" in reason(outside(public))
    assert urls(outside(replace(public, balancers=("9.9.9.9", "10.0.0.9")))) == [
        "http://10.0.0.9:8000"
    ]
    secure = replace(public, ports=(replace(PORT, number=443, is_tls=True),))
    assert urls(outside(secure)) == ["https://9.9.9.9"]
    assert urls(outside(public, routes=[ROUTE], gateways={GATEWAY.key: GATEWAY})) == [
        "https://llm.example.com"
    ]


def test_a_gateway_is_a_way_to_a_service():
    found = outside(routes=[ROUTE], gateways={GATEWAY.key: GATEWAY})
    assert urls(found) == ["https://llm.example.com"]
    assert isinstance(found, list)
    assert found[0].way.gateway == "ml/gw"


@pytest.mark.parametrize(
    "gateway",
    [
        replace(GATEWAY, is_programmed=False),
        replace(GATEWAY, addresses=()),
        replace(GATEWAY, listeners=(replace(HTTPS, host="other.example.com"),)),
        replace(GATEWAY, listeners=()),
    ],
)
def test_a_gateway_that_does_not_run_or_listen_is_none(gateway: Gateway):
    assert "no address outside" in reason(outside(routes=[ROUTE], gateways={GATEWAY.key: gateway}))


@pytest.mark.parametrize(
    "route",
    [
        replace(ROUTE, key=("other", "r")),
        replace(ROUTE, backends=(replace(BACKEND, port=9000),)),
        replace(ROUTE, parents=(fronts.Parent(gateway=GATEWAY.key, section="http"),)),
        replace(ROUTE, parents=(fronts.Parent(gateway=GATEWAY.key, is_accepted=False),)),
        replace(ROUTE, hosts=("*.example.org",)),
    ],
)
def test_a_route_that_does_not_lead_there_is_none(route: Route):
    found = outside(routes=[route], gateways={GATEWAY.key: GATEWAY})
    assert "no address outside" in reason(found)


@pytest.mark.parametrize(
    ("hosts", "listener", "url"),
    [
        (("llm.example.com",), "", "https://llm.example.com"),
        (("llm.example.com",), "*.example.com", "https://llm.example.com"),
        (("*.example.com",), "llm.example.com", "https://llm.example.com"),
        ((), "llm.example.com", "https://llm.example.com"),
        ((), "", "https://192.168.7.7"),
        (("*.example.com", "a.example.com"), "", "https://a.example.com"),
    ],
)
def test_the_host_is_what_route_and_listener_agree_on(
    hosts: tuple[str, ...], listener: str, url: str
):
    gateway = replace(GATEWAY, listeners=(replace(HTTPS, host=listener),))
    found = outside(routes=[replace(ROUTE, hosts=hosts)], gateways={GATEWAY.key: gateway})
    assert urls(found) == [url]


def test_https_goes_before_http_and_http_stays_near():
    plain = Listener(name="http", scheme="http", port=80)
    both = replace(GATEWAY, listeners=(plain, HTTPS))
    assert urls(outside(routes=[ROUTE], gateways={GATEWAY.key: both})) == [
        "https://llm.example.com"
    ]
    near = replace(GATEWAY, listeners=(plain,))
    assert urls(outside(routes=[ROUTE], gateways={GATEWAY.key: near})) == ["http://llm.example.com"]
    far = replace(near, addresses=("9.9.9.9",))
    assert "plain http" in reason(outside(routes=[ROUTE], gateways={GATEWAY.key: far}))


def test_an_ingress_is_a_way():
    backend = replace(BACKEND, port="inference", host="llm.example.com", path="/llm")
    ingress = Ingress(key=("ml", "i"), backends=(backend,), tls_hosts=frozenset({"*.example.com"}))
    assert urls(outside(ingresses=[ingress])) == ["https://llm.example.com/llm"]
    nameless = Ingress(
        key=("ml", "i"), backends=(replace(backend, host=""),), addresses=("192.168.7.8",)
    )
    assert urls(outside(ingresses=[nameless])) == ["http://192.168.7.8/llm"]
    assert "no address outside" in reason(outside(ingresses=[replace(nameless, key=("x", "i"))]))


def test_a_port_of_the_nodes_prefers_those_with_a_pod():
    service = replace(SERVICE, kind="NodePort", ports=(replace(PORT, node=31_000),))
    nodes = [
        Node(key=("", "n0"), addresses=("192.168.7.20",)),
        Node(key=("", "n1"), addresses=("192.168.7.21", "9.9.9.9")),
    ]
    assert reach.wants_nodes(service, OUTSIDE)
    assert not reach.wants_nodes(service, INSIDE)
    assert not reach.wants_nodes(replace(service, balancers=("192.168.7.9",)), OUTSIDE)
    assert urls(outside(service, nodes=nodes)) == ["http://192.168.7.21:31000"]
    unready = [nodes[0], replace(nodes[1], is_ready=False)]
    assert urls(outside(service, nodes=unready)) == ["http://192.168.7.20:31000"]
    assert "may not be listed" in reason(outside(service))
    assert "no node" in reason(outside(service, nodes=[]))


def test_who_cannot_be_reached_has_a_command():
    found = outside(context="my cluster; rm -rf")
    assert isinstance(found, Unreachable)
    assert found.hint == (
        "kubectl --context 'my cluster; rm -rf' port-forward -n ml service/vllm 8000:8000"
    )


def test_an_external_name_and_a_port_that_nobody_can_tell_are_left_out():
    assert "ExternalName" in reason(outside(replace(SERVICE, kind="ExternalName")))
    two = (Port(number=80, name="a"), Port(number=81, name="b"))
    assert "called inference" in reason(outside(replace(SERVICE, ports=two)))
    assert "no address yet" in reason(outside(replace(SERVICE, kind="LoadBalancer")))


POOL = Pool(key=("ml", "coder"), port=8000)


def test_a_pool_is_its_gateway_from_inside_too():
    backend = fronts.Backend(group=fronts.POOLS, kind="InferencePool", name="coder")
    view = View(routes=[replace(ROUTE, backends=(backend,))], gateways={GATEWAY.key: GATEWAY})
    for is_inside in (False, True):
        assert urls(reach.of_pool(POOL, replace(view, is_inside=is_inside))) == [
            "https://llm.example.com"
        ]


def test_a_pool_whose_routes_may_not_be_read_names_its_gateway_itself():
    pool = replace(POOL, parents=(GATEWAY.key,))
    assert urls(reach.of_pool(pool, View(gateways={GATEWAY.key: GATEWAY}))) == [
        "https://llm.example.com"
    ]


def test_a_pool_without_a_gateway_says_where_to_look():
    found = reach.of_pool(POOL, OUTSIDE)
    assert isinstance(found, Unreachable)
    assert found.hint == "kubectl get httproutes,gateways -n ml"
