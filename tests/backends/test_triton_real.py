"""The real tritonserver, with the same cases as its fake. What needs a model that computes on a GPU
is not shown: the models here are Python."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.errors import BackendDenied, ModelMissing
from tests.backends.contract import ServerContract
from tests.backends.test_triton import PROMPT, TritonCases, connected
from tests.contracts import collect
from tests.fakes import triton_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from cmdai_shell.backends.triton import TritonServer
    from tests.fakes.triton_server import Triton

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        not triton_server.PYTHON,
        reason="no tritonserver: pip install nvidia-pytriton in a venv of its own (numpy below 2), "
        "and CMDAI_TEST_TRITON=that venv's python",
    ),
]


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    with triton_server.serving(tmp_path_factory.mktemp("triton")) as server:
        yield server


class TestTriton(TritonCases):
    pass


class TestContract(ServerContract):
    @pytest.fixture
    async def backend(self, triton: Triton) -> AsyncIterator[TritonServer]:
        async with connected(triton, "vllm_model") as backend:
            yield backend


async def test_a_model_unloaded_and_loaded_again(triton: Triton) -> None:
    async with connected(triton, "llmapi") as backend:
        assert await collect(backend, PROMPT) == "ls -la"
        triton.post("/v2/repository/models/llmapi/unload")
        with pytest.raises(ModelMissing):
            await until_it_fails(backend)
        triton.post("/v2/repository/models/llmapi/load")
        assert await collect(backend, PROMPT) == "ls -la"


async def until_it_fails(backend: TritonServer) -> None:
    """Unloading takes its time."""
    for _ in range(200):
        await collect(backend, PROMPT)


@asynccontextmanager
async def restricted(folder: object) -> AsyncIterator[Triton]:
    option = "--http-restricted-api=inference,model-repository:Authorization=Bearer t0ken-of-ours"
    with triton_server.serving(folder, option) as server:  # type: ignore[arg-type]
        yield server


async def test_header_for_restricted_apis(tmp_path: object) -> None:
    async with restricted(tmp_path) as triton:
        async with connected(triton) as backend:
            with pytest.raises(BackendDenied, match="restricted"):
                await backend.identify(5)
        async with connected(triton, key="t0ken-of-ours") as backend:
            assert (await backend.handshake(10)).state == "ok"
