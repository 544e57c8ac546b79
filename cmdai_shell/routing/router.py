"""The failover loop: ask the members in order until one answers, within one deadline."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from cmdai_shell.core import Completion, Notice
from cmdai_shell.errors import BackendError, ModelUnavailable, NoBackendAvailable
from cmdai_shell.text import timeless

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from cmdai_shell.core import Abilities, Backend, Clock, Prompt

_CHARACTERS_PER_TOKEN = 64
"""A server that sends more text than this for each token it was allowed is cut off."""


class Router:
    """``core.Completer`` over ``members``, best first; the embedded model, if any, comes last."""

    def __init__(self, members: Sequence[Backend], *, clock: Clock) -> None:
        self._members = tuple(members)
        self._clock = clock

    async def complete(
        self, prompt: Prompt, timeout: float
    ) -> AsyncIterator[str | Notice | Completion]:
        """See ``core.Completer``. If a member dies after its first words, those of the next are
        held back: deltas are only ever one member's, and the Completion at the end is whole."""
        start = self._clock()
        attempts: list[str] = []
        hint = ""
        spoken = False
        for member in self._members:
            answer = _Answer(start)
            abilities = member.abilities
            asked = _form(prompt, abilities)
            try:
                async with aclosing(self._read(member, asked, start + timeout, answer)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Notice) or not spoken:
                            yield piece
            except ModelUnavailable as error:
                if len(self._members) == 1:
                    raise
                attempts.append(f"{member.title}: {error.message}")
                hint = error.hint
            except BackendError as error:
                attempts.append(f"{member.title}: {error.message}")
                hint = error.hint
            else:
                yield self._completion(member, abilities, answer, attempts)
                return
            spoken = spoken or bool(answer.text)
            if self._clock() - start >= timeout:
                break
        raise NoBackendAvailable(
            "; ".join(attempts) or "no backend is configured",
            hint=hint or "cmdai-shell doctor",
            attempts=tuple(attempts),
        )

    async def _read(
        self, member: Backend, prompt: Prompt, deadline: float, answer: _Answer
    ) -> AsyncGenerator[str | Notice, None]:
        """One member's answer, noted in ``answer`` as it comes. Raises BackendError when it is late
        or empty."""
        left = deadline - self._clock()
        doing = ""
        most = prompt.max_tokens * _CHARACTERS_PER_TOKEN
        stream = cast("AsyncGenerator[str | Notice, None]", member.stream(prompt, left))
        async with aclosing(stream):
            while len(answer.text) < most:
                try:
                    async with asyncio.timeout(deadline - self._clock()):
                        piece = await anext(stream)
                except StopAsyncIteration:
                    break
                except TimeoutError:
                    raise _late(left, "" if answer.text else doing) from None
                if isinstance(piece, str):
                    answer.add(piece, self._clock())
                    doing = ""
                else:
                    doing = piece.text
                yield piece
        if not answer.text.strip():
            raise BackendError("the answer was empty")

    def _completion(
        self, member: Backend, abilities: Abilities, answer: _Answer, attempts: list[str]
    ) -> Completion:
        return Completion(
            text=answer.text,
            backend=member.name,
            model=member.model,
            ttft=answer.ttft,
            elapsed=self._clock() - answer.start,
            tokens=answer.deltas,
            is_fallback=len(self._members) > 1 and member is self._members[-1],
            attempts=tuple(attempts),
            abilities=abilities,
        )


def _form(prompt: Prompt, abilities: Abilities) -> Prompt:
    """The one of the prompt's two forms that is for a backend with these abilities."""
    if prompt.rich is None:
        return prompt
    return prompt.rich(abilities) if "large" in abilities else replace(prompt, rich=None)


def _late(seconds: float, doing: str) -> BackendError:
    """``doing``: the member's last notice, if it had not begun to answer."""
    if doing:
        return BackendError(f"not ready yet ({timeless(doing)})", hint="press again in a moment")
    length = f"{seconds:.2g}" if seconds < 10 else f"{seconds:.0f}"
    return BackendError(
        f"no answer within {length} s",
        hint="try again in a moment, or raise suggest.deadline_ms",
    )


class _Answer:
    """What one member has said so far. A delta is counted as a token, which is near enough."""

    def __init__(self, start: float) -> None:
        self.start = start
        self.text = ""
        self.ttft = 0.0
        self.deltas = 0

    def add(self, delta: str, now: float) -> None:
        if not self.deltas:
            self.ttft = now - self.start
        self.deltas += 1
        self.text += delta
