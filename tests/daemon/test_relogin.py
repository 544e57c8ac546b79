"""After a login or logout only the servers of that environment are made anew."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.test_utils import TestServer

from cmdai_shell.auth import schemes
from cmdai_shell.config import Config, load, paths
from cmdai_shell.core import Endpoint, SuggestRequest
from cmdai_shell.daemon import compose, found_servers
from cmdai_shell.daemon.compose import Chain
from cmdai_shell.daemon.relogin import forget_login
from cmdai_shell.errors import ConfigError
from tests.daemon.test_desk import Engine
from tests.fakes.openai_server import FakeOpenAI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "planted-key"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setattr(compose, "_engine", lambda config, clock: Engine())


def configured(**urls: str) -> Config:
    text = "[load_balancing]\nhealth_check_enabled = false\n[caching]\nenabled = false\n"
    for name, url in urls.items():
        text += f'[environments.{name}]\nkind = "openai"\nendpoints = ["{url}"]\n'
        text += 'auth_type = "api_key"\n'
    paths.config_dir().mkdir(parents=True, exist_ok=True)
    (paths.config_dir() / "config.toml").write_text(text)
    return load()


async def asked(chain: Chain, environment: str) -> Any:
    request = chain.addressed(SuggestRequest(line="list files", environment=environment))
    with chain.in_use() as suggester:
        return [update async for update in suggester.suggest(request)][-1]


@asynccontextmanager
async def two() -> AsyncIterator[tuple[Chain, FakeOpenAI]]:
    """Environments ``lab`` and ``office``, whose servers want a key."""
    one, other = (FakeOpenAI(flavour="openai", api_key=KEY) for _ in range(2))
    async with TestServer(one.app()) as lab, TestServer(other.app()) as office:
        config = configured(lab=str(lab.make_url("")), office=str(office.make_url("")))
        for name in config.environments:
            await schemes.store(config).set(name, "api-key", KEY)
        chain = Chain(config, time.monotonic)
        try:
            yield chain, one
        finally:
            await chain._aclose()


async def test_what_was_stored_meanwhile_counts_at_once_and_for_nobody_else() -> None:
    async with two() as (chain, lab):
        assert (await asked(chain, "lab")).backend.startswith("lab/")
        assert (await asked(chain, "office")).backend.startswith("office/")
        before = {member.environment: member for member in chain.pool}
        lab.api_key = "planted-next"
        await schemes.store(chain.config).set("lab", "api-key", "planted-next")
        await forget_login(chain, time.monotonic, "lab", {})
        after = {member.environment: member for member in chain.pool}
        assert after["office"] is before["office"]
        assert after["lab"] is not before["lab"]
        assert list(after) == list(before), "nobody changes places"
        lab.requests.clear()
        assert (await asked(chain, "lab")).backend.startswith("lab/")
        assert len(lab.requests) == 1, "not even one refusal"


async def test_who_is_being_answered_is_answered_to_the_end() -> None:
    async with two() as (chain, _):
        (member,) = (m for m in chain.pool if m.environment == "lab")
        closed: list[bool] = []

        async def aclose() -> None:
            closed.append(member.in_flight == 0)

        member.server.aclose = aclose  # type: ignore[method-assign]
        member.in_flight = 1
        async with asyncio.TaskGroup() as group:
            group.create_task(forget_login(chain, time.monotonic, "lab", {}))
            while member in chain.pool:  # noqa: ASYNC110  it is replaced at once
                await asyncio.sleep(0)
            assert not closed
            member.in_flight = 0
        assert closed == [True]


async def test_of_the_variables_only_those_of_the_login_are_taken() -> None:
    async with two() as (chain, _):
        text = (paths.config_dir() / "config.toml").read_text()
        (paths.config_dir() / "config.toml").write_text(text + 'api_key_env = "OFFICE_KEY"\n')
        chain = Chain(load(), time.monotonic, former=chain)
        environ = {"PATH": "/bin"}
        given = {"OFFICE_KEY": "planted", "PATH": "/evil", "LD_PRELOAD": "/evil"}
        await forget_login(chain, time.monotonic, "office", given, environ)
        assert environ == {"PATH": "/bin", "OFFICE_KEY": "planted"}
        await forget_login(chain, time.monotonic, "lab", given, environ := {})
        assert environ == {}


async def test_an_environment_that_is_not_there() -> None:
    async with two() as (chain, _):
        with pytest.raises(ConfigError, match="no environment 'lba'"):
            await forget_login(chain, time.monotonic, "lba", {})


def test_found_servers_get_another_login_too() -> None:
    config = configured(lab="https://gpu.example.com", office="https://gpu.example.org")
    logins = found_servers.Logins(config)
    lab, office = (
        Endpoint(id=name, url="https://10.1.2.3", environment=name) for name in ("lab", "office")
    )
    before = [logins.of(lab)._source, logins.of(office)._source]  # type: ignore[attr-defined]
    logins.forget("lab")
    after = [logins.of(lab)._source, logins.of(office)._source]  # type: ignore[attr-defined]
    assert [a is b for a, b in zip(after, before, strict=True)] == [False, True]
