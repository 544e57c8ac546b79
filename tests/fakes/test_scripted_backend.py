"""The fake keeps the contract of the real ones, else tests built on it would prove nothing."""

from __future__ import annotations

import pytest

from tests.contracts import BackendContract
from tests.fakes.scripted_backend import ScriptedBackend


class TestContract(BackendContract):
    @pytest.fixture
    def backend(self) -> ScriptedBackend:
        return ScriptedBackend()

    @pytest.mark.skip(reason="its 'hang' plays a backend that breaks this promise")
    async def test_it_keeps_to_the_timeout(self) -> None: ...
