"""JSON of anybody's: whatever it is, it is read or it is absent, and what is read can be shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.config.environments import checked_url
from cmdai_shell.discovery.cluster import shapes
from cmdai_shell.discovery.cluster.world import (
    GATEWAYS,
    INGRESSES,
    NODES,
    POOLS,
    ROUTES,
    SERVICES,
    SLICES,
    Listed,
    World,
)
from tests.discovery import kube

RESOURCES = (SERVICES, SLICES, NODES, POOLS, ROUTES, GATEWAYS, INGRESSES)

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@st.composite
def spoiled(draw: st.DrawFn, whole: Any) -> Any:
    """The object with anything at all in some of its places."""
    if isinstance(whole, dict):
        return {key: draw(spoiled(value)) for key, value in whole.items()}
    if isinstance(whole, list):
        return [draw(spoiled(value)) for value in whole]
    words = st.sampled_from(
        ["", "\x1b[31m", "..", "a/b", "x" * 300, "*.example.com", "10.0.0.1", "::1", "9.9.9.9", 443]
    )
    return draw(st.just(whole) | words | anything) if draw(st.integers(0, 5)) == 0 else whole


def placed(value: Any, namespace: str = "ml") -> Any:
    return {**value, "metadata": {**value["metadata"], "namespace": namespace}}


POOL_REFERENCE = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "coder"}
INGRESS = {
    "metadata": {"name": "llm"},
    "spec": {
        "tls": [{"hosts": ["llm.example.com"]}],
        "rules": [
            {
                "host": "llm.example.com",
                "http": {
                    "paths": [
                        {
                            "path": "/v1",
                            "backend": {"service": {"name": "vllm", "port": {"number": 8000}}},
                        }
                    ]
                },
            }
        ],
    },
    "status": {"loadBalancer": {"ingress": [{"ip": "192.168.7.8"}]}},
}
NODE = {
    "metadata": {"name": "node-1"},
    "status": {
        "addresses": [{"type": "InternalIP", "address": "192.168.7.2"}],
        "conditions": [{"type": "Ready", "status": "True"}],
    },
}
OBJECTS = {
    "services": placed(
        kube.service(
            type="LoadBalancer",
            ports=[{"name": "inference", "port": 8000, "nodePort": 31_000}],
            clusterIP="10.96.0.7",
        )
        | {"status": {"loadBalancer": {"ingress": [{"ip": "192.168.7.9"}]}}}
    ),
    "endpointslices": placed(kube.endpoint_slice()),
    "nodes": NODE,
    "inferencepools": placed(kube.pool()),
    "httproutes": placed(kube.route(POOL_REFERENCE)),
    "gateways": placed(kube.gateway()) | {"status": kube.programmed()},
    "ingresses": placed(INGRESS),
}


@given(anything)
def test_whatever_is_there_is_read_or_absent(value: Any):
    for resource in RESOURCES:
        resource.read(shapes.mapping(value))


@given(st.data(), st.booleans())
def test_what_is_offered_is_an_address_and_can_be_shown(data: st.DataObject, is_inside: bool):
    world = World(is_inside=is_inside)
    for resource in RESOURCES:
        value = data.draw(spoiled(OBJECTS[resource.name]))
        one = resource.read(shapes.mapping(value))
        found = () if one is None else (one,)
        world.hear(Listed(resource=resource, namespace="", objects=found))
    world.wants(("ml",))
    endpoints, barred = world.outcome("", 0)
    for name, endpoint in endpoints.items():
        assert checked_url(endpoint.url) == endpoint.url
        shown = [name, endpoint.kind, endpoint.model, *endpoint.labels.values()]
        assert all(text.isprintable() for text in shown)
    for parts in barred:
        assert all(text.isprintable() for text in parts)


def test_the_objects_of_the_test_are_offered_when_nothing_is_spoiled():
    for is_inside in (False, True):
        world = World(is_inside=is_inside)
        for resource in RESOURCES:
            one = resource.read(OBJECTS[resource.name])
            assert one is not None
            world.hear(Listed(resource=resource, namespace="", objects=(one,)))
        endpoints, _ = world.outcome("", 0)
        assert set(endpoints) == {"kubernetes/ml/vllm:8000", "kubernetes/ml/pool/coder:8000"}


@pytest.mark.parametrize(
    ("told", "kind"),
    [("vllm", "vllm"), ("VLLM", "vllm"), ("sagemaker", "auto"), ("azure", "auto"), ("x", "auto")],
)
def test_a_cloud_does_not_run_in_a_cluster(told: str, kind: str):
    said = shapes.said({"metadata": {"annotations": {shapes.BACKEND: told}}})
    assert (said.kind, said.is_marked) == (kind, True)


@pytest.mark.parametrize(
    ("word", "auth"),
    [("none", "none"), ("api_key", "bearer"), ("mtls", "mtls"), ("oidc", "oidc"), ("root", "")],
)
def test_how_to_log_in_is_one_of_the_words(word: str, auth: str):
    assert shapes.said({"metadata": {"annotations": {shapes.AUTH: word}}}).auth == auth


def test_a_model_that_paints_the_terminal_is_text():
    said = shapes.said({"metadata": {"annotations": {shapes.MODEL: "\x1b[2Jqwen\n\u202e " * 99}}})
    assert said.model.startswith("qwen qwen")
    assert len(said.model) <= shapes.LONGEST_TEXT


@pytest.mark.parametrize(
    ("ports", "number"),
    [
        ([{"name": "inference", "port": 8000}, {"name": "metrics", "port": 9000}], 8000),
        ([{"name": "web", "port": 80}], 80),
        ([{"port": 80}], 80),
        ([{"name": "a", "port": 80}, {"name": "b", "port": 81}], None),
        ([{"name": "inference", "port": 53, "protocol": "UDP"}], None),
        ([{"name": "inference", "port": True}], None),
        ([], None),
    ],
)
def test_the_port_is_the_one_called_inference_or_the_only_one(ports: list[Any], number: int | None):
    found = shapes.service(placed(kube.service(ports=ports)))
    assert found
    assert (found.port.number if found.port else None) == number


@pytest.mark.parametrize(
    ("port", "is_tls"),
    [
        ({"port": 8000, "appProtocol": "http"}, False),
        ({"port": 8000, "appProtocol": "https"}, True),
        ({"port": 443}, True),
        ({"port": 443, "appProtocol": "http"}, False),
        ({"port": 9000, "name": "https"}, True),
    ],
)
def test_https_is_told_by_the_protocol_else_by_the_port(port: Any, is_tls: bool):
    found = shapes.service(placed(kube.service(ports=[port])))
    assert found
    assert found.port
    assert found.port.is_tls is is_tls


@pytest.mark.parametrize(
    ("conditions", "is_ready"),
    [
        ({}, True),
        ({"ready": None}, True),
        ({"ready": True}, True),
        ({"ready": False}, False),
        ({"ready": True, "terminating": True}, False),
        ({"ready": False, "serving": True, "terminating": True}, False),
    ],
)
def test_who_takes_requests(conditions: Any, is_ready: bool):
    found = shapes.endpoint_slice(placed(kube.endpoint_slice(ready={"10.1.0.1": conditions})))
    assert found
    assert bool(found.ready) is is_ready


def test_a_slice_of_no_service_is_none():
    value = placed(kube.endpoint_slice())
    value["metadata"]["labels"] = {}
    assert shapes.endpoint_slice(value) is None
