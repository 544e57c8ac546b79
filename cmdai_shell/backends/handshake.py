"""Whether a server really computes: it has to add two numbers, and the sum has to be right.

``/health`` answers 200 on an engine that makes no token any more; a sum cannot be canned when its
operands are drawn. The person's own text is never a probe.
"""

from __future__ import annotations

import re
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from cmdai_shell.backends.plain import explained
from cmdai_shell.backends.thinking import Thinking
from cmdai_shell.core import Handshake, Notice, Prompt, Step
from cmdai_shell.errors import (
    BackendBusy,
    BackendDenied,
    BackendError,
    BackendUnavailable,
    BadCompletion,
    ModelMissing,
)
from cmdai_shell.text import model_name, one_line

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator

    from cmdai_shell.backends.http import HttpClient
    from cmdai_shell.core import Clock, Endpoint, Probe, ServerState

SLOW_S = 2.0
"""A sum that takes longer: a command would come too late for a press."""
FIRST = (2, 2)
"""The DGX plan's own question; asked of a server that has not been proven yet."""
IDENTIFY_S = 8.0
"""Who needs longer to say what it is will not compute in time either, and somebody waits."""
_STEPS = {"refused": "connect", "connect": "connect", "dns": "name"}
"""Where it failed, by the cause, if not a byte came;"""
_MUTE = {"timeout": "accepts connections, and answers nothing", "reset": ""}
"""and after a connection stood."""
_FEW_TOKENS, _MANY_TOKENS = 16, 256
"""Enough for a number; and for a model that thinks first, whatever it was told."""
_CHARACTERS_PER_TOKEN = 64
"""Who sends more does not stop, and would keep us busy reading until the time is over."""
_NUMBER = re.compile(r"(?<![\w.])[-\u2212]?\d+(?:\.\d+)?(?![\w])")


class Named(Protocol):
    @property
    def endpoint(self) -> Endpoint: ...

    @property
    def title(self) -> str: ...

    @property
    def client(self) -> HttpClient: ...


class Asked(Named, Protocol):
    """What is needed of a server."""

    @property
    def model(self) -> str: ...

    async def identify(self, timeout: float) -> Probe: ...

    async def look(self, timeout: float) -> str: ...

    def answer(self, prompt: Prompt, timeout: float) -> AsyncGenerator[Any]: ...


@dataclass(slots=True)
class _Account:
    """What is known so far."""

    steps: list[Step] = field(default_factory=list)
    probe: Probe | None = None
    ttft: float = 0.0
    elapsed: float = 0.0
    tokens: int = 0

    def step(self, name: str, seconds: float, detail: str = "", *, is_ok: bool = True) -> None:
        self.steps.append(Step(name=name, seconds=seconds, detail=detail, is_ok=is_ok))

    def result(self, state: ServerState, detail: str = "", hint: str = "") -> Handshake:
        return Handshake(
            state=state,
            detail=detail,
            hint=hint,
            ttft=self.ttft,
            elapsed=self.elapsed,
            tokens=self.tokens,
            probe=self.probe,
            steps=tuple(self.steps),
        )


async def shake(
    server: Asked, timeout: float, *, clock: Clock, random: random.Random, is_first: bool
) -> Handshake:
    """Connect, identify, look at its health, choose the model, compute. Never raises for the
    server's state.

    A server that is not proven gets the canonical sum and one with drawn operands; later only one
    that is drawn.
    """
    account = _Account()
    deadline = clock() + timeout
    begun = clock()
    try:
        account.probe = await server.identify(min(timeout, IDENTIFY_S))
    except BackendError as error:
        return await not_reached(server, error, clock() - begun)
    spent = clock() - begun
    connect = min(server.client.last_connect, spent)
    account.step("connect", connect)
    found = account.probe
    account.step("identify", spent - connect, f"{found.kind} {found.version}".strip())
    begun = clock()
    try:
        if said := await server.look(deadline - begun):
            account.step("health", clock() - begun, said)
    except BackendError as error:
        return _failed(account, server, error, clock() - begun, "health")
    more = f", one of {len(found.models)}" if len(found.models) > 1 else ""
    name = model_name(server.model)
    account.step("model", 0.0, f"{name}{more}" if name else "its only one")
    drawn = (random.randint(11, 49), random.randint(11, 49))
    for left, right in (FIRST, drawn) if is_first else (drawn,):
        begun = clock()
        try:
            text = await _sum(server, left, right, deadline - clock(), clock, account)
        except BackendError as error:
            return _failed(account, server, error, clock() - begun)
        is_right = is_sum(text, left + right)
        said = one_line(text)[:40]
        detail = f"{left}+{right}={said or 'nothing'}"
        account.step("compute", clock() - begun, detail, is_ok=is_right)
        if not is_right:
            hint = "another model, or another server: this one cannot be relied on"
            return account.result("wrong-answer", f"{server.title} says {detail}", hint)
    if account.elapsed > SLOW_S:
        detail = f"{server.title} needs {account.elapsed:.1f} s for a sum"
        return account.result("slow", detail, "it is asked after the faster ones")
    return account.result("ok")


async def _sum(
    server: Asked, left: int, right: int, left_s: float, clock: Clock, account: _Account
) -> str:
    """The answer to one sum; its times and tokens go into the account."""
    text, thought = await _ask(server, left, right, _FEW_TOKENS, left_s, clock, account)
    if thought and not text.strip():
        rest = left_s - account.elapsed
        text, _ = await _ask(server, left, right, _MANY_TOKENS, rest, clock, account)
    return text


async def _ask(
    server: Asked,
    left: int,
    right: int,
    tokens: int,
    timeout: float,
    clock: Clock,
    account: _Account,
) -> tuple[str, bool]:
    question = f"What is {left}+{right}? Reply with the number only."
    prompt = Prompt(system="", user=question, max_tokens=tokens)
    begun, first = clock(), 0.0
    thinking = Thinking()
    text, pieces, thought, counted = "", 0, False, 0
    left = tokens * _CHARACTERS_PER_TOKEN
    async with aclosing(server.answer(prompt, timeout)) as answer:
        async for piece in answer:
            if isinstance(piece, Notice):
                thought = True
            elif isinstance(piece, str):
                pieces += bool(piece)
                left -= len(piece)
                if left < 0:
                    raise BadCompletion(f"{server.title} does not stop", server.client.hint)
                text += thinking.feed(piece)
                first = first or clock() - begun
            else:
                counted = getattr(piece, "generated", 0)
    text += thinking.end()
    account.elapsed = clock() - begun
    account.ttft = first or account.elapsed
    account.tokens = counted or pieces
    return text, thought or thinking.is_thinking


def is_sum(text: str, wanted: int) -> bool:
    """The last number of the answer is the sum: "4", "2+2=4." and "**4**" are, while 404, 14 and
    an echo of the question are not."""
    numbers = _NUMBER.findall(text.replace("\u2212", "-"))
    return bool(numbers) and float(numbers[-1]) == wanted


async def not_reached(server: Named, error: BackendError, seconds: float) -> Handshake:
    """Of a server that already failed to say what it is."""
    error = await explained(server.endpoint, error)
    return _failed(_Account(), server, error, seconds)


def _failed(
    account: _Account, server: Named, error: BackendError, seconds: float, at: str = ""
) -> Handshake:
    is_known = bool(account.steps)
    at = at or ("compute" if is_known else "identify")
    state, step = _state(error, at, has_connected=server.client.last_connect > 0)
    detail = error.message
    if step == "answer" and (mute := _MUTE[getattr(error, "cause", "")]):
        detail = f"{server.title} {mute}"
    if at == "compute" and getattr(error, "cause", "") in ("timeout", "stall"):
        detail = f"{server.title} answers, but computes nothing"
    if not is_known and step not in ("name", "connect"):
        connect = min(server.client.last_connect, seconds)
        account.step("connect", connect)
        seconds -= connect
    account.step(step, seconds, detail, is_ok=False)
    found = account.result(state, detail, error.hint)
    return replace(found, retry_after=getattr(error, "retry_after", 0.0))


def _state(error: BackendError, step: str, *, has_connected: bool) -> tuple[ServerState, str]:
    """Its state, and the step at which that showed."""
    match error:
        case BackendDenied():
            return "login", step
        case ModelMissing():
            return "no-model", "model"
        case BackendBusy():
            return "loading", step
        case BackendUnavailable(cause="tls"):
            return "tls", "connect"
        case BackendUnavailable(cause=cause) if step == "identify" and cause in _STEPS:
            return "unreachable", _STEPS[cause]
        case BackendUnavailable(cause=cause) if step == "identify" and cause in _MUTE:
            return "unreachable", "answer" if has_connected else "connect"
        case BackendUnavailable():
            return "unreachable", step
    return "wrong-answer", step  # rejected, or nothing said: it lives, and does not do its work
