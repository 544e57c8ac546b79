from __future__ import annotations

import pytest

from cmdai_shell.backends.embedded.catalog import GB
from cmdai_shell.cli.bench import Measured, advice, measure
from cmdai_shell.config import Config
from tests.models import model_file


def measured(model: str, press_s: float) -> Measured:
    return Measured(
        model=model,
        threads=2,
        presses=5,
        ready_s=5,
        press_s=press_s,
        first_s=press_s / 2,
        prompt_tps=50,
        decode_tps=10,
        rss_bytes=GB,
    )


@pytest.mark.parametrize(
    ("model", "press_s", "available", "words"),
    [
        ("qwen2.5-coder-1.5b", 1.3, 8 * GB, "a good choice"),
        ("qwen2.5-coder-1.5b", 4.0, 8 * GB, "model pull qwen2.5-coder-0.5b"),
        ("qwen2.5-coder-0.5b", 0.4, 8 * GB, "model pull qwen2.5-coder-1.5b"),
        ("qwen2.5-coder-0.5b", 0.4, 2 * GB, "a good choice"),
        ("qwen2.5-coder-0.5b", 1.0, 8 * GB, "a good choice"),
        ("qwen2.5-coder-0.5b", 9.0, 8 * GB, "no smaller model"),
        ("smollm2-135m", 0.1, 8 * GB, "for tests"),
        ("my-own", 5.0, 8 * GB, "model pull qwen2.5-coder-0.5b"),
    ],
)
def test_advice(model: str, press_s: float, available: int, words: str) -> None:
    assert words in advice(measured(model, press_s), available=available)


@pytest.mark.model
@pytest.mark.timeout(600)
async def test_a_real_model_is_measured() -> None:
    found = await measure(model_file("smollm2-135m"), Config())
    assert found.model == "smollm2-135m"
    assert 0 < found.first_s <= found.press_s
    assert found.decode_tps > 0
    assert found.prompt_tps > 0
    assert found.rss_bytes > 50_000_000
