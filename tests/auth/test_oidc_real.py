"""Logins at a real, certified OpenID provider."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import subprocess
import sys
import threading
import time
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
import pytest
from cryptography import x509

from cmdai_shell.auth import session
from cmdai_shell.auth.exchange import Exchange, ExchangeRefused
from cmdai_shell.auth.keeper import TokenKeeper
from cmdai_shell.auth.leaving import leave
from cmdai_shell.auth.oauth2 import ClientCredentials, refreshed
from cmdai_shell.auth.oidc import Oidc, OidcClient
from cmdai_shell.auth.store import CredentialStore
from cmdai_shell.auth.tls import TlsFiles, also_systems
from cmdai_shell.errors import BackendDenied
from tests.auth import provider
from tests.auth.pki import Pki
from tests.auth.provider import Browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cmdai_shell.auth.device import DeviceCode
    from cmdai_shell.auth.tokens import Tokens

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with provider.running() as found:
        yield found


@pytest.fixture(scope="module")
def hasty() -> Iterator[str]:
    """One whose device codes and tokens are short-lived."""
    with provider.running(DEVICE_TTL=2, AT_TTL=2) as found:
        yield found


@pytest.fixture
def store(tmp_path: Path) -> CredentialStore:
    return CredentialStore(tmp_path / "credentials", choice="file")


def oidc(issuer: str, redirect_uri: str = "http://127.0.0.1/callback") -> Oidc:
    client = OidcClient(issuer=issuer, client="cmdai-cli", scope="infer", redirect_uri=redirect_uri)
    return Oidc(Exchange(), client)


def keeper(one: Oidc, store: CredentialStore) -> TokenKeeper:
    return TokenKeeper("lab", one.renew, origin=one.origin, client=one.client, store=store)


async def quickly(_: float) -> None:
    await asyncio.sleep(0.1)


async def logged_in(one: Oidc) -> Tokens:
    def show(code: DeviceCode) -> None:
        Browser().log_in(code.verification_uri_complete)

    return await asyncio.wait_for(_by_code(one, show), 50)


async def _by_code(one: Oidc, show: object) -> Tokens:
    """The browser is driven in a thread, as the loop has the other end."""
    threads: list[threading.Thread] = []

    def shown(code: DeviceCode) -> None:
        threads.append(threading.Thread(target=show, args=(code,), daemon=True))  # type: ignore[arg-type]
        threads[0].start()

    try:
        return await one.login_by_device(shown, sleep=quickly)
    finally:
        for thread in threads:
            await asyncio.to_thread(thread.join)


def aged(tokens: Tokens) -> Tokens:
    """Their access token has ended a minute ago."""
    now = time.time()
    return msgspec.structs.replace(tokens, obtained=now - 120, expires=now - 60)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_browser(issuer: str, host: str) -> None:
    browser = Browser()
    threads: list[threading.Thread] = []

    def open_browser(url: str) -> None:
        threads.append(threading.Thread(target=browser.log_in, args=(url,), daemon=True))
        threads[0].start()

    one = oidc(issuer, f"http://{host}/callback")
    tokens = await one.login_by_browser(open_browser, timeout=50)
    await asyncio.to_thread(threads[0].join)
    assert "You can close this page" in browser.text
    assert tokens.who == "alice@example.test"
    assert tokens.access.count(".") == 2
    assert tokens.refresh
    assert 30 < tokens.expires - time.time() < 90


async def test_a_browser_in_which_the_person_says_no(issuer: str) -> None:
    browser = Browser()
    threads: list[threading.Thread] = []

    def open_browser(url: str) -> None:
        threads.append(threading.Thread(target=browser.refuse, args=(url,), daemon=True))
        threads[0].start()

    with pytest.raises(ExchangeRefused, match="refused in the browser"):
        await oidc(issuer).login_by_browser(open_browser, timeout=50)
    await asyncio.to_thread(threads[0].join)


async def test_nobody_at_the_browser(issuer: str) -> None:
    with pytest.raises(ExchangeRefused, match="nobody logged in") as caught:
        await oidc(issuer).login_by_browser(lambda _: None, timeout=0.1)
    assert "code" in caught.value.hint


async def test_a_code_on_another_screen(issuer: str) -> None:
    polls = 0
    seen: list[DeviceCode] = []
    approved = threading.Event()

    async def sleep(_: float) -> None:
        nonlocal polls
        polls += 1
        await asyncio.sleep(0.05)
        if polls == 3:  # twice it was pending
            await asyncio.to_thread(Browser().log_in, seen[0].verification_uri_complete)
            approved.set()

    one = oidc(issuer)
    tokens = await one.login_by_device(seen.append, sleep=sleep)
    assert approved.is_set()
    assert polls == 3
    assert seen[0].interval == 5.0
    assert seen[0].device_code not in repr(seen[0])
    assert tokens.who == "alice@example.test"
    renewed = await asyncio.to_thread(one.renew, tokens)  # the grant has not been revoked
    assert renewed.refresh != tokens.refresh
    assert renewed.who == "alice@example.test"


async def test_a_code_that_is_refused(issuer: str) -> None:
    with pytest.raises(ExchangeRefused, match="refused in the browser") as caught:
        await _by_code(oidc(issuer), lambda code: Browser().refuse(code.verification_uri_complete))
    assert caught.value.error == "access_denied"


async def test_a_code_that_nobody_enters(hasty: str) -> None:
    with pytest.raises(ExchangeRefused, match="has expired") as caught:
        await oidc(hasty).login_by_device(lambda _: None, sleep=lambda _: asyncio.sleep(2.5))
    assert caught.value.error == "expired_token"


_RENEW = """
import asyncio, json, sys
from pathlib import Path
from cmdai_shell.auth.exchange import Exchange
from cmdai_shell.auth.keeper import TokenKeeper
from cmdai_shell.auth.oidc import Oidc, OidcClient
from cmdai_shell.auth.store import CredentialStore
one = Oidc(Exchange(), OidcClient(issuer=sys.argv[1], client="cmdai-cli"))
store = CredentialStore(Path(sys.argv[2]), choice="file")
keeper = TokenKeeper("lab", one.renew, origin=one.origin, client=one.client, store=store)
print("ready", flush=True)
sys.stdin.readline()
print(asyncio.run(keeper.access()))
"""


def test_two_processes_that_renew_at_once(issuer: str, store: CredentialStore) -> None:
    one = oidc(issuer)
    tokens = asyncio.run(logged_in(one))
    for _ in range(3):
        store.write("lab", "tokens", aged(tokens).written())
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", _RENEW, issuer, str(store.folder.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(3)
        ]
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        given = {process.communicate(timeout=40)[0].strip() for process in processes}
        assert [process.returncode for process in processes] == [0, 0, 0]
        assert len(given) == 1
        tokens = msgspec.json.decode(store.read("lab", "tokens") or "", type=type(tokens))
        assert tokens.access in given
    assert one.renew(tokens).access  # nobody is logged out


async def test_a_press_when_the_token_has_ended(issuer: str, store: CredentialStore) -> None:
    one = oidc(issuer)
    first = await logged_in(one)
    await store.set("lab", "tokens", aged(first).written())
    auth = session.OAuth(keeper(one, store), url="http://127.0.0.1:1")
    answers = await asyncio.gather(*(auth.headers() for _ in range(5)))
    assert len({answer["Authorization"] for answer in answers}) == 1
    assert answers[0]["Authorization"] != f"Bearer {first.access}"
    kept = json.loads(await store.get("lab", "tokens") or "")
    assert answers[0]["Authorization"] == f"Bearer {kept['access']}"


async def test_a_session_that_was_revoked(issuer: str, store: CredentialStore) -> None:
    one = oidc(issuer)
    tokens = await logged_in(one)
    assert await asyncio.to_thread(one.revoke, tokens) == ""
    await store.set("lab", "tokens", aged(tokens).written())
    kept = keeper(one, store)
    for _ in range(2):
        with pytest.raises(BackendDenied, match="has ended the login") as caught:
            await kept.access()
        assert caught.value.hint == "cmdai-shell auth login --environment lab"
    found = await session.status(kept, store)
    assert found.state == "ended"
    assert "refresh" not in json.loads(await store.get("lab", "tokens") or "")
    again = await logged_in(one)
    await kept.put(again)
    assert await kept.access() == again.access


async def test_logout_ends_it_there_too(issuer: str, store: CredentialStore) -> None:
    one = oidc(issuer)
    tokens = await logged_in(one)
    kept = keeper(one, store)
    await kept.put(tokens)
    assert (await session.status(kept, store)).words.startswith(
        "logged in as alice@example.test, for "
    )
    left = await asyncio.to_thread(leave, "lab", [store], one.revoke)
    assert (len(left.removed), left.alive, left.unseen) == (1, [], [])
    kept.forget()  # as the daemon is told to
    assert await store.get("lab", "tokens") is None
    assert (await session.status(kept, store)).state == "out"
    with pytest.raises(ExchangeRefused) as caught:
        await asyncio.to_thread(one.renew, tokens)
    assert caught.value.error == "invalid_grant"
    with pytest.raises(BackendDenied, match="nobody is logged in"):
        await kept.access()


@pytest.mark.parametrize(
    ("client", "how"),
    [("svc", "auto"), ("svc", "basic"), ("svc-post", "auto"), ("svc-post", "post")],
)
def test_a_programs_own_credentials(issuer: str, client: str, how: object) -> None:
    url = f"{issuer}/token"
    one = ClientCredentials(
        Exchange(),
        token_url=url,
        client=client,
        secret="svc-secret",
        scope="infer",
        client_auth=how,  # type: ignore[arg-type]
    )
    tokens = one.renew()
    assert tokens.access
    assert not tokens.refresh
    assert tokens.scope == "infer"
    assert one.renew().access != tokens.access


@pytest.mark.parametrize("shows", [True, False], ids=["shown", "not shown"])
def test_a_certificate_in_the_place_of_a_secret(tmp_path: Path, shows: bool) -> None:
    pki = Pki(tmp_path / "pki")
    pki.issue("server")
    pki.issue("alice", "alice@example.test", common_name="alice")
    subject = x509.load_pem_x509_certificate(pki.pem("alice").read_bytes()).subject
    short = {"organizationName": "O", "organizationalUnitName": "OU", "commonName": "CN"}
    name = ",".join(f"{short[it.oid._name]}={it.value}" for it in subject)
    files = TlsFiles(
        ca=pki.ca,
        certificate=pki.pem("alice") if shows else None,
        key=pki.key("alice") if shows else None,
    )
    settings = {"TLS_KEY": pki.key("server"), "TLS_CERT": pki.pem("server"), "TLS_CA": pki.ca}
    with provider.running(**settings, MTLS_DN=name) as url:
        one = ClientCredentials(
            Exchange(context=lambda: also_systems(files)),
            token_url=f"{url}/token",
            client="svc-mtls",
            secret="",
            scope="infer",
        )
        if not shows:
            with pytest.raises(ExchangeRefused, match="invalid_client"):
                one.renew()
            return
        claims = one.renew().access.split(".")[1]
    bound = json.loads(base64.urlsafe_b64decode(claims + "=="))["cnf"]["x5t#S256"]
    digest = sha256(pki.der("alice")).digest()
    assert base64.urlsafe_b64decode(bound + "=") == digest


def test_a_wrong_secret(issuer: str, caplog: pytest.LogCaptureFixture) -> None:
    one = ClientCredentials(
        Exchange(), token_url=f"{issuer}/token", client="svc", secret="planted-wrong"
    )
    with caplog.at_level(logging.DEBUG), pytest.raises(ExchangeRefused) as caught:
        one.renew()
    assert caught.value.error == "invalid_client"
    assert "secret" in caught.value.hint
    assert "planted" not in caplog.text + str(caught.value) + repr(one)


async def test_no_token_is_in_the_log(issuer: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        one = oidc(issuer)
        tokens = await logged_in(one)
        new = await asyncio.to_thread(
            lambda: refreshed(Exchange(), tokens, token_url=f"{issuer}/token")
        )
    for secret in (tokens.access, tokens.refresh, new.access, new.refresh):
        assert secret not in caplog.text
        assert secret not in repr(tokens) + repr(new)
