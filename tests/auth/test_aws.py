"""botocore's own chain: an instance's and a container's metadata on loopback, files of profiles."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cmdai_shell.auth import aws
from cmdai_shell.auth.schemes import Login, Means, login
from cmdai_shell.auth.store import CredentialStore
from cmdai_shell.backends import places
from cmdai_shell.config.environment import Address, Environment
from cmdai_shell.errors import BackendDenied, ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytest.importorskip("botocore")
URL = "https://runtime.sagemaker.eu-central-1.amazonaws.com/endpoints/llm-1"
ACCESS, SECRET = "AKIDEXAMPLE", "planted-aws-secret"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials.ini"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config.ini"))


@pytest.fixture
def means(tmp_path: Path) -> Means:
    return Means(store=CredentialStore(tmp_path / "credentials", choice="file"))


def chain(means: Means, **more: Any) -> Login:
    return login(Environment(id="cloud", kind="sagemaker", endpoints=(URL,), **more), means)


def _printing(**keys: object) -> str:
    """A ``credential_process`` that does."""
    program = f"print({json.dumps(json.dumps({'Version': 1, **keys}))})"
    return f"{sys.executable} -c {shlex.quote(program)}"


class Metadata:
    """An instance's (IMDSv2) and a container's; counts who asks."""

    def __init__(self, life: float = 3_600.0) -> None:
        self.life = life
        self.asked: list[str] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        async with TestServer(app) as server:
            yield str(server.make_url("/"))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if request.method == "PUT":
            return web.Response(text="planted-imds-token")
        self.asked.append(path)
        if path.endswith("/security-credentials/"):
            return web.Response(text="gpu-role")
        until = datetime.fromtimestamp(time.time() + self.life, UTC)
        return web.json_response(
            {
                "Code": "Success",
                "Type": "AWS-HMAC",
                "AccessKeyId": ACCESS,
                "SecretAccessKey": SECRET,
                "Token": "planted-session",
                "Expiration": f"{until:%Y-%m-%dT%H:%M:%SZ}",
            }
        )


async def test_an_instances_role(means: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = Metadata()
    async with metadata.running() as url:
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
        made = chain(means)
        auth = made.to(URL, "")
        for _ in range(3):
            assert await auth.headers() == {}
        count = len(metadata.asked)
        assert made.chain
        found = await made.chain()
        assert len(metadata.asked) == count == 2, "asked once, then kept"
        assert found.who == "this instance's role"
        assert 3_500 < found.expires - time.time() <= 3_600
        assert await auth.invalidate()
        await auth.headers()
        assert len(metadata.asked) == 4


async def test_a_containers_role(means: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Metadata().running() as url:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}role")
        made = chain(means)
        assert made.chain
        assert (await made.chain()).who == "this container's role"


async def test_a_profile_and_a_process_of_it(
    means: Means, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "credentials.ini"
    file.write_text(
        f"[default]\naws_access_key_id={ACCESS}\naws_secret_access_key={SECRET}\n"
        f"[gpu]\ncredential_process = {sys.executable} -c 'exit(3)'\n"
    )
    made = chain(means, auth_type="aws")
    assert made.chain
    found = await made.chain()
    assert (found.who, found.expires) == ("the profile in ~/.aws/credentials", 0.0)
    monkeypatch.setenv("AWS_PROFILE", "gpu")
    other = chain(means)
    with pytest.raises(BackendDenied, match="no AWS credentials: custom-process gives none"):
        await other.to(URL, "").headers()


@pytest.mark.parametrize(
    ("process", "words"),
    [
        ("/dev/null", "Permission denied"),
        ("/does/not/exist", "No such file or directory"),
        ("echo planted", "JSONDecodeError"),
        ("sh -c 'unclosed", "ValueError"),
        (_printing(AccessKeyId=5, SecretAccessKey="planted"), "what was given is none"),
        (_printing(AccessKeyId="a\nb", SecretAccessKey="planted"), "what was given is none"),
        (
            _printing(AccessKeyId="a", SecretAccessKey="planted", Expiration="soon"),
            "ParserError|ValueError",
        ),
    ],
)
async def test_a_process_that_fails_or_prints_nonsense(
    means: Means, tmp_path: Path, process: str, words: str
) -> None:
    (tmp_path / "credentials.ini").write_text(f"[default]\ncredential_process = {process}\n")
    with pytest.raises(BackendDenied, match=f"no AWS credentials: ({words})") as caught:
        await chain(means, auth_type="aws").to(URL, "").headers()
    assert "planted" not in str(caught.value)


async def test_a_role_that_may_not_be_assumed(
    means: Means, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        text = (
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>planted</Message>"
            "</Error></ErrorResponse>"
        )
        return web.Response(status=403, text=text, content_type="text/xml")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    (tmp_path / "credentials.ini").write_text(
        f"[base]\naws_access_key_id={ACCESS}\naws_secret_access_key={SECRET}\n"
        "[default]\nrole_arn = arn:aws:iam::123456789012:role/gpu\nsource_profile = base\n"
    )
    async with TestServer(app) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", str(server.make_url("/")))
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        with pytest.raises(BackendDenied, match=r"AWS refuses AssumeRole \(AccessDenied\)"):
            await chain(means, auth_type="aws").to(URL, "").headers()


async def test_the_variables_go_first(means: Means) -> None:
    environ = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET}
    made = chain(Means(store=means.store, environ=environ))
    assert made.chain
    assert (await made.chain()).who == "the variables AWS_*"


async def test_there_are_none(means: Means) -> None:
    with pytest.raises(BackendDenied, match="there are no AWS credentials here") as caught:
        await chain(means).to(URL, "").headers()
    assert "aws sso login" in caught.value.hint


async def test_nothing_is_signed_for_plain_http(means: Means) -> None:
    far = chain(means, region="eu-central-1").to("http://gpu.example.com/endpoints/x", "")
    with pytest.raises(BackendDenied, match="over plain http"):
        await far.headers()


def test_which_region(means: Means) -> None:
    with pytest.raises(ConfigError, match="which AWS region"):
        chain(means).to("https://vpce-1.example.com/endpoints/llm-1", "")
    assert chain(means, region="us-east-1").to("https://vpce-1.example.com/endpoints/llm-1", "")


def test_servers_of_other_kinds_get_no_signature(means: Means) -> None:
    mixed = Environment(
        id="lab",
        auth_type="aws",
        endpoints=(Address(url=URL, kind="sagemaker"), "https://gpu.example.com"),
    )
    with pytest.raises(ConfigError, match="kind sagemaker"):
        login(mixed, means)
    plain = Environment(id="lab", endpoints=mixed.endpoints)
    assert plain.scheme == "none"
    alone = Environment(id="lab", endpoints=(Address(url=URL, kind="sagemaker"),))
    assert alone.scheme == "aws"


async def test_without_its_package(means: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables do without it; and no other server suffers."""
    monkeypatch.setattr(aws, "find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        chain(means)
    assert caught.value.hint == "pip install 'cmdai-shell[sagemaker]'"
    (server,) = places.servers(Environment(id="lab", kind="sagemaker", endpoints=(URL,)))
    found = await server.handshake(5.0)
    assert (found.state, found.hint) == ("login", caught.value.hint)
    await server.aclose()
    environ = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET}
    assert chain(Means(store=means.store, environ=environ))
