"""Real TLS servers: whose certificate is good for what, and that nothing is said before."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.auth import pins
from cmdai_shell.auth.keychain import CredentialsUnavailable
from cmdai_shell.auth.tls import MutualTls, Tls, TlsFiles, load
from cmdai_shell.backends.http import HttpClient, Settings
from cmdai_shell.errors import BackendDenied, BackendUnavailable, ConfigError
from tests.auth.pki import PASSPHRASE, Listener, Pki, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from cmdai_shell.auth.authenticator import Authenticator

PATIENCE_S = 20.0


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    made = Pki(tmp_path / "pki")
    made.issue("server")
    made.issue("alice", "alice@example.test")
    return made


def files(pki: Pki, name: str = "alice") -> TlsFiles:
    return TlsFiles(ca=pki.ca, certificate=pki.pem(name), key=pki.key(name))


def mutual(pki: Pki, name: str = "alice", passphrase: str | None = None) -> MutualTls:
    return MutualTls(Tls(files(pki, name), passphrase=lambda: passphrase))


@asynccontextmanager
async def client(log: Listener, auth: Authenticator) -> AsyncIterator[HttpClient]:
    one = HttpClient(
        log.url, name="spark", settings=Settings(auth=auth, connect_timeout=PATIENCE_S)
    )
    try:
        yield one
    finally:
        await one.aclose()


async def asked(log: Listener, auth: Authenticator) -> int:
    async with client(log, auth) as one:
        return (await one.get("/", PATIENCE_S)).status


# --- our certificate


async def test_a_client_certificate(pki: Pki) -> None:
    async with listening(pki, "server", asks_client=True) as log:
        assert await asked(log, mutual(pki)) == 200
    assert log.subjects != [""]


async def test_an_encrypted_key(pki: Pki) -> None:
    pki.issue("locked", "alice@example.test", passphrase=PASSPHRASE)
    async with listening(pki, "server", asks_client=True) as log:
        assert await asked(log, mutual(pki, "locked", PASSPHRASE)) == 200
        for said, words in ((None, "its passphrase is not known"), ("no", "is wrong")):
            with pytest.raises(BackendDenied, match=words) as caught:
                await asked(log, mutual(pki, "locked", said))
            assert "locked.key" in caught.value.message
            assert caught.value.hint
    assert len(log.requests) == 1


@pytest.mark.parametrize("which", ["none", "of another authority"])
async def test_a_server_that_wants_a_better_one(pki: Pki, tmp_path: Path, which: str) -> None:
    other = Pki(tmp_path / "other")
    other.issue("alice", "alice@example.test")
    given = TlsFiles(ca=pki.ca, certificate=other.pem("alice"), key=other.key("alice"))
    auth = MutualTls(Tls(TlsFiles(ca=pki.ca) if which == "none" else given))
    async with listening(pki, "server", asks_client=True) as log:
        with pytest.raises(BackendUnavailable) as caught:
            await asked(log, auth)
    assert caught.value.cause in ("tls", "reset")
    assert not log.requests


def revoking(pki: Pki, folder: Path, name: str) -> Path:
    folder.mkdir()
    (folder / "index").touch()
    (folder / "number").write_text("01\n")
    (folder / "conf").write_text(
        f"[ca]\ndefault_ca=a\n[a]\ndatabase={folder}/index\ncrlnumber={folder}/number\n"
        "default_md=sha256\ndefault_crl_days=9\n"
    )
    key = folder / "ca.key"
    key.write_bytes(pki.authority.private_key_pem.bytes())
    ca = ["openssl", "ca", "-config", str(folder / "conf"), "-keyfile", str(key), "-cert"]
    for more in (["-revoke", str(pki.pem(name))], ["-gencrl", "-out", str(folder / "crl.pem")]):
        subprocess.run([*ca, str(pki.ca), *more], check=True, capture_output=True)
    return folder / "crl.pem"


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
async def test_one_that_its_authority_has_revoked(pki: Pki, tmp_path: Path) -> None:
    crl = revoking(pki, tmp_path / "crl", "alice")
    pki.issue("bob", "bob@example.test")
    async with listening(pki, "server", asks_client=True, crl=crl) as log:
        assert await asked(log, mutual(pki, "bob")) == 200
        with pytest.raises(BackendUnavailable) as caught:
            await asked(log, mutual(pki))
    assert caught.value.cause in ("tls", "reset")
    assert len(log.requests) == 1


@contextmanager
def openssl_server(pki: Pki, version: str) -> Iterator[str]:
    """One that says why it hangs up, where asyncio's only hangs up."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    files = ["-cert", pki.pem("server"), "-key", pki.key("server"), "-CAfile", pki.ca]
    more = ["-Verify", "1", "-verify_return_error", "-www", "-cipher", "ALL:@SECLEVEL=0"]
    with subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", *files, *more, version],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            until = time.monotonic() + 20
            while time.monotonic() < until:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.02)
            yield f"https://127.0.0.1:{port}"
        finally:
            process.kill()


@pytest.mark.real
@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
@pytest.mark.parametrize("version", ["-tls1_3", "-tls1_2", "-tls1_1"])
async def test_another_implementation(pki: Pki, version: str) -> None:
    with openssl_server(pki, version) as url:
        log = Listener(url=url)
        if version == "-tls1_1":
            with pytest.raises(BackendUnavailable, match="not speak TLS that we"):
                await asked(log, mutual(pki))
            return
        assert await asked(log, mutual(pki)) == 200
        with pytest.raises(BackendUnavailable) as caught:
            await asked(log, MutualTls(Tls(TlsFiles(ca=pki.ca))))
    assert caught.value.cause == "tls"
    if version == "-tls1_3":
        assert "refused our TLS certificate" in caught.value.message


def _absent(pki: Pki) -> None:
    pki.pem("alice").unlink()


def _no_key(pki: Pki) -> None:
    pki.key("alice").unlink()


def _no_ca(pki: Pki) -> None:
    pki.ca.unlink()


def _swapped(pki: Pki) -> None:
    pki.key("server").replace(pki.key("alice"))


def _no_pem(pki: Pki) -> None:
    pki.pem("alice").write_text("hello")


def _key_no_pem(pki: Pki) -> None:
    pki.key("alice").write_text("hello")


def _ca_no_pem(pki: Pki) -> None:
    pki.ca.write_bytes(b"\xffhello")


def _open(pki: Pki) -> None:
    pki.key("alice").chmod(0o644)


def _expired(pki: Pki) -> None:
    now = datetime.now(UTC)
    dates = {"not_before": now - timedelta(days=9), "not_after": now - timedelta(days=2)}
    pki.issue("alice", "alice@example.test", **dates)


def _early(pki: Pki) -> None:
    now = datetime.now(UTC)
    dates = {"not_before": now + timedelta(days=2), "not_after": now + timedelta(days=9)}
    pki.issue("alice", "alice@example.test", **dates)


@pytest.mark.parametrize(
    ("change", "words", "name"),
    [
        (_absent, "cannot be read: no such file", "alice.pem"),
        (_no_key, "cannot be read: no such file", "alice.key"),
        (_no_ca, "cannot be read: no such file", "ca.pem"),
        (_swapped, "does not belong to the certificate", "alice.key"),
        (_no_pem, "no certificate in PEM", "alice.pem"),
        (_key_no_pem, "no key in PEM", "alice.key"),
        (_ca_no_pem, "no certificate of an authority", "ca.pem"),
        (_open, "everybody on this machine", "alice.key"),
        (_expired, "expired on 20", "alice.pem"),
        (_early, "is valid from 20", "alice.pem"),
    ],
)
async def test_files_that_cannot_be_used(
    pki: Pki, change: Callable[[Pki], None], words: str, name: str
) -> None:
    change(pki)
    async with listening(pki, "server") if change is not _swapped else _nobody() as log:
        with pytest.raises(BackendDenied, match=words) as caught:
            await asked(log, mutual(pki))
    assert name in caught.value.message
    assert caught.value.hint
    assert not log.requests


@asynccontextmanager
async def _nobody() -> AsyncIterator[Listener]:
    yield Listener(url="https://127.0.0.1:1")


def test_comments_in_an_authoritys_file_are_no_matter(pki: Pki, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    comment = "# F\u0151tan\u00fas\u00edtv\u00e1ny\n".encode() + b"\xff\n"
    path.write_bytes(comment + (files(pki).ca or path).read_bytes() + comment)
    assert len(load(TlsFiles(ca=path)).context.get_ca_certs()) == 1


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "-----BEGIN CERTIFICATE-----\n"])
def test_a_file_without_an_authority_trusts_nobody(tmp_path: Path, text: str) -> None:
    """And not the system's."""
    path = tmp_path / "ca.pem"
    path.write_text(text)
    with pytest.raises(ConfigError, match="no certificate of an authority"):
        load(TlsFiles(ca=path))


def test_a_key_alone(pki: Pki) -> None:
    with pytest.raises(ConfigError, match="without a certificate"):
        load(TlsFiles(key=pki.key("alice")))


async def test_a_key_in_the_file_of_the_certificate(pki: Pki) -> None:
    both = pki.folder / "both.pem"
    both.write_bytes(pki.pem("alice").read_bytes() + pki.key("alice").read_bytes())
    both.chmod(0o600)
    async with listening(pki, "server", asks_client=True) as log:
        assert await asked(log, MutualTls(Tls(TlsFiles(ca=pki.ca, certificate=both)))) == 200


async def test_a_renewal_is_taken_up_while_running(
    pki: Pki, caplog: pytest.LogCaptureFixture
) -> None:
    auth = mutual(pki)
    async with listening(pki, "server", asks_client=True) as log, client(log, auth) as one:
        await one.get("/", PATIENCE_S)
        first = auth.ssl()
        await one.get("/", PATIENCE_S)
        assert auth.ssl() is first
        pki.issue("new", "alice@example.test")
        pki.pem("new").replace(pki.pem("alice"))  # half: the key does not belong to it
        with caplog.at_level(logging.WARNING):
            await one.get("/", PATIENCE_S)
            await one.get("/", PATIENCE_S)
        assert auth.ssl() is first
        assert len(caplog.records) == 1
        pki.key("new").replace(pki.key("alice"))
        await one.get("/", PATIENCE_S)
        assert auth.ssl() is not first
    assert len(log.subjects) == 5
    assert len(set(log.subjects)) == 2
    assert log.subjects[0] == log.subjects[3] != log.subjects[4]


async def test_one_that_ends_while_running(pki: Pki) -> None:
    now = time.time()
    auth = MutualTls(Tls(files(pki), wall=lambda: now))
    await auth.headers()
    assert auth.tls.expires()
    now = (auth.tls.expires() or 0) + 1
    with pytest.raises(BackendDenied, match="expired on"):
        await auth.headers()


async def test_a_passphrase_in_a_locked_keychain(pki: Pki) -> None:
    def locked() -> str:
        raise CredentialsUnavailable("the keychain is locked", "unlock it", "locked")

    pki.issue("locked", passphrase=PASSPHRASE)
    auth = MutualTls(Tls(files(pki, "locked"), passphrase=locked))
    with pytest.raises(BackendDenied, match="keychain is locked") as caught:
        await auth.headers()
    assert caught.value.hint == "unlock it"
    with pytest.raises(BackendDenied, match="keychain is locked"):
        auth.ssl()


async def test_a_file_system_that_hangs(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cmdai_shell.auth.tls.TIMEOUT_S", 0.05)
    pki.ca.unlink()
    os.mkfifo(pki.ca)
    auth = mutual(pki)
    with pytest.raises(BackendDenied, match="takes too long"):
        await auth.headers()
    pki.ca.write_bytes(b"")  # lets the thread go


# --- the server's


@pytest.mark.parametrize(
    ("names", "words"),
    [(("other.example.test",), "mismatch"), ((), "expired")],
    ids=["another host", "expired"],
)
async def test_a_pin_does_not_make_a_bad_certificate_good(
    pki: Pki, names: tuple[str, ...], words: str
) -> None:
    past = datetime.now(UTC) - timedelta(days=9)
    more = {} if names else {"not_before": past, "not_after": past + timedelta(days=1)}
    pki.issue("bad", *names, **more)
    pinned = Tls(TlsFiles(ca=pki.ca), [pins.written(pins.of_key(pki.der("bad")))])
    async with listening(pki, "bad") as log:
        with pytest.raises(BackendUnavailable, match=words) as caught:
            await asked(log, MutualTls(pinned))
    assert caught.value.cause == "tls"
    assert not log.requests


async def test_a_pin_without_files_checks_by_the_systems_authorities(pki: Pki) -> None:
    pinned = MutualTls(Tls(pins=[pins.written(pins.of_key(pki.der("server")))]))
    async with listening(pki, "server") as log:
        with pytest.raises(BackendUnavailable, match="cannot be trusted"):
            await asked(log, pinned)
    assert not log.requests


async def test_pins(pki: Pki) -> None:
    key, whole = pins.of_key(pki.der("server")), sha256(pki.der("server")).digest()
    backup, wrong = pins.written(b"b" * 32), pins.written(b"w" * 32)
    pki.renewed("server", "server2")
    pki.issue("server3")
    good = {
        "the key": [pins.written(key)],
        "the whole": [pins.written(whole)],
        "hex": [key.hex(":").upper()],
        "a backup": [wrong, pins.written(key)],
    }
    for given in good.values():
        async with listening(pki, "server") as log:
            assert await asked(log, MutualTls(Tls(TlsFiles(ca=pki.ca), given))) == 200
    async with listening(pki, "server2") as log:
        assert await asked(log, MutualTls(Tls(TlsFiles(ca=pki.ca), good["the key"]))) == 200
    refused = [
        ("server", [wrong, backup]),
        ("server2", good["the whole"]),
        ("server3", good["the key"]),
    ]
    for name, given in refused:
        async with listening(pki, name) as log:
            with pytest.raises(BackendUnavailable, match="pinned") as caught:
                await asked(log, MutualTls(Tls(TlsFiles(ca=pki.ca), given)))
        assert caught.value.cause == "tls"
        assert not log.requests
