"""core.Manual of the machine that the tests run on, each page read when it is asked for."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.manual import pages, read

if TYPE_CHECKING:
    from cmdai_shell.core import Page
    from cmdai_shell.manual.read import Entry

ENOUGH = 200
"""Pages below which a machine counts as stripped of them."""


@cache
def entries() -> dict[str, Entry]:
    found = read.entries(read.folders(os.environ))
    return {entry.stem: entry for entry in reversed(found)}


class HostManual:
    @cache  # noqa: B019  one object for all tests
    def page(self, name: str) -> Page | None:
        entry = entries().get(name)
        if entry is None:
            return None
        text = read.text(read.target(entry).path)
        page = pages.page(text, name) if text else None
        return page if page and (page.summary or page.options) else None


HOST = HostManual()


def needs(*names: str) -> None:
    """Skip the test where these pages are missing."""
    if len(entries()) < ENOUGH:
        pytest.skip("this machine has no man pages")
    missing = [name for name in names if name not in entries()]
    if missing:
        pytest.skip(f"no man page of {', '.join(missing)}")
