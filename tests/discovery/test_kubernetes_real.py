"""KubernetesSource against a real API server: kube-apiserver with etcd, RBAC on, on loopback.

With CMDAI_TEST_CRDS (tests/test_deployments.py) InferencePools, HTTPRoutes and Gateways have their
published schemas; without, any object is one.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from cmdai_shell.discovery.cluster.api import Api, Fault
from cmdai_shell.discovery.cluster.login import Logins
from cmdai_shell.discovery.kubernetes import KubernetesSource
from tests.discovery import kube
from tests.discovery.kube_contract import BALANCED, Cluster, KubernetesContract, listening
from tests.test_deployments import CRDS, MANIFESTS, documents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.discovery.kube import KubeApi

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not (kube.APISERVER and kube.ETCD),
        reason="no CMDAI_TEST_KUBE_APISERVER, or no etcd on the PATH",
    ),
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    with kube.kube_api(tmp_path_factory.mktemp("kube")) as found:
        asyncio.run(prepare(found))
        yield found


async def prepare(api: KubeApi) -> None:
    await api.until_ready()
    crds = [kube.SLICES_CRD, kube.POOLS_CRD, kube.ROUTES_CRD, kube.GATEWAYS_CRD]
    if CRDS:
        names = ("inference.networking.k8s.io_inferencepools", "gw_httproutes", "gw_gateways")
        crds[1:] = [kube.published(Path(CRDS), f"{name}.yaml") for name in names]
    for one in crds:
        await api.install(one)


@pytest.fixture
async def cluster(api: KubeApi, tmp_path: Path) -> Cluster:
    namespace = f"t-{uuid4().hex[:12]}"
    client = api.client(namespace)
    value = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    await client.create("/api/v1/namespaces", value)
    path = kube.kubeconfig(
        tmp_path,
        url=api.url,
        namespace=namespace,
        ca=api.ca,
        admin="admin-token",
        viewer="viewer-token",
        nobody="no-token",
    )
    environ = {"KUBECONFIG": str(path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    return Cluster(client=client, environ=environ)


class TestAgainstARealOne(KubernetesContract):
    @pytest.fixture
    def cluster(self, cluster: Cluster) -> Cluster:  # type: ignore[override]
        return cluster


async def test_a_server_that_was_killed_is_found_again(cluster: Cluster, api: KubeApi):
    await cluster.serve()
    async with listening(cluster.source()) as heard:
        await heard.until_there(cluster.id("vllm:8000"))
        for number in range(2):
            api.kill()
            assert heard.endpoints, "what it said before stands"
            api.start()
            await api.until_ready()
            name = f"after-{number}"
            await cluster.serve(name)
            began = time.monotonic()
            await heard.until(
                lambda heard, name=name: cluster.id(f"{name}:8000") in heard.endpoints
            )
            print(f"found again {time.monotonic() - began:.1f} s after it was written")
        assert heard.failure is None
        assert len(heard.endpoints) == 3


async def test_what_vanished_while_the_server_was_away_is_removed(cluster: Cluster, api: KubeApi):
    """And etcd compacted: no watch can go on from before."""
    await cluster.serve()
    source = cluster.source()
    async with listening(source) as heard:
        await heard.until_there(cluster.id("vllm:8000"))
        api.kill()
        key = f"/registry/services/specs/{cluster.namespace}/vllm"
        assert (await api.etcd("kv/deleterange", key=key))["deleted"] == "1"
        await api.compact()
        api.start()
        await api.until_ready()
        await heard.until_there()
        assert heard.failure is None


async def test_a_version_that_was_compacted_away_is_gone(cluster: Cluster, api: KubeApi):
    """The API server's own words for it, which the fake repeats."""
    client = Api(Logins("", cluster.environ))
    path = kube.SERVICES.format(cluster.namespace)
    try:
        _, before = await client.all(path, {})
        for number in range(3):
            await cluster.client.create(kube.SERVICES, kube.service(f"s{number}"))
        api.kill()  # its watch cache would still serve it
        await api.compact()
        api.start()
        await api.until_ready()
        async with aclosing(client.watch(path, {}, before)) as events:
            assert await anext(events) == ("OPEN", {})
            with pytest.raises(Fault) as caught:
                await asyncio.wait_for(anext(events), 30)
        assert caught.value.cause == "gone", caught.value
    finally:
        await client.aclose()


async def test_a_viewer_without_rights_is_told_each_one_and_what_gives_them(cluster: Cluster):
    await cluster.serve()
    async with listening(cluster.source(context="viewer")) as heard:
        await heard.until(lambda heard: heard.failure)
    assert heard.failure
    for words in (
        f"list services (API group core) in namespace {cluster.namespace}",
        f"watch services (API group core) in namespace {cluster.namespace}",
        f'list endpointslices (API group "discovery.k8s.io") in namespace {cluster.namespace}',
        f'watch endpointslices (API group "discovery.k8s.io") in namespace {cluster.namespace}',
    ):
        assert words in heard.failure.message
    assert heard.failure.hint == (
        "kubectl create role cmdai-shell --verb=get,list,watch "
        f"--resource=services,endpointslices.discovery.k8s.io -n {cluster.namespace} && "
        "kubectl create rolebinding cmdai-shell --role=cmdai-shell --user=viewer "
        f"-n {cluster.namespace}"
    )


@pytest.mark.skipif(not shutil.which("kubectl"), reason="no kubectl")
async def test_the_commands_of_the_hint_are_enough(cluster: Cluster):
    await cluster.serve()
    source = cluster.source(context="viewer")
    async with listening(source) as heard:
        await heard.until(lambda heard: heard.failure)
    assert heard.failure
    environ = {**cluster.environ, "KUBECONFIG": cluster.environ["KUBECONFIG"]}
    told = await asyncio.to_thread(
        subprocess.run, heard.failure.hint, shell=True, env=environ, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    async with listening(source) as heard:
        await heard.until_there(cluster.id("vllm:8000"))
        missing = {(right.verb, right.resource) for right in source.missing_rights}
    assert ("list", "inferencepools") in missing


async def test_a_pod_uses_its_service_account_and_reads_it_again(
    cluster: Cluster, api: KubeApi, tmp_path: Path
):
    """Inside, a Service is its DNS name. The account is deleted and made anew: its old token is
    refused, and the file has the new one."""
    await cluster.serve(status=None)
    client, account = cluster.client, tmp_path / "account"
    accounts = f"/api/v1/namespaces/{cluster.namespace}/serviceaccounts"
    roles = kube.ROLES.format(cluster.namespace)
    group = "rbac.authorization.k8s.io"
    rule = {"verbs": ["list", "watch"], "apiGroups": ["*"], "resources": ["*"]}
    await client.create(roles, {"metadata": {"name": "reader"}, "rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": "shell", "namespace": cluster.namespace}
    reader = {"apiGroup": group, "kind": "Role", "name": "reader"}
    await client.create(
        f"{roles[:-5]}rolebindings",
        {"metadata": {"name": "reader"}, "subjects": [subject], "roleRef": reader},
    )

    async def new_token() -> str:
        await client.create(accounts, {"metadata": {"name": "shell"}})
        answer = await client.create(f"{accounts}/shell/token", {"spec": {}})
        token: str = answer["status"]["token"]
        return token

    account.mkdir()
    (account / "ca.crt").write_bytes((api.folder / "ca.crt").read_bytes())
    (account / "namespace").write_text(cluster.namespace)
    (account / "token").write_text(await new_token())
    environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(api.port)}
    source = KubernetesSource(environ=environ, account=account)
    async with listening(source) as heard:
        await heard.until_there(cluster.id("vllm:8000"))
        (endpoint,) = heard.endpoints.values()
        assert endpoint.url == f"http://vllm.{cluster.namespace}.svc:8000"
        assert endpoint.labels["addresses"].startswith("10.96.")
        await client.delete(accounts, "shell")
        (account / "token").write_text(await new_token())
        api.kill()  # every watch has to log in again
        api.start()
        await api.until_ready()
        await cluster.serve("second", status=None)
        await heard.until_there(cluster.id("vllm:8000"), cluster.id("second:8000"))
        assert heard.failure is None


async def test_an_exec_plugin_gives_the_token(cluster: Cluster, api: KubeApi, tmp_path: Path):
    await cluster.serve()
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "admin-token"},
    }
    (tmp_path / "credential").write_text(json.dumps(credential))
    plugin = {
        "apiVersion": credential["apiVersion"],
        "command": "/bin/cat",
        "args": [str(tmp_path / "credential")],
    }
    path = kube.with_user(cluster.environ["KUBECONFIG"], {"exec": plugin})
    source = KubernetesSource(environ={**cluster.environ, "KUBECONFIG": str(path)})
    async with listening(source) as heard:
        await heard.until_there(cluster.id("vllm:8000"))


async def test_many_slices_are_one_service(cluster: Cluster):
    """More than one page of them."""
    await cluster.serve()
    async with asyncio.TaskGroup() as group:
        for number in range(300):
            value = kube.endpoint_slice(name=f"vllm-{number}", ready={"10.2.0.1": {}})
            group.create_task(cluster.client.create(kube.SLICES, value))
    async with listening(cluster.source()) as heard:
        await heard.until_there(cluster.id("vllm:8000"))
        await cluster.client.patch_status(kube.SERVICES, "vllm", BALANCED)
        assert len(heard.changes) == 1


PATHS = {
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "Service": kube.SERVICES,
    "InferencePool": kube.POOLS,
    "Gateway": kube.GATEWAYS,
    "HTTPRoute": kube.ROUTES,
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Role": kube.ROLES,
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
}


async def test_the_examples_are_taken_and_found(cluster: Cluster):
    """examples/kubernetes, all of it, checked by the API server and then really created."""
    client = cluster.client
    for value in [one for path in MANIFESTS[:2] for one in documents(path)]:
        if value["metadata"]["name"] == "vllm-picker" and value["kind"] == "Deployment":
            (container,) = value["spec"]["template"]["spec"]["containers"]
            for probe in ("readinessProbe", "livenessProbe"):  # grpc: from Kubernetes 1.24 on
                port = container[probe].pop("grpc")["port"]
                container[probe]["tcpSocket"] = {"port": port}
        path = PATHS[value["kind"]]
        await client.create(f"{path}?dryRun=All", value)
        await client.create(path, value)
    async with listening(cluster.source()) as heard:
        await heard.until_barred(f"{client.namespace}/vllm", "no pod")
        await heard.until_barred(f"{client.namespace}/pool/vllm", "no Gateway that runs")
        await client.create(kube.SLICES, kube.endpoint_slice())
        await heard.until_barred(f"{client.namespace}/vllm", "no address outside")
        await client.patch_status(kube.SERVICES, "vllm", BALANCED)
        await heard.until_there(cluster.id("vllm:8000"))
        await client.patch_status(kube.GATEWAYS, "inference", kube.programmed())
        await heard.until_there(cluster.id("pool/vllm:8000"))
        await heard.until_barred(f"{client.namespace}/vllm", "those of the InferencePool vllm")
    assert heard.endpoints[cluster.id("pool/vllm:8000")].url == "https://llm.example.com"
