"""What every adapter of a family must do; each adapter's test class inherits it.

class TestMine(BackendContract):
    @pytest.fixture
    async def backend(self): ...
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from cmdai_shell.core import Backend, Notice, Prompt
from cmdai_shell.errors import BackendError
from cmdai_shell.observe import traces

PATIENCE_S = 60.0


async def collect(backend: Backend, prompt: Prompt, timeout: float = PATIENCE_S) -> str:
    """The whole text of an answer."""
    pieces = [piece async for piece in backend.stream(prompt, timeout)]
    assert all(isinstance(piece, str | Notice) for piece in pieces)
    return "".join(piece for piece in pieces if isinstance(piece, str))


class BackendContract:
    """Fixtures to override: ``backend``; ``prompt``, whose answer comes in several pieces;
    ``endless``, whose answer takes seconds."""

    @pytest.fixture
    def prompt(self) -> Prompt:
        return Prompt(system="You are a shell.", user="list files", max_tokens=16)

    @pytest.fixture
    def endless(self) -> Prompt:
        return Prompt(system="You are a shell.", user="hang", max_tokens=2000)

    async def test_it_has_a_name_and_a_model(self, backend: Backend) -> None:
        assert backend.name
        assert isinstance(backend.model, str)
        assert backend.abilities <= {"schema", "large"}

    async def test_it_answers(self, backend: Backend, prompt: Prompt) -> None:
        assert (await collect(backend, prompt)).strip()

    async def test_the_same_question_gets_the_same_answer(
        self, backend: Backend, prompt: Prompt
    ) -> None:
        assert await collect(backend, prompt) == await collect(backend, prompt)

    async def test_closing_the_iterator_is_quick_and_leaves_it_usable(
        self, backend: Backend, prompt: Prompt, endless: Prompt
    ) -> None:
        wanted = await collect(backend, prompt)
        stream = backend.stream(endless, PATIENCE_S)
        assert isinstance(stream, AsyncGenerator)
        async with asyncio.TaskGroup() as group:
            first = group.create_task(_drain(stream))
            await asyncio.sleep(0.2)
            first.cancel()
        async with asyncio.timeout(1):
            await stream.aclose()
        assert await collect(backend, prompt) == wanted

    async def test_a_cancelled_caller_leaves_it_usable(
        self, backend: Backend, prompt: Prompt, endless: Prompt
    ) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await collect(backend, endless)
        assert (await collect(backend, prompt)).strip()

    async def test_it_keeps_to_the_timeout(self, backend: Backend, endless: Prompt) -> None:
        async with asyncio.timeout(5):
            with pytest.raises(BackendError):
                await collect(backend, endless, timeout=0.3)

    async def test_requests_beside_each_other_are_all_answered(
        self, backend: Backend, prompt: Prompt
    ) -> None:
        wanted = await collect(backend, prompt)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(collect(backend, prompt)) for _ in range(4)]
        assert [task.result() for task in tasks] == [wanted] * 4

    async def test_it_says_when_the_prompt_has_gone(self, backend: Backend, prompt: Prompt) -> None:
        told: list[bool] = []
        mark = traces.written.set(lambda: told.append(True))
        try:
            await collect(backend, prompt)
        finally:
            traces.written.reset(mark)
        assert told

    async def test_closing_twice_is_no_error(self, backend: Backend, prompt: Prompt) -> None:
        await collect(backend, prompt)
        await backend.aclose()
        await backend.aclose()


async def _drain(stream: AsyncIterator[str | Notice]) -> None:
    async for _ in stream:
        pass
