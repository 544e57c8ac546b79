"""Putting a task to the suggester, or to the bare model, as a press would."""

from __future__ import annotations

import os
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

from benchmarks.quality.records import Record
from cmdai_shell.core import Explanation, Hint, Prompt, Suggestion, SuggestRequest
from cmdai_shell.errors import CmdaiError
from cmdai_shell.suggest.extract import extract

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from benchmarks.quality.tasks import Task
    from cmdai_shell.core import Abilities, Backend, Notice, Shell
    from cmdai_shell.suggest import Suggester

_TIMEOUT_S = 60.0


@dataclass
class Counted:
    """A backend that keeps count of what it is asked."""

    backend: Backend
    asks: int = 0
    evaluated: int = 0
    generated: int = 0
    raw: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.backend.name

    @property
    def title(self) -> str:
        return self.backend.title

    @property
    def model(self) -> str:
        return self.backend.model

    @property
    def abilities(self) -> Abilities:
        return self.backend.abilities

    async def stream(self, prompt: Prompt, timeout: float) -> AsyncGenerator[str | Notice, None]:
        text = ""
        stream = cast("AsyncGenerator[str | Notice, None]", self.backend.stream(prompt, timeout))
        try:
            async with aclosing(stream):
                async for piece in stream:
                    if isinstance(piece, str):
                        text += piece
                        self.generated += 1
                    yield piece
        finally:
            self.asks += 1
            self.raw.append(text)
            status = getattr(self.backend, "status", None)
            self.evaluated += status().last_prompt_tokens_evaluated if status else 0

    async def aclose(self) -> None:
        await self.backend.aclose()

    def reset(self) -> None:
        self.asks = self.evaluated = self.generated = 0
        self.raw = []


class Asker(Protocol):
    async def answer(self, request: SuggestRequest) -> dict[str, str]:
        """The fields of a Record that tell what came of it. Raises CmdaiError."""

    def prefix(self, shell: Shell) -> Prompt: ...


@dataclass
class Pipeline:
    """The product's own way."""

    suggester: Suggester

    def prefix(self, shell: Shell) -> Prompt:
        return self.suggester.prefix(shell)

    async def answer(self, request: SuggestRequest) -> dict[str, str]:
        async with aclosing(self.suggester.suggest(request)) as updates:
            async for update in updates:
                last = update
        match last:
            case Suggestion():
                return {
                    "outcome": "command",
                    "command": last.command,
                    "action": last.action,
                    "risk": last.verdict.risk.word,
                    "findings": last.explanation,
                }
            case Explanation():
                return {"outcome": "explanation", "text": last.text}
            case Hint():
                return {"outcome": "hint", "text": last.text}
        raise AssertionError(last)


@dataclass
class Plain:
    """The control: an instruction, four fixed examples, the words; no checks, one try."""

    backend: Backend

    def prefix(self, shell: Shell) -> Prompt:
        return Prompt(
            system=f"Translate the request into one {shell} command. Answer with the command only.",
            examples=(
                ("compress old.log", "gzip old.log"),
                ("pdfs below docs", "find docs -name '*.pdf'"),
                ("size of each folder in photos", "du -sh photos/*/"),
                ("author of the last commit", "git log -1 --format=%an"),
            ),
            stop=("\n",),
            max_tokens=96,
        )

    async def answer(self, request: SuggestRequest) -> dict[str, str]:
        prefix = self.prefix(request.shell)
        words = request.line or f"correct this command, it failed: {request.last_command}"
        prompt = Prompt(
            system=prefix.system,
            examples=prefix.examples,
            user=words,
            stop=prefix.stop,
            max_tokens=prefix.max_tokens,
        )
        text = ""
        stream = cast("AsyncGenerator[str | Notice, None]", self.backend.stream(prompt, _TIMEOUT_S))
        async with aclosing(stream):
            async for piece in stream:
                text += piece if isinstance(piece, str) else ""
        if request.op == "explain":
            return {"outcome": "explanation", "text": text}
        return {"outcome": "command", "command": extract(text, request.shell)}


async def ask(asker: Asker, counted: Counted, task: Task, shell: Shell, cwd: Path) -> Record:
    """The record of one task, not judged yet. What goes wrong is an answer too. ``$PATH`` has to be
    the sandbox's."""
    counted.reset()
    request = SuggestRequest(
        op="explain" if task.kind == "explain" else "suggest",
        shell=shell,
        line=task.line if task.kind == "explain" else task.request,
        last_command=task.last_command,
        last_status=task.last_status,
        cwd=str(cwd),
        path=os.environ["PATH"],
        timeout=_TIMEOUT_S,
    )
    started = time.perf_counter()
    try:
        fields = await asker.answer(request)
    except CmdaiError as error:
        fields = {"outcome": "error", "text": f"{error.code}: {error.message}"}
    return Record(
        id=task.id,
        kind=task.kind,
        half=task.half,
        tags=task.tags,
        request=task.asked,
        seconds=round(time.perf_counter() - started, 4),
        asks=counted.asks,
        evaluated=counted.evaluated,
        generated=counted.generated,
        raw=tuple(counted.raw),
        load=round(os.getloadavg()[0], 1),
        expert=task.expert,
        **fields,  # type: ignore[arg-type]
    )
