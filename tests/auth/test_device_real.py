"""A provider (Debian's glewlwyd) that says an interval and slow_down, which the certified one never
does."""

from __future__ import annotations

import asyncio
import http.cookiejar
import json
import shutil
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from cmdai_shell.auth import device
from cmdai_shell.auth.exchange import Exchange, ExchangeRefused, basic
from cmdai_shell.auth.oauth2 import ClientCredentials

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real
SCHEMA = Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
CONFIG = """port={port}
bind_address="127.0.0.1"
external_url="http://127.0.0.1:{port}"
login_url="login.html"
api_prefix="api"
cookie_secure=0
static_files_path="/usr/share/glewlwyd/webapp"
log_mode="console"
log_level="ERROR"
session_expiration=2592000
session_key="S"
hash_algorithm="SHA512"
user_module_path="/usr/lib/glewlwyd/user"
user_middleware_module_path="{folder}/um"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
database = {{ type = "sqlite3"; path = "{folder}/g.db"; }};
"""


class Admin:
    def __init__(self, port: int) -> None:
        self.api = f"http://127.0.0.1:{port}/api"
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)

    def post(self, path: str, body: dict[str, Any]) -> None:
        headers = {"content-type": "application/json"}
        data = json.dumps(body).encode()
        request = urllib.request.Request(self.api + path, data, headers, method="POST")
        self._opener.open(request, timeout=20).close()

    def log_in(self) -> None:
        until = time.monotonic() + 20
        while True:
            try:
                return self.post("/auth/", {"username": "admin", "password": "password"})
            except urllib.error.HTTPError:
                raise
            except urllib.error.URLError:
                assert time.monotonic() < until
                time.sleep(0.05)

    def set_up(self) -> None:
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        private = key.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        ).decode()
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.log_in()
        on = ("allow-non-oidc", "pkce-allowed", "refresh-token-rolling")
        off = ("token", "none", "password")
        kinds = ("client", "code", "device", "id-token", "refresh")
        parameters = {
            **dict.fromkeys(on, True),
            **{f"auth-type-{kind}-enabled": True for kind in kinds},
            **{f"auth-type-{kind}-enabled": False for kind in off},
            "iss": f"{self.api}/oidc",
            "jwt-type": "rsa",
            "jwt-key-size": "256",
            "key": private,
            "cert": public.decode(),
            "access-token-duration": 60,
            "refresh-token-duration": 3600,
            "refresh-token-one-use": "always",
            "code-duration": 60,
            "device-authorization-expiration": 120,
            "device-authorization-interval": 1,
            "scope": [],
            "subject-type": "public",
            "allowed-scope": ["openid", "g_profile"],
        }
        usual = {"name": "oidc", "display_name": "oidc", "order_rank": 0, "enabled": True}
        self.post("/mod/plugin/", {**usual, "module": "oidc", "parameters": parameters})
        scope = {"name": "infer", "display_name": "infer", "password_required": True, "scheme": {}}
        self.post("/scope/", scope)
        client = {
            "client_id": "svc",
            "name": "svc",
            "confidential": True,
            "enabled": True,
            "password": "svc-secret",
            "redirect_uri": [],
            "authorization_type": ["client_credentials", "device_authorization"],
            "scope": ["infer"],
            "token_endpoint_auth_method": ["client_secret_basic"],
        }
        self.post("/client/", client)


@contextmanager
def running(folder: Path) -> Iterator[str]:
    if not shutil.which("glewlwyd") or not SCHEMA.exists():
        pytest.skip("glewlwyd (Debian) is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    database = sqlite3.connect(folder / "g.db")
    database.executescript(SCHEMA.read_text())
    database.close()
    (folder / "um").mkdir()
    (folder / "conf").write_text(CONFIG.format(port=port, folder=folder))
    with subprocess.Popen(
        ["glewlwyd", "-c", str(folder / "conf")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            admin = Admin(port)
            admin.set_up()
            yield f"{admin.api}/oidc"
        finally:
            process.kill()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("glewlwyd")) as found:
        yield found


async def test_who_asks_too_fast_is_slowed_down(url: str) -> None:
    exchange = Exchange()
    auth = basic("svc", "svc-secret")
    fields = {"grant_type": "device_authorization", "scope": "infer"}
    code = device.parse(
        await asyncio.to_thread(exchange.post, f"{url}/device_authorization", fields, auth)
    )
    assert code.interval == 1
    asked: list[str] = []
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) > 3:
            await asyncio.sleep(min(seconds, 1.5))

    class Enough(Exception):
        pass

    async def poll() -> None:
        if len(asked) == 5:
            raise Enough
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": code.device_code,
        }
        try:
            await asyncio.to_thread(exchange.post, f"{url}/token", form, auth)
        except ExchangeRefused as error:
            asked.append(error.error)
            raise

    with pytest.raises(Enough):
        await device.wait(code, poll, sleep=sleep, clock=time.monotonic)
    assert asked[0] == "authorization_pending"
    assert "slow_down" in asked
    slowed = asked.count("slow_down")
    assert waits[-1] == 1 + 5 * slowed


def test_its_client_credentials_and_its_empty_refusal(url: str) -> None:
    def client(secret: str) -> ClientCredentials:
        return ClientCredentials(
            Exchange(), token_url=f"{url}/token", client="svc", secret=secret, scope="infer"
        )

    assert client("svc-secret").renew().access
    with pytest.raises(ExchangeRefused) as caught:
        client("wrong").renew()
    assert caught.value.error == "invalid_client"
