"""What KubernetesSource shows of a cluster: the same of the fake API server and of a real one."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from cmdai_shell.core import Added, Removed
from cmdai_shell.discovery.kubernetes import KubernetesSource
from cmdai_shell.errors import DiscoveryError
from tests.discovery import kube

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from cmdai_shell.core import Endpoint
    from tests.discovery.kube import Client

PATIENCE_S = 30.0
BALANCED = {"loadBalancer": {"ingress": [{"ip": "192.168.7.9"}]}}


@dataclass
class Heard:
    """What a source has said up to now."""

    source: KubernetesSource
    changes: list[Added | Removed] = field(default_factory=list)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    failure: DiscoveryError | None = None

    async def run(self) -> None:
        try:
            async with aclosing(self.source.watch()) as changes:
                async for change in changes:
                    self.changes.append(change)
                    if isinstance(change, Added):
                        self.endpoints[change.endpoint.id] = change.endpoint
                    else:
                        del self.endpoints[change.id]
        except DiscoveryError as failure:
            self.failure = failure

    async def until(self, is_so: Callable[[Heard], Any]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not is_so(self):
            assert time.monotonic() < end, (self.endpoints, self.source.unreachable, self.failure)
            await asyncio.sleep(0.01)

    async def until_there(self, *names: str) -> None:
        await self.until(lambda heard: set(heard.endpoints) == set(names))

    async def until_barred(self, name: str, reason: str) -> None:
        await self.until(
            lambda heard: any(
                one == name and reason in why for one, why, _ in heard.source.unreachable
            )
        )


@asynccontextmanager
async def listening(source: KubernetesSource) -> AsyncIterator[Heard]:
    heard = Heard(source)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(heard.run())
        yield heard
        task.cancel()


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """An API server and a namespace of its own for each test."""

    client: Client
    environ: Mapping[str, str]

    @property
    def namespace(self) -> str:
        return self.client.namespace

    def id(self, name: str) -> str:
        return f"kubernetes/{self.namespace}/{name}"

    def source(self, **options: Any) -> KubernetesSource:
        return KubernetesSource(environ=self.environ, **options)

    async def serve(self, name: str = "vllm", status: Any = BALANCED, **spec: Any) -> None:
        """A Service with one ready pod."""
        await self.client.create(kube.SERVICES, kube.service(name, **spec))
        if status:
            await self.client.patch_status(kube.SERVICES, name, status)
        await self.client.create(kube.SLICES, kube.endpoint_slice(name))


class KubernetesContract:
    """Fixture to override: ``cluster``."""

    @pytest.fixture
    def cluster(self) -> Cluster:
        raise NotImplementedError

    async def test_a_service_appears_scales_drains_and_vanishes(self, cluster: Cluster):
        client, name = cluster.client, cluster.id("vllm:8000")
        async with listening(cluster.source(environment="lab", priority=3)) as heard:
            await client.create(kube.SERVICES, kube.service(type="LoadBalancer"))
            await client.patch_status(kube.SERVICES, "vllm", BALANCED)
            await heard.until_barred(f"{client.namespace}/vllm", "no pod")
            assert not heard.changes
            await client.create(kube.SLICES, kube.endpoint_slice())
            await heard.until_there(name)
            endpoint = heard.endpoints[name]
            assert endpoint.url == "http://192.168.7.9:8000"
            assert (endpoint.kind, endpoint.model) == ("vllm", "qwen2.5-coder-7b")
            assert (endpoint.source, endpoint.environment, endpoint.priority) == (
                "kubernetes",
                "lab",
                3,
            )
            assert endpoint.labels == {"namespace": client.namespace, "addresses": "192.168.7.9"}
            assert not heard.source.unreachable

            second = kube.endpoint_slice(name="vllm-second", ready={"10.1.0.2": {}})
            await client.create(kube.SLICES, second)  # ready is not told: it is
            await client.patch(kube.SLICES, "vllm-abcde", {"endpoints": []})
            leaving = {"ready": True, "serving": True, "terminating": True}
            draining = kube.endpoint_slice(ready={"10.1.0.2": leaving})["endpoints"]
            await client.patch(kube.SLICES, "vllm-second", {"endpoints": draining})
            await heard.until_there()
            assert isinstance(heard.changes[-1], Removed)

            await client.patch(kube.SLICES, "vllm-abcde", {"endpoints": second["endpoints"]})
            await heard.until_there(name)
            await client.delete(kube.SERVICES, "vllm")
            await heard.until_there()
        assert [type(change) for change in heard.changes] == [Added, Removed, Added, Removed]

    async def test_what_stood_there_before_is_added_at_once(self, cluster: Cluster):
        await cluster.serve("one")
        await cluster.serve("two")
        async with listening(cluster.source()) as heard:
            await heard.until_there(cluster.id("one:8000"), cluster.id("two:8000"))

    async def test_begun_again_it_adds_what_is_there_and_removes_what_has_gone(
        self, cluster: Cluster
    ):
        await cluster.serve("stays")
        await cluster.serve("goes")
        source = cluster.source()
        async with listening(source) as heard:
            await heard.until(lambda heard: len(heard.endpoints) == 2)
        await cluster.client.delete(kube.SERVICES, "goes")
        again = Heard(source, endpoints=dict(heard.endpoints))
        async with asyncio.TaskGroup() as group:
            task = group.create_task(again.run())
            await again.until(lambda heard: len(heard.changes) == 2)
            task.cancel()
        assert set(again.endpoints) == {cluster.id("stays:8000")}

    async def test_a_service_that_is_not_annotated_is_nobodys_business(self, cluster: Cluster):
        plain = kube.service("web", type="LoadBalancer")
        del plain["metadata"]["annotations"]
        await cluster.client.create(kube.SERVICES, plain)
        await cluster.client.create(kube.SLICES, kube.endpoint_slice("web"))
        await cluster.serve()
        async with listening(cluster.source()) as heard:
            await heard.until_there(cluster.id("vllm:8000"))
            assert not heard.source.unreachable
            await cluster.client.patch(
                kube.SERVICES,
                "vllm",
                {"metadata": {"annotations": {"cmdai.ai/backend-type": None}}},
            )
            await heard.until_there()

    async def test_one_that_is_named_needs_no_annotation(self, cluster: Cluster):
        await cluster.serve("other")
        plain = kube.service("web", type="LoadBalancer")
        del plain["metadata"]["annotations"]
        async with listening(cluster.source(service="web")) as heard:
            await heard.until_barred("web", "no such service")
            await cluster.client.create(kube.SERVICES, plain)
            await cluster.client.patch_status(kube.SERVICES, "web", BALANCED)
            await cluster.client.create(kube.SLICES, kube.endpoint_slice("web"))
            await heard.until_there(cluster.id("web:8000"))
            assert heard.endpoints[cluster.id("web:8000")].kind == "auto"

    async def test_other_namespaces_are_left_alone_unless_all_are_wanted(self, cluster: Cluster):
        await cluster.serve()
        other, name = replace(cluster.client, namespace="default"), f"in-{cluster.namespace}"
        await replace(cluster, client=other).serve(name)
        async with listening(cluster.source(namespaces=("default",))) as heard:
            await heard.until(lambda heard: f"kubernetes/default/{name}:8000" in heard.endpoints)
            assert cluster.id("vllm:8000") not in heard.endpoints
        async with listening(cluster.source(namespaces=("*",))) as heard:
            await heard.until(lambda heard: cluster.id("vllm:8000") in heard.endpoints)

    async def test_from_outside_a_service_without_a_way_has_a_command_to_type(
        self, cluster: Cluster
    ):
        await cluster.serve(status=None)
        async with listening(cluster.source()) as heard:
            await heard.until_barred(f"{cluster.namespace}/vllm", "no address outside")
            ((_, _, hint),) = heard.source.unreachable
        assert hint == f"kubectl port-forward -n {cluster.namespace} service/vllm 8000:8000"
        assert not heard.changes

    async def test_an_ingress_is_a_way(self, cluster: Cluster):
        await cluster.serve(status=None)
        backend = {"service": {"name": "vllm", "port": {"name": "inference"}}}
        rule = {
            "host": "llm.example.com",
            "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
        }
        async with listening(cluster.source()) as heard:
            await cluster.client.create(
                kube.INGRESSES,
                {
                    "apiVersion": "networking.k8s.io/v1",
                    "kind": "Ingress",
                    "metadata": {"name": "llm"},
                    "spec": {"tls": [{"hosts": ["llm.example.com"]}], "rules": [rule]},
                },
            )
            await heard.until_there(cluster.id("vllm:8000"))
        (endpoint,) = heard.endpoints.values()
        assert endpoint.url == "https://llm.example.com"
        assert endpoint.labels["host"] == "llm.example.com"

    async def test_a_port_of_the_nodes_is_the_last_way(self, cluster: Cluster):
        port = {"name": "inference", "port": 8000, "nodePort": 31_234}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": cluster.namespace}}
        await cluster.client.create(kube.NODES, node)
        addresses = [
            {"type": "ExternalIP", "address": "9.9.9.9"},
            {"type": "InternalIP", "address": "192.168.7.21"},
        ]
        await cluster.client.patch_status(kube.NODES, cluster.namespace, {"addresses": addresses})
        try:
            await cluster.serve(status=None, type="NodePort", ports=[port])
            async with listening(cluster.source()) as heard:
                await heard.until_there(cluster.id("vllm:8000"))
            (endpoint,) = heard.endpoints.values()
            assert endpoint.url == "http://192.168.7.21:31234"
        finally:
            await cluster.client.delete(kube.NODES, cluster.namespace)

    async def test_a_pool_is_one_endpoint_at_its_gateway(self, cluster: Cluster):
        client, name = cluster.client, cluster.id("pool/coder:8000")
        await cluster.serve("coder")
        reference = {
            "group": "inference.networking.k8s.io",
            "kind": "InferencePool",
            "name": "coder",
        }
        async with listening(cluster.source()) as heard:
            await heard.until_there(cluster.id("coder:8000"))
            await client.create(kube.POOLS, kube.pool())
            await client.create(kube.ROUTES, kube.route(reference))
            await heard.until_barred(f"{client.namespace}/pool/coder", "no Gateway that runs")
            await client.create(kube.GATEWAYS, kube.gateway())
            await client.patch_status(kube.GATEWAYS, "inference", kube.programmed())
            await heard.until_there(name)  # and its pods' own service is none any more
            assert heard.endpoints[name].url == "https://llm.example.com"
            assert heard.endpoints[name].labels["via_gateway"] == f"{client.namespace}/inference"
            await client.delete(kube.GATEWAYS, "inference")
            await heard.until_there(cluster.id("coder:8000"))

    async def test_a_gateway_of_another_namespace_is_asked_for(self, cluster: Cluster):
        reference = {
            "group": "inference.networking.k8s.io",
            "kind": "InferencePool",
            "name": "coder",
        }
        there = {"name": cluster.namespace, "namespace": "default"}
        client = cluster.client
        path = kube.GATEWAYS.format("default")
        await client.create(path, kube.gateway(cluster.namespace))
        await client.patch_status(path, cluster.namespace, kube.programmed())
        await client.create(kube.POOLS, kube.pool())
        await client.create(kube.ROUTES, kube.route(reference, there))
        async with listening(cluster.source()) as heard:
            await heard.until_there(cluster.id("pool/coder:8000"))
        (endpoint,) = heard.endpoints.values()
        assert endpoint.labels["via_gateway"] == f"default/{cluster.namespace}"
        assert endpoint.labels["addresses"] == "192.168.7.80"

    async def test_a_token_that_is_not_known_is_said_so(
        self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
    ):
        async with listening(cluster.source(context="nobody")) as heard:
            await heard.until(lambda heard: heard.failure)
        assert heard.failure
        assert "does not know us" in heard.failure.message
