"""Each word of ``auth_type`` as a login."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest

from cmdai_shell.auth.schemes import SCHEMES, Means, login
from cmdai_shell.auth.store import CredentialStore
from cmdai_shell.config.environment import Auth, Environment
from cmdai_shell.config.environments import is_near
from cmdai_shell.errors import BackendDenied, ConfigError
from tests.auth import fake_provider
from tests.auth.pki import Pki

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.auth.authenticator import Authenticator

URL = "http://127.0.0.1:8000"


@pytest.fixture
def means(tmp_path: Path) -> Means:
    store = CredentialStore(tmp_path / "credentials", choice="file")
    environ = {"KEY": "planted", "ID": "c", "SECRET": "planted-secret"}
    return Means(store=store, allowed=is_near, environ=environ)


def environment(**fields: Any) -> Environment:
    return Environment(id="lab", **fields)


def to(means: Means, header: str = "", **fields: Any) -> Authenticator:
    return login(environment(**fields), means).to(URL, header)


def test_every_word_has_one() -> None:
    assert set(SCHEMES) == set(get_args(Auth))


async def test_none_has_no_header_and_checks_the_pin_all_the_same(means: Means) -> None:
    auth = to(means, cert_pinning_sha256="00" * 32)
    assert await auth.headers() == {}
    assert auth.pin() is not None
    assert auth.ssl() is None
    assert to(means, cert_pinning_sha256="00" * 32, cert_pinning_enabled=False).pin() is None


async def test_an_api_key(means: Means) -> None:
    auth = to(means, "api-key", auth_type="api_key", api_key_env="KEY")
    assert await auth.headers() == {"api-key": "planted"}
    auth = to(means, "api-key", auth_type="api_key", api_key_env="KEY", api_key_header="x-key")
    assert await auth.headers() == {"x-key": "planted"}
    stored = to(means, auth_type="api_key")
    with pytest.raises(BackendDenied, match="no API key is stored"):
        await stored.headers()
    await means.store.set("lab", "api-key", "from-store")
    assert await stored.headers() == {"Authorization": "Bearer from-store"}


async def test_a_certificate(means: Means, tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki")
    pki.issue("alice", passphrase="planted-phrase")
    auth = to(
        means,
        auth_type="mtls",
        tls_cert_path=str(pki.pem("alice")),
        tls_key_path=str(pki.key("alice")),
    )
    with pytest.raises(BackendDenied, match="passphrase is not known"):
        await auth.headers()
    await means.store.set("lab", "key-passphrase", "planted-phrase")
    assert await auth.headers() == {}
    assert auth.ssl() is not None


async def test_client_credentials(means: Means) -> None:
    async with fake_provider.running() as fake:
        auth = to(
            means,
            auth_type="oauth2",
            oauth_token_url=f"{fake.issuer}/token",
            oauth_client_id_env="ID",
            oauth_client_secret_env="SECRET",
        )
        assert await auth.headers() == {"Authorization": "Bearer planted-access-1"}
        assert fake.requests[0][1]["scope"] == "cmdai.inference"


async def test_a_person(means: Means) -> None:
    async with fake_provider.running() as fake:
        fake.claims = {"aud": "c"}
        found = login(
            environment(auth_type="oidc", oidc_issuer=fake.issuer, oidc_client_id_env="ID"), means
        )
        auth = found.to(URL, "")
        with pytest.raises(BackendDenied, match="nobody is logged in"):
            await auth.headers()
        assert found.oidc
        assert found.keeper

        async def at_once(_: float) -> None:
            pass

        await found.keeper.put(await found.oidc.login_by_device(lambda _: None, sleep=at_once))
        assert await auth.headers() == {"Authorization": "Bearer planted-access-1"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"auth_type": "mtls"}, "needs a certificate"),
        ({"auth_type": "oauth2"}, "no https"),
        ({"auth_type": "oauth2", "oauth_token_url": "https://x/t"}, "needs oauth_client_id_env"),
        (
            {
                "auth_type": "oauth2",
                "oauth_token_url": "https://x/t",
                "oauth_client_id_env": "ABSENT",
            },
            r"\$ABSENT is not set",
        ),
        ({"auth_type": "oidc", "oidc_issuer": "https://x"}, "needs oidc_client_id_env"),
        ({"cert_pinning_sha256": "hello"}, "no sha256"),
    ],
)
def test_what_is_missing_is_named(means: Means, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        login(environment(**fields), means).to(URL, "")
    assert caught.value.hint
