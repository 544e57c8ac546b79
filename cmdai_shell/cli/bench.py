"""How fast a model is here: real presses, measured on the engine that the daemon uses."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from cmdai_shell.backends import load as adapter
from cmdai_shell.backends.embedded.catalog import ROOMY, catalog
from cmdai_shell.core import Notice, SuggestRequest
from cmdai_shell.daemon.host import HostLook
from cmdai_shell.suggest import prompt as prompts
from cmdai_shell.suggest.context import facts

if TYPE_CHECKING:
    from cmdai_shell.backends.embedded.catalog import ModelFile
    from cmdai_shell.backends.embedded.engine import EmbeddedBackend
    from cmdai_shell.config import Config
    from cmdai_shell.core import Prompt

REQUESTS = (
    "list the ten largest files under this folder",
    "count the lines of every python file here",
    "show which process listens on port 8080",
    "find files that changed in the last two days",
    "make an archive of the docs folder",
)
PATIENCE_S = 120.0
"""For one press: a machine that needs longer has its answer anyway."""
QUICK_S, SLOW_S = 0.7, 2.5
"""Seconds a press. Below the first a better model would still feel quick, above the second a person
types the command faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    first_s: float
    total_s: float
    prompt_tokens: int
    decode_tps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Medians over the presses; ``ready_s`` is loading and reading the instructions, once."""

    model: str
    threads: int
    presses: int
    ready_s: float
    press_s: float
    first_s: float
    prompt_tps: float
    decode_tps: float
    rss_bytes: int


async def measure(file: ModelFile, config: Config) -> Measured:
    """Load the model afresh, press some keys. Raises BackendError when it cannot answer."""
    with tempfile.TemporaryDirectory(prefix="cmdai-bench-") as folder:
        engine: EmbeddedBackend = adapter(config.embedded.engine)(
            model=lambda: file,
            lora=config.embedded.lora,
            threads=config.embedded.threads,
            context_tokens=config.embedded.context_tokens,
            idle_unload_s=0,
            cache_dir=Path(folder),
            clock=time.monotonic,
        )
        try:
            return await _measure(engine, file, config)
        finally:
            await engine.aclose()


async def _measure(engine: EmbeddedBackend, file: ModelFile, config: Config) -> Measured:
    known = facts(HostLook())
    begun = time.monotonic()
    await engine.warm(prompts.prefix(config.default_shell, known))
    ready_s = time.monotonic() - begun
    presses = []
    for words in REQUESTS:
        request = SuggestRequest(shell=config.default_shell, line=words)
        prompt, _ = prompts.build(
            request, known, share_cwd=False, context_tokens=config.embedded.context_tokens
        )
        presses.append(await _press(engine, prompt))
    status = engine.status()
    return Measured(
        model=file.id,
        threads=status.threads,
        presses=len(presses),
        ready_s=round(ready_s, 2),
        press_s=round(median(press.total_s for press in presses), 2),
        first_s=round(median(press.first_s for press in presses), 2),
        prompt_tps=round(median(press.prompt_tokens / press.first_s for press in presses), 1),
        decode_tps=round(median(press.decode_tps for press in presses), 1),
        rss_bytes=status.rss_bytes,
    )


async def _press(engine: EmbeddedBackend, prompt: Prompt) -> Press:
    begun, first_s = time.monotonic(), 0.0
    async for piece in engine.stream(prompt, PATIENCE_S):
        if not first_s and not isinstance(piece, Notice):
            first_s = time.monotonic() - begun
    total_s = time.monotonic() - begun
    status = engine.status()
    return Press(
        first_s=first_s or total_s,
        total_s=total_s,
        prompt_tokens=status.last_prompt_tokens_evaluated,
        decode_tps=status.last_decode_tps,
    )


def advice(measured: Measured, *, available: int) -> str:
    """What to do about it, one line. ``available``: bytes of memory free without this model."""
    ids = [entry.id for entry in catalog().models if not entry.only_for_tests]
    better, quicker = ids[0], ids[-1]
    entry = catalog().get(measured.model)
    if entry and entry.only_for_tests:
        return f"{entry.summary}: use another"
    if measured.press_s > SLOW_S and measured.model != quicker:
        return f"slow on this machine; the smaller one is quicker: cmdai-shell model pull {quicker}"
    if measured.press_s > SLOW_S:
        return "slow on this machine, and there is no smaller model: close what keeps it busy"
    if measured.press_s < QUICK_S and measured.model != better and available >= ROOMY:
        return f"quick: there is room for the better one: cmdai-shell model pull {better}"
    return "a good choice for this machine"
