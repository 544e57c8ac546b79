"""Logging out while somebody renews, and from stores that cannot be opened."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from cmdai_shell.auth.keeper import TokenKeeper
from cmdai_shell.auth.leaving import leave
from cmdai_shell.auth.sealing import Seal
from cmdai_shell.auth.store import CredentialStore
from cmdai_shell.auth.tokens import Tokens

if TYPE_CHECKING:
    from pathlib import Path


def made(refresh: str) -> Tokens:
    return Tokens(origin="o", client="c", obtained=1.0, expires=2.0, access="a", refresh=refresh)


async def test_what_a_renewal_under_way_gets_is_ended_too(tmp_path: Path) -> None:
    store = CredentialStore(tmp_path / "store", choice="file")
    store.write("lab", "tokens", made("r1").written())
    renews, goes_on = threading.Event(), threading.Event()
    ended: list[str] = []

    def renew(_: Tokens | None) -> Tokens:
        renews.set()
        goes_on.wait(20)
        return made("r2")

    def revoke(tokens: Tokens) -> str:
        ended.append(tokens.refresh)
        return ""

    daemon = TokenKeeper("lab", renew, origin="o", client="c", store=store, wall=lambda: 9.0)
    async with asyncio.TaskGroup() as group:
        group.create_task(daemon.access())
        assert await asyncio.to_thread(renews.wait, 20)
        logout = group.create_task(asyncio.to_thread(leave, "lab", [store], revoke))
        await asyncio.wait([logout], timeout=0.3)
        assert not logout.done()
        goes_on.set()
    left = logout.result()
    assert ended == ["r2"]
    assert store.read("lab", "tokens") is None
    assert not left.alive
    assert not left.unseen


def test_it_goes_here_whatever_the_provider_says(tmp_path: Path) -> None:
    store = CredentialStore(tmp_path / "store", choice="file")
    store.write("lab", "tokens", made("r1").written())
    store.write("lab", "client-secret", "s")
    store.write("other", "api-key", "k")
    left = leave("lab", [store], lambda _: "it is down")
    assert left.alive == ["it is down"]
    assert (store.read("lab", "tokens"), store.read("lab", "client-secret")) == (None, None)
    assert store.read("other", "api-key") == "k"


def test_a_store_that_cannot_be_opened_is_named_and_the_others_are_emptied(tmp_path: Path) -> None:
    folder = tmp_path / "store"

    def sealed(passphrase: str) -> CredentialStore:
        seal = Seal(lambda: passphrase, cost=4)
        return CredentialStore(folder, choice="encrypted-file", seal=seal)

    sealed("right").write("lab", "api-key", "k1")
    plain = CredentialStore(folder, choice="file")
    plain.write("lab", "api-key", "k2")
    left = leave("lab", [sealed("wrong"), plain], lambda _: "")
    assert plain.read("lab", "api-key") is None
    assert "credentials.sealed" in left.unseen[0]
    assert left.removed == ["api-key in file"]
