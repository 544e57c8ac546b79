"""The page in a real browser."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from cmdai_shell.cli import client
from cmdai_shell.config import paths
from tests.browser import Tab, browser, program
from tests.cli.conftest import CLI
from tests.fakes.api_socket import api_socket
from tests.fakes.in_thread import in_thread
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.told_status import member, sight, told, trace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.conftest import Process

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not program(), reason="no CMDAI_TEST_BROWSER, and no chromium on the PATH"),
]

HOSTILE = "<img src=x onerror='document.title=1'>\u202e\x1b[31m<script>document.title=2</script>"
COUNTED = "document.getElementById('counts').getAttribute('aria-label')"


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Tab]:
    """The real command, and a browser at the address that it prints."""
    process = await asyncio.create_subprocess_exec(
        *(*CLI, "dashboard", "--web", "--interval", "0.1"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout
        url = (await process.stdout.readline()).decode().strip()
        async with browser(folder) as tab:
            await tab.look(width=1280, height=1400)
            await tab.open(url)
            yield tab
            assert tab.problems == []
    finally:
        process.terminate()
        await process.wait()


async def text(tab: Tab, selector: str) -> str:
    found: str = await tab.tell(f"document.querySelector('{selector}').innerText")
    return found


def button(name: str, word: str, within: str = "tr") -> str:
    """Of the first row that has this name."""
    row = f"[...document.querySelectorAll('{within}')].find(r => r.innerText.includes('{name}'))"
    return f"[...{row}.querySelectorAll('button')].find(b => b.innerText === '{word}')"


async def test_a_press_is_in_the_charts(daemon: Process, tmp_path: Path) -> None:
    """A daemon with servers, one of which says hostile things of itself."""
    model = "<img src=x onerror='document.title=1'>"
    with (
        in_thread(FakeOpenAI(models=(model,)).app()) as one,
        in_thread(FakeOpenAI(flavour="llama.cpp").app()) as other,
    ):
        folder = paths.config_dir()
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text(
            "manual.enabled = false\nsuggest.recipes = 0\n"
            f'[environments.lab]\nendpoints = [{{url = "{one}", priority = 5}}, "{other}"]\n'
        )
        daemon.command = client.START[:-1]
        await asyncio.to_thread(daemon.start)
        async with opened(tmp_path / "browser") as tab:
            await tab.until("document.querySelectorAll('#servers .health.well').length >= 2")
            await tab.until("document.querySelectorAll('#servers .spark path[d^=M]').length === 2")
            assert await tab.tell(COUNTED) == "0 requests: none"
            assert "<img src=x onerror=" in await text(tab, "#servers")
            await asyncio.to_thread(daemon.ask, "list files", shell="zsh", shell_version="5.9")
            await tab.until(f"{COUNTED} === '1 requests: 1 by a server'")
            assert await tab.tell("document.querySelectorAll('#counts rect.server').length") == 1
            assert await tab.tell("document.querySelectorAll('#times circle.server').length") == 1
            assert "suggest in zsh" in await text(tab, "#requests")
            assert await tab.tell("document.title") == "cmdai-shell: dashboard"

            first = one.removeprefix("http://")
            await tab.click(button(first, "Drain"))
            await tab.until(f"{button(first, 'Take back')}?.innerText")
            await asyncio.to_thread(daemon.ask, "count files")
            await tab.until(f"{COUNTED}.startsWith('2 requests')")
            assert other.removeprefix("http://") in await text(tab, "#requests tr td:nth-child(4)")
            await tab.click(button(first, "Take back"))
            await tab.until(f"{button(first, 'Drain')}?.innerText")


async def test_hostile_names_are_only_text(runtime_dir: Path, tmp_path: Path) -> None:
    status = told() | {"servers": [member(HOSTILE, why=HOSTILE, model=HOSTILE, kind=HOSTILE)]}
    status["discovery"]["found"] = [sight(HOSTILE, HOSTILE, story=HOSTILE, sources=[HOSTILE])]
    hostile: dict[str, Any] = {"outcome": HOSTILE, "shell": HOSTILE}
    with api_socket(status) as there:
        there.traces.append(trace(1, calls=[{"backend": HOSTILE}], **hostile))
        async with opened(tmp_path / "browser") as tab:
            await tab.until("document.querySelectorAll('#found tr').length === 1")
            shown = "<img src=x onerror='document.title=1'><script>document.title=2</script>"
            for place in ("#servers", "#found", "#requests"):
                assert shown in await text(tab, place)
            assert await tab.tell("document.querySelectorAll('img, main script').length") == 0
            await tab.click(button("<img", "Trust", "#found tr"))
            await tab.until("document.querySelector('dialog').open")
            assert shown in await text(tab, "dialog")
            assert await tab.tell("document.title") == "cmdai-shell: dashboard"


async def test_trusting_takes_a_yes(runtime_dir: Path, tmp_path: Path) -> None:
    with api_socket(told()) as there:
        async with opened(tmp_path / "browser") as tab:
            trust = button("spark-1a2b:8000", "Trust")
            await tab.until("document.querySelectorAll('#found tr').length === 2")
            assert not await tab.tell(f"{button('old:8443', 'Trust')}?.checkVisibility()")
            for word in ("No", "Trust it"):
                await tab.click(trust)
                await tab.until("document.querySelector('dialog').open")
                assert "http://192.168.1.77:8000" in await text(tab, "dialog")
                assert there.asked == []
                await tab.click(button("spark-1a2b:8000", word, "dialog"))
                await tab.until("!document.querySelector('dialog').open")
            await tab.until(
                "document.getElementById('events').innerText.includes('8000 is trusted')"
            )
    assert there.asked == [("/v1/trust", {"name": "spark-1a2b:8000"})]


async def test_the_address_is_needed_and_not_left_lying_about(
    runtime_dir: Path, tmp_path: Path
) -> None:
    with api_socket(told()):
        async with opened(tmp_path / "browser") as tab:
            await tab.until("document.querySelectorAll('#servers tr').length === 4")
            assert await tab.tell("location.hash") == ""
            address = await tab.tell("location.href")
            await tab.open(address)
            await tab.until("document.querySelectorAll('#servers tr').length === 4")  # a reload
            await tab.tell("sessionStorage.clear()")
            await tab.open(address)
            await tab.until(
                "document.querySelector('#problem.bad')?.innerText.includes('terminal')"
            )
            assert "spark" not in await text(tab, "body")
            tab.problems = [each for each in tab.problems if "401" not in each]


async def test_the_table_stays_where_it_is(runtime_dir: Path, tmp_path: Path) -> None:
    """Who is at a button with the keyboard stays there while things change."""
    with api_socket(told()) as there:
        async with opened(tmp_path / "browser") as tab:
            await tab.until("document.querySelectorAll('#servers tr').length === 4")
            await tab.tell(f"{button('desk', 'Test')}.focus()")
            there.status["servers"].insert(0, member("first"))
            there.status["servers"][2] |= {"state": "ok", "breaker": "closed"}
            await tab.until("document.querySelector('#servers tr').innerText.includes('first')")
            focus = "document.activeElement.closest('tr')?.innerText"
            assert "desk" in await tab.tell(focus)
