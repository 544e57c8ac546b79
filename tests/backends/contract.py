"""What every adapter of a remote server must do, beyond what every backend must.

class TestMine(ServerContract):
    @pytest.fixture
    async def backend(self): ...
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from cmdai_shell.auth.api_key import ApiKey, FromVariable
from cmdai_shell.core import Prompt
from tests.contracts import BackendContract, collect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cmdai_shell.core import Server

PROMPT = Prompt(system="You are a shell.", user="list files", stop=("\n\n",))
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"command": {"type": "string"}},
        "required": ["command"],
        "additionalProperties": False,
    }
)


def api_key(variable: str, header: str = "", *, environ: Mapping[str, str]) -> ApiKey:
    """A login as an environment with ``api_key_env`` has it."""
    source = FromVariable(variable, environ)
    return ApiKey(source, url="https://gpu.example.com", header=header)


class ServerContract(BackendContract):
    """``backend`` has to be a ``core.Server`` that is well and can add."""

    patience = 30.0
    states: tuple[str, ...] = ("ok",)
    """What a handshake may find."""

    async def test_it_says_what_it_is(self, backend: Server) -> None:
        probe = await backend.identify(self.patience)
        assert probe.kind
        assert probe.latency > 0
        assert backend.endpoint.id == backend.name

    async def test_it_computes_and_each_step_has_its_time(self, backend: Server) -> None:
        for _ in range(2):
            found = await backend.handshake(self.patience)
            assert found.state in self.states, found
            assert found.probe
            assert found.tokens >= 1
            assert 0 < found.ttft <= found.elapsed
            names = [step.name for step in found.steps]
            assert names[:3] == ["connect", "identify", "model"]
            assert "compute" in names
            assert all(step.seconds >= 0 for step in found.steps)

    async def test_its_queue_is_known_or_unknown_and_never_an_error(self, backend: Server) -> None:
        load = await backend.load(self.patience)
        assert load.running is None or load.running >= 0
        assert load.waiting is None or load.waiting >= 0
        assert load.cache_used is None or 0 <= load.cache_used <= 1

    async def test_it_can_be_warmed(self, backend: Server) -> None:
        await backend.warm(self.patience)
        assert backend.is_warm

    async def test_a_finished_answer_leaves_its_connection_open(
        self, backend: Server, prompt: Prompt
    ) -> None:
        await collect(backend, prompt)
        assert backend.is_warm

    async def test_a_closed_one_opens_again(self, backend: Server, prompt: Prompt) -> None:
        wanted = await collect(backend, prompt)
        await backend.aclose()
        assert not backend.is_warm
        async with asyncio.timeout(self.patience):
            assert await collect(backend, prompt) == wanted
