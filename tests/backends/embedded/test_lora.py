"""What was learnt beside a model's weights takes part in commands, and in nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cmdai_shell.suggest.context import Facts
from cmdai_shell.suggest.prompt import explaining, prefix
from tests.backends.embedded.conftest import closing, engine
from tests.contracts import collect
from tests.models import model_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cmdai_shell.backends.embedded.engine import EmbeddedBackend

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]

ASKED = replace(prefix("bash", Facts()), user="tar the folder pics without the .raw ones")
EXPLAINED, _ = explaining("chmod -R g+w shared", 1024)


@pytest.fixture
async def learnt(tmp_path: Path) -> AsyncIterator[EmbeddedBackend]:
    async with closing(real(tmp_path)) as backend:
        yield backend


def real(tmp_path: Path, **options: object) -> EmbeddedBackend:
    def model() -> object:
        return replace(model_file("qwen2.5-coder-0.5b"), **options)

    return engine(model, cache_dir=tmp_path / "cache", command=None)  # type: ignore[arg-type]


async def test_a_command_is_answered_with_it_and_an_explanation_without(
    learnt: EmbeddedBackend, tmp_path: Path
) -> None:
    plain = replace(ASKED, for_command=False)
    async with closing(real(tmp_path / "bare", lora=None)) as bare:
        without = [await collect(bare, prompt) for prompt in (EXPLAINED, plain, ASKED)]
    assert await collect(learnt, EXPLAINED) == without[0]
    assert await collect(learnt, plain) == without[1]
    assert await collect(learnt, ASKED) != without[2]


async def test_each_way_has_its_own_prefix_on_disk(learnt: EmbeddedBackend, tmp_path: Path) -> None:
    first = await collect(learnt, ASKED)
    await collect(learnt, replace(ASKED, for_command=False))
    assert len([*(tmp_path / "cache" / "prefixes").iterdir()]) == 2
    assert await collect(learnt, ASKED) == first
    assert learnt.status().last_prompt_tokens_evaluated < 40


@pytest.mark.parametrize("name", ["bad.gguf", "missing.gguf"])
async def test_it_answers_without_a_file_that_cannot_be_used_and_says_so(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF nothing")
    async with closing(real(tmp_path, lora=tmp_path / name)) as backend:
        assert await collect(backend, ASKED)
        assert "answers without what it learnt" in backend.status().last_error
