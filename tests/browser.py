"""A real Chromium without a window, spoken to by its own protocol.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import shutil
import signal
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession, WSMsgType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import ClientWebSocketResponse

PATIENCE_S = 20.0
NAMES = "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"


def program() -> str:
    """``CMDAI_TEST_BROWSER``, or what is on the PATH; empty where there is none."""
    found = os.environ.get("CMDAI_TEST_BROWSER")
    return found or next((path for name in NAMES if (path := shutil.which(name))), "")


class Tab:
    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.problems: list[str] = []
        """Errors of the page's program, and what its policy forbade."""

    async def listen(self) -> None:
        """Until the browser hangs up."""
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                return
            said = message.json()
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
            elif said["method"] == "Runtime.exceptionThrown":
                self.problems.append(str(said["params"]["exceptionDetails"]))
            elif said["method"] == "Log.entryAdded":
                self.problems.append(said["params"]["entry"]["text"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(PATIENCE_S):
            said = await self._waiting[number]
        assert "error" not in said, said["error"]
        result: dict[str, Any] = said["result"]
        return result

    async def open(self, url: str) -> None:
        await self.call("Page.navigate", url=url)

    async def look(self, *, width: int, height: int, scheme: str = "light", scale: int = 1) -> None:
        """The window's size, and the theme that the person has chosen."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        await self.call("Emulation.setDeviceMetricsOverride", **size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        await self.call("Emulation.setEmulatedMedia", features=[feature])

    async def tell(self, expression: str) -> Any:
        """What it comes to in the page."""
        said = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def until(self, expression: str) -> Any:
        """As soon as it is true in the page."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    if found := await self.tell(expression):
                        return found
                    await asyncio.sleep(0.05)
        except TimeoutError:
            text = await self.tell("document.body.innerText")
            raise AssertionError(f"waited for {expression}; {self.problems}; {text}") from None

    async def click(self, expression: str) -> None:
        """With a mouse, in the middle of the element that the expression is."""
        element = f"({expression})"
        await self.tell(f"{element}.scrollIntoView({{block: 'center'}})")
        box = await self.tell(f"{element}.getBoundingClientRect().toJSON()")
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at
            )

    async def picture(self) -> bytes:
        """Of what is in the window, as PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Tab]:
    """One tab; ``folder`` is for all that the browser keeps."""
    process = await asyncio.create_subprocess_exec(
        program(),
        "--headless=new",
        "--hide-scrollbars",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
        *("--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"),
        *(("--no-sandbox",) if os.geteuid() == 0 else ()),
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port = await _port(folder / "DevToolsActivePort")
        async with ClientSession() as session:
            async with session.put(f"http://127.0.0.1:{port}/json/new?about:blank") as answer:
                url = (await answer.json())["webSocketDebuggerUrl"]
            async with (
                session.ws_connect(url, max_msg_size=0) as socket,
                asyncio.TaskGroup() as group,
            ):
                tab = Tab(socket)
                listening = group.create_task(tab.listen())
                for domain in ("Page", "Runtime", "Log"):
                    await tab.call(f"{domain}.enable")
                yield tab
                listening.cancel()
    finally:  # all of its processes: they would go on writing into the folder
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _port(file: Path) -> int:
    """Written there as soon as it listens."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(FileNotFoundError, IndexError):
                return int((await asyncio.to_thread(file.read_text)).splitlines()[0])
            await asyncio.sleep(0.05)
