"""Renewals: one at a time, none too many, and nothing lost."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

import msgspec
import pytest

from cmdai_shell.auth import session
from cmdai_shell.auth.blocking import finish
from cmdai_shell.auth.exchange import ExchangeFailed, ExchangeRefused
from cmdai_shell.auth.keeper import FORCED_S, TokenKeeper
from cmdai_shell.auth.keychain import CredentialsUnavailable
from cmdai_shell.auth.store import CredentialStore
from cmdai_shell.auth.tokens import Tokens
from cmdai_shell.errors import BackendDenied, CmdaiError
from tests.auth.test_store import Memory

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.auth.authenticator import Authenticator
    from cmdai_shell.auth.store import Entry

T0 = 1_800_000_000.0


class Scene:
    """A clock to turn, an identity provider to script, and a store in a file."""

    def __init__(self, folder: Path) -> None:
        self.now = T0
        self.renewed: list[str] = []
        self.trouble: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()
        self.memory = Memory()
        self.store = CredentialStore(folder / "credentials", keychain=self.memory)
        self.given = 0

    def keeper(self, timeout: float = 20.0, *, needs_login: bool = True) -> TokenKeeper:
        return TokenKeeper(
            "lab",
            self.renew,
            origin="o",
            client="c",
            store=self.store if needs_login else None,
            wall=lambda: self.now,
            clock=lambda: self.now,
            timeout=timeout,
        )

    def renew(self, before: Tokens | None) -> Tokens:
        self.renewed.append(before.refresh if before else "")
        self.gate.wait(20)
        if self.trouble:
            raise self.trouble.pop(0)
        return self.tokens()

    def tokens(self, life: float = 600) -> Tokens:
        self.given += 1
        return Tokens(
            origin="o",
            client="c",
            obtained=self.now,
            expires=self.now + life,
            access=f"a{self.given}",
            refresh=f"r{self.given}",
            who="alice",
        )

    def log_in(self, life: float = 600) -> None:
        self.store.write("lab", "tokens", self.tokens(life).written())

    def kept(self) -> Tokens:
        return msgspec.json.decode(self.store.read("lab", "tokens") or "", type=Tokens)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.renewed) < count:  # noqa: ASYNC110  threads count
                await asyncio.sleep(0.005)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def test_a_good_one_is_used_and_nobody_is_asked(scene: Scene) -> None:
    scene.log_in()
    auth: Authenticator = session.OAuth(scene.keeper(), url="https://spark")
    assert await auth.headers() == {"Authorization": "Bearer a1"}
    assert not scene.renewed


async def test_nobody_is_logged_in(scene: Scene) -> None:
    one = scene.keeper()
    with pytest.raises(BackendDenied, match="nobody is logged in") as caught:
        await one.access()
    assert caught.value.hint == "cmdai-shell auth login --environment lab"
    scene.log_in()  # another process does it
    assert await one.access() == "a1"


async def test_near_its_end_the_next_is_got_while_this_one_is_used(scene: Scene) -> None:
    scene.log_in()
    one = scene.keeper()
    scene.now += 400
    scene.gate.clear()
    assert await one.access() == "a1"
    assert await one.access() == "a1"
    await scene.until(1)
    scene.gate.set()
    await asyncio.to_thread(finish)
    assert await one.access() == "a2"
    assert scene.renewed == ["r1"]
    assert scene.kept().refresh == "r2"


async def test_at_its_end_all_wait_for_one_renewal(scene: Scene) -> None:
    scene.log_in()
    one = scene.keeper()
    scene.now += 599
    assert await asyncio.gather(*(one.access() for _ in range(8))) == ["a2"] * 8
    assert scene.renewed == ["r1"]


async def test_two_keepers_are_as_two_processes(scene: Scene) -> None:
    scene.log_in()
    scene.now += 700
    both = [scene.keeper(), scene.keeper()]
    assert set(await asyncio.gather(*(one.access() for one in both))) == {"a2"}
    assert scene.renewed == ["r1"]


async def test_a_press_that_is_cancelled_loses_nothing(scene: Scene) -> None:
    scene.log_in()
    one = scene.keeper()
    scene.now += 700
    scene.gate.clear()
    press = asyncio.ensure_future(one.access())  # noqa: TID251  it is cancelled below
    await scene.until(1)
    press.cancel()
    with pytest.raises(asyncio.CancelledError):
        await press
    scene.gate.set()
    await asyncio.to_thread(finish)
    assert scene.kept().refresh == "r2"
    assert await one.access() == "a2"
    assert len(scene.renewed) == 1


async def test_a_press_does_not_wait_for_ever(scene: Scene) -> None:
    scene.log_in()
    one = scene.keeper(timeout=0.3)
    scene.now += 700
    scene.gate.clear()
    with pytest.raises(BackendDenied, match="in time"):
        await one.access()
    scene.gate.set()
    await asyncio.to_thread(finish)
    assert await one.access() == "a2"


async def test_a_provider_that_is_away_is_asked_less_and_less(scene: Scene) -> None:
    scene.log_in()
    one = scene.keeper()
    scene.now += 700
    scene.trouble = [ExchangeFailed("it is down") for _ in range(99)]
    times = []
    for _ in range(300):
        count = len(scene.renewed)
        with pytest.raises(BackendDenied, match="it is down") as caught:
            await one.access()
        if len(scene.renewed) > count:
            times.append(scene.now - T0 - 700)
        scene.now += 1
    assert times == [0, 2, 6, 14, 30, 62, 122, 182, 242]
    assert "auth status" in caught.value.hint
    scene.trouble.clear()
    scene.now += 60
    assert await one.access() == "a2"


async def test_while_it_is_away_the_old_one_is_used_to_its_end(scene: Scene) -> None:
    scene.log_in()
    one = scene.keeper()
    scene.now += 400
    scene.trouble = [ExchangeFailed("it is down")]
    assert await one.access() == "a1"
    await asyncio.to_thread(finish)
    assert await one.access() == "a1"
    assert len(scene.renewed) == 1


async def test_an_ended_login_is_said_and_not_tried_again(scene: Scene) -> None:
    scene.log_in()
    scene.now += 700
    scene.trouble = [ExchangeRefused("no", "", "invalid_grant")]
    for one in (scene.keeper(), scene.keeper()):
        for _ in range(3):
            with pytest.raises(BackendDenied, match="has ended the login") as caught:
                await one.access()
            assert "auth login" in caught.value.hint
    assert scene.renewed == ["r1"]
    assert scene.kept().refresh == ""
    found = await session.status(scene.keeper(), scene.store, lambda: scene.now)
    assert (found.state, found.who) == ("ended", "alice")


async def test_a_wrong_secret_is_no_ended_login(scene: Scene) -> None:
    scene.log_in()
    scene.now += 700
    scene.trouble = [ExchangeRefused("no", "see the secret", "invalid_client")]
    with pytest.raises(BackendDenied) as caught:
        await scene.keeper().access()
    assert caught.value.hint == "see the secret"
    assert scene.kept().refresh == "r1"


async def test_a_refused_token_is_renewed_once(scene: Scene) -> None:
    scene.log_in()
    one = scene.keeper()
    assert await one.access() == "a1"
    scene.now += 20
    assert await one.invalidate()
    assert await one.access() == "a2"
    assert await one.invalidate()  # of a request that was under way with the first one
    assert await one.access() == "a2"
    scene.now += 20
    assert not await one.invalidate()
    assert await one.access() == "a2"
    scene.now += FORCED_S
    assert await one.invalidate()
    assert await one.access() == "a3"
    assert scene.renewed == ["r1", "r2"]


async def test_a_chain_that_insists_on_a_refused_token_is_not_asked_at_each_press(
    scene: Scene,
) -> None:
    one = scene.keeper(needs_login=False)
    assert await one.access() == "a1"
    scene.now += 20
    assert await one.invalidate()
    scene.given = 0
    assert [await one.access() for _ in range(3)] == ["a1"] * 3
    assert len(scene.renewed) == 2


async def test_of_a_refused_token_another_process_may_have_the_next(scene: Scene) -> None:
    scene.log_in()
    one = scene.keeper()
    assert await one.access() == "a1"
    scene.now += 20
    assert await one.invalidate()
    scene.log_in()
    assert await one.access() == "a2"
    assert not scene.renewed


async def test_rotation_on_demand(scene: Scene) -> None:
    with pytest.raises(BackendDenied, match="nobody is logged in"):
        await scene.keeper().rotate()
    scene.log_in()
    one = scene.keeper()
    await one.rotate()
    assert scene.renewed == ["r1"]
    assert await one.access() == "a2"
    await one.rotate()
    assert scene.kept().refresh == "r3"


async def test_a_locked_keychain_is_no_reason_to_use_up_the_refresh_token(scene: Scene) -> None:
    scene.log_in()
    one = scene.keeper()
    assert await one.access() == "a1"
    scene.memory.now = "locked"
    assert await one.access() == "a1"
    found = await session.status(one, scene.store, lambda: scene.now)
    assert (found.state, found.hint) == ("locked", "do something")
    scene.now += 700
    with pytest.raises(BackendDenied, match="it is locked"):
        await one.access()
    assert not scene.renewed
    scene.memory.now = "keychain"
    assert await one.access() == "a2"


async def test_one_that_cannot_be_stored_is_used_and_stored_later(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scene.log_in()
    one = scene.keeper()
    scene.now += 700
    write = scene.store.write
    is_broken = True

    def sometimes(environment: str, entry: Entry, secret: str) -> None:
        if is_broken:
            raise CredentialsUnavailable("the disk is full")
        write(environment, entry, secret)

    monkeypatch.setattr(scene.store, "write", sometimes)
    with caplog.at_level(logging.WARNING):
        assert await one.access() == "a2"
    assert "cannot be stored" in caplog.text
    assert scene.kept().refresh == "r1"
    is_broken = False
    assert await one.access() == "a2"
    await asyncio.to_thread(finish)
    assert scene.kept().refresh == "r2"
    assert scene.renewed == ["r1"]


async def test_a_disk_that_fails_costs_no_login(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.log_in()
    one = scene.keeper()
    scene.now += 700

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(scene.store, "write", broken)
        assert await one.access() == "a2"
    assert await one.access() == "a2"
    await asyncio.to_thread(finish)
    assert scene.kept().refresh == "r2"


async def test_a_refresh_token_without_an_access_token_is_kept(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.log_in()
    scene.now += 700
    one = scene.keeper()
    with monkeypatch.context() as patched:
        patched.setattr(
            scene,
            "tokens",
            lambda: Tokens(origin="o", client="c", obtained=scene.now, refresh="r2", who="alice"),
        )
        with pytest.raises(BackendDenied, match="without an access token"):
            await one.access()
    assert scene.kept().refresh == "r2"
    scene.now += 60
    assert await one.access() == "a2"
    assert scene.renewed == ["r1", "r2"]


async def test_a_librarys_own_error_is_told_by_its_name(scene: Scene) -> None:
    """And not by its words, which may be anything. It is tried again as a failure is."""
    scene.log_in()
    scene.now += 700
    one = scene.keeper()
    scene.trouble = [ValueError("planted")]
    for _ in range(2):
        with pytest.raises(BackendDenied, match=r"cannot be renewed \(ValueError\)") as caught:
            await one.access()
        assert "planted" not in str(caught.value)
    assert scene.renewed == ["r1"]
    scene.now += 60
    assert await one.access() == "a2"


async def test_tokens_of_another_provider_are_not_sent(scene: Scene) -> None:
    other = msgspec.structs.replace(scene.tokens(), origin="evil")
    scene.store.write("lab", "tokens", other.written())
    with pytest.raises(BackendDenied, match="nobody is logged in"):
        await scene.keeper().access()


async def test_without_a_login_nothing_is_kept_on_disk(scene: Scene) -> None:
    one = scene.keeper(needs_login=False)
    assert await one.access() == "a1"
    assert await one.access() == "a1"
    scene.now += 700
    assert await one.access() == "a2"
    assert not scene.memory.kept
    found = await session.status(one, None, lambda: scene.now)
    assert found.state == "in"
    with pytest.raises(CmdaiError, match="needs no login"):
        await one.put(scene.tokens())


@pytest.mark.parametrize(
    ("passed", "refresh", "state", "words"),
    [
        (0, "r", "in", "logged in as alice, for 10 minutes more, then renewed by itself"),
        (0, "", "in", "logged in as alice, for 10 minutes more"),
        (660, "r", "in", "logged in as alice; the token ended 1 minute ago and is renewed at"),
        (660, "", "ended", "the login ended 1 minute ago"),
    ],
)
async def test_status_in_words(
    scene: Scene, passed: float, refresh: str, state: str, words: str
) -> None:
    given = msgspec.structs.replace(scene.tokens(), refresh=refresh)
    scene.store.write("lab", "tokens", given.written())
    scene.now += passed
    found = await session.status(scene.keeper(), scene.store, lambda: scene.now)
    assert found.state == state
    assert found.words.startswith(words)
    assert found.where == "in the keychain"
    assert given.access not in repr(found).replace("alice", "")


async def test_no_token_goes_over_plain_http_to_the_world(scene: Scene) -> None:
    scene.log_in()
    auth = session.OAuth(scene.keeper(), url="http://api.example.com")
    with pytest.raises(BackendDenied, match="plain http"):
        await auth.headers()
