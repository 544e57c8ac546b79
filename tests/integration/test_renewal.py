"""A login that is being renewed when the daemon ends: the identity provider has given out the next
refresh token already, and the one before is worth nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from cmdai_shell.auth import schemes
from cmdai_shell.auth.tokens import Tokens
from cmdai_shell.config import load, paths
from tests.auth import fake_provider
from tests.integration.conftest import Process, until

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

    from tests.auth.fake_provider import FakeProvider

CLI = (sys.executable, "-I", "-c", "from cmdai_shell.cli.main import main; main()")


def settings(issuer: str) -> None:
    paths.config_dir().mkdir(parents=True, exist_ok=True)
    (paths.config_dir() / "config.toml").write_text(
        '[environments.office]\nendpoints = ["https://127.0.0.1:9"]\nauth_type = "oidc"\n'
        f'oidc_issuer = "{issuer}"\noidc_client_id_env = "OFFICE_CLIENT"\n'
    )


def kept() -> Tokens:
    text = schemes.store(load()).read("office", "tokens")
    return msgspec.json.decode(text or "", type=Tokens)


def ended(issuer: str) -> None:
    """The access token has; the login has not."""
    now = time.time()
    tokens = Tokens(
        origin=issuer,
        client=fake_provider.CLIENT,
        obtained=now - 120,
        expires=now - 60,
        access="planted-access-0",
        refresh="planted-refresh-0",
    )
    schemes.store(load()).write("office", "tokens", tokens.written())


class Slow:
    """Its token endpoint answers when it is let; it has rotated the refresh token by then."""

    def __init__(self, fake: FakeProvider) -> None:
        self.asked = asyncio.Event()
        self.may = asyncio.Event()
        self._fake = fake
        fake.answers["/token"] = self.token

    async def token(self, _: web.Request) -> web.StreamResponse:
        self.asked.set()
        await self.may.wait()
        return self._fake._token()


@pytest.mark.parametrize("how", ["daemon", "command"])
async def test_what_the_provider_gave_out_is_stored(
    how: str, runtime_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("OFFICE_CLIENT", fake_provider.CLIENT)
    async with fake_provider.running() as fake:
        settings(fake.issuer)
        ended(fake.issuer)
        slow = Slow(fake)
        if how == "daemon":
            await asyncio.to_thread(
                subprocess.run, [*CLI, "daemon", "start"], check=True, capture_output=True
            )
            daemon = Process(runtime_dir)
            pid = daemon.pid
            press = asyncio.to_thread(daemon.ask, "list files", environment="office")
        else:
            process = await asyncio.create_subprocess_exec(
                *CLI, "auth", "rotate-credentials", stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            pid = process.pid
            press = process.communicate()  # type: ignore[assignment]
        async with asyncio.TaskGroup() as group:
            pressing = group.create_task(press)
            await asyncio.wait_for(slow.asked.wait(), 30)
            os.kill(pid, signal.SIGINT if how == "command" else signal.SIGTERM)
            if how == "daemon":
                await asyncio.to_thread(until, lambda: not daemon.pid, "it to let go")
            await asyncio.sleep(0.1)  # it has nothing else to do by now
            slow.may.set()
            await pressing
        await asyncio.to_thread(until, lambda: not _runs(pid), "it to end")
        assert json.loads(kept().written())["refresh"] == "planted-refresh-1"
        assert [f["refresh_token"] for p, f in fake.requests if p == "/token"] == [
            "planted-refresh-0"
        ]


def _runs(pid: int) -> bool:
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
