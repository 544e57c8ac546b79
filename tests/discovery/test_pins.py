"""Real TLS: whose key is not the one that was pinned gets no byte of a request."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import aiohttp
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from cmdai_shell.auth.authenticator import NoLogin
from cmdai_shell.backends.http import HttpClient, Settings
from cmdai_shell.discovery import pins
from cmdai_shell.discovery.pins import LearnedIdentity, PinnedAtFirstUse
from cmdai_shell.errors import BackendDenied, BackendUnavailable, ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
NOW = datetime.datetime.now(datetime.UTC)
TOKEN = "planted-secret-token"


def certificate(
    key: ec.EllipticCurvePrivateKey = KEY,
    *,
    days: float = 30,
    name: str = "spark",
    host: str = "127.0.0.1",
    authority: trustme.CA | None = None,
) -> tuple[bytes, bytes]:
    """Certificate and key in PEM: signed by itself, or by an authority."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, signer = subject, key
    if authority is not None:
        issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes()).subject
        signer = authority._private_key  # type: ignore[assignment]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=100))
        .not_valid_after(NOW + datetime.timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]),
            critical=False,
        )
        .sign(signer, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM), pem


def pin_of(pem: bytes) -> str:
    return pins.spki(x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER))


class Box:
    """A TLS server; ``log`` is every byte that it could decrypt."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = 0
        self.handshakes = 0
        self.ended = 0
        self.log = b""
        self.url = ""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._writers: set[asyncio.StreamWriter] = set()

    def show(self, made: tuple[bytes, bytes]) -> None:
        """From now on, this certificate."""
        file = self._folder / "pem"
        file.write_bytes(made[0] + made[1])
        self._context.load_cert_chain(file)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.handshakes += 1
        self._writers.add(writer)
        with suppress(OSError, asyncio.CancelledError):
            while data := await reader.read(65_536):
                self.log += data
                if b"\r\n\r\n" in data:
                    writer.write(ANSWER)
        writer.close()
        with suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()
        self.ended += 1

    async def at_rest(self, handshakes: int) -> None:
        """So many connections came, and all that was sent over them has been read."""
        async with asyncio.timeout(10):
            while not self.handshakes == self.ended == handshakes:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Box]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"
        try:
            yield self
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()
            await self.at_rest(self.handshakes)
            await server.wait_closed()


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    found = Box(tmp_path)
    found.show(certificate())
    async with found.open():
        yield found


class Token(NoLogin):
    async def headers(self, _: object = None) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {TOKEN}"}


class Kept:
    def __init__(self, problem: Exception | None = None) -> None:
        self.identities: list[LearnedIdentity] = []
        self.others: list[str] = []
        self.problem = problem

    async def __call__(self, identity: LearnedIdentity) -> None:
        if self.problem:
            raise self.problem
        self.identities.append(identity)


def trusting(*authorities: trustme.CA) -> Callable[[], ssl.SSLContext]:
    """The system's authorities, of a system that trusts these."""
    pem = b"".join(each.cert_pem.bytes() for each in authorities).decode()
    return lambda: ssl.create_default_context(cadata=pem or None)


def pinned(
    box: Box,
    *,
    kept: Kept | None = None,
    inner: pins.Login | None = None,
    pin: str = "",
    is_key_alone: bool = False,
    authorities: Callable[[], ssl.SSLContext] = ssl.create_default_context,
) -> PinnedAtFirstUse:
    kept = kept or Kept()
    return PinnedAtFirstUse(
        inner or Token(),
        box.url,
        remember=kept,
        pin=pin,
        is_key_alone=is_key_alone,
        on_mismatch=kept.others.append,
        name="spark",
        hint="do that",
        authorities=authorities,
    )


@asynccontextmanager
async def client(box: Box, auth: PinnedAtFirstUse) -> AsyncIterator[HttpClient]:
    made = HttpClient(box.url, name="spark", settings=Settings(auth=auth, connect_timeout=5))
    try:
        yield made
    finally:
        await made.aclose()


async def ask(box: Box, auth: PinnedAtFirstUse, *, is_anonymous: bool = False) -> None:
    async with client(box, auth) as made:
        reply = await made.get("/v1/models", 5, is_anonymous=is_anonymous)
        assert reply.body == b"{}"


# --- what is learned


async def test_a_box_that_made_its_certificate_itself(box: Box) -> None:
    found = await pins.learn("127.0.0.1", box.port, 5)
    assert found.spki == pin_of(certificate()[0])
    assert found.subject == "CN=spark"
    assert not found.is_chain_valid
    assert found.problem.startswith("self-signed") or found.problem.startswith("self signed")
    assert found.address == "127.0.0.1"
    assert found.not_after == pytest.approx((NOW.timestamp() + 30 * 86_400), abs=1)
    assert box.log == b""


async def test_one_of_an_authority(box: Box) -> None:
    authority = trustme.CA()
    box.show(certificate(authority=authority))
    found = await pins.learn("127.0.0.1", box.port, 5, authorities=trusting(authority))
    assert found.is_chain_valid
    assert found.problem == ""
    await box.at_rest(1)
    assert box.log == b""


@pytest.mark.parametrize(
    ("more", "problem"), [({"host": "127.0.0.9"}, "mismatch"), ({"days": -1}, "expired")]
)
async def test_one_of_an_authority_that_is_not_this_one_now(
    box: Box, more: dict[str, object], problem: str
) -> None:
    authority = trustme.CA()
    box.show(certificate(authority=authority, **more))  # type: ignore[arg-type]
    found = await pins.learn("127.0.0.1", box.port, 5, authorities=trusting(authority))
    assert not found.is_chain_valid
    assert problem in found.problem


async def test_a_subject_that_would_move_the_cursor(box: Box) -> None:
    box.show(certificate(name="\x1b[2J\u202eevil" + "x" * 50))
    found = await pins.learn("127.0.0.1", box.port, 5)
    assert found.subject.isprintable()
    assert "\x1b" not in found.subject


async def test_nobody_there(box: Box) -> None:
    async with box.open() as other:
        port = other.port
    with pytest.raises(BackendUnavailable, match="cannot be reached") as caught:
        await pins.learn("127.0.0.1", port, 5)
    assert caught.value.cause == "refused"


async def test_a_name_that_is_none() -> None:
    with pytest.raises(BackendUnavailable) as caught:
        await pins.learn("x" * 70, 443, 5)
    assert caught.value.cause == "dns"


@pytest.mark.parametrize(
    ("says", "timeout", "match", "cause"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", 5, "does not speak TLS", "tls"),
        (b"", 0.1, "in time", "connect"),
    ],
)
async def test_something_else_than_tls(says: bytes, timeout: float, match: str, cause: str) -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.read(100)
            writer.write(says)
            await reader.read()
        writer.close()
        gone.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        with pytest.raises(BackendUnavailable, match=match) as caught:
            await pins.learn("127.0.0.1", server.sockets[0].getsockname()[1], timeout)
        await asyncio.wait_for(gone.wait(), 10)
    assert caught.value.cause == cause


@pytest.mark.parametrize("raw", [b"", b"x", b"0\x82" * 50])
def test_what_is_no_certificate_has_no_pin(raw: bytes) -> None:
    with pytest.raises(ValueError):
        pins.spki(raw)


# --- first use


async def test_first_use_learns_keeps_and_then_asks(box: Box) -> None:
    kept = Kept()
    auth = pinned(box, kept=kept)
    await ask(box, auth)
    (identity,) = kept.identities
    assert identity.spki == auth.expected == pin_of(certificate()[0])
    assert auth.is_key_alone
    assert TOKEN.encode() in box.log


async def test_many_first_uses_at_once_learn_once(box: Box) -> None:
    kept = Kept()
    auth = pinned(box, kept=kept)
    async with client(box, auth) as made:
        await asyncio.gather(*(made.get("/", 5) for _ in range(8)))
    assert len(kept.identities) == 1


async def test_before_its_key_is_known_even_a_question_without_login_is_not_asked(
    box: Box,
) -> None:
    auth = pinned(box)
    with pytest.raises(BackendUnavailable, match="cannot be trusted"):
        await ask(box, auth, is_anonymous=True)
    assert box.log == b""
    await auth.meet()
    await ask(box, auth, is_anonymous=True)
    assert box.log != b""


async def test_what_cannot_be_kept_is_not_used(box: Box) -> None:
    auth = pinned(box, kept=Kept(ConfigError("cannot write trust.json", "make room")))
    with pytest.raises(BackendDenied, match=r"spark: cannot write trust\.json") as caught:
        await ask(box, auth)
    assert caught.value.hint == "make room"
    assert auth.expected == ""
    assert box.log == b""
    auth = pinned(box, kept=Kept(ConfigError("the disk is full")))
    with pytest.raises(BackendDenied, match="the disk is full") as caught:
        await auth.meet()
    assert caught.value.hint == "do that"


async def test_an_expired_one_is_not_met(box: Box) -> None:
    box.show(certificate(days=-1))
    auth = pinned(box)
    with pytest.raises(BackendDenied, match="cannot be trusted") as caught:
        await ask(box, auth)
    assert "renew" in caught.value.hint
    assert box.log == b""


async def test_outside_the_own_network_an_authority_is_needed(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pins, "is_near", lambda _: False)
    auth = pinned(box)
    with pytest.raises(BackendDenied, match=r"self.signed") as caught:
        await ask(box, auth)
    assert "authority" in caught.value.hint
    assert box.log == b""


# --- later uses


async def test_the_right_key_without_an_authority(box: Box) -> None:
    await ask(box, pinned(box, pin=pin_of(certificate()[0]), is_key_alone=True))
    await box.at_rest(1)


async def test_the_wrong_key_gets_no_byte(box: Box) -> None:
    kept = Kept()
    box.show(certificate(OTHER_KEY))
    auth = pinned(box, kept=kept, pin=pin_of(certificate()[0]), is_key_alone=True)
    for is_anonymous in (True, False):
        with pytest.raises(BackendUnavailable, match="not the one that was pinned") as caught:
            await ask(box, auth, is_anonymous=is_anonymous)
        assert caught.value.cause == "tls"
    await box.at_rest(2)
    assert box.log == b""
    assert kept.others == [pin_of(certificate(OTHER_KEY)[0])] * 2
    assert kept.identities == []
    assert auth.expected == pin_of(certificate()[0])


async def test_a_key_that_changes_between_two_connections(box: Box) -> None:
    kept = Kept()
    auth = pinned(box, kept=kept)
    await ask(box, auth)
    before = box.log
    box.show(certificate(OTHER_KEY))
    with pytest.raises(BackendUnavailable, match="not the one that was pinned"):
        await ask(box, auth)
    assert box.log == before


@pytest.mark.parametrize("days", [400, -1])
async def test_a_renewed_certificate_of_the_same_key(box: Box, days: float) -> None:
    """And one that has run out since: the key is what it is known by."""
    auth = pinned(box)
    await ask(box, auth)
    box.show(certificate(days=days, name="another name"))
    await ask(box, auth)


async def test_with_an_authority_both_have_to_be_right(box: Box) -> None:
    authority = trustme.CA()
    box.show(certificate(authority=authority))
    auth = pinned(box, authorities=trusting(authority))
    await ask(box, auth)
    assert not auth.is_key_alone
    before = box.log
    box.show(certificate(OTHER_KEY, authority=authority))  # valid, of the same host, not the same
    with pytest.raises(BackendUnavailable, match="not the one that was pinned"):
        await ask(box, auth)
    for wrong in (certificate(), certificate(authority=authority, days=-1)):
        box.show(wrong)  # the key, but nobody vouches for it any longer
        with pytest.raises(BackendUnavailable, match="cannot be trusted"):
            await ask(box, auth)
    assert box.log == before
    box.show(certificate(authority=authority, days=300))
    await ask(box, auth)


async def test_it_is_the_same_after_a_restart(box: Box) -> None:
    authority = trustme.CA()
    box.show(certificate(authority=authority))
    kept = Kept()
    await ask(box, pinned(box, kept=kept, authorities=trusting(authority)))
    pin = kept.identities[0].spki
    await ask(box, pinned(box, pin=pin, authorities=trusting(authority)))
    with pytest.raises(BackendUnavailable, match="cannot be trusted"):
        await ask(box, pinned(box, pin=pin, authorities=trusting(trustme.CA())))


class OwnAuthority(Token):
    """An environment that says whom to trust."""

    def __init__(self, authority: trustme.CA, pin: aiohttp.Fingerprint | None = None) -> None:
        self._context = trusting(authority)()
        self._pin = pin

    def ssl(self) -> ssl.SSLContext | None:
        return self._context

    def pin(self) -> aiohttp.Fingerprint | None:
        return self._pin


async def test_an_authority_that_the_person_wrote_down_is_the_one_asked(box: Box) -> None:
    authority = trustme.CA()
    with pytest.raises(BackendDenied, match="cannot be trusted") as caught:
        await ask(box, pinned(box, inner=OwnAuthority(authority)))
    assert "environment" in caught.value.hint
    box.show(certificate(authority=authority))
    auth = pinned(box, inner=OwnAuthority(authority))
    await ask(box, auth)
    assert not auth.is_key_alone


async def test_a_pin_that_the_person_wrote_down_holds_beside(box: Box) -> None:
    authority = trustme.CA()
    box.show(certificate(authority=authority))
    auth = pinned(box, inner=OwnAuthority(authority, aiohttp.Fingerprint(b"x" * 32)))
    with pytest.raises(BackendUnavailable, match="not the one that was pinned"):
        await ask(box, auth)
    assert box.log == b""


async def test_a_login_that_ended_is_the_inner_ones_matter(box: Box) -> None:
    assert await pinned(box).invalidate() is False


def test_nothing_secret_in_its_name(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.url = "https://127.0.0.1:1"
    assert repr(pinned(box)) == "PinnedAtFirstUse('spark')"
