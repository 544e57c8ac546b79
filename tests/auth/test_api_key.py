"""A key from each of its sources, and where it does not go."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.auth.api_key import KEPT_S, ApiKey, FromCommand, FromStore, FromVariable, KeySource
from cmdai_shell.auth.carrying import may_carry, only_this_machine
from cmdai_shell.auth.store import CredentialStore
from cmdai_shell.config.environments import is_near
from cmdai_shell.errors import BackendDenied

if TYPE_CHECKING:
    from pathlib import Path

    from cmdai_shell.auth.authenticator import Authenticator

SECRET = "planted-a91-key"


def api_key(source: KeySource, header: str = "", url: str = "https://spark:8000") -> ApiKey:
    return ApiKey(source, url=url, header=header, allowed=is_near)


def printing(text: str, *more: str) -> list[str]:
    return [sys.executable, "-c", f"import sys; sys.stdout.write({text!r})", *more]


async def test_a_variable_is_read_for_each_request() -> None:
    environ = {"KEY": f" {SECRET}\n"}
    auth: Authenticator = api_key(FromVariable("KEY", environ))
    assert await auth.headers() == {"Authorization": f"Bearer {SECRET}"}
    environ["KEY"] = "other"
    assert await auth.headers() == {"Authorization": "Bearer other"}
    assert not await auth.invalidate()
    environ.clear()
    with pytest.raises(BackendDenied, match=r"\$KEY is not set") as caught:
        await auth.headers()
    assert "export KEY=" in caught.value.hint


async def test_a_daemon_that_was_started_without_says_so() -> None:
    source = FromVariable("KEY", {}, by_daemon=True)
    with pytest.raises(BackendDenied, match=r"the daemon was started without \$KEY") as caught:
        await source.get()
    assert caught.value.hint.startswith("cmdai-shell daemon restart")
    assert source.cure == "cmdai-shell daemon restart, where $KEY is right"


async def test_another_header_carries_the_bare_key() -> None:
    source = FromVariable("KEY", {"KEY": SECRET})
    assert await api_key(source, "api-key").headers() == {"api-key": SECRET}
    assert await api_key(source, "Authorization").headers() == {"Authorization": f"Bearer {SECRET}"}


@pytest.mark.parametrize("key", ["a\nb", "a\x00b", "schlüssel", "a\x1b[0m"])
async def test_what_cannot_be_a_key_is_not_sent_nor_shown(key: str) -> None:
    with pytest.raises(BackendDenied, match="cannot be an API key") as caught:
        await api_key(FromVariable("KEY", {"KEY": key})).headers()
    assert key not in str(caught.value)


async def test_the_store(tmp_path: Path) -> None:
    store = CredentialStore(tmp_path / "credentials", choice="file")
    now = 0.0
    auth = api_key(FromStore(store, "home-lab", lambda: now))
    with pytest.raises(BackendDenied, match="no API key is stored") as caught:
        await auth.headers()
    assert caught.value.hint == "cmdai-shell auth login --environment home-lab"
    await store.set("home-lab", "api-key", SECRET)
    assert await auth.headers() == {"Authorization": f"Bearer {SECRET}"}
    await store.set("home-lab", "api-key", "rotated")
    assert await auth.headers() == {"Authorization": f"Bearer {SECRET}"}
    assert await auth.invalidate()
    assert await auth.headers() == {"Authorization": "Bearer rotated"}
    await store.set("home-lab", "api-key", "again")
    now = KEPT_S + 1
    assert await auth.headers() == {"Authorization": "Bearer again"}
    (tmp_path / "credentials" / "credentials.json").write_text("{")
    now *= 3
    with pytest.raises(BackendDenied, match="damaged"):
        await auth.headers()


async def test_a_command_is_run_once_for_all_who_ask(tmp_path: Path) -> None:
    count = tmp_path / "count"

    def runs() -> int:
        return count.stat().st_size

    script = f"open({str(count)!r}, 'a').write('x'); print({SECRET!r}); print('more')"
    auth = api_key(FromCommand([sys.executable, "-c", script]))
    answers = await asyncio.gather(*(auth.headers() for _ in range(5)))
    assert answers == [{"Authorization": f"Bearer {SECRET}"}] * 5
    assert runs() == 1
    assert await auth.invalidate()
    assert not await auth.invalidate()
    await auth.headers()
    assert runs() == 2


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["/no/such/program", SECRET], "program cannot be run"),
        ([sys.executable, "-c", f"print({SECRET!r}); exit(3)"], "failed with status 3"),
        (printing(""), "printed no secret"),
        (printing("\n\n"), "printed no secret"),
        ([sys.executable, "-c", "print('x' * 100000)"], "printed too much"),
        (["a\0b"], "cannot be run"),
    ],
)
async def test_a_command_that_fails(command: list[str], words: str) -> None:
    with pytest.raises(BackendDenied, match=words) as caught:
        await api_key(FromCommand(command)).headers()
    assert SECRET not in str(caught.value)


async def test_a_command_that_hangs_is_ended_with_its_children() -> None:
    import psutil

    mark = f"sleep-{time.monotonic_ns()}"
    script = (
        "import subprocess, sys; "
        f"subprocess.run([sys.executable, '-c', 'import time; time.sleep(50)', {mark!r}])"
    )
    with pytest.raises(BackendDenied, match=r"more than 0\.5 s"):
        await api_key(FromCommand([sys.executable, "-c", script], timeout=0.5)).headers()
    until = time.monotonic() + 10

    def alive() -> bool:
        return any(mark in (it.info["cmdline"] or ()) for it in psutil.process_iter(["cmdline"]))

    def ended() -> bool:
        while alive() and time.monotonic() < until:
            time.sleep(0.02)
        return not alive()

    assert await asyncio.to_thread(ended)


@pytest.mark.parametrize(
    ("url", "near", "own"),
    [
        ("https://api.example.com", True, True),
        ("http://api.example.com", False, False),
        ("http://8.8.8.8", False, False),
        ("http://192.168.1.9:8000", True, False),
        ("http://127.0.0.1:8000", True, True),
        ("http://[::1]:8000", True, True),
        ("http://localhost", True, True),
        ("http://localhost.example.com", False, False),
        ("ftp://127.0.0.1", False, False),
        ("http://", False, False),
        ("http://[", False, False),
        ("https:///x", False, False),
    ],
)
def test_where_a_credential_may_go(url: str, near: bool, own: bool) -> None:
    assert may_carry(url, is_near) == near
    assert may_carry(url, only_this_machine) == own


async def test_no_key_goes_over_plain_http_to_the_world() -> None:
    source = FromVariable("KEY", {"KEY": SECRET})
    with pytest.raises(BackendDenied, match=r"api\.example\.com over plain http") as caught:
        await api_key(source, url="http://u:pw@api.example.com").headers()
    assert "pw" not in caught.value.message.split()


async def test_nothing_of_it_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    source = FromCommand(printing(SECRET))
    auth = api_key(source)
    with caplog.at_level(logging.DEBUG):
        await auth.headers()
    assert SECRET not in caplog.text + repr(auth) + repr(source) + source.title
