"""Gateways, HTTPRoutes and Ingresses as they are written."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from cmdai_shell.discovery.cluster import fronts
from tests.discovery import kube
from tests.test_deployments import MANIFESTS

SERVICE = {"name": "vllm", "port": 8000}


def placed(value: Any) -> Any:
    return {**value, "metadata": {**value["metadata"], "namespace": "ml"}}


def backends(*matches: Any, **reference: Any) -> tuple[fronts.Backend, ...]:
    value = placed(kube.route(SERVICE))
    (rule,) = value["spec"]["rules"]
    rule["matches"] = list(matches)
    rule["backendRefs"] = [{**SERVICE, **reference}]
    found = fronts.route(value)
    assert found
    return found.backends


@pytest.mark.parametrize(
    ("path", "base"),
    [
        ("/", ""),
        ("/v1", ""),
        ("/v1/", ""),
        ("/v1/chat/completions", ""),
        ("/llm", "/llm"),
        ("/llm/v1", "/llm"),
        ("/v10", "/v10"),
    ],
)
def test_what_belongs_to_the_protocol_is_no_part_of_the_address(path: str, base: str):
    (found,) = backends({"path": {"type": "PathPrefix", "value": path}})
    assert found.path == base


@pytest.mark.parametrize(
    "match",
    [
        {"path": {"type": "RegularExpression", "value": "/.*"}},
        {"path": {"value": "/a b"}},
        {"path": {"value": "/../x"}},
        {"path": {"value": 3}},
        {"headers": [{"name": "x-model", "value": "coder"}]},
        {"queryParams": [{"name": "a", "value": "b"}]},
    ],
)
def test_a_rule_that_wants_what_we_do_not_send_leads_nowhere(match: Any):
    assert backends(match) == ()


def test_a_rule_without_a_match_takes_everything():
    assert [found.path for found in backends()] == [""]


@pytest.mark.parametrize(
    "reference",
    [{"namespace": "other"}, {"weight": 0}, {"kind": "Bucket"}, {"group": "x"}, {"name": "A_"}],
)
def test_what_is_no_service_of_this_namespace_is_left_out(reference: Any):
    assert backends(**reference) == ()


def test_a_route_that_its_gateway_refuses_is_not_accepted():
    value = placed(kube.route(SERVICE))
    refused = [{"type": "Accepted", "status": "False"}]
    value["status"] = {"parents": [{"parentRef": {"name": "inference"}, "conditions": refused}]}
    found = fronts.route(value)
    assert found
    assert [parent.is_accepted for parent in found.parents] == [False]


@pytest.mark.parametrize(
    ("status", "is_up"),
    [
        ({}, False),
        ({"addresses": [{"value": "192.168.7.7"}]}, True),
        ({"conditions": [{"type": "Programmed", "status": "True"}]}, True),
        ({"conditions": [{"type": "Programmed", "status": "Unknown"}]}, False),
    ],
)
def test_a_gateway_runs_when_somebody_runs_it(status: Any, is_up: bool):
    found = fronts.gateway(placed(kube.gateway()) | {"status": status})
    assert found
    assert found.is_up is is_up


def test_the_example_s_gateway_leads_to_its_pool():
    found = {one["kind"]: one for one in yaml.safe_load_all(MANIFESTS[1].read_text())}
    gateway = fronts.gateway(
        placed(found["Gateway"]) | {"status": {"addresses": [{"value": "::1"}]}}
    )
    route = fronts.route(placed(found["HTTPRoute"]))
    assert gateway
    assert route
    ways = fronts.by_gateway(fronts.POOLS, ("ml", "vllm"), (), [route], {gateway.key: gateway})
    assert [way.url for way in ways] == ["https://llm.example.com"]
