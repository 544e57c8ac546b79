"""The real gnome-keyring, unlocked and locked; no D-Bus; one that never answers."""

from __future__ import annotations

import gc
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.auth.keychain import CredentialsUnavailable, Keychain
from tests.auth import desktop

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with (
        tempfile.TemporaryDirectory(prefix="cmdai-", dir="/tmp") as short,
        desktop.bus(Path(short), monkeypatch),
    ):
        yield Path(short)


@pytest.fixture
def keyring(bus: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with desktop.keyring_daemon(bus, monkeypatch):
        until = time.monotonic() + 10
        while not desktop.is_there() and time.monotonic() < until:
            time.sleep(0.02)
        yield


@pytest.mark.real
@pytest.mark.usefixtures("keyring")
def test_gnome_keyring_keeps_what_it_is_given() -> None:
    keychain = Keychain()
    assert keychain.state() == "keychain"
    assert keychain.get("home-lab/tokens") is None
    keychain.set("home-lab/tokens", "s3cret-ü")
    keychain.set("other/tokens", "x" * 9_000)
    keychain.set("home-lab/tokens", "newer")
    assert Keychain().get("home-lab/tokens") == "newer"
    assert Keychain().get("other/tokens") == "x" * 9_000
    keychain.delete("home-lab/tokens")
    keychain.delete("home-lab/tokens")
    assert keychain.get("home-lab/tokens") is None
    assert "Secret Service" in keychain.title


@pytest.mark.real
@pytest.mark.usefixtures("keyring")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("may_prompt", [False, True])
def test_a_locked_one_is_a_state_of_its_own(may_prompt: bool) -> None:
    Keychain().set("home-lab/tokens", "kept")
    desktop.lock()
    keychain = Keychain(may_prompt=may_prompt)
    if not may_prompt:  # else only a prompt tells
        assert keychain.state() == "locked"
    for call in (
        lambda: keychain.get("home-lab/tokens"),
        lambda: keychain.set("home-lab/tokens", "new"),
        lambda: keychain.delete("home-lab/tokens"),
    ):
        with pytest.raises(CredentialsUnavailable, match="is locked") as caught:
            call()
        assert caught.value.state == "locked"
        assert "--unlock" in caught.value.hint
    del caught
    gc.collect()  # keyring leaves the connection of a refused unlocking open


@pytest.mark.real
@pytest.mark.usefixtures("bus")
def test_a_bus_without_a_keychain_is_none() -> None:
    assert Keychain().state() == "none"


def test_no_d_bus_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    keychain = Keychain(timeout=60)
    assert keychain.state() == "none"
    with pytest.raises(CredentialsUnavailable, match="no keychain here") as caught:
        keychain.get("home-lab/tokens")
    assert caught.value.state == "none"


def test_no_backend_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    assert Keychain(timeout=60).state() == "none"


def test_one_that_never_answers_is_left_and_not_asked_by_more_threads() -> None:
    keychain = Keychain(timeout=0.05)
    release = threading.Event()
    before = threading.active_count()
    try:
        for _ in range(5):
            with pytest.raises(CredentialsUnavailable, match="answer") as caught:
                keychain._call(release.wait)
            assert caught.value.state == "locked"
        assert threading.active_count() <= before + 1
    finally:
        release.set()
