"""A real, certified OpenID provider (npm oidc-provider), and a person at a browser, without one.

``CMDAI_TEST_OIDC`` names a folder in which ``npm install oidc-provider@9`` was run.
"""

from __future__ import annotations

import html
import http.cookiejar
import os
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTALLED = os.environ.get("CMDAI_TEST_OIDC", "")
SCRIPT = Path(__file__).with_name("provider.mjs")


@contextmanager
def running(**settings: object) -> Iterator[str]:
    """Its issuer. ``settings``: the variables that provider.mjs names."""
    if not shutil.which("node") or not INSTALLED:
        pytest.skip("node and CMDAI_TEST_OIDC, a folder with oidc-provider, are needed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {**os.environ, **{name: str(value) for name, value in settings.items()}}
    with subprocess.Popen(
        ["node", str(SCRIPT), str(port)],
        cwd=INSTALLED,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line.startswith("READY"), line
            yield line.split()[1]
        finally:
            process.kill()


class Browser:
    """Follows the provider's forms as a person would. Blocks."""

    def __init__(self) -> None:
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)
        self.url = self.text = ""

    def go(self, url: str, data: dict[str, str] | None = None) -> None:
        body = urllib.parse.urlencode(data).encode() if data is not None else None
        try:
            answer = self._opener.open(urllib.request.Request(url, body), timeout=20)
        except urllib.error.HTTPError as error:
            answer = error  # type: ignore[assignment]
        with answer:
            self.url, self.text = answer.geturl(), answer.read().decode()

    def submit(self, **fill: str) -> None:
        form = re.search(r'<form[^>]*action="([^"]+)"[^>]*>(.*?)</form>', self.text, re.DOTALL)
        assert form, self.text
        fields = {}
        for tag in re.findall(r"<input[^>]*>", form[2]):
            found = dict(re.findall(r'(\w+)="([^"]*)"', tag))
            if "name" in found:
                fields[found["name"]] = html.unescape(found.get("value", ""))
        self.go(urllib.parse.urljoin(self.url, html.unescape(form[1])), {**fields, **fill})

    def log_in(self, url: str, name: str = "alice") -> None:
        """All forms, until there is none."""
        self.go(url)
        for _ in range(8):
            if "<form" not in self.text or "You can close" in self.text:
                return
            self.submit(**({"login": name, "password": "x"} if 'name="login"' in self.text else {}))

    def refuse(self, url: str) -> None:
        self.go(url)
        for _ in range(4):
            if cancel := re.search(r'href="([^"]*/abort)"', self.text):
                return self.go(urllib.parse.urljoin(self.url, html.unescape(cancel[1])))
            if 'name="abort"' in self.text:
                return self.submit(abort="yes")
            self.submit()
        raise AssertionError(self.text)
