"""Where what goes, by what there is."""

from __future__ import annotations

import logging
import multiprocessing
import stat
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.auth.keychain import CredentialsUnavailable, Keychain, State
from cmdai_shell.auth.sealing import Seal
from cmdai_shell.auth.store import Choice, CredentialStore
from cmdai_shell.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "planted-5ba1c0ffee"


class Memory(Keychain):
    """A keychain whose state the test sets."""

    def __init__(self, state: State = "keychain") -> None:
        super().__init__()
        self.now = state
        self.kept: dict[str, str] = {}

    def _checked(self) -> dict[str, str]:
        if self.now != "keychain":
            raise CredentialsUnavailable(f"it is {self.now}", "do something", self.now)
        return self.kept

    def state(self) -> State:
        return self.now

    def get(self, name: str) -> str | None:
        return self._checked().get(name)

    def set(self, name: str, secret: str) -> None:
        self._checked()[name] = secret

    def delete(self, name: str) -> None:
        self._checked().pop(name, None)


def has_file(folder: Path) -> bool:
    return any(folder.rglob("credentials.*"))


def store(folder: Path, keychain: Memory, choice: Choice = "auto") -> CredentialStore:
    seal = Seal(lambda: "open sesame", 1) if choice == "encrypted-file" else None
    return CredentialStore(folder / "credentials", choice=choice, seal=seal, keychain=keychain)


async def test_a_keychain_gets_it_and_no_file_is_made(tmp_path: Path) -> None:
    keychain = Memory()
    one = store(tmp_path, keychain)
    await one.set("home-lab", "tokens", SECRET)
    assert await one.get("home-lab", "tokens") == SECRET
    assert await one.get("home-lab", "api-key") is None
    assert await one.get("other", "tokens") is None
    assert keychain.kept == {"home-lab/tokens": SECRET}
    assert not has_file(tmp_path)
    assert await one.where() == "in the keychain"
    await one.delete("home-lab", "tokens")
    assert not keychain.kept


async def test_with_none_a_file_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = store(tmp_path, Memory("none"))
    with caplog.at_level(logging.DEBUG):
        await one.set("home-lab", "tokens", SECRET)
        await one.set("home-lab", "tokens", SECRET + "2")
        await one.set("other", "tokens", "another")
    file = tmp_path / "credentials" / "credentials.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert await one.get("home-lab", "tokens") == SECRET + "2"
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    assert SECRET not in caplog.text + repr(one)
    assert "not encrypted" in await one.where()
    await one.delete("home-lab", "tokens")
    assert await one.get("home-lab", "tokens") is None
    assert await one.get("other", "tokens") == "another"
    await one.delete("other", "tokens")
    assert not file.exists()


async def test_a_locked_keychain_is_no_reason_for_a_file(tmp_path: Path) -> None:
    one = store(tmp_path, Memory("locked"))
    assert await one.state() == "locked"
    assert "locked" in await one.where()
    with pytest.raises(CredentialsUnavailable) as caught:
        await one.set("home-lab", "tokens", SECRET)
    assert caught.value.state == "locked"
    assert SECRET not in str(caught.value)
    with pytest.raises(CredentialsUnavailable):
        await one.get("home-lab", "tokens")
    with pytest.raises(CredentialsUnavailable):
        one.check()
    assert not has_file(tmp_path)


async def test_what_the_file_got_while_there_was_no_keychain_is_the_newer(tmp_path: Path) -> None:
    keychain = Memory()
    one = store(tmp_path, keychain)
    await one.set("home-lab", "tokens", "old")
    keychain.now = "none"
    assert await one.get("home-lab", "tokens") is None
    await one.set("home-lab", "tokens", "newer")
    keychain.now = "keychain"
    assert await one.get("home-lab", "tokens") == "newer"
    await one.set("home-lab", "tokens", "newest")
    assert await one.get("home-lab", "tokens") == "newest"
    assert not has_file(tmp_path)


@pytest.mark.parametrize("choice", ["file", "encrypted-file"])
async def test_a_file_by_choice_asks_no_keychain(tmp_path: Path, choice: Choice) -> None:
    keychain = Memory("locked")
    await store(tmp_path, keychain, choice).set("home-lab", "tokens", SECRET)
    other = store(tmp_path, keychain, choice)
    assert await other.get("home-lab", "tokens") == SECRET
    other.check()
    (file,) = [path for path in (tmp_path / "credentials").iterdir() if path.suffix]
    assert (SECRET in file.read_text(errors="replace")) == (choice == "file")
    assert ("passphrase" in await other.where()) == (choice == "encrypted-file")


async def test_another_passphrase_overwrites_nothing(tmp_path: Path) -> None:
    await store(tmp_path, Memory(), "encrypted-file").set("home-lab", "tokens", SECRET)
    wrong = CredentialStore(
        tmp_path / "credentials", choice="encrypted-file", seal=Seal(lambda: "wrong", 1)
    )
    with pytest.raises(CredentialsUnavailable, match="passphrase"):
        await wrong.set("home-lab", "tokens", "new")
    assert await store(tmp_path, Memory(), "encrypted-file").get("home-lab", "tokens") == SECRET


def test_an_encrypted_file_needs_a_passphrase(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="passphrase"):
        CredentialStore(tmp_path, choice="encrypted-file")


@pytest.mark.parametrize("junk", [b"{", b"[]", b'{"a": 1}', b"\xff", b""])
async def test_a_damaged_file_says_what_to_do(tmp_path: Path, junk: bytes) -> None:
    one = store(tmp_path, Memory(), "file")
    await one.set("home-lab", "tokens", SECRET)
    (tmp_path / "credentials" / "credentials.json").write_bytes(junk)
    with pytest.raises(CredentialsUnavailable, match="damaged") as caught:
        await one.get("home-lab", "tokens")
    assert "log in again" in caught.value.hint


def _write_many(folder: Path, environment: str) -> None:
    one = store(folder, Memory("none"))
    for number in range(20):
        one.write(environment, "tokens", f"{environment}-{number}")
        assert one.read(environment, "tokens") == f"{environment}-{number}"


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    names = [f"env{number}" for number in range(3)]
    workers = [spawn.Process(target=_write_many, args=(tmp_path, name)) for name in names]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(50)
        assert worker.exitcode == 0
    assert [store(tmp_path, Memory("none")).read(name, "tokens") for name in names] == [
        f"{name}-19" for name in names
    ]
