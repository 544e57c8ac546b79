"""KubernetesSource, against an API server that can be told to fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.discovery import kube
from tests.discovery.kube_contract import Cluster, KubernetesContract, listening
from tests.fakes import kube_api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.fakes.kube_api import FakeKubeApi

NAMESPACE = "ml-inference"


@pytest.fixture
async def fake() -> AsyncIterator[FakeKubeApi]:
    async with kube_api.serving() as found:
        yield found


@pytest.fixture
def cluster(fake: FakeKubeApi, tmp_path: Path) -> Cluster:
    url = f"http://127.0.0.1:{fake.port}"
    path = kube.kubeconfig(
        tmp_path, url=url, namespace=NAMESPACE, admin="admin-token", nobody="no-token"
    )
    return Cluster(
        client=kube.Client(url=url, namespace=NAMESPACE),
        environ={"KUBECONFIG": str(path), "HOME": str(tmp_path)},
    )


class TestAgainstTheFake(KubernetesContract):
    @pytest.fixture
    def cluster(self, cluster: Cluster) -> Cluster:  # type: ignore[override]
        return cluster


async def test_gone_is_listed_again(cluster: Cluster, fake: FakeKubeApi):
    await cluster.serve()
    async with listening(cluster.source()) as heard:
        await heard.until_there(cluster.id("vllm:8000"))
        await fake.forget()
        await cluster.client.delete(kube.SERVICES, "vllm")
        await heard.until_there()
        await cluster.serve("other")
        await heard.until_there(cluster.id("other:8000"))


async def test_what_happened_while_no_watch_was_open_is_heard(cluster: Cluster, fake: FakeKubeApi):
    await cluster.serve()
    async with listening(cluster.source()) as heard:
        await heard.until_there(cluster.id("vllm:8000"))
        fake.broken["services"] = web.json_response({"message": "etcd is away"}, status=503)
        await fake.cut_off()
        await cluster.client.delete(kube.SERVICES, "vllm")
        await heard.until(
            lambda _: [r.path for r in fake.requests[-8:]].count(
                f"/api/v1/namespaces/{NAMESPACE}/services"
            )
        )
        assert heard.endpoints, "what it said before stands"
        del fake.broken["services"]
        await heard.until_there()
        assert heard.failure is None
