"""Each word of ``auth_type`` as a login."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any, get_args

import pytest

from cmdai_shell.auth import schemes
from cmdai_shell.auth.keychain import CredentialsUnavailable
from cmdai_shell.auth.schemes import SCHEMES, Means, login, store
from cmdai_shell.auth.store import CredentialStore
from cmdai_shell.config import Config, paths
from cmdai_shell.config import environment as settings
from cmdai_shell.config.environment import Environment
from cmdai_shell.config.environments import is_near
from cmdai_shell.config.schema import Auth
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
    assert set(SCHEMES) == set(get_args(settings.Scheme))


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


@pytest.mark.parametrize("as_text", [True, False])
async def test_a_command_that_prints_the_key(means: Means, tmp_path: Path, as_text: bool) -> None:
    """A text is split as a shell would, and no shell sees it: ``$`` and ``;`` are plain signs."""
    given = (sys.executable, "-c", "import sys; print(sys.argv[1])", "planted; $HOME 'x'")
    command = shlex.join(given) if as_text else given
    auth = to(means, auth_type="api_key", api_key_command=command)
    assert await auth.headers() == {"Authorization": "Bearer planted; $HOME 'x'"}
    assert "planted" not in repr(auth)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"api_key_command": "pass 'show"}, "quotation"),
        ({"api_key_command": "pass show x", "api_key_env": "KEY"}, "both set"),
    ],
)
def test_what_is_no_command(means: Means, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        to(means, auth_type="api_key", **fields)


async def test_the_file_by_choice() -> None:
    kept = store(Config(auth=Auth(credential_store="file")))
    await kept.set("lab", "api-key", "planted")
    assert await kept.state() == "none"
    assert "planted" in (paths.data_dir() / "credentials" / "credentials.json").read_text()
    assert store(Config(auth=Auth(credential_store="keychain"))).choice == "keychain"


async def test_the_encrypted_file_by_choice(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    script = f"open({str(asked)!r}, 'a').write('x'); print('planted phrase')"
    command = (sys.executable, "-c", script)
    config = Config(auth=Auth(credential_store="encrypted-file", passphrase_command=command))
    for environment in ("lab", "office"):
        kept = schemes.means(Environment(id=environment, auth_type="api_key"), config).store
        await kept.set(environment, "api-key", f"planted-{environment}")
        assert await kept.get(environment, "api-key") == f"planted-{environment}"
    assert asked.read_text() == "x", "all environments have one store: it is asked once"
    folder = paths.data_dir() / "credentials"
    assert not (folder / "credentials.json").exists()
    assert b"planted" not in (folder / "credentials.sealed").read_bytes()
    assert "under a passphrase" in await kept.where()
    schemes._store.cache_clear()
    wrong = Auth(credential_store="encrypted-file", passphrase_command=shlex.join(("echo", "no")))
    with pytest.raises(CredentialsUnavailable, match="passphrase is wrong"):
        await store(Config(auth=wrong)).get("lab", "api-key")
    failing = Auth(credential_store="encrypted-file", passphrase_command="false")
    with pytest.raises(CredentialsUnavailable, match="no passphrase: false failed"):
        await store(Config(auth=failing)).get("lab", "api-key")
    with pytest.raises(ConfigError, match="needs passphrase_command"):
        store(Config(auth=Auth(credential_store="encrypted-file")))


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
            environment(
                auth_type="oidc",
                oidc_issuer=fake.issuer,
                oidc_client_id_env="ID",
                oidc_scope="infer more",
            ),
            means,
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
        asked = next(fields for path, fields in fake.requests if path == "/device")
        assert asked["scope"].split()[-2:] == ["infer", "more"]


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
