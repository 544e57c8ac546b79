from __future__ import annotations

import shutil
import socket
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.backends.embedded import source_hub
from cmdai_shell.backends.embedded.partial import Partial, Quiet
from cmdai_shell.errors import ModelUnavailable
from tests.backends.embedded.model_parts import HUB, URL_PATH, WEIGHTS, entry
from tests.fakes.hub import Hub, certificate, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving({URL_PATH: WEIGHTS}) as server:
        yield server


@pytest.fixture
def into(tmp_path: Path) -> Iterator[Partial]:
    with Partial(tmp_path / "tiny.part", size=len(WEIGHTS), progress=Quiet()) as partial:
        yield partial


def fetch(url: str, into: Partial, *, silence_s: float = 5.0) -> None:
    source_hub.fetch(
        HUB,
        entry(HUB),
        into,
        environ={"HF_ENDPOINT": url},
        silence_s=silence_s,
        pause=lambda _: None,
    )


def content(into: Partial) -> bytes:
    return into.path.read_bytes()


def test_fetches_the_file_at_its_revision(hub: Hub, into: Partial) -> None:
    fetch(hub.url, into)
    assert content(into) == WEIGHTS
    assert hub.ranges == [""]


def test_asks_only_for_what_is_missing(hub: Hub, into: Partial) -> None:
    into.write(WEIGHTS[:1000])
    fetch(hub.url, into)
    assert content(into) == WEIGHTS
    assert hub.ranges == ["bytes=1000-"]


def test_a_whole_file_asks_nothing(hub: Hub, into: Partial) -> None:
    into.write(WEIGHTS)
    fetch(hub.url, into)
    assert hub.ranges == []


def test_goes_on_after_a_broken_connection(hub: Hub, into: Partial) -> None:
    hub.cuts = [100_000, 50_000]
    fetch(hub.url, into)
    assert content(into) == WEIGHTS
    assert hub.ranges == ["", "bytes=100000-", "bytes=150000-"]


def test_gives_up_when_nothing_new_comes(hub: Hub, into: Partial) -> None:
    hub.cuts = [1000] + [0] * 20
    with pytest.raises(ModelUnavailable, match="ended early"):
        fetch(hub.url, into)
    assert content(into) == WEIGHTS[:1000]
    assert len(hub.ranges) == 1 + source_hub.TRIES


def test_a_server_without_range_starts_over(hub: Hub, into: Partial) -> None:
    hub.ignore_range = True
    into.write(WEIGHTS[:1000])
    fetch(hub.url, into)
    assert content(into) == WEIGHTS


def test_a_silent_server_is_left(hub: Hub, into: Partial) -> None:
    hub.gate.clear()
    with pytest.raises(ModelUnavailable, match="timed out"):
        fetch(hub.url, into, silence_s=0.2)


def test_a_stall_is_resumed(hub: Hub, into: Partial) -> None:
    hub.stall_after = 5000
    with pytest.raises(ModelUnavailable, match="timed out"):
        fetch(hub.url, into, silence_s=0.2)
    assert 5000 <= into.length < len(WEIGHTS)
    hub.stall_after = None
    hub.gate.set()
    fetch(hub.url, into)
    assert content(into) == WEIGHTS


def test_follows_a_redirect_with_the_range(hub: Hub, into: Partial) -> None:
    with serving({}) as front:
        front.redirect = hub.url
        into.write(WEIGHTS[:1000])
        fetch(front.url, into)
    assert content(into) == WEIGHTS
    assert hub.ranges == ["bytes=1000-"]


@pytest.mark.parametrize("status", [401, 404, 429, 503])
def test_a_refusal_names_the_status(hub: Hub, into: Partial, status: int) -> None:
    hub.status = status
    with pytest.raises(ModelUnavailable, match=f"127.0.0.1:.* HTTP {status}"):
        fetch(hub.url, into)


def test_another_size_is_noticed_before_it_is_fetched(hub: Hub, into: Partial) -> None:
    hub.files[URL_PATH] = WEIGHTS + b"more"
    with pytest.raises(ModelUnavailable, match=f"{len(WEIGHTS) + 4} bytes there"):
        fetch(hub.url, into)
    assert into.length == 0


def test_nobody_listens(into: Partial) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ModelUnavailable, match="refused"):
            fetch(f"http://127.0.0.1:{taken.getsockname()[1]}", into)


@pytest.mark.parametrize("base", ["file:///etc", "ftp://127.0.0.1"])
def test_only_http_addresses(base: str, into: Partial) -> None:
    with pytest.raises(ModelUnavailable, match="not an https address"):
        fetch(base, into)


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
class TestTls:
    def test_the_certificate_is_checked(self, tmp_path: Path, into: Partial) -> None:
        _, context = certificate(tmp_path)
        with (
            serving({URL_PATH: WEIGHTS}, context) as hub,
            pytest.raises(ModelUnavailable, match="certificate"),
        ):
            fetch(hub.url, into)

    def test_a_trusted_one_works(
        self, tmp_path: Path, into: Partial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trusted, context = certificate(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        with serving({URL_PATH: WEIGHTS}, context) as hub:
            fetch(hub.url, into)
        assert content(into) == WEIGHTS

    def test_never_redirected_down_to_http(
        self, hub: Hub, tmp_path: Path, into: Partial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trusted, context = certificate(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        with serving({}, context) as front:
            front.redirect = hub.url
            with pytest.raises(ModelUnavailable, match="without https"):
                fetch(front.url, into)
        assert hub.ranges == []
