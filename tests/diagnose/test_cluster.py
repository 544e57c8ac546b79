from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import trustme
import yaml
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmdai_shell.config import Config
from cmdai_shell.config.environment import Environment
from cmdai_shell.config.schema import Discovery
from cmdai_shell.diagnose import api_server, cluster, contexts
from cmdai_shell.diagnose.api_server import Answer
from cmdai_shell.diagnose.contexts import Plugin
from cmdai_shell.errors import DiscoveryError
from tests.diagnose.conftest import look, only
from tests.discovery import kube
from tests.fakes.in_thread import in_thread
from tests.fakes.kube_api import FakeKubeApi

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cmdai_shell.diagnose.check import Finding
    from cmdai_shell.diagnose.surroundings import Surroundings
    from tests.discovery.kube import KubeApi

SECRET = "sk-the-token-of-the-test"
CREDENTIAL = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "kind": "ExecCredential",
    "status": {"token": SECRET},
}
LONGEST_S = 2.5
"""And the time that a process with kubernetes-asyncio takes on a busy machine."""
MACHINE_S = 3.0


def asking(**more: Any) -> Any:
    return lambda: Config(discovery=Discovery(kubernetes=True, mdns=False, **more))


def at(around: Surroundings, path: Path | str, **more: Any) -> Finding:
    """With that kubeconfig; no answer may hold a token."""
    environ = {"KUBECONFIG": str(path), "PATH": os.environ["PATH"]}
    changes = {"config": asking(), "environ": environ, **more}
    found = look("kubeconfig", around, **changes)
    assert SECRET not in found.what + found.cure
    return found


def changed(path: Path, **parts: Any) -> Path:
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **parts}))
    return path


def closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    url = f"https://127.0.0.1:{closed_port()}"
    return kube.kubeconfig(tmp_path, url=url, namespace="ml", admin=SECRET, viewer="another")


class TestTheFile:
    def test_not_used(self, healthy: Surroundings) -> None:
        found = look("kubeconfig", healthy)
        assert (found.severity, "not asked" in found.what) == ("ok", True)

    def test_the_package_is_missing(
        self, healthy: Surroundings, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cluster, "find_spec", lambda name: None)
        found = at(healthy, path)
        assert found.severity == "fail"
        assert found.cure == f"{sys.executable} -m pip install 'cmdai-shell[kubernetes]'"

    def test_there_is_none(self, healthy: Surroundings, tmp_path: Path) -> None:
        found = at(healthy, tmp_path / "none")
        assert (found.severity, f"no kubeconfig ({tmp_path}/none)" in found.what) == ("fail", True)
        usual = look("kubeconfig", healthy, config=asking(), environ={})
        assert f"{healthy.home}/.kube/config" in usual.what

    def test_a_folder_in_its_place(self, healthy: Surroundings, tmp_path: Path) -> None:
        found = at(healthy, tmp_path)
        assert (found.severity, "cannot be read: is a directory" in found.what) == ("fail", True)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root can read anything")
    def test_one_that_may_not_be_read(self, healthy: Surroundings, path: Path) -> None:
        path.chmod(0)
        found = at(healthy, path)
        assert (found.severity, "permission denied" in found.what) == ("fail", True)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("users: [\n  token: " + SECRET, "is not YAML, line "),
            ("- a\n- b\n", "is not a kubeconfig"),
            ("\x00", "is not YAML"),
            ("[" * 1_000, "is not YAML"),
            ("# " + "x" * contexts.LARGEST, "too large"),
        ],
    )
    def test_one_that_is_none(
        self, healthy: Surroundings, path: Path, text: str, words: str
    ) -> None:
        path.write_text(text)
        found = at(healthy, path)
        assert (found.severity, words in found.what) == ("fail", True), found.what

    def test_a_context_that_is_not_there(self, healthy: Surroundings, path: Path) -> None:
        found = at(healthy, path, config=asking(kubernetes_context="admni"))
        assert found.severity == "fail"
        assert "no context admni, but admin, viewer" in found.what
        assert found.cure == "cmdai-shell config set discovery.kubernetes_context admin"
        found = at(healthy, changed(path, **{"current-context": "vewer"}))
        assert found.cure == "kubectl config use-context viewer"

    def test_no_context_at_all(self, healthy: Surroundings, path: Path) -> None:
        found = at(healthy, changed(path, **{"current-context": ""}))
        assert found.cure == "kubectl config use-context admin"
        path.write_text("{}")
        assert at(healthy, path).severity == "fail"

    def test_a_plugin_that_is_not_there(self, healthy: Surroundings, path: Path) -> None:
        plugin = {"command": "kubelogin", "installHint": "brew install\nkubelogin \x1b[31m"}
        changed(path, users=[{"name": "admin", "user": {"exec": plugin}}])
        found = at(healthy, path, which=only())
        assert found.severity == "fail"
        assert "logs in by kubelogin, which is not on the PATH" in found.what
        assert found.cure == "brew install kubelogin"

    def test_where_a_plugin_is_looked_for(self, path: Path) -> None:
        users = [
            {"name": "by-name", "user": {"exec": {"command": "aws"}}},
            {"name": "beside", "user": {"exec": {"command": "./bin/login"}}},
            {"name": "absolute", "user": {"exec": {"command": "/opt/login"}}},
            {"name": "none", "user": {"token": SECRET}},
        ]
        read = contexts.read([changed(path, users=users)])
        assert read.users == {
            "by-name": Plugin(command="aws"),
            "beside": Plugin(command=f"{path.parent}/bin/login"),
            "absolute": Plugin(command="/opt/login"),
            "none": None,
        }

    def test_several_are_one_and_the_first_wins(self, path: Path, tmp_path: Path) -> None:
        other = tmp_path / "other"
        extra = {"contexts": [{"name": "more", "context": {"user": "admin"}}]}
        other.write_text(yaml.safe_dump({"current-context": "more", **extra}))
        read = contexts.read([tmp_path / "none", path, other])
        assert (read.current, set(read.contexts)) == ("admin", {"admin", "viewer", "more"})
        files = contexts.paths({"KUBECONFIG": f"{path}::{other}"}, tmp_path)
        assert files == [path, other]

    @given(st.binary(max_size=200))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_bytes(self, tmp_path: Path, raw: bytes) -> None:
        (tmp_path / "any").write_bytes(raw)
        with suppress(DiscoveryError):
            contexts.read([tmp_path / "any"])

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["contexts", "users", "name", "user", "exec", "command"]), inner
                )
            ),
        )
    )
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_shape(self, tmp_path: Path, document: Any) -> None:
        (tmp_path / "any").write_text(yaml.safe_dump(document))
        with suppress(DiscoveryError):
            contexts.read([tmp_path / "any"])


class TestNamespaces:
    def test_of_the_configuration_and_of_environments(self) -> None:
        lab = Environment(name="lab", discovery_method="k8s_service", k8s_namespace="lab")
        environments = {"lab": lab}
        only_lab = Config(environments=environments)
        assert (cluster.is_asked(only_lab), cluster.namespaces(only_lab)) == (True, ("lab",))
        both = Config(environments=environments, discovery=Discovery(kubernetes=True))
        assert cluster.namespaces(both) == ("", "lab")
        assert not cluster.is_asked(Config())

    def test_what_is_needed_there(self) -> None:
        told = [str(right) for right in api_server.needed_rights(["ml", "ml"])]
        assert len(told) == 4
        assert told[0] == "list services (API group core) in namespace ml"
        assert told[3] == 'watch endpointslices (API group "discovery.k8s.io") in namespace ml'


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "words"),
        [
            (401, "refuses the kubeconfig's login"),
            (403, "lets us ask nothing: no \x1b[1mway"),
            (503, "answers 503"),
        ],
    )
    def test_what_they_mean(self, status: int, words: str) -> None:
        said = "no \x1b[1mway" if status == 403 else ""
        found = api_server.judged_answer(Answer(status=status, document={"message": said}), "api")
        assert found
        assert (found.severity, words.replace("\x1b[1m", "") in found.what) == ("fail", True)

    def test_of_those_that_are_well(self) -> None:
        assert api_server.judged_answer(Answer(status=201), "api") is None


class TestTheServer:
    """One that can be told to fail, and sockets."""

    @pytest.fixture
    def fake(self) -> FakeKubeApi:
        return FakeKubeApi(tokens={SECRET})

    @contextmanager
    def served(self, fake: FakeKubeApi, tmp_path: Path) -> Iterator[Path]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", fake.handle)
        with in_thread(app) as url:
            yield kube.kubeconfig(tmp_path, url=url, namespace="ml", admin=SECRET, old="expired")

    def test_well(self, healthy: Surroundings, fake: FakeKubeApi, tmp_path: Path) -> None:
        with self.served(fake, tmp_path) as path:
            begun = time.monotonic()
            found = at(healthy, path)
            assert time.monotonic() - begun < LONGEST_S + MACHINE_S
            assert found.severity == "ok"
            assert found.what.endswith("shows us services in: ml")
            everywhere = at(healthy, path, config=asking(kubernetes_namespaces=("*", "lab")))
            assert everywhere.what.endswith("in: every namespace, lab")

    def test_rights_that_are_missing(
        self, healthy: Surroundings, fake: FakeKubeApi, tmp_path: Path
    ) -> None:
        fake.denied = {("watch", "endpointslices"), ("list", "endpointslices")}
        with self.served(fake, tmp_path) as path:
            found = at(healthy, path)
        assert found.severity == "fail"
        assert 'list endpointslices (API group "discovery.k8s.io") in namespace ml' in found.what
        assert "watch endpointslices" in found.what
        assert "services (API group core)" not in found.what
        assert "kubectl create role cmdai-shell" in found.cure

    def test_a_token_that_has_expired(
        self, healthy: Surroundings, fake: FakeKubeApi, tmp_path: Path
    ) -> None:
        with self.served(fake, tmp_path) as path:
            found = at(healthy, path, config=asking(kubernetes_context="old"))
        assert (found.severity, "refuses the kubeconfig's login" in found.what) == ("fail", True)

    def test_a_plugin(self, healthy: Surroundings, fake: FakeKubeApi, tmp_path: Path) -> None:
        (tmp_path / "credential").write_text(json.dumps(CREDENTIAL))
        plugin = {
            "apiVersion": CREDENTIAL["apiVersion"],
            "command": "cat",
            "args": [str(tmp_path / "credential")],
        }
        with self.served(fake, tmp_path) as path:
            changed(path, users=[{"name": "admin", "user": {"exec": plugin}}])
            assert at(healthy, path, which=shutil.which).severity == "ok"

    def test_a_plugin_that_hangs(
        self, healthy: Surroundings, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api_server, "LOGIN_S", 1.5)
        plugin = {"apiVersion": "v1", "command": "/bin/sleep", "args": ["77"]}
        changed(path, users=[{"name": "admin", "user": {"exec": plugin}}])
        found = at(healthy, path)
        assert (found.severity, "no login within" in found.what) == ("fail", True)

    def test_nothing_listens(self, healthy: Surroundings, path: Path) -> None:
        found = at(healthy, path)
        assert (found.severity, "cannot be reached: connection refused" in found.what) == (
            "fail",
            True,
        )

    def test_a_name_without_an_address(self, healthy: Surroundings, tmp_path: Path) -> None:
        url = "https://no-such-host.invalid:6443"
        path = kube.kubeconfig(tmp_path, url=url, namespace="ml", admin=SECRET)
        found = at(healthy, path)
        assert found.severity == "fail"
        assert "no-such-host.invalid:6443" in found.what

    def test_silence(
        self, healthy: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(api_server, "ANSWER_S", 0.5)
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen()
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
            path = kube.kubeconfig(tmp_path, url=url, namespace="ml", admin=SECRET)
            found = at(healthy, path)
        assert (found.severity, "does not answer within" in found.what) == ("fail", True)

    def test_another_s_certificate(
        self, healthy: Surroundings, fake: FakeKubeApi, tmp_path: Path
    ) -> None:
        mine, other = trustme.CA(), trustme.CA()
        other.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
        tls = _tls(mine)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", fake.handle)
        with in_thread(app, tls) as url:
            ca = str(tmp_path / "ca.crt")
            path = kube.kubeconfig(tmp_path, url=url, namespace="ml", ca=ca, admin=SECRET)
            found = at(healthy, path)
            assert (found.severity, "a certificate that is not trusted" in found.what) == (
                "fail",
                True,
            )
            mine.cert_pem.write_to_path(ca)
            assert at(healthy, path).severity == "ok"


def _tls(authority: trustme.CA) -> Any:
    import ssl

    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(found)
    return found


# --- at a real API server


@pytest.mark.real
@pytest.mark.timeout(300)
@pytest.mark.skipif(
    not (kube.APISERVER and kube.ETCD),
    reason="no CMDAI_TEST_KUBE_APISERVER, or no etcd on the PATH",
)
class TestKubernetes:
    @pytest.fixture
    def namespace(self, api: KubeApi) -> str:
        name = f"t-{uuid4().hex[:12]}"
        value = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        asyncio.run(api.client(name).create("/api/v1/namespaces", value))
        return name

    @pytest.fixture
    def path(self, api: KubeApi, namespace: str, tmp_path: Path) -> Path:
        return kube.kubeconfig(
            tmp_path,
            url=api.url,
            namespace=namespace,
            ca=api.ca,
            admin="admin-token",
            viewer="viewer-token",
            nobody="no-token",
        )

    def test_well(self, healthy: Surroundings, path: Path, namespace: str) -> None:
        begun = time.monotonic()
        found = at(healthy, path)
        assert time.monotonic() - begun < LONGEST_S + MACHINE_S
        assert (found.severity, found.what.endswith(f"in: {namespace}")) == ("ok", True)

    @pytest.mark.skipif(not shutil.which("kubectl"), reason="no kubectl")
    def test_missing_rights_and_their_cure(
        self, healthy: Surroundings, path: Path, namespace: str
    ) -> None:
        viewer = asking(kubernetes_context="viewer")
        found = at(healthy, path, config=viewer)
        assert found.severity == "fail"
        assert "does not let us (viewer): list services" in found.what
        for verb in ("list", "watch"):
            for resource in ("services", "endpointslices"):
                assert f"{verb} {resource} " in found.what
        subprocess.run(
            ["sh", "-c", found.cure],
            env={**os.environ, "KUBECONFIG": str(path)},
            check=True,
            capture_output=True,
        )
        until = time.monotonic() + 10
        while (found := at(healthy, path, config=viewer)).severity != "ok":
            assert time.monotonic() < until, found

    def test_a_token_that_is_refused(self, healthy: Surroundings, path: Path) -> None:
        found = at(healthy, path, config=asking(kubernetes_context="nobody"))
        assert (found.severity, "refuses the kubeconfig's login" in found.what) == ("fail", True)

    def test_without_its_authority(self, healthy: Surroundings, path: Path, tmp_path: Path) -> None:
        cluster = {"server": yaml.safe_load(path.read_text())["clusters"][0]["cluster"]["server"]}
        changed(path, clusters=[{"name": "c", "cluster": cluster}])
        assert "a certificate that is not trusted" in at(healthy, path).what

    def test_as_a_pod(
        self, healthy: Surroundings, api: KubeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from cmdai_shell.discovery.cluster import login

        for name, text in (("token", "viewer-token"), ("namespace", "default")):
            (tmp_path / name).write_text(text)
        shutil.copy(api.ca, tmp_path / "ca.crt")
        monkeypatch.setattr(login, "ACCOUNT", tmp_path)
        host = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(api.port)}
        assert not cluster._is_pod(host, "a-context")
        found = look("kubeconfig", healthy, config=asking(), environ=host)
        assert "does not let us (viewer): list services" in found.what
        assert "in namespace default" in found.what


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    with kube.kube_api(tmp_path_factory.mktemp("kube")) as found:
        asyncio.run(_prepare(found))
        yield found


async def _prepare(api: KubeApi) -> None:
    await api.until_ready()
    await api.install(kube.SLICES_CRD)
