"""Kubernetes for tests: a client that writes, and a real API server (no nodes, no controllers).

CMDAI_TEST_KUBE_APISERVER   the kube-apiserver program; etcd is looked for on the PATH
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


Object = dict[str, Any]

APISERVER = os.environ.get("CMDAI_TEST_KUBE_APISERVER", "")
ETCD = shutil.which("etcd") or ""

SERVICES = "/api/v1/namespaces/{}/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"
POOLS = "/apis/inference.networking.k8s.io/v1/namespaces/{}/inferencepools"
ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes"
GATEWAYS = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/gateways"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/{}/ingresses"
NODES = "/api/v1/nodes"
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@contextlib.asynccontextmanager
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Without TLS's farewells, which an event loop that ends would leave open."""
    connector = aiohttp.TCPConnector()
    async with aiohttp.ClientSession(connector=connector) as session:
        try:
            yield session
        finally:
            await connector.close(abort_ssl=True)


@dataclass(frozen=True, kw_only=True)
class Client:
    """Writes objects. ``namespace`` fills the paths above."""

    url: str
    namespace: str
    token: str = "admin-token"
    tls: ssl.SSLContext | bool = True

    async def create(self, path: str, value: Object) -> Object:
        return await self.ask("POST", path, value)

    async def patch(self, path: str, name: str, value: Object) -> Object:
        return await self.ask("PATCH", f"{path}/{name}", value)

    async def patch_status(self, path: str, name: str, value: Object) -> Object:
        return await self.ask("PATCH", f"{path}/{name}/status", {"status": value})

    async def delete(self, path: str, name: str) -> None:
        await self.ask("DELETE", f"{path}/{name}")

    async def ask(self, method: str, path: str, value: Object | None = None) -> Object:
        merge = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
        headers = {"Authorization": f"Bearer {self.token}", **merge}
        async with (
            http() as session,
            session.request(
                method,
                self.url + path.format(self.namespace),
                json=value,
                headers=headers,
                ssl=self.tls,
            ) as response,
        ):
            answer: Object = await response.json()
            assert response.status < 300, answer
            return answer


def kubeconfig(folder: Path, *, url: str, namespace: str, ca: str = "", **tokens: str) -> Path:
    """One context for each token, the first being the current one."""
    contexts = [
        {"name": name, "context": {"cluster": "c", "user": name, "namespace": namespace}}
        for name in tokens
    ]
    cluster = {"server": url, **({"certificate-authority": ca} if ca else {})}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": next(iter(tokens)),
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token}} for name, token in tokens.items()],
        "contexts": contexts,
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def service(name: str = "vllm", **spec: Any) -> Object:
    annotations = {"cmdai.ai/backend-type": "vllm", "cmdai.ai/model": "qwen2.5-coder-7b"}
    port = {"name": "inference", "port": 8000, "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"ports": [port], "selector": {"app": name}, **spec},
    }


def endpoint_slice(service: str = "vllm", name: str = "", *, ready: Object | None = None) -> Object:
    """``ready``: by address, its conditions."""
    endpoints = [
        {"addresses": [address], "conditions": conditions}
        for address, conditions in (ready or {"10.1.0.1": {"ready": True}}).items()
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name or f"{service}-abcde",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [{"name": "inference", "port": 8000, "protocol": "TCP"}],
        "endpoints": endpoints,
    }


def pool(name: str = "coder") -> Object:
    return {
        "apiVersion": "inference.networking.k8s.io/v1",
        "kind": "InferencePool",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "targetPorts": [{"number": 8000}],
            "endpointPickerRef": {"name": "picker", "port": {"number": 9002}},
        },
    }


def gateway(name: str = "inference") -> Object:
    listener = {
        "name": "https",
        "protocol": "HTTPS",
        "port": 443,
        "hostname": "llm.example.com",
        "tls": {"certificateRefs": [{"name": "llm-example-com"}]},
    }
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name},
        "spec": {"gatewayClassName": "inference", "listeners": [listener]},
    }


def programmed(address: str = "192.168.7.80") -> Object:
    """What a controller writes into a Gateway's status."""
    condition = {
        "type": "Programmed",
        "status": "True",
        "reason": "Programmed",
        "message": "as it should be",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    return {
        "addresses": [{"type": "IPAddress", "value": address}],
        "conditions": [condition],
    }


def route(to: Object, gateway: Object | None = None) -> Object:
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": f"to-{to['name']}"},
        "spec": {
            "parentRefs": [gateway or {"name": "inference"}],
            "hostnames": ["llm.example.com"],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/v1"}}],
                    "backendRefs": [to],
                }
            ],
        },
    }


def crd(group: str, kind: str, plural: str, **annotations: str) -> Object:
    """One that takes any object: 1.20 serves none of these itself."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    approved = {"api-approved.kubernetes.io": "unapproved, of a test"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}", "annotations": approved},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": names,
            "versions": [version | {"schema": {"openAPIV3Schema": schema}}],
        },
    }


def published(folder: Path, name: str) -> Object:
    """A CRD as its project publishes it, but for what Kubernetes 1.20 does not understand: rules in
    CEL, which a newer one evaluates, and empty defaults, over which it stumbles."""

    def known(value: Any) -> Any:
        if isinstance(value, list):
            return [known(one) for one in value]
        if not isinstance(value, dict):
            return value
        return {
            key: known(one)
            for key, one in value.items()
            if key != "x-kubernetes-validations" and not (key == "default" and one == "")
        }

    found: Object = known(yaml.safe_load((folder / name).read_text()))
    return found


SLICES_CRD = crd("discovery.k8s.io", "EndpointSlice", "endpointslices")
POOLS_CRD = crd("inference.networking.k8s.io", "InferencePool", "inferencepools")
ROUTES_CRD = crd("gateway.networking.k8s.io", "HTTPRoute", "httproutes")
GATEWAYS_CRD = crd("gateway.networking.k8s.io", "Gateway", "gateways")


@dataclass
class KubeApi:
    """A real API server, with etcd behind it, on loopback, RBAC on. Tokens: ``admin-token``, and
    ``viewer-token``, whose user ``viewer`` has no rights."""

    folder: Path
    port: int
    etcd_port: int
    tls: ssl.SSLContext
    server: subprocess.Popen[bytes] | None = None
    log: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca(self) -> str:
        return str(self.folder / "ca.crt")

    def client(self, namespace: str, token: str = "admin-token") -> Client:
        return Client(url=self.url, namespace=namespace, token=token, tls=self.tls)

    def start(self) -> None:
        folder = self.folder
        command = [
            APISERVER,
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--tls-cert-file={folder}/server.crt",
            f"--tls-private-key-file={folder}/server.key",
            f"--client-ca-file={folder}/ca.crt",
            f"--token-auth-file={folder}/tokens.csv",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={folder}/account.key",
            f"--service-account-signing-key-file={folder}/account.key",
            "--disable-admission-plugins=ServiceAccount",
            "--runtime-config=discovery.k8s.io/v1beta1=false",
            "--endpoint-reconciler-type=none",
            f"--cert-dir={folder}/certs",
        ]
        with (folder / "api.log").open("ab") as log:
            self.server = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self) -> None:
        assert self.server
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()

    async def is_ready(self, path: str = "/readyz") -> bool:
        try:
            async with (
                http() as session,
                session.get(
                    self.url + path, ssl=self.tls, headers={"Authorization": "Bearer admin-token"}
                ) as response,
            ):
                return response.status == 200
        except (aiohttp.ClientError, OSError):
            return False

    async def until_ready(self, path: str = "/readyz") -> None:
        until = time.monotonic() + 120
        while not await self.is_ready(path):
            said = (self.folder / "api.log").read_text(errors="replace")[-3000:]
            assert self.server, "not started"
            assert self.server.poll() is None, said
            assert time.monotonic() < until, said
            await asyncio.sleep(0.1)

    async def install(self, value: Object) -> None:
        """A CRD, until it is served."""
        await self.client("default").create(CRDS, value)
        spec = value["spec"]
        await self.until_ready(f"/apis/{spec['group']}/v1/{spec['names']['plural']}")

    async def etcd(self, method: str, **body: Any) -> Object:
        """Its JSON gateway: ``kv/range``, ``kv/deleterange``, ``kv/compaction``; keys are text."""
        encoded = {
            key: base64.b64encode(value.encode()).decode() if key == "key" else value
            for key, value in body.items()
        }
        url = f"http://127.0.0.1:{self.etcd_port}/v3/{method}"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json=encoded) as response,
        ):
            answer: Object = await response.json()
            assert response.status == 200, answer
            return answer

    async def compact(self) -> None:
        """Everything in etcd but what is there now."""
        now = (await self.etcd("kv/range", key="none"))["header"]["revision"]
        await self.etcd("kv/compaction", revision=now)


@contextlib.contextmanager
def kube_api(folder: Path) -> Iterator[KubeApi]:
    """Started, not yet ready."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(str(folder / "ca.crt"))
    certificate.private_key_pem.write_to_path(str(folder / "server.key"))
    for one in certificate.cert_chain_pems:
        one.write_to_path(str(folder / "server.crt"), append=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    no_password = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, form, no_password)
    (folder / "account.key").write_bytes(pem)
    (folder / "tokens.csv").write_text(
        "admin-token,admin,1,system:masters\nviewer-token,viewer,2\n"
    )
    api = KubeApi(
        folder=folder,
        port=free_port(),
        etcd_port=free_port(),
        tls=ssl.create_default_context(cafile=str(folder / "ca.crt")),
    )
    peer = f"http://127.0.0.1:{free_port()}"
    client = f"http://127.0.0.1:{api.etcd_port}"
    with (folder / "etcd.log").open("wb") as log:
        etcd = subprocess.Popen(
            [
                ETCD,
                f"--data-dir={folder}/etcd",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        api.start()
        yield api
    finally:
        if api.server:
            api.kill()
        etcd.terminate()
        etcd.wait(20)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def with_user(path: str, user: Object) -> Path:
    """The same kubeconfig, with another first user, beside it."""
    found = Path(path)
    config = yaml.safe_load(found.read_text())
    config["users"][0]["user"] = user
    other = found.with_name("other-kubeconfig")
    other.write_text(yaml.safe_dump(config))
    return other
