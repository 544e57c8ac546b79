"""Who we are: a pod's files, or a kubeconfig, its plugins included."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import trustme
import yaml

from cmdai_shell.discovery.cluster import kubeconfig, login
from cmdai_shell.errors import DiscoveryError
from tests.discovery import kube

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "sk-the-token-of-the-test"
API = "https://127.0.0.1:6443"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return kube.kubeconfig(tmp_path, url=API, namespace="ml", admin=SECRET, other="another")


def changed(path: Path, **parts: Any) -> Path:
    config = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**config, **parts}))
    return path


async def log_in(path: Path | str, context: str = "", **environ: str) -> login.Login:
    return await login.log_in(context, {"KUBECONFIG": str(path), **environ})


async def refusal(path: Path | str, context: str = "") -> DiscoveryError:
    with pytest.raises(DiscoveryError) as caught:
        await log_in(path, context)
    assert SECRET not in str(caught.value)
    assert caught.value.hint
    return caught.value


async def test_a_kubeconfig_gives_host_token_and_namespace(path: Path):
    found = await log_in(path)
    assert (found.host, found.authorization(), found.namespace) == (API, f"Bearer {SECRET}", "ml")
    assert not found.is_inside
    assert (await log_in(path, "other")).authorization() == "Bearer another"


async def test_several_files_are_one(path: Path, tmp_path: Path):
    missing = tmp_path / "missing"
    assert (await log_in(f"{missing}:{path}")).host == API


async def test_a_certificate_says_who_we_are(path: Path, tmp_path: Path, authority: trustme.CA):
    """Inline, as most tools write it; no key stays behind in a file."""
    certificate = authority.issue_cert("admin@example.com")
    chain = b"".join(one.bytes() for one in certificate.cert_chain_pems)
    user = {
        "client-certificate-data": base64.b64encode(chain).decode(),
        "client-key-data": base64.b64encode(certificate.private_key_pem.bytes()).decode(),
    }
    changed(path, users=[{"name": "admin", "user": user}])
    kept = tmp_path / "temporary"
    kept.mkdir()
    found = await log_in(path, TMPDIR=str(kept))
    assert found.authorization() == ""
    assert found.tls
    assert list(kept.iterdir()) == []


async def test_a_plugin_gives_a_token(path: Path, tmp_path: Path):
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": SECRET},
    }
    (tmp_path / "credential").write_text(json.dumps(credential))
    plugin = {
        "apiVersion": credential["apiVersion"],
        "command": "cat",
        "args": [str(tmp_path / "credential")],
    }
    changed(path, users=[{"name": "admin", "user": {"exec": plugin}}])
    assert (await log_in(path, PATH="/bin:/usr/bin")).authorization() == f"Bearer {SECRET}"


async def test_a_plugin_that_hangs_is_ended(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(login, "KUBECONFIG_S", 2.0)
    mark = f"86{time.time_ns() % 10**9}"
    plugin = {"apiVersion": "v1", "command": "/bin/sleep", "args": [mark]}
    changed(path, users=[{"name": "admin", "user": {"exec": plugin}}])
    error = await refusal(path)
    assert "2 s" in error.message
    left = [one for one in psutil.process_iter(["cmdline"]) if mark in (one.info["cmdline"] or ())]
    assert not [one for one in left if one.status() != psutil.STATUS_ZOMBIE]


async def test_a_plugin_that_fails_says_why(path: Path):
    script = "echo 'please run: aws sso login' >&2; exit 3"
    plugin = {"apiVersion": "v1", "command": "/bin/sh", "args": ["-c", script]}
    changed(path, users=[{"name": "admin", "user": {"exec": plugin}}])
    assert "please run: aws sso login" in (await refusal(path)).message


@pytest.mark.parametrize(
    "parts",
    [
        {"users": [{"name": "admin", "user": {"token": SECRET, "exec": {"args": [SECRET]}}}]},
        {"users": [{"name": "admin", "user": {"token": SECRET, "client-certificate": "/none"}}]},
        {"clusters": [{"name": "c", "cluster": {"certificate-authority-data": SECRET}}]},
        {"clusters": []},
        {"contexts": [{"name": "admin", "token": SECRET}]},
        {"contexts": 3},
        {"current-context": None},
        {"current-context": "gone"},
        {"clusters": [{"name": "c", "cluster": {"server": f"ftp://{SECRET}/"}}]},
        {"clusters": [{"name": "c", "cluster": {"server": "http://9.9.9.9:80"}}]},
    ],
)
async def test_what_is_wrong_is_told_without_what_is_secret(path: Path, parts: Any):
    await refusal(changed(path, **parts))


@pytest.fixture
def no_yaml(path: Path) -> Path:
    path.write_text(f"users:\n  token: {SECRET}: x\n")
    return path


async def test_a_file_that_is_no_yaml_is_not_repeated(no_yaml: Path):
    assert "line 2" in (await refusal(no_yaml)).message


async def test_without_a_kubeconfig_there_is_a_hint(tmp_path: Path):
    assert "KUBECONFIG" in (await refusal(tmp_path / "none")).hint


async def test_a_context_that_is_not_there_is_named(path: Path):
    assert "nowhere" in (await refusal(path, "nowhere")).message


def test_an_error_of_the_child_has_a_bound():
    assert len(kubeconfig.sentence(ValueError("x" * 9_999))) <= kubeconfig.LONGEST


@pytest.fixture
def account(tmp_path: Path, authority: trustme.CA) -> Path:
    folder = tmp_path / "account"
    folder.mkdir()
    authority.cert_pem.write_to_path(str(folder / "ca.crt"))
    (folder / "namespace").write_text("ml\n")
    (folder / "token").write_text("first\n")
    return folder


POD = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}


async def test_a_pod_is_its_service_account(account: Path):
    found = await login.log_in("", POD, account)
    assert (found.host, found.namespace, found.is_inside) == ("https://[fd00::1]:6443", "ml", True)
    assert found.authorization() == "Bearer first"
    (account / "token").write_text("second")
    assert found.authorization() == "Bearer second"
    (account / "token").unlink()
    assert found.authorization() == ""


async def test_a_pod_with_a_kubeconfig_is_what_that_says(account: Path, path: Path):
    found = await login.log_in("", {**POD, "KUBECONFIG": str(path)}, account)
    assert (found.host, found.is_inside) == (API, False)


async def test_a_service_account_without_its_ca_is_told(account: Path):
    (account / "ca.crt").unlink()
    with pytest.raises(DiscoveryError) as caught:
        await login.log_in("", POD, account)
    assert "automountServiceAccountToken" in caught.value.hint


async def test_a_login_is_remembered_while_its_file_is_as_it_was(path: Path):
    now = 1_000.0
    logins = login.Logins("", {"KUBECONFIG": str(path)}, clock=lambda: now)
    first = await logins.get(anew=False)
    now += login.REMEMBERED_S - 1
    assert await logins.get(anew=False) == first
    assert (await logins.get(anew=True))[1] == now
    remembered = await logins.get(anew=False)
    now += login.REMEMBERED_S
    assert (await logins.get(anew=False))[1] == now != remembered[1]
    changed(path, **{"current-context": "other"})
    assert (await logins.get(anew=False))[0].authorization() == "Bearer another"
