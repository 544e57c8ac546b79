"""The fake keeps the contract of the real ones, else tests built on it would prove nothing."""

from __future__ import annotations

import pytest

from tests.contracts import BackendContract
from tests.fakes.scripted_backend import ScriptedBackend


class TestContract(BackendContract):
    @pytest.fixture
    def backend(self) -> ScriptedBackend:
        return ScriptedBackend()
