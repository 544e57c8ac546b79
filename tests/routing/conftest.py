"""Seconds cost nothing here."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.virtual_loop import hasten


@pytest.fixture(autouse=True)
async def hasty_loop() -> None:
    hasten(asyncio.get_running_loop())
