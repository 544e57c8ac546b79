"""KubernetesSource, against an API server that can be told to fail."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from cmdai_shell import discovery
from cmdai_shell.core import Added
from cmdai_shell.discovery.cluster import api
from cmdai_shell.discovery.kubernetes import KubernetesSource
from cmdai_shell.errors import ConfigError
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


@pytest.mark.parametrize("garbage", [b"{", b"[]", b'{"type": 3}', b"\xff", b'{"a":' * 5_000])
async def test_garbage_in_a_watch_ends_that_watch_only(
    cluster: Cluster, fake: FakeKubeApi, garbage: bytes
):
    await cluster.serve()
    async with listening(cluster.source()) as heard:
        await heard.until_there(cluster.id("vllm:8000"))
        fake.garbage = garbage
        await fake.wake()
        await heard.until(lambda _: not fake.garbage)
        await cluster.serve("other")
        await heard.until(lambda heard: len(heard.endpoints) == 2)
        assert heard.failure is None


async def test_a_line_without_an_end_is_not_read_to_it(cluster: Cluster, fake: FakeKubeApi):
    await cluster.serve()
    async with listening(cluster.source()) as heard:
        await heard.until_there(cluster.id("vllm:8000"))
        fake.garbage = b" " * (5 << 20)
        await fake.wake()
        await heard.until(lambda _: not fake.garbage)
        await cluster.serve("other")
        await heard.until(lambda heard: len(heard.endpoints) == 2)


async def test_pages_are_turned(cluster: Cluster, fake: FakeKubeApi):
    fake.page = 2
    for number in range(5):
        await cluster.serve(f"s{number}")
    async with listening(cluster.source()) as heard:
        await heard.until(lambda heard: len(heard.endpoints) == 5)


async def test_missing_rights_are_named_all_at_once(cluster: Cluster, fake: FakeKubeApi):
    fake.denied = {("list", "services"), ("watch", "endpointslices")}
    async with listening(cluster.source()) as heard:
        await heard.until(lambda heard: heard.failure)
    assert heard.failure
    assert heard.failure.message.split(": ", 1)[1].split("; ") == [
        f"list services (API group core) in namespace {NAMESPACE}",
        f'watch endpointslices (API group "discovery.k8s.io") in namespace {NAMESPACE}',
    ]
    assert heard.failure.hint.startswith(
        "kubectl create role cmdai-shell --verb=get,list,watch "
        f"--resource=services,endpointslices.discovery.k8s.io -n {NAMESPACE} && "
    )


async def test_without_the_others_it_goes_on_and_says_which(cluster: Cluster, fake: FakeKubeApi):
    fake.denied = {("list", "inferencepools"), ("list", "ingresses"), ("list", "nodes")}
    fake.unknown = {"gateways"}
    fake.broken["httproutes"] = web.Response(status=500, text="webhook")
    port = {"name": "inference", "port": 8000, "nodePort": 31_234}
    await cluster.serve()
    await cluster.serve("far", status=None, type="NodePort", ports=[port])
    source = cluster.source()
    async with listening(source) as heard:
        await heard.until_there(cluster.id("vllm:8000"))
        await heard.until_barred(f"{NAMESPACE}/far", "may not be listed")
        named = {right.resource for right in source.missing_rights}
        assert named == {"inferencepools", "ingresses", "nodes"}
        assert heard.failure is None


async def test_a_token_that_is_replaced_in_the_kubeconfig_is_taken(
    cluster: Cluster, fake: FakeKubeApi, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(api, "RENEW_S", 0.0)
    await cluster.serve()
    async with listening(cluster.source()) as heard:
        await heard.until_there(cluster.id("vllm:8000"))
        path = kube.with_user(cluster.environ["KUBECONFIG"], {"token": "new-token"})
        path.rename(cluster.environ["KUBECONFIG"])
        fake.tokens = {"new-token"}
        await fake.cut_off()
        client = replace(cluster.client, token="new-token")
        await replace(cluster, client=client).serve("other")
        await heard.until(lambda heard: len(heard.endpoints) == 2)
        assert heard.failure is None


async def test_a_server_that_is_not_there_is_an_error_with_a_hint(cluster: Cluster, tmp_path: Path):
    url = f"http://127.0.0.1:{kube.free_port()}"
    path = kube.kubeconfig(tmp_path, url=url, namespace=NAMESPACE, admin="x")
    source = KubernetesSource(environ={"KUBECONFIG": str(path)})
    async with listening(source) as heard:
        await heard.until(lambda heard: heard.failure)
    assert heard.failure
    assert "cannot be reached" in heard.failure.message
    assert heard.failure.hint == "kubectl cluster-info"


async def test_closing_it_closes_every_connection(cluster: Cluster, fake: FakeKubeApi):
    await cluster.serve()
    changes = cluster.source().watch()
    assert isinstance(await anext(changes), Added)
    async with asyncio.timeout(2):
        await changes.aclose()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "kubernetes"]


@pytest.mark.parametrize("name", ["", "../default", "A", "a b", "-", "x" * 64])
def test_a_namespace_has_the_form_of_one(name: str):
    with pytest.raises(ConfigError):
        KubernetesSource(namespaces=(name,))


def test_a_service_has_the_form_of_one():
    with pytest.raises(ConfigError):
        KubernetesSource(service="a/b")


def test_it_is_the_source_of_the_table():
    assert discovery.load("k8s_service") is KubernetesSource


async def test_kubernetes_asyncio_is_not_for_the_daemon(cluster: Cluster):
    """It takes more memory than all of the rest."""
    script = (
        "import asyncio, sys\n"
        "from cmdai_shell.discovery.kubernetes import KubernetesSource\n"
        "async def main():\n"
        "    async for change in KubernetesSource().watch():\n"
        "        return print(change.endpoint.id, 'kubernetes_asyncio' in sys.modules)\n"
        "asyncio.run(main())\n"
    )
    await cluster.serve()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, env=dict(cluster.environ), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert said.decode().split() == [cluster.id("vllm:8000"), "False"]
